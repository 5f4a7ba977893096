SELECT count(*) AS others_connected FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename IS DISTINCT FROM 'migration_reader';
SELECT count(*) AS waiting_to_commit FROM pg_prepared_xacts WHERE database = current_database();
SELECT count(*) AS unguarded_tables FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'migration_freeze')
  AND NOT EXISTS (SELECT 1 FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'migration_freeze' AND g.tgenabled = 'A');

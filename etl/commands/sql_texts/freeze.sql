BEGIN;
CREATE SCHEMA migration_freeze;
CREATE TABLE migration_freeze.could_connect AS
  SELECT DISTINCT CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee
  FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) acl
  WHERE d.datname = current_database() AND acl.privilege_type = 'CONNECT' AND pg_get_userbyid(acl.grantee) <> 'migration_reader';
DO $$
DECLARE who text;
BEGIN
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO migration_reader', current_database());
  FOR who IN SELECT grantee FROM migration_freeze.could_connect LOOP
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM %s', current_database(), who);
  END LOOP;
END $$;
COMMIT;
SELECT count(pg_terminate_backend(pid)) AS sessions_ended FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename IS DISTINCT FROM 'migration_reader';

BEGIN;
CREATE FUNCTION migration_freeze.refuse_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the portal is frozen: % of % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'read_only_sql_transaction';
END $$;
CREATE FUNCTION migration_freeze.refuse_commands() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the portal is frozen: % refused', tg_tag USING ERRCODE = 'read_only_sql_transaction';
END $$;
DO $$
DECLARE t record;
BEGIN
  FOR t IN
    SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'migration_freeze')
  LOOP
    EXECUTE format('CREATE TRIGGER migration_freeze BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION migration_freeze.refuse_rows()', t.name);
    -- ALWAYS: also where session_replication_role says replica.
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER migration_freeze', t.name);
  END LOOP;
END $$;
CREATE EVENT TRIGGER migration_freeze ON ddl_command_start EXECUTE FUNCTION migration_freeze.refuse_commands();
ALTER EVENT TRIGGER migration_freeze ENABLE ALWAYS;
COMMIT;

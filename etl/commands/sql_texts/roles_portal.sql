DO $$
DECLARE t record;
BEGIN
  FOR t IN SELECT rolname AS name FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND rolname NOT LIKE 'migration\_%'
  LOOP
    IF has_database_privilege(t.name, current_database(), 'CONNECT') THEN
      EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), t.name);
    END IF;
  END LOOP;
  EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO migration_reader', current_database());
  GRANT USAGE ON SCHEMA public TO migration_reader;
  FOR t IN
    SELECT c.oid::regclass AS name, string_agg(quote_ident(a.attname), ', ') AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND (a.attnum > 0 OR a.attname IN ('ctid', 'xmin', 'tableoid'))
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f') AND NOT a.attisdropped AND a.attname <> 'password_hash'
    GROUP BY c.oid
  LOOP
    EXECUTE format('GRANT SELECT (%s) ON %s TO migration_reader', t.columns, t.name);
  END LOOP;
END $$;

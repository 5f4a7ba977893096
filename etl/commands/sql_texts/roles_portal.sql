DO $$
DECLARE t record;
BEGIN
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO migration_reader', current_database());
  GRANT USAGE ON SCHEMA public TO migration_reader;
  FOR t IN
    SELECT c.oid::regclass AS name, bool_or(a.attname = 'password_hash') AS secret,
           string_agg(quote_ident(a.attname), ', ') FILTER (WHERE a.attname <> 'password_hash') AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND (a.attnum > 0 OR a.attname IN ('ctid', 'xmin')) AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    GROUP BY c.oid
  LOOP
    IF t.secret THEN
      EXECUTE format('GRANT SELECT (%s) ON %s TO migration_reader', t.columns, t.name);
    ELSE
      EXECUTE format('GRANT SELECT ON %s TO migration_reader', t.name);
    END IF;
  END LOOP;
END $$;

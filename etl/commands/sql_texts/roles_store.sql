DO $$
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO migration_writer', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO migration_auditor', current_database());
  EXECUTE format('ALTER ROLE migration_writer IN DATABASE %I SET search_path = portal3', current_database());
  EXECUTE format('ALTER ROLE migration_auditor IN DATABASE %I SET search_path = portal3', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA portal3 AUTHORIZATION migration_writer;
GRANT USAGE ON SCHEMA portal3 TO migration_auditor;
ALTER DEFAULT PRIVILEGES FOR ROLE migration_writer IN SCHEMA portal3 GRANT SELECT ON TABLES TO migration_auditor;

DO $$ BEGIN EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO migration_rehearser', current_database()); END $$;

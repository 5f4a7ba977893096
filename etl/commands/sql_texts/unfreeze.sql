BEGIN;
SET LOCAL client_min_messages = warning;  -- DROP ... CASCADE would name every guard
DROP EVENT TRIGGER migration_freeze;
DO $$
DECLARE who text;
BEGIN
  FOR who IN SELECT grantee FROM migration_freeze.could_connect LOOP
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %s', current_database(), who);
  END LOOP;
END $$;
DROP SCHEMA migration_freeze CASCADE;  -- the guards go with their function
COMMIT;

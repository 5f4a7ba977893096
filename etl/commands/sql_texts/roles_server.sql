CREATE ROLE migration_reader LOGIN;
ALTER ROLE migration_reader SET default_transaction_read_only = on;

CREATE ROLE migration_writer LOGIN;
CREATE ROLE migration_auditor LOGIN;
ALTER ROLE migration_auditor SET default_transaction_read_only = on;

CREATE ROLE migration_rehearser LOGIN;

GRANT migration_reader TO migration_auditor;

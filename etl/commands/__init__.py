"""One module per command that is not a step of the migration."""

"""What becomes what, as data: mapping files, schemas, code tables, the rule book, and their strict reader."""

"""The mapping as data: mapping files, schemas, code tables, rules, and their strict reader."""

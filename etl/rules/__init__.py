"""The rules, one module per chapter, and their registry."""

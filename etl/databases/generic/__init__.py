"""Any other database that SQLAlchemy supports, as an old portal."""

"""PostgreSQL: old portal and new store."""

"""SQLite: old portal and new store."""

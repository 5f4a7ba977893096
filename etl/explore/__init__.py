"""The explorer: a small read-only web application over one migrated store, for help desk and auditors."""

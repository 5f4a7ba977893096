"""Step 1: typed, immutable copies of the old portals' tables and documents."""

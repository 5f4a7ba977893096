"""Legacy worlds to try the migration on: a small cast in which every row has a story, and synthetic worlds of any size."""

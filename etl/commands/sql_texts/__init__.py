"""The SQL of the pages `cutover.md` and `roles.md`, as files that `portal-migrate sql` prints; made from the pages by `tests/docs/handbook.py`."""

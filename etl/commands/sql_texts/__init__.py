"""The SQL of the pages `cutover.md` and `roles.md`, as files that the command `sql` prints; made from the pages by `tests/docs/handbook.py`."""

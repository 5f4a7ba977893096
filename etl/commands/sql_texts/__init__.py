"""The SQL of the pages `cutover.md` and `roles.md`, as files that the commands of `sql` print; made from the pages by `tests/docs/handbook.py`."""

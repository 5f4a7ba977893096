"""Finds what alters rows written to a SQLite store, and whether its views are the contract's; queries the catalogue, read only."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing

from etl.reconcile.databases.view_text import spelled


def conditions(connection: sqlite3.Connection, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns (relation, sentence) for each trigger, generated column, conflict clause and collation, and for each view that is missing or differs."""
    found: list[tuple[str, str]] = []
    there: dict[str, tuple[str, str]] = {}
    ours = {*tables, *views}
    for raw in connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema").fetchall():
        kind, name, of, sql = (bytes(value).decode("utf-8", "replace") for value in raw)
        there[name.lower()] = (kind, sql)
        if kind == "trigger" and of.lower() in ours:
            found.append((of.lower(), f"trigger {name} acts on it"))
        if kind == "table" and of.lower() in tables:
            found += [(of.lower(), what) for what in _of_table(connection, of, sql)]
    if not any(there.get(table, ("",))[0] == "table" for table in tables):
        return []
    for view, text in views.items():
        kind, sql = there.get(view, ("", ""))
        if kind != "view":
            found.append((view, "the store has no such view"))
        elif spelled(sql) != spelled(text):
            found.append((view, "the view differs from the contract"))
    return sorted(found)


def _of_table(connection: sqlite3.Connection, table: str, sql: str) -> list[str]:
    name = table.replace('"', '""')
    columns = [(bytes(row[1]).decode("utf-8", "replace"), row[6]) for row in connection.execute(f'PRAGMA table_xinfo("{name}")')]
    found = [f"{column} is a generated column" for column, hidden in columns if hidden]
    words = spelled(sql[sql.index("(") :] if "(" in sql else "")
    if any(words[at : at + 2] == ("on", "conflict") for at in range(len(words))):
        found.append("a constraint with ON CONFLICT leaves out or replaces rows")
    return found + [f"{column} has the collation {collation}" for column, collation in _collations(sql, [column for column, _ in columns])]


def _collations(sql: str, columns: Sequence[str]) -> list[tuple[str, str]]:
    """Returns columns whose collation makes different texts equal, found with an index on each column of an empty table made by the same statement."""
    with closing(sqlite3.connect(":memory:")) as empty:
        try:
            empty.execute(sql)
            [(table,)] = empty.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'").fetchall()
        except (sqlite3.Error, ValueError):
            return [("it", "unknown")]
        found = []
        for position, column in enumerate(columns):
            try:
                empty.execute(
                    'CREATE INDEX "{}" ON "{}" ("{}")'.format(f"#{position}", table.replace('"', '""'), column.replace('"', '""'))
                )
                [(name,)] = empty.execute("SELECT coll FROM pragma_index_xinfo(?) WHERE seqno = 0", (f"#{position}",)).fetchall()
            except sqlite3.Error:
                name = "of a user-defined kind"
            if name.upper() != "BINARY":
                found.append((column, name))
        return found

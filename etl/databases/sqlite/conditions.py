"""What a SQLite file has besides the contract's tables: triggers, generated columns, collations, conflict clauses and its encoding."""

from __future__ import annotations

import itertools
import re
import sqlite3
import urllib.parse
from contextlib import closing
from pathlib import Path

import sqlalchemy

from etl.databases.conditions import Conditions, tokens
from mappings.schema import Schema

_CREATES_TABLE = re.compile(r"\s*CREATE\s+TABLE\b", re.IGNORECASE)
_ACTS = ("CASCADE", "SET NULL", "SET DEFAULT")
_WRITABLE = 0o002  # by every user


def conditions_of(url: str, schema: Schema) -> Conditions:
    """Returns the conditions of the file behind the URL; a file that is not a database is refused by the load."""
    path = Path(sqlalchemy.make_url(url).database or "").absolute()
    if not path.is_file():
        return Conditions()
    uri = f"file:{urllib.parse.quote(str(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)) as connection:
            found = conditions(connection, schema)
    except sqlite3.DatabaseError:
        return Conditions()
    if path.stat().st_mode & _WRITABLE:
        found.named.append("every user may write to the file")
    return found


def conditions(connection: sqlite3.Connection, schema: Schema) -> Conditions:
    """Returns the conditions of an open file."""
    (encoding,) = connection.execute("PRAGMA main.encoding").fetchone()
    rows = connection.execute("SELECT type, lower(name), name, lower(tbl_name), sql FROM main.sqlite_master").fetchall()
    ours = {name for kind, name, *_ in rows if kind == "table"} & schema.tables.keys()
    refused = [f"the file's encoding is {encoding}; texts are written as UTF-8"] if rows and encoding != "UTF-8" else []
    if not ours:
        return Conditions(refused)
    for kind, _, name, of, sql in rows:
        if kind == "trigger" and (of in schema.tables or of in schema.views):
            refused.append(f"trigger {name} on {of}")
        if kind == "table" and of in schema.tables:
            refused += _of_table(connection, of, sql or "")
    rejecting = [
        sentence for kind, name, _, _, sql in rows if kind == "table" and name in ours for sentence in _rejecting(connection, name, sql)
    ]
    kinds = {name: kind for kind, name, *_ in rows}
    others = sorted(name for kind, name, *_ in rows if kind in ("table", "view") and not _known(name, schema))
    return Conditions(refused, [*rejecting, *(f"not of the contract: {kinds[name]} {name}" for name in others)])


def _known(name: str, schema: Schema) -> bool:
    return name in schema.tables or name in schema.views or name.startswith(("sqlite_", "migration_undo"))


def _of_table(connection: sqlite3.Connection, table: str, sql: str) -> list[str]:
    """Returns what changes values on their way into the table, or makes different values equal."""
    info = connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?, 'main')", (table,)).fetchall()
    found = [f"{table}.{name}: a generated column" for name, hidden in info if hidden]
    if not _CREATES_TABLE.match(sql):
        return [*found, f"{table}: not an ordinary table"]
    words = tokens(sql)
    if any(pair == ("on", "conflict") for pair in itertools.pairwise(words)):
        found.append(f"{table}: a constraint with ON CONFLICT, which skips or replaces rows")
    actions = connection.execute('SELECT "from", on_update, on_delete FROM pragma_foreign_key_list(?)', (table,)).fetchall()
    found += [
        f"{table}.{column}: a reference with an automatic action ({action})"
        for column, *two in actions
        for action in two
        if action in _ACTS
    ]
    return found + [f"{table}.{column}: collation {name}" for column, name in _collations(sql, [name for name, _ in info])]


def _rejecting(connection: sqlite3.Connection, table: str, sql: str | None) -> list[str]:
    """Returns what may reject a row of the contract: CHECK constraints, and unique indexes and those of computed values that do not make keys."""
    found = [f"{table}: a CHECK constraint: a row that it rejects ends the load"] if "check" in tokens(sql or "") else []
    indexes = connection.execute(
        "SELECT name FROM pragma_index_list(?, 'main') i WHERE origin = 'c' AND (\"unique\" OR partial"
        " OR EXISTS (SELECT 1 FROM pragma_index_xinfo(i.name, 'main') WHERE cid = -2)) ORDER BY 1",
        (table,),
    ).fetchall()
    return found + [f"index {name} on {table}: a row that it rejects ends the load" for (name,) in indexes]


def _collations(sql: str, columns: list[str]) -> list[tuple[str, str]]:
    """Returns (column, collation) of columns that are not compared by bytes.

    SQLite reports a collation only for an index: one is created in an empty copy.
    """
    found = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        copy.execute("PRAGMA foreign_keys = off")
        try:
            copy.execute(sql)
        except sqlite3.Error:
            return [(columns[0], "unknown: the table's CREATE statement cannot be parsed")]
        (name,) = copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
        quoted = '"' + name.replace('"', '""') + '"'
        for number, column in enumerate(columns):
            try:
                copy.execute(f'CREATE INDEX "i{number}" ON {quoted} ("{column.replace(chr(34), chr(34) * 2)}")')
            except sqlite3.Error:
                found.append((column, "of a user-defined kind"))
                continue
            (collation,) = copy.execute("SELECT coll FROM pragma_index_xinfo(?) WHERE key", (f"i{number}",)).fetchone()
            if collation.upper() != "BINARY":
                found.append((column, collation))
    return found

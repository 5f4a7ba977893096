"""An old portal's SQLite catalogue: tables, views that cannot be opened, and virtual tables with the tables in which they keep their content."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from etl.databases.unstable_views import unstable

_MODULE = re.compile(r"\s*CREATE\s+VIRTUAL\s+TABLE\s.*?\sUSING\s+(\w+)", re.IGNORECASE | re.DOTALL)
_UNSTABLE = frozenset({"random", "randomblob", "changes", "total_changes", "last_insert_rowid"})
UNOPENED = "view that cannot be opened"
VIRTUAL = "virtual table"


@dataclass(frozen=True)
class Relation:
    """A table or view. `kind`: as in `Source.relation_kinds`, empty for an ordinary table; `columns`: (name, declared type, place in the primary key).

    `part_of`: the virtual table whose content it keeps, else empty.
    """

    kind: str
    columns: tuple[tuple[str, str, int], ...]
    part_of: str = ""


def relations(connection: sqlite3.Connection) -> dict[str, Relation]:
    """Returns every table and view but SQLite's own, in order of names; raises sqlite3.DatabaseError where the file cannot be read.

    A view or virtual table that SQLite cannot open here has no columns, and the reason in its kind: it prevents nothing unless it is mapped.
    """
    listed = (
        "SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    rows = [(_text(name), _text(kind), _text(sql)) for name, kind, sql in connection.execute(listed).fetchall()]
    modules = {name: match[1].lower() for name, _, sql in rows if (match := _MODULE.match(sql))}
    forms = connection.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main'").fetchall()
    shadows = {_text(name) for name, form in forms if _text(form) == "shadow"}
    owner = {name: _owner(name, modules) for name, *_ in rows if name in shadows}
    found = {}
    for name, kind, _ in rows:
        columns, why = _columns(connection, name, may_fail=kind == "view" or name in modules)
        if kind == "view":
            found[name] = Relation(f"{UNOPENED} ({why})" if why else "view", columns)
        elif name in modules:
            parts = sum(of == name for of in owner.values())
            more = f", with {parts} tables of its own" if parts else ""
            found[name] = Relation(f"{VIRTUAL} ({modules[name]}{more}{f'; it cannot be opened: {why}' if why else ''})", columns)
        elif name in owner:
            found[name] = Relation(f"part of virtual table {owner[name]}", columns, owner[name])
        else:
            found[name] = Relation("", columns)
    return found


def unstable_views(connection: sqlite3.Connection, read: Iterable[str]) -> list[str]:
    """Returns one sentence for each view among `read` whose query, or that of a view behind it, may give something else the next time (K9)."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'").fetchall()
    return unstable({_text(name): _text(sql) for name, sql in rows}, read, _UNSTABLE)


def _owner(name: str, virtual: dict[str, str]) -> str:
    """Returns the virtual table that a shadow table belongs to: SQLite names it `TABLE_part`."""
    return max((other for other in virtual if name.casefold().startswith(f"{other.casefold()}_")), key=len, default="")


def _columns(connection: sqlite3.Connection, name: str, may_fail: bool) -> tuple[tuple[tuple[str, str, int], ...], str]:
    """Returns the relation's columns, generated and hidden ones too (fine print 60), or none and why it cannot be opened."""
    try:
        rows = connection.execute("SELECT name, type, pk FROM pragma_table_xinfo(?)", (name,)).fetchall()
    except sqlite3.DatabaseError as error:
        if not may_fail or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:
            raise
        return (), str(error)
    return tuple((_text(column), _text(declared), int(place)) for column, declared, place in rows), ""


def _text(value: object) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")

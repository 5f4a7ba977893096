"""Columns and keys of MariaDB and MySQL tables with odd names, from the server's own catalogue: SQLAlchemy parses their CREATE TABLE line by line."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

FAMILY = frozenset({"mysql", "mariadb"})
_PLAIN = re.compile(r"[^`\r\n]+")
_COLUMNS = sa.text(
    "SELECT column_name, data_type, character_maximum_length FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = :name ORDER BY ordinal_position"
)
_KEY = sa.text(
    "SELECT column_name FROM information_schema.key_column_usage"
    " WHERE table_schema = DATABASE() AND table_name = :name AND constraint_name = 'PRIMARY' ORDER BY ordinal_position"
)


def odd_columns(connection: sa.Connection, table: str) -> list[dict[str, Any]] | None:
    """Returns name and type of each column where a line break or a backtick is in a name of the table; None for all other tables and servers.

    SQLAlchemy leaves out a column with a line break in its name (K5), and returns backticks twice.
    """
    if connection.dialect.name not in FAMILY:
        return None
    found = connection.execute(_COLUMNS, {"name": table}).all()
    if _PLAIN.fullmatch(table) and all(_PLAIN.fullmatch(row[0]) for row in found):
        return None
    return [{"name": name, "type": _type(connection, kind, length)} for name, kind, length in found]


def odd_key(connection: sa.Connection, table: str) -> list[str]:
    """Returns the columns of the table's primary key."""
    return [name for (name,) in connection.execute(_KEY, {"name": table})]


def _type(connection: sa.Connection, kind: str, length: int | None) -> sa.types.TypeEngine[Any]:
    named: Any = getattr(connection.dialect, "ischema_names", {}).get(kind.lower(), sa.types.NullType)
    made: sa.types.TypeEngine[Any] = named()
    if isinstance(made, sa.String) and not kind.lower().endswith("text"):
        made.length = length
    return made

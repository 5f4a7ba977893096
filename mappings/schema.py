"""The shape of a database as its schema file declares it."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from mappings.errors import MappingError

Family = Literal["integer", "text", "date", "timestamp", "binary", "boolean", "uuid"]

FAMILY_BY_TYPE: dict[str, Family] = {
    "BIGINT": "integer", "INTEGER": "integer", "SMALLINT": "integer", "VARCHAR": "text", "CHAR": "text", "TEXT": "text", "DATE": "date",
    "TIMESTAMP": "timestamp", "BYTEA": "binary", "BLOB": "binary", "BOOLEAN": "boolean", "UUID": "uuid",
}  # fmt: skip
_TYPE = re.compile(r"([A-Z0-9]+)(?:\((\d+)\))?$")


@dataclass(frozen=True)
class Column:
    """One declared column. `length`: characters of VARCHAR(n)/CHAR(n), else None; `refers_to`: the table its foreign key names."""

    name: str
    sql_type: str
    not_null: bool
    refers_to: str | None

    @cached_property
    def family(self) -> Family:
        return FAMILY_BY_TYPE[self.sql_type.split("(")[0]]

    @cached_property
    def length(self) -> int | None:
        match = _TYPE.match(self.sql_type)
        return int(match[2]) if match and match[2] else None


@dataclass(frozen=True)
class Table:
    """One declared table; `key` is its primary key, `unique` its further unique column sets."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}


@dataclass(frozen=True)
class Schema:
    """A schema file, understood: its tables and views in the order in which it declares them, and its text."""

    name: str
    tables: dict[str, Table]
    views: dict[str, str]
    text: str


def read_schema(file: Path) -> Schema:
    """The schema that a DDL file declares; raises MappingError with the statement's table and column where it cannot be understood.

    SQLite itself parses the file: it accepts any type name, keeps it as written, and lists columns, keys and references.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"schemas/{file.name}", "file", str(error), "SQL in UTF-8") from error
    memory = sqlite3.connect(":memory:")
    try:
        memory.executescript(text)
    except sqlite3.Error as error:
        raise MappingError(file.name, "statements", str(error), "CREATE TABLE and CREATE VIEW statements") from error
    names = memory.execute("SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY rowid").fetchall()
    tables = {name: _table(memory, file.name, name) for kind, name, _ in names if kind == "table"}
    views = {name: sql for kind, name, sql in names if kind == "view"}
    memory.close()
    return Schema(file.stem, tables, views, text)


def _table(memory: sqlite3.Connection, file: str, name: str) -> Table:
    info = memory.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?) ORDER BY cid', (name,)).fetchall()
    referred = dict(memory.execute('SELECT "from", "table" FROM pragma_foreign_key_list(?)', (name,)).fetchall())
    indexes = memory.execute("SELECT name FROM pragma_index_list(?) WHERE origin = 'u' ORDER BY name", (name,)).fetchall()
    columns = []
    for column, sql_type, not_null, pk in info:
        if sql_type.split("(")[0] not in FAMILY_BY_TYPE:
            raise MappingError(file, f"{name}.{column}", f"type {sql_type}", "one of " + ", ".join(FAMILY_BY_TYPE))
        columns.append(Column(column, sql_type, bool(not_null or pk), referred.get(column)))
    key = tuple(column for column, _, _, pk in sorted(info, key=lambda row: row[3]) if pk)
    if not key:
        raise MappingError(file, name, "no primary key", "a PRIMARY KEY: rows are accounted for by their keys")
    unique = tuple(
        tuple(row[0] for row in memory.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", index).fetchall())
        for index in indexes
    )
    return Table(name, tuple(columns), key, unique)

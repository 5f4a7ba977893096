"""The tables of a database as its schema file declares them: parsed by `mappings.ddl_parser`, tested in an empty database that allows nothing else."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from mappings.ddl import Ddl, TableDdl, create_table, quoted
from mappings.ddl_parser import LIMIT, parse
from mappings.ddl_tokens import DdlError
from mappings.errors import MappingError

Family = Literal["integer", "text", "date", "timestamp", "binary", "boolean", "uuid"]

FAMILY_BY_TYPE: dict[str, Family] = {
    "BIGINT": "integer",
    "INTEGER": "integer",
    "SMALLINT": "integer",
    "VARCHAR": "text",
    "CHAR": "text",
    "TEXT": "text",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "BYTEA": "binary",
    "BLOB": "binary",
    "BOOLEAN": "boolean",
    "UUID": "uuid",
}
_TYPE = re.compile(r"([A-Z0-9]+)(?:\((\d+)\))?$")


@dataclass(frozen=True)
class Column:
    """One declared column; `length`: characters of VARCHAR(n)/CHAR(n), else None; `refers_to`: the table of its foreign key, None without one."""

    name: str
    sql_type: str
    not_null: bool
    refers_to: str | None
    digits: bool = False  # a physical column that is read as text: its readers report numbers with a fraction beside their texts

    @cached_property
    def family(self) -> Family:
        """Returns the family of the column's type: how its values are read and compared."""
        return FAMILY_BY_TYPE[self.sql_type.split("(")[0]]

    @cached_property
    def length(self) -> int | None:
        """Returns the declared length in characters; None where the type has none."""
        match = _TYPE.match(self.sql_type)
        return int(match[2]) if match and match[2] else None


@dataclass(frozen=True)
class Table:
    """One declared table; `key`: its primary key, `unique`: its other unique column sets."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Returns the columns by name."""
        return {column.name: column for column in self.columns}


@dataclass(frozen=True)
class Schema:
    """A parsed schema file: its tables and views (each as one rendered statement) in their order, and its text."""

    name: str
    tables: dict[str, Table]
    views: dict[str, str]
    text: str
    ddl: Ddl = field(default_factory=Ddl, repr=False)


_SECONDS = 10.0  # seconds for testing a schema, which takes a hundredth of one
_STEPS = 10_000  # instructions of SQLite's virtual machine between two looks at the clock
# SQLite's actions for CREATE TABLE, VIEW and INDEX, and for compiling a query of a view. All others are denied.
_ALLOWED = frozenset(
    {
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_REINDEX,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_TRANSACTION,
    }
)


def read_schema(name: str, content: bytes) -> Schema:
    """Returns the schema that the DDL in these bytes declares; raises MappingError with the table and column where it is not valid."""
    file = f"{name}.sql"
    if len(content) > LIMIT:
        raise MappingError(file, "file", f"{len(content):,} bytes", f"at most {LIMIT:,}")
    try:
        text = content.decode("utf-8-sig")
        ddl = parse(text)
    except UnicodeDecodeError as error:
        raise MappingError(f"schemas/{file}", "file", str(error), "SQL in UTF-8") from error
    except DdlError as error:
        raise MappingError(file, error.location, str(error), error.expected) from None
    tables = {declared.name: _table(file, declared, ddl) for declared in ddl.tables.values()}
    _try(file, ddl)
    return Schema(name, tables, ddl.views, text, ddl)


def _table(file: str, declared: TableDdl, ddl: Ddl) -> Table:
    columns = []
    for column in declared.columns:
        location = f"{declared.name}.{column.name}"
        if column.sql_type.split("(")[0] not in FAMILY_BY_TYPE:
            raise MappingError(file, location, f"type {column.sql_type}", "one of " + ", ".join(FAMILY_BY_TYPE))
        if column.refers_to is not None and column.refers_to not in ddl.tables:
            raise MappingError(file, location, f"REFERENCES {column.refers_to}", "a table of this file")
        mandatory = column.not_null or column.name in declared.key
        columns.append(Column(column.name, column.sql_type, mandatory, column.refers_to))
    if not declared.key:
        raise MappingError(file, declared.name, "no primary key", "a PRIMARY KEY: rows are accounted for by their keys")
    unique = tuple(dict.fromkeys(names for names in declared.unique if names != declared.key))
    return Table(declared.name, tuple(columns), declared.key, unique)


def _try(file: str, ddl: Ddl) -> None:
    """Creates the parsed tables in an empty database and compiles a query of every view, so that a missing column is found early."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        memory.execute("PRAGMA trusted_schema = off")
        memory.set_authorizer(_authorized)
        until = time.monotonic() + _SECONDS
        memory.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        statements = [(name, create_table(table, {})) for name, table in ddl.tables.items()]
        statements += [*ddl.views.items(), *(("CREATE INDEX", index) for index in ddl.indexes)]
        statements += [(name, f"SELECT * FROM {quoted(name)} LIMIT 0") for name in ddl.views]  # a name in quotes
        for location, statement in statements:
            try:
                memory.execute(statement)
            except sqlite3.Error as error:
                raise MappingError(file, location, str(error), "CREATE TABLE and CREATE VIEW statements") from error


def _authorized(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    # Of SQLite's system tables only the catalogue receives rows.
    own = action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE) and first in ("sqlite_master", "sqlite_temp_master")
    return sqlite3.SQLITE_OK if action in _ALLOWED or own else sqlite3.SQLITE_DENY

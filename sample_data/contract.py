"""The contract schema of the two old portals: its DDL, its tables, its columns, as the generators need them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

# Beside this package in the checkout and in an installed wheel alike: both lie on the import path side by side.
SCHEMAS = Path(__file__).resolve().parent.parent / "mappings" / "schemas"


@dataclass(frozen=True)
class Column:
    """One column as the contract declares it: its name, its base type (BIGINT, VARCHAR, DATE, ...), its length (0 = none)."""

    name: str
    type: str
    length: int


def ddl(schema: str) -> str:
    """Returns the CREATE statements of `schema` ("portal2" or "tc") in the PostgreSQL dialect."""
    return (SCHEMAS / f"{schema}.sql").read_text(encoding="utf-8")


def sqlite_ddl(schema: str) -> str:
    """Returns the same statements for SQLite, with BLOB for BYTEA."""
    return re.sub(r"\bBYTEA\b", "BLOB", ddl(schema))


def statements(text: str) -> list[str]:
    """Returns the statements of a DDL text, without comments."""
    bare = re.sub(r"--[^\n]*", "", text)
    return [statement.strip() for statement in bare.split(";") if statement.strip()]


@cache
def tables(schema: str) -> Mapping[str, tuple[Column, ...]]:
    """Returns by name the columns of every table of `schema`, both in the contract's order."""
    text = re.sub(r"--[^\n]*", "", ddl(schema))
    found = {
        match[1]: tuple(column for part in _parts(match[2]) if (column := _column(part)) is not None)
        for match in re.finditer(r"CREATE TABLE (\w+) \((.*?)\);", text, re.DOTALL)
    }
    return MappingProxyType(found)


def schema_of(table: str) -> str:
    """Returns the schema that has this table; table names are unique."""
    return "tc" if table in tables("tc") else "portal2"


def columns(table: str) -> tuple[Column, ...]:
    """Returns the columns of a table of either portal; raises KeyError for an unknown table."""
    return tables(schema_of(table))[table]


@cache
def primary_key(schema: str, table: str) -> tuple[str, ...]:
    """Returns the names of the key columns of `table`."""
    text = re.sub(r"--[^\n]*", "", ddl(schema))
    match = re.search(rf"CREATE TABLE {table} \((.*?)\);", text, re.DOTALL)
    if match is None:
        raise KeyError(f"{schema} has no table {table}")
    composite = re.search(r"PRIMARY KEY \(([^)]*)\)", match[1])
    if composite is not None:
        return tuple(name.strip() for name in composite[1].split(","))
    return tuple(part.split()[0] for part in _parts(match[1]) if "PRIMARY KEY" in part)


def _parts(body: str) -> list[str]:
    """Returns the declarations between the outer parentheses, split at commas outside inner parentheses."""
    return [part.strip() for part in re.split(r",(?![^()]*\))", body) if part.strip()]


def _column(part: str) -> Column | None:
    match = re.match(r"(\w+)\s+([A-Z]+)(?:\((\d+)\))?", part)
    if match is None or match[1] == "PRIMARY":
        return None
    return Column(match[1], match[2], int(match[3] or 0))

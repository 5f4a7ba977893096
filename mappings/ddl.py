"""The declarations of a schema file, and the statements that create them, rendered one by one from the parsed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class ColumnDdl:
    """A declared column; `refers_to`: the table of its foreign key, None without one."""

    name: str
    sql_type: str
    not_null: bool = False
    default: str | None = None
    refers_to: str | None = None


@dataclass
class TableDdl:
    """A declared table; `checks`: conditions, rendered; `foreign`: (columns, table, its columns) of references of several columns."""

    name: str
    columns: list[ColumnDdl] = field(default_factory=list)
    key: tuple[str, ...] = ()
    unique: list[tuple[str, ...]] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    foreign: list[tuple[tuple[str, ...], str, tuple[str, ...]]] = field(default_factory=list)


@dataclass
class Ddl:
    """A parsed schema file, in its order; views, indexes and comments are rendered as one statement each."""

    tables: dict[str, TableDdl] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    indexes: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


def create_table(table: TableDdl, types: Mapping[str, str]) -> str:
    """Returns the statement that creates the table; `types`: a database's names for types of the contract, where they differ."""
    items = []
    for column in table.columns:
        name, _, length = column.sql_type.partition("(")
        text = f"{quoted(column.name)} {types.get(name, column.sql_type if length else name)}"
        text += " NOT NULL" if column.not_null else ""
        text += f" DEFAULT {column.default}" if column.default is not None else ""
        items.append(text + (f" REFERENCES {quoted(column.refers_to)}" if column.refers_to else ""))
    items += [f"PRIMARY KEY {_listed(table.key)}"] if table.key else []
    items += [f"UNIQUE {_listed(columns)}" for columns in table.unique]
    items += [foreign_key(*reference) for reference in table.foreign]
    items += [f"CHECK {condition}" for condition in table.checks]
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(items)})"


def alterations(ddl: Ddl) -> list[str]:
    """Returns the statements for everything in the file besides columns, keys and references of one column."""
    found = []
    for table in ddl.tables.values():
        alter = f"ALTER TABLE {quoted(table.name)}"
        for column in table.columns:
            if column.default is not None:
                found.append(f"{alter} ALTER COLUMN {quoted(column.name)} SET DEFAULT {column.default}")
        found += [f"{alter} ADD {foreign_key(*reference)}" for reference in table.foreign]
        found += [f"{alter} ADD CHECK {condition}" for condition in table.checks]
    return found


def foreign_key(columns: tuple[str, ...], to: str, theirs: tuple[str, ...]) -> str:
    """Returns a reference of several columns as a table's constraint."""
    return f"FOREIGN KEY {_listed(columns)} REFERENCES {quoted(to)}" + (f" {_listed(theirs)}" if theirs else "")


def _listed(names: tuple[str, ...]) -> str:
    return f"({', '.join(quoted(name) for name in names)})"


def quoted(name: str) -> str:
    """Returns the name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'

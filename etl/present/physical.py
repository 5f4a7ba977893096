"""A physical table in the form of a table mapping: physical names and no rules."""

from __future__ import annotations

from collections.abc import Mapping

from etl.databases.quoting import Sql, quoted
from etl.present.catalog import Catalog, Relation
from etl.present.kinds import server_cell, server_text
from mappings.model import TableMapping
from mappings.schema import Column, Family, Table

STORED: tuple[str, ...] = ()  # no key: the rows in storage order
COUNT = "#n"
_FAMILY: dict[str, Family] = {"BIGINT": "integer", "DATE": "date", "TIMESTAMP": "timestamp", "BYTEA": "binary", "TEXT": "text"}


def physical(
    relation: Relation, columns: list[str], typed_as: Mapping[str, str], key: tuple[str, ...], catalog: Catalog, derived: bool = True
) -> TableMapping:
    """Returns the mapping for a reader: these columns, as text except those in `typed_as` (the contract's word), in the order of `key`."""
    names = list(dict.fromkeys([*columns, *key]))
    declared = tuple(Column(name, typed_as.get(name, "TEXT"), False, None, name not in typed_as) for name in names)
    name: str = physical_whole(relation, catalog)
    if catalog.server and derived:
        name = Sql(relation.name, _select(relation, declared))
    return TableMapping("P2", name, "", Table(name, declared, key, ()), (), (), None, (), (), {}, {})


def grouped(relation: Relation, columns: list[str], catalog: Catalog) -> TableMapping | None:
    """Returns the mapping for the distinct combinations of these columns' texts with their frequency as COUNT; None where the database has no SQL for it."""
    if COUNT in relation.columns:
        return None
    numbers = ", ".join(str(number) for number in range(1, len(columns) + 1))
    return _combined(relation, columns, catalog, "", f", count(*) AS {quoted(COUNT)}", f" GROUP BY {numbers}")


def distinct(relation: Relation, columns: list[str], catalog: Catalog) -> TableMapping | None:
    """Returns the mapping for the distinct combinations of these columns' texts; None where the database has no SQL for it."""
    return _combined(relation, columns, catalog, "DISTINCT ", "", "")


def _combined(relation: Relation, columns: list[str], catalog: Catalog, before: str, counted: str, behind: str) -> TableMapping | None:
    if catalog.portable:
        return None
    declared = [Column(name, "TEXT", False, None, digits=True) for name in columns]
    if counted:
        declared.append(Column(COUNT, "BIGINT", False, None))
    listed = ", ".join(
        f"{server_text(relation.columns[name], quoted(name))} AS {quoted(name)}" if catalog.server else quoted(name) for name in columns
    )
    sql = f"(SELECT {before}{listed}{counted} FROM {quoted(physical_whole(relation, catalog))}{behind}) AS presented"
    return TableMapping("P2", Sql(relation.name, sql), "", Table(relation.name, tuple(declared), STORED, ()), (), (), None, (), (), {}, {})


def physical_whole(relation: Relation, catalog: Catalog) -> str:
    """Returns the table's name in the reader's quotes: with its schema where the file gives one."""
    table = relation.name.removeprefix(f"{relation.schema}.") if relation.schema else relation.name
    return Sql(relation.name, f"{quoted(relation.schema)}.{quoted(table)}") if catalog.server and relation.schema else table


def _select(relation: Relation, columns: tuple[Column, ...]) -> str:
    listed = []
    for column in columns:
        declared, name = relation.columns[column.name], quoted(column.name)
        family = _FAMILY[column.sql_type]
        sql = server_text(declared, name) if column.sql_type == "TEXT" else server_cell(declared, name, family)
        listed.append(f"{sql} AS {name}" if sql != name else name)
    table = (
        f"{quoted(relation.schema)}.{quoted(relation.name.removeprefix(f'{relation.schema}.'))}"
        if relation.schema
        else quoted(relation.name)
    )
    return f"(SELECT {', '.join(listed)} FROM {table}) AS presented"


def key_columns(relation: Relation, columns: list[str]) -> tuple[str, ...]:
    """Returns the columns that identify the physical rows, for reading bytes row by row."""
    return tuple(columns) or tuple(relation.columns)[:1]

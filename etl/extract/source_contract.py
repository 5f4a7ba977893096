"""K5: whether an old portal has exactly the tables, columns and types that the mappings name; checked before any data is read."""

from __future__ import annotations

from collections.abc import Mapping

from etl.databases import Source
from etl.errors import MigrationError
from etl.present.guesses import mending_lines
from mappings.model import Mappings, Portal, TableMapping
from mappings.schema import FAMILY_BY_TYPE


def problems(source: Source, portal: Portal, mappings: Mappings) -> list[str]:
    """Where the database is not what the mappings say: tables and columns that no mapping names, mapped ones that are gone, other types."""
    there = source.shapes()
    found = [f"{portal}.{name}: no mapping names this table" for name in there if (portal, name) not in mappings.tables]
    for mapping in mappings.of(portal):
        if mapping.table not in there:
            found.append(f"{portal}.{mapping.table}: the table is gone ({mapping.file})")
        else:
            found += _column_problems(portal, mapping, there[mapping.table])
    return found


def _column_problems(portal: Portal, mapping: TableMapping, there: dict[str, str]) -> list[str]:
    name = f"{portal}.{mapping.table}"
    found = [f"{name}.{column}: no mapping names this column ({mapping.file})" for column in there if column not in mapping.shape.by_name]
    for column in mapping.shape.columns:
        if column.name not in there:
            found.append(f"{name}.{column.name}: the column is gone ({mapping.file})")
        elif FAMILY_BY_TYPE.get(there[column.name].split("(")[0]) != column.family:
            found.append(f"{name}.{column.name}: found type {there[column.name] or 'none'}, expected {column.sql_type}")
    return found


def refuse_problems(sources: Mapping[Portal, Source], mappings: Mappings) -> None:
    """Raises before any data is read where sources and mappings do not fit (K5)."""
    found = [problem for portal, source in sources.items() for problem in problems(source, portal, mappings)]
    if found:
        lines = [line for portal, source in sources.items() for line in mending_lines(source.shapes(), portal, mappings)]
        found += ["an adapter (--adapter DIR) with these lines would mend it:", *(f"  {line}" for line in lines)] if lines else []
        raise MigrationError(
            "The sources are not what the mappings say:\n  " + "\n  ".join(found),
            "Map each new table or column, or retire it with a reason (runbooks/extend.md); then run again. No data was read.",
        )

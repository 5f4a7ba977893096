"""The code tables (`codes/*.csv`), read as strictly as the mapping files: known files and columns, whole lines, names that exist."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping

from mappings.errors import MappingError
from mappings.model import Portal, TableMapping
from mappings.schema import Schema

Codes = dict[str, tuple[dict[str, str], ...]]
_Lines = list[tuple[int, dict[str, str]]]

# By file: its columns, and the number of those from the left that are its key.
_SHAPES: dict[str, tuple[tuple[str, ...], int]] = {
    "code_list": (("table", "column", "code", "meaning"), 3),
    "highway_split": (("border_crossed_cd", "business_type_cd"), 1),
    "identifier_carrier": (("identifier_type_cd", "business_type_cd"), 2),
    "identifier_required": (("business_type_cd", "group_no", "identifier_type_cd"), 3),
    "identifier_unique": (("identifier_type_cd",), 1),
    "link_target": (("target_cd", "source_table", "target_table"), 1),
    "status": (("status_cd", "trade_visible", "continued_membership"), 1),
}


def read_codes(
    files: Mapping[str, bytes], sources: Mapping[Portal, Schema], target: Schema, tables: Mapping[tuple[Portal, str], TableMapping]
) -> Codes:
    """Returns all code tables of the folder; raises MappingError with file and line for an invalid entry."""
    for shown in (path for path in files if path.startswith("codes/") and path.count("/") == 1 and path.endswith(".csv")):
        name = shown.removeprefix("codes/").removesuffix(".csv")
        if name not in _SHAPES:
            raise MappingError(shown, "file name", name, "one of " + ", ".join(_SHAPES))
    read = {name: list(_lines(files, f"codes/{name}.csv", *shape)) for name, shape in _SHAPES.items()}
    _code_list(read["code_list"], [*sources.values(), target])
    _status(read["status"])
    _link_target(read["link_target"], tables)
    return {name: tuple(row for _, row in lines) for name, lines in read.items()}


def _lines(files: Mapping[str, bytes], shown: str, columns: tuple[str, ...], key: int) -> Iterator[tuple[int, dict[str, str]]]:
    if shown not in files:
        raise MappingError(shown, "file", "nothing", "a CSV file in UTF-8")
    try:
        rows = csv.reader(files[shown].decode("utf-8-sig").splitlines(), strict=True)
        head = next(rows, [])
        if head != list(columns):
            raise MappingError(shown, "first line", ", ".join(head) or "nothing", ", ".join(columns))
        known: set[tuple[str, ...]] = set()
        for row in rows:
            location = f"line {rows.line_num}"
            if len(row) != len(columns):
                raise MappingError(shown, location, f"{len(row)} values", f"{len(columns)} values: {', '.join(columns)}")
            if "" in row:
                raise MappingError(shown, f"{location}, {columns[row.index('')]}", "nothing", "a value")
            if tuple(row[:key]) in known:
                raise MappingError(shown, location, f"{', '.join(row[:key])} once more", f"each {', '.join(columns[:key])} once")
            known.add(tuple(row[:key]))
            yield rows.line_num, dict(zip(columns, row, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise MappingError(shown, "file", str(error), "a CSV file in UTF-8") from error


def _code_list(lines: _Lines, schemas: Iterable[Schema]) -> None:
    columns = {(table.name, column) for schema in schemas for table in schema.tables.values() for column in table.by_name}
    for number, row in lines:
        if (row["table"], row["column"]) not in columns:
            raise MappingError("codes/code_list.csv", f"line {number}", f"{row['table']}.{row['column']}", "a column of one of the schemas")


def _status(lines: _Lines) -> None:
    for number, row in lines:
        for column in ("trade_visible", "continued_membership"):
            if row[column] not in ("true", "false"):
                raise MappingError("codes/status.csv", f"line {number}, {column}", row[column], "true or false")


def _link_target(lines: _Lines, tables: Mapping[tuple[Portal, str], TableMapping]) -> None:
    for number, row in lines:
        mapping = tables.get(("P2", row["source_table"]))
        if mapping is None:
            raise MappingError(
                "codes/link_target.csv", f"line {number}, source_table", row["source_table"], "a table of schemas/portal2.sql"
            )
        if row["target_table"] not in {into.table for into in mapping.into}:
            expected = f"a target table of {mapping.table}"
            raise MappingError("codes/link_target.csv", f"line {number}, target_table", row["target_table"], expected)

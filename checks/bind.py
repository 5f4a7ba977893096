"""Every single check of the suites, with its tables and columns looked up in the schemas: an unknown name is an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

from checks.carried import carried, routed_block
from checks.ids import has_recipe
from checks.kinds import KINDS, MOMENT
from checks.model import Check, Entry, Suites
from checks.staged import staged_shapes
from mappings.errors import MappingError
from mappings.limits import INDICATOR
from mappings.model import Mappings, TableMapping
from mappings.schema import Table

_WRITTEN_AS = {"text": str, "integer": int, "boolean": bool}


def bind(suites: Suites, mappings: Mappings) -> tuple[Check, ...]:
    """Returns every single check, its tables and columns looked up in the schemas; raises MappingError at the first unknown name."""
    shapes = staged_shapes(mappings)
    checks = tuple(check for entry in suites.entries for check in _expanded(entry, mappings, shapes))
    for name, count in Counter(check.id for check in checks).items():
        if count > 1:
            file, _, location = next(check.location for check in checks if check.id == name).partition(": ")
            raise MappingError(file, f"{location}.id", name, "an id that no other check has")
    return checks


def _expanded(entry: Entry, mappings: Mappings, shapes: dict[str, Table]) -> Iterator[Check]:
    if entry.word == "every_source":
        for (portal, table), mapping in mappings.tables.items():
            if entry.kind == "indicator_share":
                for column in mapping.columns:
                    if column.name.endswith(INDICATOR):
                        yield _check(entry, f"{portal}.{table}", (column.name,), f".{portal}.{table}.{column.name}")
            elif _concerns(entry, mapping, shapes):
                yield _check(entry, f"{portal}.{table}", (), f".{portal}.{table}")
    elif entry.word == "every_table":
        for shape in shapes.values():
            for suffix, columns in _by_schema(entry.kind, shape, shapes, mappings):
                yield _check(entry, shape.name, columns, f".{shape.name}{suffix}")
    else:
        _bind(entry, mappings, shapes)
        yield _check(entry, entry.table, entry.columns, "")


def _concerns(entry: Entry, mapping: TableMapping, shapes: dict[str, Table]) -> bool:
    """Returns whether an `[[every_source]]` question applies to that old table."""
    if entry.kind == "routed":
        return routed_block(mapping) is not None
    return entry.kind != "unchanged" or bool(carried(mapping, shapes, set(entry.args["families"])))


def _check(entry: Entry, table: str, columns: tuple[str, ...], suffix: str) -> Check:
    def text(sentence: str) -> str:
        return sentence.replace("{table}", table).replace("{columns}", ", ".join(columns))

    location = f"{entry.file}: {entry.location}"
    return Check(entry.id + suffix, text(entry.question), text(entry.why), entry.severity, entry.kind, table, columns, entry.args, location)


def _by_schema(kind: str, shape: Table, shapes: dict[str, Table], mappings: Mappings) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields (suffix of the id, columns) of each check that the schema of one table gives."""
    match kind:
        case "unique":
            for columns in (shape.key, *shape.unique):
                if set(columns) <= shape.by_name.keys():
                    yield ("" if columns == shape.key else "." + ".".join(columns)), columns
        case "filled":
            yield "", tuple(column.name for column in shape.columns if column.not_null)
        case "fits":
            texts = tuple(column.name for column in shape.columns if column.length is not None)
            if texts:
                yield "", texts
        case "refers":
            for column in shape.columns:
                if column.refers_to in shapes:
                    yield f".{column.name}", (column.name,)
        case "own_id":
            if shape.columns[0].family == "uuid" and shape.key == (shape.columns[0].name,) and has_recipe(mappings, shape.name):
                yield "", ()


def _bind(entry: Entry, mappings: Mappings, shapes: dict[str, Table]) -> None:
    kind = KINDS[entry.kind]
    location, file = entry.location, entry.file
    if entry.table not in shapes:
        raise MappingError(file, f"{location}.table", entry.table, "a table of schemas/portal3.sql whose rows are staged")
    if kind.only and entry.table != kind.only:
        raise MappingError(file, f"{location}.table", entry.table, f"{kind.only}: {entry.kind} is about that table")
    shape = shapes[entry.table]
    if not kind.least <= len(entry.columns) <= kind.most:
        expected = f"{kind.least} columns" if kind.least == kind.most else f"at least {kind.least}"
        raise MappingError(file, f"{location}.columns", f"{len(entry.columns)} columns", expected)
    for column in entry.columns:
        _known(entry, f"{location}.columns", shape, column)
        if shape.by_name[column].family not in kind.families:
            raise MappingError(
                file,
                f"{location}.columns",
                f"{column} {shape.by_name[column].sql_type}",
                "a column of " + " or ".join(sorted(kind.families)),
            )
    for column, wanted in entry.args.get("when", {}).items():
        _known(entry, f"{location}.args.when", shape, column)
        if isinstance(wanted, list):
            _typed(entry, f"{location}.args.when.{column}", shape, column, wanted)
    if entry.kind == "one_of":
        _typed(entry, f"{location}.args.values", shape, entry.columns[0], entry.args.get("values", []))
    if entry.kind in ("between", "in_order"):
        _bounds(entry, shape)
    if "codes" in entry.args:
        _codes(entry, mappings)
    if entry.kind == "one_of" and ("codes" in entry.args) == ("values" in entry.args):
        raise MappingError(file, f"{location}.args", ", ".join(entry.args), "either codes or values")
    if "flag" in entry.args:
        _known(entry, f"{location}.args.flag", shape, entry.args["flag"])
    if "in" in entry.args:
        _found_in(entry, shapes)
    if "to" in entry.args or kind.families == frozenset({"uuid"}) or entry.kind in ("refers", "parent_is"):
        _parent(entry, shape, shapes)
    for reference in entry.args.get("by", ()):
        table, _, column = reference.partition(".")
        if table not in shapes:
            raise MappingError(file, f"{location}.args.by", reference, "table.column of the new store")
        _known(entry, f"{location}.args.by", shapes[table], column)


def _known(entry: Entry, location: str, shape: Table, column: str) -> None:
    if column not in shape.by_name:
        raise MappingError(entry.file, location, column, f"a column of {shape.name}")


def _typed(entry: Entry, location: str, shape: Table, column: str, values: list[Any]) -> None:
    family = shape.by_name[column].family
    for value in values:
        if type(value) is not _WRITTEN_AS.get(family):
            raise MappingError(entry.file, location, repr(value), f"values of {column} {shape.by_name[column].sql_type}")


def _bounds(entry: Entry, shape: Table) -> None:
    """Raises where a range has no bound, or its bounds and columns are neither all moments nor all numbers."""
    moments = {shape.by_name[column].family in MOMENT for column in entry.columns}
    bounds = {name: entry.args[name] for name in ("min", "max") if name in entry.args}
    if entry.kind == "between" and not bounds:
        raise MappingError(entry.file, f"{entry.location}.args", "neither min nor max", "at least one of them")
    if len(moments) > 1:
        raise MappingError(entry.file, f"{entry.location}.columns", ", ".join(entry.columns), "dates and moments only, or numbers only")
    for name, value in bounds.items():
        if {isinstance(value, date)} != moments:
            expected = "a date, as the columns are" if moments == {True} else "a number, as the columns are"
            raise MappingError(entry.file, f"{entry.location}.args.{name}", repr(value), expected)


def _codes(entry: Entry, mappings: Mappings) -> None:
    listed = {f"{row['table']}.{row['column']}" for row in mappings.codes["code_list"]} | {"rules", "reasons"}
    if entry.args["codes"] not in listed:
        raise MappingError(
            entry.file, f"{entry.location}.args.codes", entry.args["codes"], "table.column of codes/code_list.csv, or rules, or reasons"
        )


def _found_in(entry: Entry, shapes: dict[str, Table]) -> None:
    other = shapes.get(entry.args["in"])
    if other is None:
        raise MappingError(
            entry.file, f"{entry.location}.args.in", entry.args["in"], "a table of schemas/portal3.sql whose rows are staged"
        )
    if len(entry.args["as"]) != len(entry.columns):
        raise MappingError(
            entry.file, f"{entry.location}.args.as", f"{len(entry.args['as'])} columns", f"{len(entry.columns)}, one for each of columns"
        )
    for column in entry.args["as"]:
        _known(entry, f"{entry.location}.args.as", other, column)


def _parent(entry: Entry, shape: Table, shapes: dict[str, Table]) -> None:
    to = entry.args.get("to") or shape.by_name[entry.columns[0]].refers_to
    if to not in shapes:
        raise MappingError(entry.file, f"{entry.location}.args.to", str(to), "the table of the new store that the column refers to")
    if "column" in entry.args:
        _known(entry, f"{entry.location}.args.column", shapes[to], entry.args["column"])

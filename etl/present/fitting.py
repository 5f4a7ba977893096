"""Whether a form can give a contract column from these physical columns: by their kinds, before any row is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from etl.present.catalog import Relation
from etl.present.kinds import AS_IT_IS, ColumnKind
from etl.present.model import Form
from etl.present.problem import printable
from mappings.schema import Column, Family

# The kinds that each form can read; forms that are not listed read every kind with a text form.
_READS: dict[str, tuple[ColumnKind, ...]] = {
    "integer": ("integer", "text", "fraction", "any"),
    "date": ("text", "integer", "date", "any"),
    "moment": ("text", "integer", "date", "moment", "any"),
    "part": ("text", "any"),
    "trim": ("text", "any"),
    "path": ("text", "any"),
    "bytes": ("text", "any"),
}
_HAVE_TEXT: tuple[ColumnKind, ...] = ("integer", "text", "date", "moment", "boolean", "any")
_GIVES: dict[str, Family] = {
    "text": "text",
    "integer": "integer",
    "flag": "text",
    "code": "text",
    "date": "date",
    "moment": "timestamp",
    "number": "integer",
    "join": "text",
    "part": "text",
    "trim": "text",
    "path": "text",
    "bytes": "binary",
}


def misfits(column: Column, form: Form, columns_read: Sequence[tuple[Relation, str]]) -> Iterator[tuple[str, str, str]]:
    """Yields (place within the form, found, expected) where the form cannot give the contract's type, or cannot read a physical column's kind."""
    if form.kind == "absent":
        if column.not_null:
            yield "", f"absent for {column.name} {column.sql_type} NOT NULL", "a form that gives a value: it may not be NULL"
        return
    if form.kind == "constant":
        if (problem := _constant_problem(form.constant, column)) is not None:
            yield "constant", *problem
        return
    if form.kind != "plain" and _GIVES[form.kind] != column.family:
        fitting = [kind for kind, family in _GIVES.items() if family == column.family]
        yield (
            "",
            f"{form.kind}, which gives {_family(_GIVES[form.kind])}",
            f"a form that gives {column.sql_type}: {', '.join(fitting)} or the column itself",
        )
        return
    allowed = AS_IT_IS[column.family] if form.kind == "plain" else _READS.get(form.kind, _HAVE_TEXT)
    for relation, actual in columns_read:
        kind = relation.kind(actual)
        if form.kind == "text" and kind != "bytes":
            continue  # every kind can be read as text
        if kind not in allowed:
            declared = relation.columns[actual] or "no type"
            what = f"{printable(relation.name)}.{printable(actual)} {printable(declared)}"
            others = [
                name
                for name, family in _GIVES.items()
                if family == column.family and (kind in _READS.get(name, _HAVE_TEXT) or (name == "text" and kind != "bytes"))
            ]
            hint = (
                f"for {column.sql_type} one of the forms {', '.join(others)}"
                if others
                else f"a column that {form.kind if form.kind != 'plain' else column.sql_type} can be made of"
            )
            yield ("", f"{what}, which the form {_form_word(form)} cannot read", hint)


def _constant_problem(value: object, column: Column) -> tuple[str, str] | None:
    """Returns (found, expected) where the contract's column cannot store the constant; else None."""
    fits = {
        "text": isinstance(value, str),
        "integer": type(value) is int,
        "date": type(value) is date,
        "timestamp": isinstance(value, datetime) and value.tzinfo is None,
        "binary": False,
    }[column.family]
    if not fits:
        return f"a {type(value).__name__}", f"what {column.sql_type} can hold"
    if isinstance(value, str) and "\0" in value:
        return "a text with U+0000", "a text that a database can hold"
    if isinstance(value, str) and column.length is not None and len(value) > column.length:
        return f"a text of {len(value)} characters", f"at most {column.length}: {column.sql_type}"
    if type(value) is int and not -(1 << (63 if column.sql_type == "BIGINT" else 31)) <= value < 1 << (
        63 if column.sql_type == "BIGINT" else 31
    ):
        return str(value), f"what {column.sql_type} can hold"
    return None


def _family(family: Family) -> str:
    return {"timestamp": "a moment", "integer": "an integer", "binary": "bytes"}.get(family, f"a {family}")


def _form_word(form: Form) -> str:
    return '"COLUMN"' if form.kind == "plain" else form.kind

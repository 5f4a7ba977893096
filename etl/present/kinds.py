"""The meaning of a physical column's declared type: its kind, and PostgreSQL's expression for its text form."""

from __future__ import annotations

import re
from typing import Literal

from mappings.schema import Family

ColumnKind = Literal["integer", "text", "date", "moment", "bytes", "boolean", "fraction", "other", "any"]
# The kinds of a physical column that a contract column of that family can read unchanged (the form "COL").
AS_IT_IS: dict[Family, tuple[ColumnKind, ...]] = {
    "integer": ("integer", "any"),
    "text": ("text", "any"),
    "date": ("date", "any"),
    "timestamp": ("moment", "any"),
    "binary": ("bytes", "any"),
}
_TEXTS = {
    "TEXT",
    "CLOB",
    "NCLOB",
    "UUID",
    "UNIQUEIDENTIFIER",
    "JSON",
    "JSONB",
    "CITEXT",
    "ENUM",
    "NAME",
    "XML",
    "INET",
    "CIDR",
    "MACADDR",
    "SET",
    "LONG",
    "STRING",
    "LONGTEXT",
    "MEDIUMTEXT",
    "TINYTEXT",
    "NTEXT",
    "SYSNAME",
}
_INTEGERS = {"INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "MEDIUMINT", "INT2", "INT4", "INT8", "SERIAL", "BIGSERIAL", "YEAR"}
_BYTES = {"BYTEA", "BLOB", "LONGBLOB", "MEDIUMBLOB", "TINYBLOB", "BINARY", "VARBINARY", "RAW", "IMAGE", "BFILE"}
_MOMENTS = {"TIMESTAMP", "TIMESTAMPTZ", "DATETIME", "DATETIME2", "SMALLDATETIME", "DATETIMEOFFSET"}
_FRACTIONS = {"REAL", "DOUBLE", "FLOAT", "FLOAT4", "FLOAT8", "MONEY", "BINARY_FLOAT", "BINARY_DOUBLE"}
_NUMBERS = {"NUMERIC", "DECIMAL", "NUMBER", "DEC"}
_WORD = re.compile(r"([A-Z_0-9]+)[^(]*(?:\(\s*(\d+)[^,)]*(?:,\s*(-?\d+)\s*)?\))?")


def kind_of(declared: str) -> ColumnKind:
    """Returns the kind of that declared type; NUMBER and NUMERIC without fractions are integers; an SQLite column without a type has any kind."""
    text = declared.strip().upper()
    if not text:
        return "any"
    match = _WORD.match(text)
    if match is None or text.startswith("_") or text.endswith("[]"):
        return "other"
    word = match[1]
    if word in _NUMBERS:
        return "integer" if match[2] and int(match[3] or 0) <= 0 else "fraction"
    if word in ("BOOLEAN", "BOOL", "BIT"):
        return "boolean"
    if word in _INTEGERS:
        return "integer"
    if word in _BYTES:
        return "bytes"
    if word in _MOMENTS:
        return "moment"
    if word == "DATE":
        return "date"
    if word in _FRACTIONS:
        return "fraction"
    return "text" if word in _TEXTS or "CHAR" in word else "other"


def length_of(declared: str) -> int | None:
    """Returns the declared length of a text column in characters; None where it has none."""
    match = re.search(r"CHAR[^(]*\(\s*(\d+)", declared.upper())
    return int(match[1]) if match else None


def server_text(declared: str, column: str) -> str:
    """Returns PostgreSQL's SQL for the text form of the quoted column; requires DateStyle ISO."""
    word = declared.upper().partition("(")[0].strip()
    kind = kind_of(declared)
    if word in ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"):
        return f"({column} AT TIME ZONE 'UTC')::text"
    if word in _NUMBERS:
        return f"CASE WHEN {column} = trunc({column}) THEN trunc({column})::text ELSE {column}::text END"
    if kind == "fraction" and word != "MONEY":
        return f"CASE WHEN {column} = trunc({column}) AND abs({column}) < 'Infinity' THEN {column}::text::numeric::text ELSE {column}::text END"
    return f"{column}::text"


def server_cell(declared: str, column: str, family: Family) -> str:
    """Returns PostgreSQL's SQL for the quoted column in the form that the contract's reader expects for that family."""
    word, kind = declared.upper().partition("(")[0].strip(), kind_of(declared)
    if family == "timestamp" and word == "TIMESTAMPTZ":
        return f"{column} AT TIME ZONE 'UTC'"
    if family == "integer" and word not in ("BIGINT", "INTEGER", "SMALLINT"):
        return f"{column}::bigint"
    if family == "text" and (kind != "text" or word not in ("VARCHAR", "TEXT")):
        return f"{column}::text"  # without the padding of CHAR(n)
    return column

"""Parquet files as tables: each value as a database would hold it, and nothing rounded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from etl.databases.files.wrong import FileTable, columns_of, refused

_ROWS = 5_000
_EXPORT_AGAIN = "a file exported again"


def parquet_table(table: FileTable) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    """Returns the columns with their types in the contract's words, and an iterator of the rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(table.file)
        schema = file.schema_arrow
    except (OSError, pa.ArrowException):
        raise refused(table, "", "a file that cannot be read as Parquet", _EXPORT_AGAIN) from None
    columns_of(table, schema.names)

    def rows() -> Iterator[Sequence[Any]]:
        try:
            for batch in file.iter_batches(_ROWS):
                yield from zip(*(_cells(column) for column in batch.columns), strict=True)
        except (OSError, pa.ArrowException):
            raise refused(table, "", "a file that cannot be read to its end", _EXPORT_AGAIN) from None

    return {field.name: _word(field.type) for field in schema}, rows()


def _word(kind: Any) -> str:
    """Returns the contract's word for an Arrow type; Arrow's word where the contract has none."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _word(kind.value_type)
    if types.is_null(kind):
        return ""
    for test, word in (
        (types.is_boolean, "BOOLEAN"),
        (types.is_integer, "BIGINT"),
        (types.is_string, "TEXT"),
        (types.is_large_string, "TEXT"),
        (types.is_string_view, "TEXT"),
        (types.is_date, "DATE"),
        (types.is_timestamp, "TIMESTAMP"),
        (types.is_binary, "BYTEA"),
        (types.is_large_binary, "BYTEA"),
        (types.is_binary_view, "BYTEA"),
        (types.is_fixed_size_binary, "BYTEA"),
        (types.is_floating, "DOUBLE"),
    ):
        if test(kind):
            return word
    if types.is_decimal(kind):
        return f"NUMERIC({kind.precision},{kind.scale})"
    return str(kind).upper().partition("<")[0]


def _cells(column: Any) -> list[Any]:
    try:
        return [_cell(value) for value in column.to_pylist()]
    except (OverflowError, ValueError):  # a moment outside of the years 1 to 9999
        return [_one(value) for value in column]


def _one(value: Any) -> Any:
    """Returns an Arrow scalar's cell; where Python has no such value its text, which then is an unreadable value (X2); bytes of an invalid text (E8)."""
    try:
        return _cell(value.as_py())
    except UnicodeDecodeError:
        return value.cast("binary").as_py()
    except (OverflowError, ValueError):
        return value.cast("string").as_py()


def _cell(value: Any) -> Any:
    """Returns the value as a SQLite file would store it."""
    match value:
        case None | str() | bytes():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return value if -(1 << 63) <= value < 1 << 63 else str(value)
        case float():
            return "NaN" if math.isnan(value) else value  # SQLite would store NULL
        case datetime():
            moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return moment.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return _cell(int(value)) if value == value.to_integral_value() else format(value, "f")
    return str(value)

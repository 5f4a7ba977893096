"""What PostgreSQL's Arrow batches hold, as the verifier's columns and raw values."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from etl.reconcile.engine.cells import Id, Raw, Text
from etl.reconcile.engine.frames import series_of, text_typed
from etl.reconcile.engine.moments import Mask
from etl.reconcile.engine.spec import Column

# Days and microseconds of the years 1 to 9999: all others are read as texts, infinity included in every form that the driver gives it.
_DAYS, _MICROS = (-719_162, 2_932_896), (-719_162 * 86_400_000_000, 2_932_897 * 86_400_000_000 - 1)


def typed_column(array: Any, column: Column) -> tuple[pl.Series, Mask]:
    """Returns (the column as a series of its kind's dtype, which values must be read one by one)."""
    array = storage_of(array)
    nothing = np.zeros(len(array), np.bool_)
    match column.kind:
        case "integer":
            return series_of(array, pl.Int64), nothing
        case "boolean":
            return series_of(array, pl.Boolean), nothing
        case "date" | "timestamp":
            first, last = _DAYS if column.kind == "date" else _MICROS
            number = series_of(array, pl.Int32 if column.kind == "date" else pl.Int64)
            return number.cast(pl.Date if column.kind == "date" else pl.Datetime("us")), (
                ~number.is_between(first, last).fill_null(True)
            ).to_numpy()
        case "binary" | "uuid":  # ids are only ever compared with each other: as their sixteen bytes
            return series_of(array, pl.Binary), nothing
    text, odd = text_typed(array, column)
    return (text.str.strip_chars_end(" ") if column.padded else text), odd


def storage_of(array: Any) -> Any:
    """Returns the array itself, or the storage array of an Arrow extension type."""
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def locators_from(array: Any) -> pl.Series:
    """Returns the row locations (ctid) as integers made of block and line."""
    raw = storage_of(array)
    _, offsets, data = raw.buffers()
    start = int(np.frombuffer(offsets, np.int32)[raw.offset])
    eight = np.zeros((len(raw), 8), np.uint8)
    eight[:, 2:] = np.frombuffer(data, np.uint8)[start : start + 6 * len(raw)].reshape(-1, 6)
    return pl.Series(eight.view(">i8").ravel().astype(np.int64))


def raw_values(array: Any, kind: str = "") -> list[Raw]:
    """Returns the values unchanged, texts as their bytes, dates and times as `str`."""
    array = storage_of(array)
    if kind in ("date", "timestamp"):
        return list(array.to_pylist())
    if pa.types.is_string(array.type):
        return [None if value is None else Text(value) for value in array.cast(pa.binary()).to_pylist()]
    if kind == "uuid":
        return [None if value is None else Id(value) for value in array.to_pylist()]
    return list(array.to_pylist())

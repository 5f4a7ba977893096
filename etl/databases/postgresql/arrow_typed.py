"""Rows that PostgreSQL delivered as Arrow, with the contract's types: what does not fit is null and listed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from etl.databases import Batch
from etl.databases.postgresql.key_sql import keys_of
from etl.domain.typed_values import HELD, INFINITE_DAY, INFINITE_MOMENT, InvalidText, Oddity, Typed, readable
from mappings.model import TableMapping
from mappings.schema import Column

# ADBC adds the distance from 1970 to 2000 to PostgreSQL's infinities, and the sum overflows: these are the results.
_WRAPPED_DAYS = {-2147472692: INFINITE_DAY[1], -2147472691: INFINITE_DAY[0]}
_WRAPPED_MOMENTS = {-9222425352054775809: INFINITE_MOMENT[1], -9222425352054775808: INFINITE_MOMENT[0]}


def typed_batch(mapping: TableMapping, columns: list[Column], batches: list[pa.RecordBatch], trusted_text: bool) -> Batch:
    """Returns these rows with the contract's types; values that do not fit are null and listed. `trusted_text`: the server stores valid UTF-8 only."""
    table = pa.Table.from_batches(batches)
    batch = Typed(mark=np.zeros(table.num_rows, np.uint8))
    for column in columns:
        series, bad = _column(batch, column, table[column.name], trusted_text)
        batch.columns[column.name] = series
        if bad is not None and bad.any():
            batch.mark[bad] = np.maximum(batch.mark[bad], HELD if column.name in mapping.decisive else 1)
        if column.name in mapping.never_null and series.null_count():
            batch.mark[series.is_null().to_numpy()] = HELD
    return Batch(batch, keys_of(mapping, batch))


def _column(batch: Typed, column: Column, values: pa.ChunkedArray, trusted_text: bool) -> tuple[pl.Series, npt.NDArray[np.bool_] | None]:
    match column.family:
        case "text":
            return _text(batch, column, values, trusted_text)
        case "integer":
            series = pl.Series(column.name, values, dtype=pl.Int64)
            if column.sql_type == "BIGINT":
                return series, None
            outside = ((series < -(2**31)) | (series >= 2**31)).fill_null(False)
            batch.oddities += [Oddity(int(row), column.name, series[int(row)], True) for row in np.flatnonzero(outside.to_numpy())]
            return series.set(outside, None), outside.to_numpy()
        case "date":
            return _unwrapped(pl.Series(column.name, values.cast(pa.int32()), dtype=pl.Int32), _WRAPPED_DAYS).cast(pl.Date), None
        case "timestamp":
            return _unwrapped(pl.Series(column.name, values.cast(pa.int64()), dtype=pl.Int64), _WRAPPED_MOMENTS).cast(
                pl.Datetime("us")
            ), None
    return pl.Series(column.name, values, dtype=pl.Binary), None


def _text(batch: Typed, column: Column, values: pa.ChunkedArray, trusted_text: bool) -> tuple[pl.Series, npt.NDArray[np.bool_] | None]:
    if trusted_text:
        series = pl.Series(column.name, values, dtype=pl.String)
    else:  # SQL_ASCII stores any bytes (E8)
        exact = values.cast(pa.binary()).to_pylist()
        texts = [None if cell is None else readable(cell) for cell in exact]
        odd = [
            row
            for row, (cell, text) in enumerate(zip(exact, texts, strict=True))
            if cell is not None and text is not None and text.encode() != cell
        ]
        batch.texts += [InvalidText(row, column.name, exact[row]) for row in odd]
        series = pl.Series(column.name, texts, dtype=pl.String)
    if column.length is None or not len(series) or (series.str.len_bytes().max() or 0) <= column.length:  # type: ignore[operator]  # an int, or None
        return series, None
    long = (series.str.len_chars() > column.length).fill_null(False)
    batch.oddities += [Oddity(int(row), column.name, series[int(row)], True) for row in np.flatnonzero(long.to_numpy())]
    return series.to_frame().select(pl.when(~long).then(pl.col(column.name)).alias(column.name))[column.name], long.to_numpy()


def _unwrapped(numbers: pl.Series, wrapped: dict[int, int]) -> pl.Series:
    low = numbers.min()
    if low is None or int(str(low)) > max(wrapped):
        return numbers
    return numbers.replace(wrapped)

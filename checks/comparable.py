"""Converts keys and columns so that they can be compared: old keys as numbers where possible, and joins with limited memory."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

TOGETHER = 500_000  # rows that are compared with others in one join: its index of more rows would be the largest use of memory


def numbers(keys: pl.Series) -> pl.Series:
    """Returns old keys as whole numbers where every one is its number's text (a third of the memory), else unchanged."""
    if keys.dtype != pl.String:
        return keys
    values = keys.cast(pl.Int64, strict=False)
    return values if (values.cast(pl.String) == keys).fill_null(keys.is_null()).all() else keys


def together(parts: list[pl.Series]) -> pl.Series:
    """Returns the parts as one series; as text where one of them is text."""
    filled = [part for part in parts if len(part)] or parts[:1]
    if len({part.dtype for part in filled}) > 1:
        filled = [part.cast(pl.String) for part in filled]
    return pl.concat(filled)


def alike(left: pl.DataFrame, right: pl.DataFrame, *on: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns both frames with these columns as text where one side has numbers and the other text, for a join."""
    texts = [pl.col(name).cast(pl.String) for name in on if left[name].dtype != right[name].dtype]
    return left.with_columns(texts), right.with_columns(texts)


def among(rows: pl.DataFrame, column: str, wanted: pl.Series) -> pl.DataFrame:
    """Returns the rows whose value in that column is wanted, without an index of the large table."""
    return rows.filter(pl.col(column).is_in(wanted.drop_nulls().unique().implode()))


def shares(left: pl.DataFrame, right: pl.DataFrame, on: str) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Yields both frames in shares, at least one: rows with the same value in that column (of one dtype) are in the same share."""
    count = -(-max(left.height, right.height, 1) // TOGETHER)
    if count == 1:
        yield left, right
        return
    mine, others = (frame.select((pl.col(on).hash(1) % count).cast(pl.UInt16)).to_series() for frame in (left, right))
    for number in range(count):
        yield left.filter(mine == number), right.filter(others == number)


def slices(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yields the rows in slices, at least one."""
    yield from rows.iter_slices(TOGETHER) if rows.height else (rows,)

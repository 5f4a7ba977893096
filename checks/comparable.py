"""Keys and columns made comparable: old keys as numbers where they are some, and joins that cost no more memory than they must."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

TOGETHER = 500_000  # rows that are compared with others at once: an index of more would be the most memory of all


def numbers(keys: pl.Series) -> pl.Series:
    """Old keys as whole numbers where every one is simply the number's text (a third of the memory), else as they are."""
    if keys.dtype != pl.String:
        return keys
    values = keys.cast(pl.Int64, strict=False)
    return values if (values.cast(pl.String) == keys).fill_null(keys.is_null()).all() else keys


def together(parts: list[pl.Series]) -> pl.Series:
    """The parts one after the other; as texts where some of them are."""
    filled = [part for part in parts if len(part)] or parts[:1]
    if len({part.dtype for part in filled}) > 1:
        filled = [part.cast(pl.String) for part in filled]
    return pl.concat(filled)


def alike(left: pl.DataFrame, right: pl.DataFrame, *on: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both frames, these columns as texts where one side has numbers and the other texts: then they can be joined."""
    texts = [pl.col(name).cast(pl.String) for name in on if left[name].dtype != right[name].dtype]
    return left.with_columns(texts), right.with_columns(texts)


def among(rows: pl.DataFrame, column: str, wanted: pl.Series) -> pl.DataFrame:
    """The rows whose value in that column is among those wanted: a large table is searched for few values without an index of all its own."""
    return rows.filter(pl.col(column).is_in(wanted.drop_nulls().unique().implode()))


def shares(left: pl.DataFrame, right: pl.DataFrame, on: str) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Both frames share by share, one at least: the rows that have the same value in that column (of one dtype) stand in the same share."""
    count = -(-max(left.height, right.height, 1) // TOGETHER)
    if count == 1:
        yield left, right
        return
    mine, others = (frame.select((pl.col(on).hash(1) % count).cast(pl.UInt16)).to_series() for frame in (left, right))
    for number in range(count):
        yield left.filter(mine == number), right.filter(others == number)


def slices(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows, some at a time, one slice at least."""
    yield from rows.iter_slices(TOGETHER) if rows.height else (rows,)

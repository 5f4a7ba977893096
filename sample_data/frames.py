"""Arrow tables in the contract's shape, from plain integers, texts and masks."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sample_data import contract
from sample_data.contract import Column
from sample_data.seeded_random import Bools, Ints

# Numbers, or an Arrow array. Named here because `pa.Array` has no type for mypy.
Cells: TypeAlias = "npt.NDArray[Any] | pa.Array"

ARROW: Mapping[str, pa.DataType] = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("s"),
    "BYTEA": pa.binary(),
}
_EPOCH = date(1970, 1, 1).toordinal()
DAY = 86_400


def arrow_type(column: Column) -> pa.DataType:
    """Returns the Arrow type that holds the values of a contract column."""
    return ARROW.get(column.type, pa.string())


def frame(table: str, **cells: Cells) -> pa.Table:
    """Returns the rows of one table from its columns' values, in the contract's order of columns; raises KeyError for an unknown column.

    Integers become days since 1970 in a DATE column, seconds since then in a TIMESTAMP column. A column that `cells` lacks is null.
    """
    columns = contract.columns(table)
    unknown = set(cells) - {column.name for column in columns}
    if unknown:
        raise KeyError(f"{table} has no column {', '.join(sorted(unknown))}")
    size = len(next(iter(cells.values())))
    arrays = [_array(cells[c.name], arrow_type(c)) if c.name in cells else pa.nulls(size, arrow_type(c)) for c in columns]
    return pa.Table.from_arrays(arrays, names=[column.name for column in columns])


def rows_frame(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Returns the same from rows, for few rows. Dates and times as 'YYYY-MM-DD' and 'YYYY-MM-DD HH:MM:SS'."""
    types = {column.name: arrow_type(column) for column in contract.columns(table)}
    used = {name for row in rows for name in row}
    return frame(table, **{name: _gathered([row.get(name) for row in rows], types[name]) for name in types if name in used})


def ints(values: Ints) -> pa.Array:
    """Returns an int64 array without nulls, made from the buffer: `pa.array` imports pandas, which takes more than a second."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, dtype=np.int64))])


def strings(values: Iterable[str | None]) -> pa.Array:
    """Returns a text array, made from buffers for the same reason."""
    return _variable([None if value is None else value.encode() for value in values], pa.string())


def blobs(values: Iterable[bytes | None]) -> pa.Array:
    """Returns a binary array."""
    return _variable(list(values), pa.binary())


def nullable(values: Ints, null: Bools) -> pa.Array:
    """Returns an int64 array that is null where `null` is true."""
    valid = np.packbits(~null, bitorder="little")
    plain = np.ascontiguousarray(values, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(plain), [pa.py_buffer(valid), pa.py_buffer(plain)])


def pick(pool: Sequence[str | None] | pa.Array, position: Ints, null: Bools | None = None) -> pa.Array:
    """Returns the pool's members at these positions; null where `null` is true."""
    members = pool if isinstance(pool, pa.Array) else strings(pool)
    return members.take(ints(position) if null is None else nullable(position, null))


def flags(true: Bools) -> pa.Array:
    """Returns 'Y' where true, else 'N'."""
    return pick(["N", "Y"], true.astype(np.int64))


def join(*parts: str | Ints | pa.Array) -> pa.Array:
    """Returns the concatenated parts of each row as text; null if a part is null."""
    texts = [
        _scalar(part) if isinstance(part, str) else (ints(part) if isinstance(part, np.ndarray) else part).cast(pa.string())
        for part in parts
    ]
    return pc.binary_join_element_wise(*texts, _scalar(""))


def where(condition: Bools, then: pa.Array, other: pa.Array | str | None) -> pa.Array:
    """Returns `then` where the condition holds, else `other`."""
    bits = pa.Array.from_buffers(pa.bool_(), len(condition), [None, pa.py_buffer(np.packbits(condition, bitorder="little"))])
    return pc.if_else(bits, then, other if isinstance(other, pa.Array) else _scalar(other))


def day(text: str) -> int:
    """Returns the days from 1970-01-01 to this day."""
    return date.fromisoformat(text).toordinal() - _EPOCH


def moment(text: str) -> int:
    """Returns the seconds from 1970-01-01 00:00:00 to this moment, both without a time zone."""
    return round((datetime.fromisoformat(text) - datetime(1970, 1, 1)).total_seconds())


def _array(cells: Cells, wanted: pa.DataType) -> pa.Array:
    array = ints(cells) if isinstance(cells, np.ndarray) else cells
    if pa.types.is_date(wanted) and not pa.types.is_date(array.type):
        array = array.cast(pa.int32())
    return array.cast(wanted)


def _gathered(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    if pa.types.is_string(wanted):
        return strings(values)
    if pa.types.is_binary(wanted):
        return blobs(values)
    read = day if pa.types.is_date(wanted) else moment if pa.types.is_timestamp(wanted) else int
    null = np.array([value is None for value in values], dtype=np.bool_)
    return nullable(np.array([0 if value is None else read(value) for value in values], dtype=np.int64), null)


def _variable(values: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    lengths = np.fromiter((0 if value is None else len(value) for value in values), dtype=np.int64, count=len(values))
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]).astype(np.int32)
    valid = np.packbits(np.fromiter((value is not None for value in values), dtype=np.bool_, count=len(values)), bitorder="little")
    data = b"".join(value for value in values if value)
    return pa.Array.from_buffers(kind, len(values), [pa.py_buffer(valid), pa.py_buffer(offsets), pa.py_buffer(data)])


def _scalar(text: str | None) -> pa.Scalar:
    return strings([text])[0]

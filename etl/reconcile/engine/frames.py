"""Columns of a batch as the rest of the verifier compares them: typed, with the rows apart that whole columns cannot settle."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from etl.reconcile.engine.cells import Raw
from etl.reconcile.engine.moments import Bytes, Ints, Mask, days, microseconds
from etl.reconcile.engine.spec import Column

LOCATOR = "#at"  # the row's location in its table, to read it again within the same snapshot
DTYPES: dict[str, Any] = {
    "integer": pl.Int64,
    "text": pl.String,
    "uuid": pl.String,
    "date": pl.Date,
    "timestamp": pl.Datetime("us"),
    "binary": pl.Binary,
    "boolean": pl.Boolean,
}


@dataclass(frozen=True)
class Part:
    """A batch of rows. `frame`: the locator and the requested columns, typed; `odd`: locators of the rows that must be read value by value."""

    frame: pl.DataFrame
    odd: Sequence[int]


class Content(NamedTuple):
    """The hashed bytes of one document row: locator, key as found, SHA-256 (None without readable bytes), size in bytes."""

    at: int
    key: Raw
    digest: str | None
    size: int


class Database(Protocol):
    """One read-only snapshot of a database, as the verifier reads it. `pads`: CHAR(n) is padded with blanks there."""

    pads: bool

    def tables(self) -> dict[str, list[str]]:
        """Returns by name the columns of every table and view."""

    def relation_kinds(self) -> dict[str, str]:
        """Returns by name the kind of each relation with rows that is not a table: a view, a foreign table, a partition."""

    def hiding(self) -> dict[str, str]:
        """Returns by table why some of its rows are hidden from this session (K9); under the empty name, why bytes of the whole file are."""

    def doubts(self) -> list[str]:
        """Returns sentences about hidden rows or bytes that could not be ruled out."""

    def in_stored_order(self, table: str) -> bool:
        """Returns whether the table's locators are in the order in which rows were stored, as rowids are (fine print 43, 61)."""

    def parts(self, table: str, columns: Sequence[Column], exact: bool = False) -> Iterator[Part]:
        """Yields all rows in their stored order. `exact`: values not in the canonical form that the loader writes count as odd."""

    def rows(self, table: str, names: Sequence[str], locators: Sequence[int]) -> Iterator[tuple[int, tuple[Raw, ...]]]:
        """Yields (locator, raw cells) of the rows at these locators."""

    def contents(self, table: str, key: str, column: str) -> Iterator[Content]:
        """Yields the hashed bytes of every row of a document column, one row at a time."""

    def only_integers(self, table: str, column: str) -> bool:
        """Returns whether every value of the column is stored as an integer."""

    def has_key(self, table: str, key: Sequence[str]) -> bool:
        """Returns whether the database enforces that these columns are unique."""

    def view(self, name: str, columns: Sequence[Column]) -> Iterator[Part]:
        """Yields all rows of a view, as `parts` does for a table; their locators have no meaning."""

    def conditions(self, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
        """Returns (relation, sentence) for everything that alters, hides or exposes rows of these tables, and for views that differ from `views`."""

    def close(self) -> None: ...


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the same rows in separate memory: a column selected from a batch can keep the whole batch in memory."""
    written = io.BytesIO()
    frame.write_ipc_stream(written, compat_level=pl.CompatLevel.oldest())  # of a few rows seven times as fast as the file's form
    return pl.read_ipc_stream(written.getvalue())


def rows_framed(rows: Sequence[tuple[object, ...]], schema: dict[str, Any]) -> pl.DataFrame:
    """Returns rows read value by value as a frame of the schema; days and moments as numbers, because Python's types do not hold all of them."""
    numbers = {pl.Date: (pl.Int32, _day), pl.Datetime("us"): (pl.Int64, _moment_number)}
    columns = zip(*rows, strict=True) if rows else [() for _ in schema]
    series = []
    for values, (name, dtype) in zip(columns, schema.items(), strict=True):
        if dtype in numbers:
            narrow, number = numbers[dtype]
            series.append(pl.Series(name, [number(value) for value in values], dtype=narrow).cast(dtype))
        else:
            series.append(pl.Series(name, values, dtype=dtype))
    return pl.DataFrame(series)


def _day(value: Any) -> int | None:
    return value if value is None or isinstance(value, int) else (value - date(1970, 1, 1)).days


def _moment_number(value: Any) -> int | None:
    return value if value is None or isinstance(value, int) else (value - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def typed(array: Any, column: Column, exact: bool) -> tuple[pl.Series, Mask]:
    """Returns (the column as a series of its kind's dtype, which rows are odd); the value of an odd row must be read again from its raw cell."""
    match column.kind:
        case "integer" | "boolean":
            return _number(series_of(array, pl.Int64), column)
        case "binary":
            return series_of(array, pl.Binary), np.zeros(len(array), np.bool_)
        case "date" | "timestamp":
            return _moment(array, column, exact)
    return text_typed(array, column)


def series_of(array: Any, dtype: Any) -> pl.Series:
    """Returns the Arrow array as a series of the dtype."""
    found = pl.from_arrow(array)
    assert isinstance(found, pl.Series)  # noqa: S101 - tells the type checker what an array becomes
    return found.cast(dtype)


def _number(series: pl.Series, column: Column) -> tuple[pl.Series, Mask]:
    if column.kind == "boolean":
        odd = ~series.is_in([0, 1]).fill_null(True)
        return (series == 1), odd.to_numpy()
    if column.bits == 64:
        return series, np.zeros(len(series), np.bool_)
    limit = 1 << (column.bits - 1)
    return series, (~series.is_between(-limit, limit - 1).fill_null(True)).to_numpy()


def _moment(array: Any, column: Column, exact: bool) -> tuple[pl.Series, Mask]:
    data, start, length = string_bytes(array)
    values, good = (days if column.kind == "date" else microseconds)(data, start, length, exact)
    present = _present(array)
    series = pl.select(pl.when(pl.Series(good & present)).then(pl.Series(values))).to_series()
    return (series.cast(pl.Int32) if column.kind == "date" else series).cast(DTYPES[column.kind]), present & ~good


def text_typed(array: Any, column: Column) -> tuple[pl.Series, Mask]:
    """Returns (the text column as a series, which rows are odd: invalid UTF-8, U+0000, longer than the column)."""
    raw = array.cast(pa.binary())
    try:
        text = raw.cast(pa.string())  # checks that it is valid UTF-8, which polars takes for granted
    except pa.ArrowInvalid:
        texts = [_decoded(value) for value in raw.to_pylist()]
        series = pl.Series([None if value is False else value for value in texts], dtype=pl.String)
        odd = pl.Series([value is False for value in texts], dtype=pl.Boolean)
        odd |= series.str.contains("\0", literal=True).fill_null(False)
        if column.length:
            odd |= (series.str.len_chars() > column.length).fill_null(False)
        return series, odd.to_numpy()
    series, odd_row = series_of(text, pl.String), np.zeros(len(array), np.bool_)
    data, start, length = string_bytes(text)
    # Two tests of all bytes and lengths at once; texts are tested one by one only if these find something.
    if len(start) and not data[start[0] : start[-1] + length[-1]].min(initial=1):
        odd_row |= series.str.contains("\0", literal=True).fill_null(False).to_numpy()
    if column.length and len(length) and length.max() > column.length:
        odd_row |= (series.str.len_chars() > column.length).fill_null(False).to_numpy()
    return series, odd_row


def _decoded(value: bytes | None) -> str | bool | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _present(array: Any) -> Mask:
    return ~np.asarray(series_of(array.is_null(), pl.Boolean).to_numpy(), np.bool_)


def string_bytes(array: Any) -> tuple[Bytes, Ints, Ints]:
    """Returns the bytes of a string array, and for each text its start and length in bytes."""
    _, offsets, data = array.buffers()
    at: npt.NDArray[np.int32] = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    flat = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
    return flat, at[:-1].astype(np.int64), np.diff(at).astype(np.int64)

"""Converts values of the old databases to their declared types, and reports values that do not fit (X2) and texts that no text column can hold (E8).

SQLite stores any value in any column. Whole columns are converted at once; only columns with a value that does not fit are converted value by value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from mappings.model import TableMapping
from mappings.schema import Column, Family

Cell = None | int | float | bytes
Bools = npt.NDArray[np.bool_]
LOADS_WITH_NULL, HELD = 1, 2  # the marks of a row; 0: all its values fit

_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?: 00:00:00)?$"
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|\+00:00)?$"
POLARS_TYPE: dict[Family, pl.DataType] = {
    "integer": pl.Int64(),
    "text": pl.String(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
    "binary": pl.Binary(),
}


@dataclass(frozen=True)
class Oddity:
    """A value in another form than the canonical one. `unreadable`: not a value of its type; `raw`: its form as recorded, for row_json."""

    row: int
    column: str
    raw: str | int | float
    unreadable: bool


@dataclass(frozen=True)
class InvalidText:
    """A text with U+0000 or invalid Unicode: its exact bytes (E8)."""

    row: int
    column: str
    exact: bytes


@dataclass
class Typed:
    """One batch of a table: typed columns (null where unreadable), each row's mark, and what was odd about it."""

    columns: dict[str, pl.Series] = field(default_factory=dict)
    mark: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    oddities: list[Oddity] = field(default_factory=list)
    texts: list[InvalidText] = field(default_factory=list)


def typed(mapping: TableMapping, cells: Mapping[str, Sequence[Cell]], rows: int, blobs: Mapping[str, Bools] | None = None) -> Typed:
    """Returns the batch with every column of its declared type, null where unreadable (X2, E8; fine print 23, 26, 41, 42).

    `blobs`: by date or timestamp column, the rows that hold a BLOB, which only a text column can read (fine print 42).
    """
    batch = Typed(mark=np.zeros(rows, np.uint8))
    for column in mapping.columns:
        if column.name not in cells:
            continue
        series, bad = _column(batch, column, cells[column.name], (blobs or {}).get(column.name))
        batch.columns[column.name] = series
        if column.name in mapping.never_null or column.name in mapping.key:
            bad = bad | series.is_null().to_numpy()
        if bad.any():
            batch.mark[bad] = np.maximum(batch.mark[bad], HELD if column.name in mapping.decisive else LOADS_WITH_NULL)
    return batch


def _column(batch: Typed, column: Column, cells: Sequence[Cell], blobs: Bools | None) -> tuple[pl.Series, Bools]:
    match column.family:
        case "integer":
            return _integers(batch, column, cells)
        case "text":
            return _texts(batch, column, cells)
        case "binary":
            return _binaries(batch, column, cells)
        case _:
            return _moments(batch, column, cells, blobs)


def _integers(batch: Typed, column: Column, cells: Sequence[Cell]) -> tuple[pl.Series, Bools]:
    low, high = (-(2**63), 2**63 - 1) if column.sql_type == "BIGINT" else (-(2**31), 2**31 - 1)
    bad = np.zeros(len(cells), bool)
    if any(type(cell) is not int and cell is not None for cell in cells):
        bad = np.array([type(cell) is not int and cell is not None for cell in cells])
    values = pa.array([cell if not odd else None for cell, odd in zip(cells, bad, strict=True)] if bad.any() else cells, pa.int64())
    series = pl.Series(column.name, values, dtype=pl.Int64)
    if column.sql_type != "BIGINT":
        outside = ((series < low) | (series > high)).fill_null(False).to_numpy()
        if outside.any():
            bad = bad | outside
            series = series.to_frame().with_columns(
                pl.when(pl.Series(outside)).then(None).otherwise(pl.col(column.name)).alias(column.name)
            )[column.name]
    _note_unreadable(batch, column, cells, bad)
    return series, bad


def _note_unreadable(batch: Typed, column: Column, cells: Sequence[Cell], bad: Bools) -> None:
    for row in np.flatnonzero(bad).tolist():
        cell = cells[row]
        if isinstance(cell, bytes):
            text = readable(cell)
            if text.encode() != cell:
                batch.texts.append(InvalidText(int(row), column.name, cell))
            batch.oddities.append(Oddity(int(row), column.name, text, True))
        elif cell is not None:
            batch.oddities.append(Oddity(int(row), column.name, cell, True))


def exact_bytes(content: bytes | str) -> bytes:
    """Returns a content's bytes; those of a text are its UTF-8."""
    return content.encode() if isinstance(content, str) else content


def readable(exact: bytes) -> str:
    """Returns the text of these bytes with U+FFFD for each maximal invalid part and each U+0000 (E8; fine print 26)."""
    return exact.decode("utf-8", "replace").replace("\0", "\ufffd")


def _as_bytes(cells: Sequence[Cell]) -> list[bytes | None]:
    return [cell if cell is None or isinstance(cell, bytes) else str(cell).encode() for cell in cells]


def _texts(batch: Typed, column: Column, cells: Sequence[Cell]) -> tuple[pl.Series, Bools]:
    try:
        exact = pa.array(cells, pa.large_binary())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        if column.digits:
            batch.oddities += [Oddity(row, column.name, cell, False) for row, cell in enumerate(cells) if isinstance(cell, float)]
        cells = _as_bytes(cells)
        exact = pa.array(cells, pa.large_binary())
    series = _valid_text(batch, column, exact, cells)
    bad = np.zeros(len(cells), bool)
    if column.length is not None and len(series):
        # Characters never outnumber bytes: most columns are done with one comparison.
        if (series.str.len_bytes().max() or 0) > column.length:  # type: ignore[operator]  # an int, or None
            bad = (series.str.len_chars() > column.length).fill_null(False).to_numpy()
        for row in np.flatnonzero(bad):
            batch.oddities.append(Oddity(int(row), column.name, series[int(row)], True))
        if bad.any():
            series = series.to_frame().select(pl.when(pl.Series(~bad)).then(pl.col(column.name)).alias(column.name))[column.name]
    return series, bad


def _valid_text(batch: Typed, column: Column, exact: pa.Array, cells: Sequence[Cell]) -> pl.Series:
    try:
        series = pl.Series(column.name, exact.cast(pa.large_string()), dtype=pl.String)
        if not series.str.contains("\0", literal=True).any():
            return series
    except pa.ArrowInvalid:
        pass
    texts: list[str | None] = []
    for row, cell in enumerate(cells):
        text = None if cell is None else readable(cell)  # type: ignore[arg-type]  # bytes: made so by _texts
        if text is not None and text.encode() != cell:
            batch.texts.append(InvalidText(row, column.name, cell))  # type: ignore[arg-type]  # bytes
        texts.append(text)
    return pl.Series(column.name, texts, dtype=pl.String)


def _binaries(batch: Typed, column: Column, cells: Sequence[Cell]) -> tuple[pl.Series, Bools]:
    bad = np.array([cell is not None and not isinstance(cell, bytes) for cell in cells], bool)
    _note_unreadable(batch, column, cells, bad)
    return pl.Series(column.name, [cell if isinstance(cell, bytes) else None for cell in cells], dtype=pl.Binary), bad


def _moments(batch: Typed, column: Column, cells: Sequence[Cell], blobs: Bools | None) -> tuple[pl.Series, Bools]:
    """Returns (a DATE or TIMESTAMP column, which values are unreadable); fine print 41 lists the readable forms."""
    try:
        raw = pl.Series(column.name, pa.array(cells, pa.large_binary()).cast(pa.large_string()), dtype=pl.String)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        texts = [None if cell is None else readable(cell) if isinstance(cell, bytes) else f"number {cell}" for cell in cells]
        raw = pl.Series(column.name, texts, dtype=pl.String)
    series, canonical = (dates if column.family == "date" else timestamps)(raw)
    if blobs is not None and blobs.any():
        series = series.to_frame().select(pl.when(pl.Series(~blobs)).then(pl.col(column.name)).alias(column.name))[column.name]
    bad = (raw.is_not_null() & series.is_null()).to_numpy()
    _note_unreadable(batch, column, cells, bad)
    other_form = (series.is_not_null() & (raw != canonical)).fill_null(False).to_numpy()
    for row in np.flatnonzero(other_form):
        batch.oddities.append(Oddity(int(row), column.name, raw[int(row)], False))
    return series, bad


def dates(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Returns (days, their canonical texts); null if the text is not a readable date."""
    texts = pl.col("raw")
    day = pl.when(texts.str.contains(_DATE)).then(texts.str.head(10)).str.to_date("%Y-%m-%d", strict=False)
    days = raw.rename("raw").to_frame().select(pl.when(day.dt.year() > 0).then(day).alias(raw.name))[raw.name]
    return days, texts_of(days)


def timestamps(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Returns (moments in UTC, microseconds; their canonical texts); null if the text is not a readable timestamp."""
    texts = pl.when(pl.col("raw").str.contains(_TIMESTAMP)).then(pl.col("raw"))
    whole = texts.str.head(19).str.replace("T", " ", literal=True).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    fraction = texts.str.extract(r"\.([0-9]+)", 1).str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    moment = pl.when(whole.dt.year() > 0).then(whole + pl.duration(microseconds=fraction))
    moments = raw.rename("raw").to_frame().select(moment.cast(pl.Datetime("us")).alias(raw.name))[raw.name]
    return moments, texts_of(moments)


def texts_of(values: pl.Series) -> pl.Series:
    """Returns days as `YYYY-MM-DD`, moments as `YYYY-MM-DD HH:MM:SS`, with `.ffffff` appended if the microseconds are not zero; null stays null.

    Outside the years 1 to 9999 as PostgreSQL writes them: `infinity`, `0044-03-15 BC`.
    """
    column = pl.col(values.name)
    first, last = (
        (date(1, 1, 1), date(9999, 12, 31)) if values.dtype == pl.Date else (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))
    )
    usual = pl.when(column.is_between(first, last)).then(column)
    if values.dtype == pl.Date:
        text = usual.dt.strftime("%Y-%m-%d")
    else:
        # The length distinguishes the two forms; formatting is done once.
        full = usual.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
        text = pl.when(full.str.ends_with(".000000")).then(full.str.head(19)).otherwise(full)
    texts = values.to_frame().select(text.alias(values.name))[values.name]
    odd = np.flatnonzero((texts.is_null() & values.is_not_null()).to_numpy())
    if len(odd):
        numbers = values.to_physical().gather(odd).to_list()
        texts = texts.scatter(odd, [extreme_text(number, values.dtype == pl.Date) for number in numbers])
    return texts


INFINITE_DAY, INFINITE_MOMENT = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)  # how -infinity and infinity travel


def extreme_text(number: int, is_day: bool) -> str:
    """Returns a day or moment outside the years 1 to 9999 as PostgreSQL writes it. `number`: days, or microseconds, since 1970."""
    low, high = INFINITE_DAY if is_day else INFINITE_MOMENT
    if number in (low, high):
        return "infinity" if number == high else "-infinity"
    day, rest = (number, 0) if is_day else divmod(number, 86_400_000_000)
    # Every 400 years the calendar repeats: 146,097 days.
    cycles = (day - date(2000, 1, 1).toordinal() + date(1970, 1, 1).toordinal()) // 146_097
    near = date.fromordinal(date(1970, 1, 1).toordinal() + day - cycles * 146_097)
    year = near.year + 400 * cycles
    text = f"{year if year > 0 else 1 - year:04d}-{near:%m-%d}"
    if not is_day:
        seconds, micro = divmod(rest, 1_000_000)
        text += f" {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}" + (f".{micro:06d}" if micro else "")
    return text if year > 0 else f"{text} BC"

"""Physical cells of one column of a batch: their texts, the cells that the reader marked, and the contract cells made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.domain.typed_values import Typed, texts_of
from etl.present.kinds import ColumnKind

V = TypeVar("V")
Bools = npt.NDArray[np.bool_]
Raw = str | int | float
_WHOLE = r"^(-?[0-9]+)\.0+$"


@dataclass(frozen=True)
class Cells:
    """A physical column: `text` its text form, null for NULL; `typed` in the reader's type.

    `odd`: by row, cells that do not fit the column's declared type. `other`: by row, readable cells whose form is not the canonical one. `spoilt`: by
    row, the exact bytes of texts that are not valid (E8).
    """

    name: str  # TABLE.COLUMN in the database's spelling
    kind: ColumnKind
    typed: pl.Series
    said: Callable[[], pl.Series]  # makes `text`: not needed where a column is read unchanged
    odd: Mapping[int, Raw] = field(default_factory=dict)
    other: Mapping[int, Raw] = field(default_factory=dict)
    spoilt: Mapping[int, bytes] = field(default_factory=dict)

    @cached_property
    def text(self) -> pl.Series:
        """Returns the text form of each cell, null for NULL; computed at the first use."""
        return self.said()

    def raw(self, row: int) -> Raw:
        """Returns the cell in the form of row_json: numbers as numbers, everything else as text."""
        if row in self.odd:
            return self.odd[row]
        text = str(self.text[row])
        return int(text) if self.kind not in ("text", "any", "other", "bytes") and _is_whole(text) else text

    def chosen(self, rows: pl.Series) -> Cells:
        """Returns the cells at these positions (null: NULL), in their order: the result of a look-up."""
        positions = rows.to_list()

        def moved(of: Mapping[int, V]) -> dict[int, V]:
            return {new: of[old] for new, old in enumerate(positions) if old is not None and old in of} if of else {}

        return Cells(
            self.name,
            self.kind,
            self.typed.gather(rows),
            lambda: self.text.gather(rows),
            moved(self.odd),
            moved(self.other),
            moved(self.spoilt),
        )


@dataclass(frozen=True)
class Made:
    """Contract cells: `series` of the column's type, null where `bad`; `spoilt`: exact bytes of texts that no column can store (E8)."""

    series: pl.Series
    bad: Bools
    spoilt: Mapping[int, bytes] = field(default_factory=dict)
    raw: Mapping[int, Raw] = field(default_factory=dict)  # of bad rows, and of readable ones in another form


def cells_of(batch: Typed, column: str, name: str, kind: ColumnKind, null: frozenset[str]) -> Cells:
    """Returns the column of a reader's batch; `null`: the texts that mean NULL in a text cell."""
    typed = batch.columns[column]
    odd = {odd.row: odd.raw for odd in batch.oddities if odd.column == column and odd.unreadable and odd.raw not in null}
    other = {odd.row: odd.raw for odd in batch.oddities if odd.column == column and not odd.unreadable}
    spoilt = {text.row: text.exact for text in batch.texts if text.column == column and text.row not in odd}
    if typed.dtype == pl.String:
        text = _unfractioned(typed) if kind in ("fraction", "other") else typed
        if other:  # numbers of a SQLite column, which may have any type
            text = text.scatter(list(other), [_shown(raw) for raw in other.values()])
        if null and kind in ("text", "any", "other", "date", "moment"):
            frame = pl.DataFrame([text.alias("t"), typed.alias("typed")])
            stays = pl.when(~pl.col("t").is_in(sorted(null)))
            text, typed = frame.select(stays.then("t").alias("t"), stays.then("typed").alias(column)).get_columns()
        named = text.alias(column)
        return Cells(name, kind, typed, lambda: named, odd, {}, spoilt)
    if typed.dtype == pl.Binary:
        return Cells(
            name, kind, typed, lambda: pl.Series(column, [None], dtype=pl.String).new_from_index(0, len(typed)), odd, other, spoilt
        )

    def said() -> pl.Series:
        text = typed.cast(pl.String) if typed.dtype == pl.Int64 else texts_of(typed)
        patches = {**{row: _shown(raw) for row, raw in other.items()}, **{row: _shown(raw) for row, raw in odd.items()}}
        return text.scatter(list(patches), list(patches.values())) if patches else text

    return Cells(name, kind, typed, said, odd, other, spoilt)


def _unfractioned(series: pl.Series) -> pl.Series:
    """Returns numbers in a driver's format: whole decimals without a point."""
    return series.str.replace(_WHOLE, "$1")


def _shown(raw: Raw) -> str:
    """Returns the text form; of a whole decimal all digits, those that its shortest form does not give as zeros."""
    return (str(int(Decimal(repr(raw)))) if raw.is_integer() else repr(raw)) if isinstance(raw, float) else str(raw)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit()

"""Rows that are going to be published, as the verifier reads a store: tables of Arrow, under the names and columns of the contract."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from etl.reconcile.engine.cells import Raw
from etl.reconcile.engine.frames import DTYPES, LOCATOR, Content, Part
from etl.reconcile.engine.spec import Column, Table

Rows = Callable[[str], Iterator[pa.Table]]  # the rows of a target table, piece by piece; ids as 16 bytes


class StagedRows:
    """Not yet a store: nothing acts on these rows, and nothing keeps their keys unique but the checks."""

    pads = False

    def __init__(self, tables: Mapping[str, Table], rows: Rows) -> None:
        self._tables, self._rows = tables, rows

    def tables(self) -> dict[str, list[str]]:
        return {name: list(table.columns) for name, table in self._tables.items()}

    def relation_kinds(self) -> dict[str, str]:
        return {}

    def hiding(self) -> dict[str, str]:
        return {}

    def doubts(self) -> list[str]:
        return []

    def in_stored_order(self, table: str) -> bool:
        return True

    def parts(self, table: str, columns: Sequence[Column], exact: bool = False) -> Iterator[Part]:
        first = 0
        for batch in self._rows(table):
            at = pl.Series(LOCATOR, range(first, first + batch.num_rows), dtype=pl.Int64)
            yield Part(pl.DataFrame([at, *(_typed(batch[column.name], column) for column in columns)]), [])
            first += batch.num_rows

    def rows(self, table: str, names: Sequence[str], locators: Sequence[int]) -> Iterator[tuple[int, tuple[Raw, ...]]]:
        yield from ()  # every value has its declared type: none must be read again

    def contents(self, table: str, key: str, column: str) -> Iterator[Content]:
        yield from ()

    def only_integers(self, table: str, column: str) -> bool:
        return True

    def has_key(self, table: str, key: Sequence[str]) -> bool:
        return False

    def view(self, name: str, columns: Sequence[Column]) -> Iterator[Part]:
        yield from ()

    def conditions(self, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
        return []

    def close(self) -> None:
        pass


def _typed(values: Any, column: Column) -> pl.Series:
    series = pl.Series(column.name, values.cast(pa.large_binary()) if column.kind == "uuid" else values)
    return series.cast(pl.Binary if column.kind == "uuid" else DTYPES[column.kind])

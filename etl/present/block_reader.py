"""The rows of an adapter's blocks: physical rows with the columns that forms need, look-ups, and their form as contract rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from etl.databases import Batch, Source
from etl.domain.typed_values import HELD, LOADS_WITH_NULL, InvalidText, Oddity, Typed
from etl.errors import MigrationError
from etl.present.bind import Bound, BoundBlock, BoundCell, BoundTable
from etl.present.catalog import Catalog, Relation
from etl.present.cells import Cells, cells_of
from etl.present.forms import made
from etl.present.model import Adapter
from etl.present.physical import COUNT, STORED, distinct, grouped, physical
from etl.present.typed_batches import PHYSICAL, filtered, together
from mappings.model import Mappings

ROWS_AT_ONCE = 50_000
# The contract's words for columns that are read unchanged; texts are read with any length.
_WORDS: dict[str, str] = {"integer": "BIGINT", "date": "DATE", "timestamp": "TIMESTAMP", "binary": "BYTEA"}


@dataclass(frozen=True)
class _Looked:
    """A look-up's table in memory: the row by key text, and its columns' cells."""

    rows_by_key: pl.DataFrame  # t (key text), place (row number)
    cells: Mapping[str, Cells]


@dataclass
class BlockReader:
    """The blocks of one portal's contract tables, over the physical tables that `inner` reads."""

    inner: Source
    adapter: Adapter
    bound: Bound
    catalog: Catalog
    name: str
    mappings: Mappings
    _looked: dict[tuple[str, str, int], _Looked] = field(default_factory=dict)

    @cached_property
    def _null(self) -> frozenset[str]:
        return self.adapter.portals[self.bound.portal].null

    def batches(self, block: BoundBlock, cells: tuple[BoundCell, ...], rows: int, key: tuple[str, ...] = STORED) -> Iterator[Batch]:
        """Yields the physical rows of a block, with the columns that these cells need."""
        columns = block.columns(cells) or list(block.relation.columns)[:1]
        mapping = physical(block.relation, columns, self._typed_as(block, columns), key, self.catalog)
        return self.inner.read(mapping, rows)

    def combinations(self, relation: Relation, columns: tuple[str, ...], rows: int) -> Iterator[tuple[Batch, pl.Series]]:
        """Yields the distinct combinations of these columns' texts with their frequency; single rows where the database cannot group them."""
        mapping = grouped(relation, list(columns), self.catalog)
        for batch in self.inner.read(mapping, rows) if mapping is not None else self.columns_of(relation, columns, rows):
            counts = batch.typed.columns.get(COUNT)
            yield batch, counts if counts is not None else pl.Series([1], dtype=pl.Int64).new_from_index(0, len(batch.typed.mark))

    def distinct(self, relation: Relation, columns: tuple[str, ...], rows: int) -> Iterator[Batch]:
        """Yields the distinct combinations of these columns' texts; single rows where the database cannot group them."""
        mapping = distinct(relation, list(columns), self.catalog)
        return self.inner.read(mapping, rows) if mapping is not None else self.columns_of(relation, columns, rows)

    def columns_of(self, relation: Relation, columns: tuple[str, ...], rows: int) -> Iterator[Batch]:
        """Yields these columns of all rows of a physical table, as text."""
        return self.inner.read(physical(relation, list(columns), {}, STORED, self.catalog), rows)

    def words(
        self, block: BoundBlock, batch: Batch, counts: pl.Series, cells: Iterable[BoundCell]
    ) -> Iterator[tuple[BoundCell, pl.DataFrame]]:
        """Yields (cell, texts `t` of its physical column and number of rows `n` with each) for the rows that the block selects; without NULL."""
        own = self.cells(block, batch.typed)
        keep = self._selected(block, own, len(batch.typed.mark)) if block.where else None
        for cell in cells:
            text = self._input(block, own, cell.refs[0].column, cell.refs[0].alias).text
            frame = pl.DataFrame([text.alias("t"), counts.alias("n")])
            yield cell, (frame if keep is None else frame.filter(keep)).drop_nulls("t")

    def _typed_as(self, block: BoundBlock, columns: list[str]) -> dict[str, str]:
        """Returns the contract's word for columns that are read unchanged; all others are read as text."""
        found = {}
        for cell in block.cells:
            if cell.form.kind != "plain" or cell.refs[0].alias or cell.refs[0].column not in columns or self.is_text_only(block, cell):
                continue
            if cell.column.family in _WORDS:
                found[cell.refs[0].column] = _WORDS[cell.column.family]
        return found

    def is_text_only(self, block: BoundBlock, cell: BoundCell) -> bool:
        """Returns whether the column has a decimal type that a driver gives in a number type of Python."""
        declared = block.relation.columns[cell.refs[0].column]
        return self.catalog.portable and declared.startswith(("NUM", "DEC"))

    def cells(self, block: BoundBlock, batch: Typed) -> dict[str, Cells]:
        """Returns the batch's physical columns by name."""
        relation = block.relation
        return {
            name: cells_of(batch, name, f"{relation.name}.{name}", relation.kind(name), self._null)
            for name in batch.columns
            if name in relation.columns
        }

    def kept(self, block: BoundBlock, batch: Batch) -> pl.Series:
        """Returns a mask of the rows that the block's conditions select."""
        return self._selected(block, self.cells(block, batch.typed), len(batch.typed.mark))

    @staticmethod
    def _selected(block: BoundBlock, cells: Mapping[str, Cells], rows: int) -> pl.Series:
        keep = pl.Series([True], dtype=pl.Boolean).new_from_index(0, rows)
        for column, condition in block.where.items():
            text = cells[column].text
            if condition == "null":
                keep &= text.is_null()
            elif condition == "not null":
                keep &= text.is_not_null()
            else:
                keep &= text.is_in(list(condition)).fill_null(False)
        return keep

    def presented(self, table: BoundTable, block: BoundBlock, batch: Batch, without: frozenset[str] = frozenset()) -> Typed:
        """Returns the block's selected rows of that physical batch as contract rows; `_physical`: raw cells where forms changed them."""
        rows = len(batch.typed.mark)
        cells = self.cells(block, batch.typed)
        keep = self._selected(block, cells, rows) if block.where else None
        out = Typed(mark=np.zeros(rows, np.uint8))
        mapping = table.mapping
        raws: dict[str, pl.Series] = {}
        for cell in block.cells:
            if cell.column.name in without:
                continue
            inputs = [self._input(block, cells, ref.column, ref.alias) for ref in cell.refs]
            found = made(cell.form, cell.column, inputs, self.adapter.codes, rows)
            out.columns[cell.column.name] = found.series
            bad = found.bad
            for row, raw in found.raw.items():
                out.oddities.append(Oddity(row, cell.column.name, raw, bool(bad[row])))
            for row, exact in found.spoilt.items():
                out.texts.append(InvalidText(row, cell.column.name, exact))
            if cell.column.name in mapping.never_null or cell.column.name in mapping.key:
                bad = bad | found.series.is_null().to_numpy()
            if bad.any():
                out.mark[bad] = np.maximum(out.mark[bad], HELD if cell.column.name in mapping.decisive else LOADS_WITH_NULL)
            if cell.form.kind != "plain":
                for one in inputs:
                    if one.typed.dtype != pl.Binary and (cell.form.kind != "bytes" or cell.column.family != "binary"):
                        raws[one.name] = one.text.alias(one.name)
        # A struct needs a field: a null one, where no form changed a cell.
        listed = list(raws.values()) or [pl.Series("-", [None], dtype=pl.String).new_from_index(0, rows)]
        out.columns[PHYSICAL] = pl.DataFrame(listed).to_struct(PHYSICAL)
        return out if keep is None or keep.all() else filtered(out, keep)

    def _input(self, block: BoundBlock, cells: Mapping[str, Cells], column: str, alias: str) -> Cells:
        if not alias:
            return cells[column]
        looked = self._look_up(block, alias)
        by = cells[block.lookups[alias].by].text
        positions = by.to_frame("t").join(looked.rows_by_key, on="t", how="left", maintain_order="left")["position"]
        return looked.cells[column].chosen(positions)

    def _look_up(self, block: BoundBlock, alias: str) -> _Looked:
        look = block.lookups[alias]
        key = (look.relation.name, look.key, id(block))
        if key not in self._looked:
            columns = dict.fromkeys(
                [look.key, *(ref.column for cell in block.cells for ref in cell.refs if ref.alias and block.lookups[ref.alias] == look)]
            )
            families = {
                ref.column: cell.column.family
                for cell in block.cells
                for ref in cell.refs
                if ref.alias and block.lookups[ref.alias] == look and cell.form.kind == "plain"
            }
            typed_as = {name: _WORDS[family] for name, family in families.items() if family in _WORDS and name != look.key}
            mapping = physical(look.relation, list(columns), typed_as, STORED, self.catalog)
            parts = [batch.typed for batch in self.inner.read(mapping, ROWS_AT_ONCE)]
            whole = together(parts, mapping)
            cells = {name: cells_of(whole, name, f"{look.relation.name}.{name}", look.relation.kind(name), self._null) for name in columns}
            rows_by_key = cells[look.key].text.to_frame("t").with_row_index("position").drop_nulls("t")
            if rows_by_key["t"].is_duplicated().any():
                raise MigrationError(
                    f"Look-up {alias}: {look.relation.name}.{look.key} is not unique.", "Run `portal-migrate plan` for the number of keys."
                )
            self._looked[key] = _Looked(rows_by_key.with_columns(pl.col("position").cast(pl.Int64)), cells)
        return self._looked[key]

    def duplicated(self, block: BoundBlock, alias: str) -> int:
        """Returns how many keys of the look-up's table occur more than once."""
        look = block.lookups[alias]
        mapping = physical(look.relation, [look.key], {}, STORED, self.catalog)
        seen: Counter[str] = Counter()
        for batch in self.inner.read(mapping, ROWS_AT_ONCE):
            cells = cells_of(batch.typed, look.key, "", look.relation.kind(look.key), self._null)
            seen.update(cells.text.drop_nulls().to_list())
        return sum(count > 1 for count in seen.values())

    def keys_only(self, table: BoundTable, block: BoundBlock, keyed: tuple[BoundCell, ...], batch: Batch) -> Typed:
        wanted = {cell.column.name for cell in keyed}
        return self.presented(table, block, batch, frozenset(cell.column.name for cell in block.cells if cell.column.name not in wanted))

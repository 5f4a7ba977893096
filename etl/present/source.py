"""An old portal behind its adapter: implements `Source`, so that later steps need not know the physical tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl

from etl.databases import Batch, KeyRange, SnapshotSource, Source, SourceChange
from etl.databases.source_conditions import SourceConditions
from etl.databases.sqlite.source import SqliteSource
from etl.domain.masking import masked
from etl.domain.typed_values import HELD, LOADS_WITH_NULL, InvalidText, Oddity, Typed
from etl.errors import MigrationError
from etl.present.bind import Bound, BoundBlock, BoundCell, BoundTable
from etl.present.catalog import Catalog, Relation
from etl.present.cells import Cells, cells_of
from etl.present.forms import decoded, made
from etl.present.model import Adapter
from etl.present.physical import COUNT, STORED, grouped, key_columns, physical, physical_whole
from etl.present.sorting import Pile, sorted_batches
from etl.present.typed_batches import PHYSICAL, filtered, key_texts, refuse_collisions, together
from mappings.model import Mappings, TableMapping

_AT_ONCE = 50_000
# The contract's words for columns that are read unchanged; texts are read with any length.
_WORDS: dict[str, str] = {"integer": "BIGINT", "date": "DATE", "timestamp": "TIMESTAMP", "binary": "BYTEA"}


@dataclass(frozen=True)
class _Looked:
    """A look-up's table in memory: the row by key text, and its columns' cells."""

    place: pl.DataFrame  # t (key text), place (row number)
    cells: Mapping[str, Cells]


@dataclass
class PresentedSource:
    """The contract's tables of one portal, made from the physical tables that `inner` reads."""

    inner: Source
    adapter: Adapter
    bound: Bound
    catalog: Catalog
    name: str
    mappings: Mappings
    _looked: dict[tuple[str, str, int], _Looked] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _highest: dict[str, str] = field(default_factory=dict)  # by table, of the rows that were read
    level: str = ""

    def __post_init__(self) -> None:
        self.level = self.inner.level

    @cached_property
    def _null(self) -> frozenset[str]:
        return self.adapter.portals[self.bound.portal].null

    def shapes(self) -> dict[str, dict[str, str]]:
        """Returns the contract's declared types: the binding of the adapter has checked the physical ones."""
        return {name: {column.name: column.sql_type for column in table.mapping.shape.columns} for name, table in self.bound.tables.items()}

    def kinds(self) -> dict[str, str]:
        return {}

    def conditions(self, mapped: Sequence[TableMapping], deep: bool = True) -> SourceConditions:
        """Returns the conditions of the physical tables of these contract tables."""
        blocks = [block for mapping in mapped for block in self.bound.tables[mapping.table].blocks]
        relations = {of.name: of for block in blocks for of in (block.relation, *(look.relation for look in block.lookups.values()))}
        whole = [physical(of, list(of.columns), {}, STORED, self.catalog, derived=False) for of in relations.values()]
        return self.inner.conditions(whole, deep)

    def count(self, table: str) -> int:
        if table not in self._counts:
            self._counts[table] = sum(self._rows_of(block) for block in self.bound.tables[table].blocks)
        return self._counts[table]

    def _rows_of(self, block: BoundBlock) -> int:
        if not block.where:
            return self.inner.count(physical_whole(block.relation, self.catalog))
        some = self.combinations(block.relation, tuple(block.where), _AT_ONCE)
        return sum(int(counts.filter(self.kept(block, batch)).sum()) for batch, counts in some)

    def bytes_in(self, table: str, column: str) -> int:
        found = 0
        for block in self.bound.tables[table].blocks:
            for cell in block.cells:
                if cell.column.name == column and cell.refs and not cell.refs[0].alias:
                    found += self.inner.bytes_in(physical_whole(block.relation, self.catalog), cell.refs[0].column)
        return found

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
            if cell.form.kind != "plain" or cell.refs[0].alias or cell.refs[0].column not in columns or self._as_text_only(block, cell):
                continue
            if cell.column.family in _WORDS:
                found[cell.refs[0].column] = _WORDS[cell.column.family]
        return found

    def _as_text_only(self, block: BoundBlock, cell: BoundCell) -> bool:
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
                    if one.typed.dtype != pl.Binary and (cell.form.kind != "bytes" or not self._is_content(table, cell)):
                        raws[one.name] = one.text.alias(one.name)
        # A struct needs a field: a null one, where no form changed a cell.
        listed = list(raws.values()) or [pl.Series("-", [None], dtype=pl.String).new_from_index(0, rows)]
        out.columns[PHYSICAL] = pl.DataFrame(listed).to_struct(PHYSICAL)
        return out if keep is None or keep.all() else filtered(out, keep)

    @staticmethod
    def _is_content(table: BoundTable, cell: BoundCell) -> bool:
        return cell.column.family == "binary"

    def _input(self, block: BoundBlock, cells: Mapping[str, Cells], column: str, alias: str) -> Cells:
        if not alias:
            return cells[column]
        looked = self._look_up(block, alias)
        by = cells[block.lookups[alias].by].text
        places = by.to_frame("t").join(looked.place, on="t", how="left", maintain_order="left")["place"]
        return looked.cells[column].chosen(places)

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
            parts = [batch.typed for batch in self.inner.read(mapping, _AT_ONCE)]
            whole = together(parts, mapping)
            cells = {name: cells_of(whole, name, f"{look.relation.name}.{name}", look.relation.kind(name), self._null) for name in columns}
            place = cells[look.key].text.to_frame("t").with_row_index("place").drop_nulls("t")
            if place["t"].is_duplicated().any():
                raise MigrationError(
                    f"Look-up {alias}: {look.relation.name}.{look.key} is not unique.", "Run `portal-migrate plan` for the number of keys."
                )
            self._looked[key] = _Looked(place.with_columns(pl.col("place").cast(pl.Int64)), cells)
        return self._looked[key]

    def duplicated(self, block: BoundBlock, alias: str) -> int:
        """Returns how many keys of the look-up's table occur more than once."""
        look = block.lookups[alias]
        mapping = physical(look.relation, [look.key], {}, STORED, self.catalog)
        seen: Counter[str] = Counter()
        for batch in self.inner.read(mapping, _AT_ONCE):
            cells = cells_of(batch.typed, look.key, "", look.relation.kind(look.key), self._null)
            seen.update(cells.text.drop_nulls().to_list())
        return sum(count > 1 for count in seen.values())

    # --- the contract's rows

    def ordered(self, table: BoundTable) -> tuple[str, ...] | None:
        """Returns the physical columns by which the database can order and cut the contract's rows; None where it cannot."""
        if len(table.blocks) != 1 or table.blocks[0].where:
            return None
        block = table.blocks[0]
        by_name = {cell.column.name: cell for cell in block.cells}
        found = []
        for name in table.mapping.key:
            cell = by_name[name]
            if cell.form.kind != "plain" or cell.refs[0].alias or (cell.column.sql_type != "BIGINT" and cell.column.family != "integer"):
                return None
            if block.relation.kind(cell.refs[0].column) != "integer" or self._as_text_only(block, cell):
                return None
            found.append(cell.refs[0].column)
        return tuple(found)

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        table = self.bound.tables[mapping.table]
        key = self.ordered(table)
        if key is not None and not self._odd_keys(table, key):
            yield from self._read_in_order(table, key, rows, without)
            return
        pile = Pile(table.mapping, rows)
        for block in table.blocks:
            cells = tuple(cell for cell in block.cells if cell.column.name not in without)
            for batch in self.batches(block, cells, rows):
                pile.add(self.presented(table, block, batch, without))
        refuse_collisions(table, pile)
        self._highest[mapping.table] = self._top([[batch.columns[name] for name in table.mapping.key] for batch in pile.batches])
        yield from sorted_batches(pile)

    def _read_in_order(self, table: BoundTable, key: tuple[str, ...], rows: int, without: frozenset[str]) -> Iterator[Batch]:
        (block,) = table.blocks
        cells = tuple(cell for cell in block.cells if cell.column.name not in without)
        for batch in self.batches(block, cells, rows, key):
            typed = self.presented(table, block, batch, without)
            keys = None
            if len(table.mapping.key) > 1:
                keys = (
                    pl.DataFrame([typed.columns[name] for name in table.mapping.key])
                    .select(pl.concat_str(pl.all(), separator="|"))
                    .to_series()
                    .to_list()
                )
            yield Batch(typed, keys)

    def _odd_keys(self, table: BoundTable, key: tuple[str, ...]) -> bool:
        """Returns whether a key is NULL, out of range or a duplicate: then all keys have to be compared together (fine print 43)."""
        (block,) = table.blocks
        last: tuple[Any, ...] | None = None
        cells = tuple(cell for cell in block.cells if cell.column.name in table.mapping.key)
        if isinstance(self.inner, SnapshotSource):
            return False  # a server enforces types, and its reader refuses NULL keys
        if isinstance(self.inner, SqliteSource):
            words = {cell.refs[0].column: cell.column.sql_type for cell in cells}
            return not self.inner.keys_are_sound(physical(block.relation, list(key), words, key, self.catalog))
        for batch in self.batches(block, cells, _AT_ONCE, key):
            typed = self._keys_only(table, block, cells, batch)
            if typed.mark.any() or any(typed.columns[name].null_count() for name in table.mapping.key):
                return True
            frame = pl.DataFrame([typed.columns[name] for name in table.mapping.key])
            if frame.is_duplicated().any() or (frame.height and frame.row(0) == last):
                return True
            last = frame.row(-1) if frame.height else last
        return False

    def contents(self, mapping: TableMapping, column: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        table = self.bound.tables[mapping.table]
        for block in table.blocks:
            cell = next(cell for cell in block.cells if cell.column.name == column)
            if not cell.refs:
                continue
            keyed = tuple(cell for cell in block.cells if cell.column.name in table.mapping.key)
            inner_key = key_columns(block.relation, block.columns(keyed, where=False))
            by_text: dict[str, str] = {}
            for batch in self.batches(block, keyed, _AT_ONCE, inner_key):
                inner_keys = batch.keys if batch.keys is not None else batch.typed.columns[inner_key[0]].cast(pl.String).to_list()
                if block.where:
                    keep = self.kept(block, batch)
                    inner_keys = [key for key, stays in zip(inner_keys, keep.to_list(), strict=True) if stays]
                typed = self._keys_only(table, block, keyed, batch)
                by_text.update(zip(inner_keys, key_texts(table.mapping, typed), strict=True))
            content = cell.refs[0].column
            kind = "TEXT" if cell.form.kind == "bytes" else "BYTEA"
            inner = physical(block.relation, [*inner_key, content], {content: kind}, inner_key, self.catalog)
            for inner_text, chunks in self.inner.contents(inner, content):
                if inner_text in by_text:
                    yield by_text[inner_text], _decoded(chunks, cell.form.form) if cell.form.kind == "bytes" else chunks

    def _keys_only(self, table: BoundTable, block: BoundBlock, keyed: tuple[BoundCell, ...], batch: Batch) -> Typed:
        wanted = {cell.column.name for cell in keyed}
        return self.presented(table, block, batch, frozenset(cell.column.name for cell in block.cells if cell.column.name not in wanted))

    # --- the freeze

    def _physical_rows(self) -> dict[str, int]:
        return {name: self.inner.count(physical_whole(relation, self.catalog)) for name, relation in sorted(self.bound.read.items())}

    def mark(self) -> str:
        mark = self.inner.mark()
        return json.dumps({"mark": mark, "rows": self._physical_rows()}, sort_keys=True)

    def changed_since(self, mark: str, read: dict[str, int]) -> SourceChange:
        """Returns the change of the physical tables that are read, including look-ups; views are read again."""
        known = json.loads(mark)
        views = [name for name, relation in self.bound.read.items() if relation.view]
        tables = {name: rows for name, rows in known["rows"].items() if name not in views and name in self.bound.read}
        asked = {physical_whole(self.bound.read[name], self.catalog): rows for name, rows in tables.items()}
        since = self.inner.changed_since(known["mark"], asked)
        if since.unknown and not since.changed:
            return SourceChange(None, since.how)
        if since.changed or not views:
            return SourceChange(None if since.changed is None else [str(name) for name in since.changed], since.how)
        moved = [name for name in views if self.inner.count(physical_whole(self.bound.read[name], self.catalog)) != known["rows"][name]]
        unchanged = since.changed is not None and since.how.startswith(("no transaction", "the file is the same"))
        return (
            SourceChange(moved, "rows of a view counted")
            if moved
            else since
            if unchanged
            else SourceChange(None, "the views were read again and compared")
        )

    def highest_key(self, mapping: TableMapping) -> str:
        table = self.bound.tables[mapping.table]
        if not table.blocks:
            return ""
        key = self.ordered(table)
        if key is not None:
            (block,) = table.blocks
            whole = physical(block.relation, list(key), dict.fromkeys(key, "BIGINT"), key, self.catalog, derived=False)
            return self.inner.highest_key(whole)
        if mapping.table not in self._highest:
            keys = []
            for block in table.blocks:
                keyed = tuple(cell for cell in block.cells if cell.column.name in table.mapping.key)
                for batch in self.batches(block, keyed, _AT_ONCE):
                    typed = self._keys_only(table, block, keyed, batch)
                    keys.append([typed.columns[name] for name in table.mapping.key])
            self._highest[mapping.table] = self._top(keys)
        return self._highest[mapping.table]

    @staticmethod
    def _top(keys: Iterable[list[pl.Series]]) -> str:
        """Returns the highest of these keys, masked; empty where none is complete."""
        frames = [frame for columns in keys if (frame := pl.DataFrame(columns).drop_nulls()).height]
        tops = [frame.sort(pl.all(), descending=True).row(0) for frame in frames]
        return masked("|".join(map(str, max(tops)))) if tops else ""

    def counted(self) -> dict[str, str]:
        found = self.inner.counted()
        return {
            name: "; ".join(
                f"{block.relation.name}: {found[block.relation.name]}" for block in table.blocks if block.relation.name in found
            )
            for name, table in self.bound.tables.items()
        }

    def writers(self) -> list[str]:
        return self.inner.writers()

    def close(self) -> None:
        self.inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class PresentedShared(PresentedSource):
    """The same for sources that other processes can join: implements `SnapshotSource`."""

    @property
    def url(self) -> str:
        return self._shared.url

    @property
    def snapshot(self) -> str:
        return self._shared.snapshot

    @property
    def _shared(self) -> SnapshotSource:
        assert isinstance(self.inner, SnapshotSource)  # noqa: S101  # `present` makes this class of nothing else
        return self.inner

    def cuts(self, mapping: TableMapping, rows: int) -> list[KeyRange]:
        table = self.bound.tables[mapping.table]
        key = self.ordered(table)
        if key is None:
            return [KeyRange()]
        (block,) = table.blocks
        return self._shared.cuts(physical(block.relation, list(key), dict.fromkeys(key, "BIGINT"), key, self.catalog), rows)

    def within(self, cut: KeyRange) -> Source:
        return PresentedSource(self._shared.within(cut), self.adapter, self.bound, self.catalog, self.name, self.mappings, self._looked)


def _decoded(chunks: Iterator[bytes], form: str) -> Iterator[bytes]:
    from etl.errors import Unreadable

    found = decoded(b"".join(chunks).decode("utf-8", "replace"), form)
    if found is None:
        raise Unreadable("a document's text is not valid " + form)
    yield found

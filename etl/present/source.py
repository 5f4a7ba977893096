"""An old portal behind its adapter: implements `Source`, so that later steps need not know the physical tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from etl.databases import Batch, ClosedAtExit, KeyRange, SnapshotSource, Source, SourceChange
from etl.databases.source_conditions import SourceConditions
from etl.databases.sqlite.source import SqliteSource
from etl.domain.masking import masked
from etl.present.bind import BoundBlock, BoundTable
from etl.present.block_reader import ROWS_AT_ONCE, BlockReader
from etl.present.forms import decoded
from etl.present.physical import STORED, key_columns, physical, physical_whole
from etl.present.sorting import Pile, sorted_batches
from etl.present.typed_batches import key_texts, refuse_collisions
from mappings.model import TableMapping


@dataclass
class PresentedSource(BlockReader, ClosedAtExit):
    """The contract's tables of one portal, made from the physical tables that `inner` reads."""

    _counts: dict[str, int] = field(default_factory=dict)
    _highest: dict[str, str] = field(default_factory=dict)  # by table, of the rows that were read
    level: str = ""

    def __post_init__(self) -> None:
        self.level = self.inner.level

    def shapes(self) -> dict[str, dict[str, str]]:
        """Returns the contract's declared types: the binding of the adapter has checked the physical ones."""
        return {name: {column.name: column.sql_type for column in table.mapping.shape.columns} for name, table in self.bound.tables.items()}

    def relation_kinds(self) -> dict[str, str]:
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
        some = self.combinations(block.relation, tuple(block.where), ROWS_AT_ONCE)
        return sum(int(counts.filter(self.kept(block, batch)).sum()) for batch, counts in some)

    def bytes_in(self, table: str, column: str) -> int:
        found = 0
        for block in self.bound.tables[table].blocks:
            for cell in block.cells:
                if cell.column.name == column and cell.refs and not cell.refs[0].alias:
                    found += self.inner.bytes_in(physical_whole(block.relation, self.catalog), cell.refs[0].column)
        return found

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
            if block.relation.kind(cell.refs[0].column) != "integer" or self.is_text_only(block, cell):
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
        for batch in self.batches(block, cells, ROWS_AT_ONCE, key):
            typed = self.keys_only(table, block, cells, batch)
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
            for batch in self.batches(block, keyed, ROWS_AT_ONCE, inner_key):
                inner_keys = batch.keys if batch.keys is not None else batch.typed.columns[inner_key[0]].cast(pl.String).to_list()
                if block.where:
                    keep = self.kept(block, batch)
                    inner_keys = [key for key, stays in zip(inner_keys, keep.to_list(), strict=True) if stays]
                typed = self.keys_only(table, block, keyed, batch)
                by_text.update(zip(inner_keys, key_texts(table.mapping, typed), strict=True))
            content = cell.refs[0].column
            kind = "TEXT" if cell.form.kind == "bytes" else "BYTEA"
            inner = physical(block.relation, [*inner_key, content], {content: kind}, inner_key, self.catalog)
            for inner_text, chunks in self.inner.contents(inner, content):
                if inner_text in by_text:
                    yield by_text[inner_text], _decoded(chunks, cell.form.form) if cell.form.kind == "bytes" else chunks

    # --- the freeze

    def _physical_rows(self) -> dict[str, int]:
        return {name: self.inner.count(physical_whole(relation, self.catalog)) for name, relation in sorted(self.bound.read.items())}

    def freeze_mark(self) -> str:
        return json.dumps({"mark": self.inner.freeze_mark(), "rows": self._physical_rows()}, sort_keys=True)

    def changed_since(self, freeze_mark: str, read: dict[str, int]) -> SourceChange:
        """Returns the change of the physical tables that are read, including look-ups; views are read again."""
        known = json.loads(freeze_mark)
        views = [name for name, relation in self.bound.read.items() if relation.view]
        tables = {name: rows for name, rows in known["rows"].items() if name not in views and name in self.bound.read}
        asked = {physical_whole(self.bound.read[name], self.catalog): rows for name, rows in tables.items()}
        since = self.inner.changed_since(known["mark"], asked)
        if since.unknown and not since.changed:
            return SourceChange(None, since.how, evidence=False)
        if since.changed or not views:
            return SourceChange(
                None if since.changed is None else [str(name) for name in since.changed], since.how, evidence=since.evidence
            )
        moved = [name for name in views if self.inner.count(physical_whole(self.bound.read[name], self.catalog)) != known["rows"][name]]
        unchanged = since.changed is not None and since.how.startswith(("no transaction", "the file is the same"))
        return (
            SourceChange(moved, "rows of a view counted")
            if moved
            else since
            if unchanged
            else SourceChange(None, "the views were read again and compared", evidence=since.changed is None and since.evidence)
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
                for batch in self.batches(block, keyed, ROWS_AT_ONCE):
                    typed = self.keys_only(table, block, keyed, batch)
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

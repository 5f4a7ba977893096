"""One batch of an old table: reads it, types it and writes stage files, in the main process or a worker."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa

from etl.databases import Batch, KeyRange, SnapshotSource, Source
from etl.databases.registry import join_source
from etl.domain.typed_values import HELD
from etl.extract.precopied import Precopied, contents, forget_record
from etl.objects import Objects, Stored
from etl.objects.registry import open_objects
from etl.present import presented
from etl.runfolder import layout
from etl.runfolder.stage_file_io import StageFile, write_table
from etl.system.kept_resources import keep
from etl.system.memory import give_memory_back
from etl.system.prefetch import prefetch
from mappings.model import Mappings, Portal, TableMapping
from mappings.read import read_mappings

ROWS_PER_FILE = 50_000
CONTENT = {"portal": pl.String, "table": pl.String, "key": pl.String, "sha256": pl.String, "size": pl.Int64}
DOCUMENTS_PER_FILE = 2_000  # each is a file in the object store: the work of these rows is not the rows


@dataclass
class SideRecords:
    """Values that do not fit into the stage tables: rows of ODD, TEXT and CONTENT."""

    odd: list[tuple[str, str, str, str, str, bool]] = field(default_factory=list)
    text: list[tuple[str, str, str, str, str, int]] = field(default_factory=list)
    content: list[tuple[str, str, str, str, int]] = field(default_factory=list)
    unchanged: int = 0  # documents that were not read again: the rows are the versions that were precopied

    def add(self, other: SideRecords) -> None:
        """Appends the records of another batch."""
        self.odd += other.odd
        self.text += other.text
        self.content += other.content
        self.unchanged += other.unchanged


@dataclass(frozen=True)
class TableBatch:
    """The result for some rows of a table: their stage files, and the values that did not fit."""

    files: list[StageFile]
    aside: SideRecords

    @property
    def rows(self) -> int:
        """The number of rows in the stage files."""
        return sum(file.rows for file in self.files)


@dataclass(frozen=True)
class SnapshotTicket:
    """What another process needs to read in the snapshot held by this one, and to write its stage files."""

    portal: Portal
    url: str = field(repr=False)  # it may hold a password
    name: str
    snapshot: str
    mapping_folder: Path
    mapping_digest: str
    root: Path
    objects_uri: str
    adapter: Path | None = None
    adapter_sha256: str | None = None
    precopied: Precopied | None = None


def rows_per_file(mapping: TableMapping) -> int:
    """Returns the number of rows per stage file, equal for every kind of database."""
    return DOCUMENTS_PER_FILE if mapping.content_columns else ROWS_PER_FILE


def table_batches(
    source: Source, mapping: TableMapping, objects: Objects, root: Path, first: int = 0, precopied: Precopied | None = None
) -> Iterator[TableBatch]:
    """Yields the table's rows as written stage files, one batch each; `first`: the number of the first file."""
    for number, (table, aside) in enumerate(stage_tables(source, mapping, objects, precopied), start=first):
        yield TableBatch([write_table(root, layout.extracted_file(mapping.portal, mapping.table, number), table)], aside)


def read_elsewhere(ticket: SnapshotTicket, table: str, cut: KeyRange, number: int) -> TableBatch:
    """Returns one key range of a table, read by a worker process; `number`: the number of its stage file."""
    source, mappings, objects = _joined(ticket)
    try:
        mapping = mappings.tables[ticket.portal, table]
        parts = list(table_batches(source.within(cut), mapping, objects, ticket.root, number, ticket.precopied))
    except BaseException:
        _forget(ticket)  # a broken source is not reused: the next batch would fail for that reason and hide the cause
        raise
    together = TableBatch([], SideRecords())
    for part in parts:
        together.files.extend(part.files)
        together.aside.add(part.aside)
    return together


_JOINED: dict[SnapshotTicket, tuple[SnapshotSource, Mappings, Objects]] = {}  # this process's connections to the old portals


def _joined(ticket: SnapshotTicket) -> tuple[SnapshotSource, Mappings, Objects]:
    if ticket not in _JOINED:
        keep(ticket.root, "extract", partial(close_worker_sources, ticket.root))
        mappings = read_mappings(ticket.mapping_folder, ticket.mapping_digest)
        joined = join_source(ticket.url, ticket.name, ticket.snapshot)
        source = presented({ticket.portal: joined}, ticket.adapter, mappings, ticket.adapter_sha256)[ticket.portal]
        assert isinstance(source, SnapshotSource)  # noqa: S101  # an adapter keeps it what it was
        _JOINED[ticket] = source, mappings, open_objects(ticket.objects_uri, ticket.root / layout.JOURNAL)
    return _JOINED[ticket]


def _forget(ticket: SnapshotTicket) -> None:
    kept = _JOINED.pop(ticket, None)
    if kept is not None:
        kept[0].close()


def close_worker_sources(root: Path) -> None:
    """Closes this process's source connections for the run in that folder, if it has any; later steps do not need them."""
    joined = [ticket for ticket in list(_JOINED) if ticket.root == root]
    for ticket in joined:
        _forget(ticket)
    forget_record()
    if joined:
        give_memory_back()


def stage_tables(
    source: Source, mapping: TableMapping, objects: Objects, precopied: Precopied | None = None
) -> Iterator[tuple[pa.Table, SideRecords]]:
    """Yields (stage table, its values that do not fit) for each batch of a source table."""
    binary = mapping.content_columns
    brought = [contents(source, mapping, column, objects, precopied) for column in sorted(binary)]
    stored = {key: put for some, _ in brought for key, put in some.items()}
    unchanged = sum(count for _, count in brought)
    for batch in prefetch(source.read(mapping, rows_per_file(mapping), without=binary)):
        aside, unchanged = SideRecords(unchanged=unchanged), 0
        if batch.typed.oddities or batch.typed.texts or binary:
            _put_aside(mapping, batch, stored if binary else None, aside, objects)
        yield _stage_table(batch), aside


def _put_aside(mapping: TableMapping, batch: Batch, stored: dict[str, Stored] | None, aside: SideRecords, objects: Objects) -> None:
    keys = batch.keys or batch.typed.columns[mapping.key[0]].cast(pl.String).to_list()
    for odd in batch.typed.oddities:
        aside.odd.append((mapping.portal, mapping.table, keys[odd.row], odd.column, _json(odd.raw), odd.unreadable))
    for text in batch.typed.texts:
        put = objects.put([text.exact])
        aside.text.append((mapping.portal, mapping.table, keys[text.row], text.column, put.sha256, put.size))
    objects.make_durable()
    for row, key in enumerate(keys if stored is not None else ()):
        content = stored.get(key) if stored else None
        if content is None:  # a number in a column of bytes, or no value: unreadable (X2)
            batch.typed.mark[row] = HELD
        else:
            aside.content.append((mapping.portal, mapping.table, key, content.sha256, content.size))


def _stage_table(batch: Batch) -> pa.Table:
    columns = [*batch.typed.columns.values(), pl.Series("_mark", batch.typed.mark, dtype=pl.UInt8)]
    if batch.keys is not None:
        columns.append(pl.Series("_key", batch.keys, dtype=pl.String))
    return pl.DataFrame(columns).to_arrow()


def _json(raw: str | int | float) -> str:
    # JSON has no infinity: it is written as text.
    return json.dumps(str(raw) if isinstance(raw, float) and not math.isfinite(raw) else raw, ensure_ascii=False)

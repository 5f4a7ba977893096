"""Step 1: extracts one typed snapshot of the old portals into stage files, and the documents' bytes into the object store.

Stage files: `extract/PORTAL.table/00000.parquet` ... hold the rows in the order of their keys, with two columns more: `_key` (the key as
text; absent where it is simply the number) and `_mark` (0 fits, 1 loads with null and is held as well, 2 held only; rule X2). Beside them
`odd.parquet` (values that are not simply their canonical form), `text.parquet` (texts with U+0000 or invalid Unicode, rule E8) and
`content.parquet` (digest and size of every document's bytes, the file share's included).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from etl.databases import KeyRange, SnapshotSource, Source
from etl.errors import MigrationError, concerning
from etl.extract.freeze_guard import fingerprints
from etl.extract.precopied import Precopied, forget_record
from etl.extract.table_batch import CONTENT, SideRecords, SnapshotTicket, TableBatch, read_elsewhere, rows_per_file, table_batches
from etl.objects import Objects
from etl.objects.transfer import store_all
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, Step
from etl.runfolder.stage_file_io import StageFile
from etl.system.worker_pool import wrong_answer
from mappings.model import Mappings, Portal, TableMapping

Tell = Callable[[str, int, int], None]  # (what is going on, rows done, rows in all)

ODD = {"portal": pl.String, "table": pl.String, "key": pl.String, "column": pl.String, "raw_json": pl.String, "unreadable": pl.Boolean}
TEXT = {"portal": pl.String, "table": pl.String, "key": pl.String, "column": pl.String, "sha256": pl.String, "size": pl.Int64}


@dataclass(frozen=True)
class Helpers:
    """Worker processes that read in parallel, and the object store for their documents."""

    pool: Executor
    objects_uri: str
    adapter: Path | None = None
    adapter_sha256: str | None = None


class Files(Protocol):
    """The old file share, or an empty substitute if it is left out on purpose."""

    def chunks(self, object_path: str) -> Iterator[bytes] | None:
        """Returns the bytes of the file at that path in chunks; None if there is no readable file."""
        ...


class ShareMissing(MigrationError):
    """Documents are on the old file share, but --files is not given."""


def extract(
    sources: Mapping[Portal, Source],
    share: Files | None,
    objects: Objects,
    mappings: Mappings,
    folder: RunFolder,
    tell: Tell,
    helpers: Helpers | None = None,
    precopied: Precopied | None = None,
) -> Step:
    """Extracts all tables in one snapshot and returns the finished step; raises ShareMissing if documents are on the share and `share` is None.

    The stage files do not depend on the number of processes: tables are cut by number of rows. K1 is checked before publishing.
    """
    began = datetime.now(UTC).replace(tzinfo=None)
    marks = {portal: source.freeze_mark() for portal, source in sources.items()}
    tables = [(source, mapping) for portal, source in sources.items() for mapping in mappings.of(portal)]
    elsewhere = _elsewhere(sources, mappings, folder, helpers, precopied) if helpers is not None else {}
    files: list[StageFile] = []
    aside = SideRecords()
    read: dict[str, int] = {}
    for source, mapping in tables:
        name, total = f"{mapping.portal}.{mapping.table}", source.count(mapping.table)
        read[name] = 0
        with concerning(name):
            for part in elsewhere[name] if name in elsewhere else table_batches(source, mapping, objects, folder.path, precopied=precopied):
                files += part.files
                aside.add(part.aside)
                read[name] += part.rows
                tell(f"extract {name}", read[name], total)
        if read[name] != total:  # a key range has no row whose key is NULL; a weak isolation level sees concurrent writes
            raise MigrationError(
                f"{name}: the table holds {total:,} rows, but {read[name]:,} were read. Nothing was published.",
                "Look for rows with a NULL key and for sessions that write to the table; correct that, then run the same command again.",
            )
    _put_share(share, objects, folder, [file for file in files if file.path.startswith(layout.extracted("P2", "document"))], aside)
    for path, rows, schema in ((layout.ODD, aside.odd, ODD), (layout.TEXT, aside.text, TEXT), (layout.CONTENT, aside.content, CONTENT)):
        frame = pl.DataFrame(rows, schema=schema, orient="row").sort(pl.all())
        files.append(folder.write_table(path, frame.to_arrow()))
    levels = {portal: source.level for portal, source in sources.items()}
    prints = fingerprints(sources, mappings, files, pl.DataFrame(aside.content, schema=CONTENT, orient="row"))
    forget_record()
    facts = {"began": began.isoformat(sep=" "), "marks": marks, "levels": levels, "read": read, "fingerprints": prints}
    return Step("", files, {**facts, "unchanged": aside.unchanged})


def _elsewhere(
    sources: Mapping[Portal, Source], mappings: Mappings, folder: RunFolder, helpers: Helpers, precopied: Precopied | None
) -> dict[str, Iterator[TableBatch]]:
    """Returns by table the key ranges that worker processes read, for databases whose snapshot other processes can join; starts all of them."""
    waiting: dict[str, dict[int, Future[TableBatch]]] = {}
    later: list[_Task] = []
    for portal, source in sources.items():
        if not isinstance(source, SnapshotSource):
            continue
        ticket = SnapshotTicket(
            portal,
            source.url,
            source.name,
            source.snapshot,
            mappings.home,
            mappings.digest,
            folder.path,
            helpers.objects_uri,
            helpers.adapter,
            helpers.adapter_sha256,
            precopied,
        )
        for mapping in mappings.of(portal):
            tasks = [_Task(ticket, mapping, cut, number) for number, cut in enumerate(source.cuts(mapping, rows_per_file(mapping)))]
            waiting[tasks[0].name] = {}
            if len(tasks) == 1:
                waiting[tasks[0].name][0] = tasks[0].submit(helpers.pool)  # at once: the processes start while large tables are cut
            else:
                later += tasks
    for task in _mixed(later):
        waiting[task.name][task.number] = task.submit(helpers.pool)
    return {name: _in_order(name, futures) for name, futures in waiting.items()}


@dataclass(frozen=True)
class _Task:
    """A key range of a table that a worker process reads."""

    ticket: SnapshotTicket
    mapping: TableMapping
    cut: KeyRange
    number: int

    @property
    def name(self) -> str:
        return f"{self.mapping.portal}.{self.mapping.table}"

    def submit(self, pool: Executor) -> Future[TableBatch]:
        return pool.submit(read_elsewhere, self.ticket, self.mapping.table, self.cut, self.number)


def _in_order(name: str, futures: dict[int, Future[TableBatch]]) -> Iterator[TableBatch]:
    for number in range(len(futures)):
        found = futures[number].result()
        if not isinstance(found, TableBatch) or not all(
            file.path.startswith(layout.extracted(*name.split(".", 1))) for file in found.files
        ):
            raise wrong_answer(f"extract {name}, part {number}")
        yield found


def _mixed(tasks: list[_Task]) -> list[_Task]:
    """Returns the tasks in order, with document tasks spread evenly: they wait for disks, row tasks for processors."""
    documents = [task for task in tasks if task.mapping.content_columns]
    others = [task for task in tasks if not task.mapping.content_columns]
    placed = [((position + 0.5) / len(some), task) for some in (documents, others) for position, task in enumerate(some)]
    return [task for _, task in sorted(placed, key=lambda one: one[0])]


def _put_share(share: Files | None, objects: Objects, folder: RunFolder, files: list[StageFile], aside: SideRecords) -> None:
    """Stores the file behind the `object_path` of every document that has no content row (C6, fine print 31)."""
    have = {key for portal, table, key, _, _ in aside.content if (portal, table) == ("P2", "document_content")}
    for key, put in store_all(_shared(share, folder, files, have), objects).items():
        aside.content.append(("P2", "document", key, put.sha256, put.size))


def _shared(share: Files | None, folder: RunFolder, files: list[StageFile], have: set[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
    for file in files:
        frame = pl.DataFrame(folder.read_table(file))
        frame = frame.with_columns(pl.col("_key") if "_key" in frame.columns else pl.col("document_id").cast(pl.String).alias("_key"))
        for key, path in frame.filter(pl.col("object_path").is_not_null()).select("_key", "object_path").iter_rows():
            if key in have:
                continue
            if share is None:
                message = f"Document {key}, and possibly others, are on the old file share, but --files is not given."
                raise ShareMissing(message, "Give the root of the old file share: --files DIR.")
            chunks = share.chunks(path)
            if chunks is not None:
                yield key, chunks

"""Reattaches one stage file, in the main process or in a worker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.domain.grace import NO_GRACE, Grace
from etl.errors import concerning
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.objects.transfer import store_all
from etl.placement.account_directory import AccountDirectory
from etl.placement.account_index import AccountIndex
from etl.placement.held_rows import Odd
from etl.placement.routing import place_by_routes
from etl.placement.row_placement import RowPlacement, keys
from etl.placement.stage_tables import AccountIndexes, contents, load_account_directory, odd_values, write_rows
from etl.placement.table_outcome import account_for_rows
from etl.placement.target_rows import Computed
from etl.rules.e_responses import NONE, stub_questions
from etl.rules.registry import COLUMNS, flag_rows
from etl.runfolder import layout
from etl.runfolder.stage_file_io import StageFile, read_table
from etl.system.kept_resources import turn_to
from mappings.model import Mappings, Portal
from mappings.read import read_mappings

Key = tuple[Portal, str]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class StepInputs:
    """The constant inputs of the step; small, so that they can be sent with every task."""

    root: Path
    mapping_folder: Path
    mapping_digest: str
    extract: tuple[StageFile, ...]
    split: tuple[StageFile, ...]
    objects_uri: str
    freeze: tuple[date, date] | None
    files_uri: str | None = None
    grace: Grace = NO_GRACE


@dataclass(frozen=True)
class TaskSpec:
    """What a worker process needs to create the state of the step."""

    base: StepInputs
    wheres: tuple[tuple[Key, StageFile], ...] = ()
    superseded: Ints = field(default_factory=lambda: NONE)


@dataclass(frozen=True)
class StageFileResult:
    """The result of one stage file. `stubs`: E10; `objects`: (digest, size) of held rows' bytes that are stored besides the documents."""

    files: list[StageFile]
    held: pl.DataFrame
    flags: pl.DataFrame
    tally: pl.DataFrame
    where: AccountIndex | None
    stubs: Ints
    objects: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class WorkerState:
    """The state of the step in one process: what earlier steps wrote, and the placements of the tables that are done."""

    ticket: TaskSpec
    mappings: Mappings
    spine: AccountDirectory
    odd: Odd

    def where(self, portal: Portal, table: str) -> AccountIndex:
        """Returns the placement of the rows of that source table."""
        return self.spine.where[portal, table]

    def with_where(self, key: Key, file: StageFile) -> WorkerState:
        """Returns this state with the placement of that table, which is read from its stage file when first needed."""
        return context_of(replace(self.ticket, wheres=(*self.ticket.wheres, (key, file))))

    def with_superseded(self, answers: Ints) -> WorkerState:
        """Returns this state with the sorted ids of superseded responses (E7)."""
        return context_of(replace(self.ticket, superseded=answers))


def context_of(ticket: TaskSpec, table: Key | None = None) -> WorkerState:
    """Returns the state for this task; its constant part is created once per process. `table`: whose rows are placed next."""
    base = _context_of_base(ticket.base)
    wheres = base.spine.where
    assert isinstance(wheres, AccountIndexes)  # noqa: S101  # load_spine makes it so
    wheres.files.update(dict(ticket.wheres))
    if table is not None:
        wheres.turn_to(table)
    return replace(base, ticket=ticket, spine=replace(base.spine, superseded=ticket.superseded))


def clear_worker_cache() -> None:
    """Releases the memory that this process used for the finished step."""
    _context_of_base.cache_clear()
    _digests_of.cache_clear()


@lru_cache(maxsize=2)
def _context_of_base(base: StepInputs) -> WorkerState:
    mappings = read_mappings(base.mapping_folder, base.mapping_digest)
    spine = load_account_directory(base.root, mappings, base.extract, base.split)
    return WorkerState(
        TaskSpec(base),
        mappings,
        replace(spine, freeze=base.freeze, grace=base.grace),
        odd_values(base.root, base.extract),
    )


def reattach_file(ticket: TaskSpec, key: Key, number: int, file: StageFile) -> StageFileResult:
    """Places and writes one stage file of a table whose routes decide its accounts, and returns the result."""
    turn_to(ticket.base.root, "reattach")
    context = context_of(ticket, key)
    mapping = context.mappings.tables[key]
    with concerning(f"{mapping.portal}.{mapping.table}"):
        rows = place_by_routes(mapping, pl.DataFrame(read_table(ticket.base.root, file)), context.spine)
        return finish_stage_file(context, rows, number, {})


def finish_stage_file(context: WorkerState, rows: RowPlacement, number: int, computed: dict[str, dict[str, Computed]]) -> StageFileResult:
    """Flags, renders and writes placed rows, and returns their result."""
    mapping, base = rows.mapping, context.ticket.base
    flag_rows(rows, context.spine)
    digests, kept = _held_bytes(rows, context)
    one = account_for_rows(rows, context.spine, context.odd, COLUMNS, computed, digests, leave=frozenset({"stored_object"}))
    takes_question = any(form.rule == "E10" for into in mapping.into for form in into.columns.values())
    stubs = stub_questions(rows, context.spine) if takes_question else NONE
    return StageFileResult(write_rows(base.root, "reattach", one, number), one.held, one.flags, one.tally, one.where, stubs, kept)


def _held_bytes(rows: RowPlacement, context: WorkerState) -> tuple[dict[str, str], list[tuple[str, int]]]:
    """Returns by key the digest of a held row's bytes (fine print 9), and (digest, size) of those stored here because no document has them."""
    mapping = rows.mapping
    held = np.flatnonzero(rows.reason > 0)
    if not len(held):
        return {}, []
    key = keys(mapping, rows.frame)
    if mapping.content_columns or mapping.table == "document":
        known = _digests_of(context.ticket.base.root, context.ticket.base.extract, mapping.portal, mapping.table)
        wanted = key[held].to_frame("key").join(known, on="key")
        digests = dict(wanted.select("key", "sha256").iter_rows())
        return digests, _held_files(rows, held, key, digests, context) if mapping.table == "document" else []
    digests, kept = {}, []
    for column in (column.name for column in mapping.columns if column.family == "binary"):
        store = open_objects(context.ticket.base.objects_uri, context.ticket.base.root / layout.JOURNAL)
        for row in held:
            exact = rows.frame[column][int(row)]
            if exact is not None:
                put = store.put([exact])
                digests[key[int(row)]] = put.sha256
                kept.append((put.sha256, put.size))
        store.make_durable()
    return digests, kept


@lru_cache(maxsize=1)  # the stage files of a table come one after the other, and each would read the digests of all documents
def _digests_of(root: Path, extract: tuple[StageFile, ...], portal: Portal, table: str) -> pl.DataFrame:
    """Returns key and sha256 of the bytes that a table gave; `document`: those of the file share."""
    every = contents(root, extract)
    return every.filter((pl.col("portal") == portal) & (pl.col("table") == table)).select("key", "sha256")


def _held_files(rows: RowPlacement, held: Ints, key: pl.Series, digests: dict[str, str], context: WorkerState) -> list[tuple[str, int]]:
    """Stores the file at a held document's path also where a content row goes before it; adds its digest to `digests` (fine print 9, 31)."""
    base = context.ticket.base
    paths = {key[int(row)]: rows.frame["object_path"][int(row)] for row in held}
    waiting = {text: path for text, path in paths.items() if path is not None and text not in digests}
    if not waiting or base.files_uri is None:
        return []
    share, store = Share(base.files_uri), open_objects(base.objects_uri, base.root / layout.JOURNAL)
    found = ((text, chunks) for text, path in waiting.items() if (chunks := share.chunks(path)) is not None)
    stored = store_all(found, store)
    digests.update((text, put.sha256) for text, put in stored.items())
    return [(put.sha256, put.size) for put in stored.values()]

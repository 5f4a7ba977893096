"""Step 3: assigns the rows of profiles, models and entities to the accounts, table by table, stage file by stage file.

Each stage file is processed alone: its rows find their accounts by look-ups in the account directory and in the placements of earlier
tables. Memory is therefore bounded by a stage file, any cut gives the same rows, and worker processes can share the work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import date
from graphlib import TopologicalSorter
from itertools import islice

import numpy as np
import polars as pl
import pyarrow as pa

from etl.domain.grace import NO_GRACE, Grace
from etl.objects import object_key
from etl.placement.account_index import EMPTY_INDEX, join_indexes
from etl.placement.row_placement import Ints, RowPlacement, start
from etl.placement.stage_tables import contents, extracted, frames, whole, write_record
from etl.placement.table_outcome import TALLY, has_index
from etl.placement.target_rows import arrow_type
from etl.rules import c_contents
from etl.rules import c_documents as documents
from etl.rules import e_responses as responses
from etl.rules import g_status_verification as svi
from etl.rules.x_values_and_references import flag_invalid_texts
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, Step
from etl.runfolder.stage_file_io import StageFile, read_columns
from etl.system.worker_pool import wrong_answer
from etl.transform.splitting import SPINE_TABLES
from etl.transform.stage_file_task import StageFileResult, StepInputs, TaskSpec, WorkerState, context_of, finish_stage_file, reattach_file
from mappings.model import Mappings, Portal, TableMapping

Key = tuple[Portal, str]
Tell = Callable[[str, int, int], None]
DOCUMENT_TABLES: tuple[Key, ...] = (("P2", "document"), ("P2", "document_link"), ("P2", "document_content"), ("TC", "tc_document_content"))
_NUMBERS = ("document_id", "company_profile_id", "security_model_id", "previous_document_id", "library_cd", "_mark")


def reattach(
    folder: RunFolder,
    mappings: Mappings,
    objects_uri: str,
    freeze: tuple[date, date] | None,
    pool: Executor | None,
    tell: Tell,
    files_uri: str | None = None,
    rest: Callable[[], None] = lambda: None,
    grace: Grace = NO_GRACE,
) -> Step:
    """Places all remaining source tables on accounts and returns the finished step.

    `pool`: worker processes, or None for this process; the files are the same. `files_uri`: the old file share. `rest` is called when the
    workers have finished, because documents, placed last, need the memory. Raises MigrationError if a row is neither loaded nor held.
    """
    base = StepInputs(
        folder.path,
        mappings.home,
        mappings.digest,
        tuple(folder.files("extract")),
        tuple(folder.files("split")),
        objects_uri,
        freeze,
        files_uri,
        grace,
    )
    context = context_of(TaskSpec(base))
    work = _Work(folder, context, pool, tell)
    levels = _levels(mappings)
    last = max((number for number, level in enumerate(levels) if _side_by_side(level)), default=-1)
    for number, level in enumerate(levels):
        if ("P2", "profile_response") in level:
            work.context = work.context.with_superseded(_superseded(folder, mappings.tables["P2", "profile_response"], work.context))
        work.run(_side_by_side(level))
        if number == last:
            rest()
        if ("P2", "svi_link") in level:
            work.place_links()
        if ("P2", "document") in level:
            work.place_documents()
        for key in level:
            if key in DOCUMENT_TABLES[2:]:
                work.place_contents(key)
    return Step("", work.written(), {})


def _levels(mappings: Mappings) -> list[list[Key]]:
    """Returns the tables in levels: each table comes after those that it refers to; tables of one level are independent."""
    needed = {key: _needed(mappings, mapping) for key, mapping in mappings.tables.items() if key not in SPINE_TABLES}
    order = TopologicalSorter({key: parents & needed.keys() for key, parents in needed.items()})
    order.prepare()  # CycleError names the tables of a circle
    levels, position = [], {key: number for number, key in enumerate(needed)}
    while ready := sorted(order.get_ready(), key=position.__getitem__):
        levels.append(ready)
        order.done(*ready)
    return levels


def _side_by_side(level: list[Key]) -> list[Key]:
    """Returns the tables whose stage files are processed one by one."""
    return [key for key in level if key not in DOCUMENT_TABLES and key != ("P2", "svi_link")]


def _needed(mappings: Mappings, mapping: TableMapping) -> set[Key]:
    portal = mapping.portal
    needed: set[Key] = {(portal, route.table) for route in (*mapping.owner, *mapping.needs)}
    for into in mapping.into:
        for form in into.columns.values():
            if form.of:
                makers = [(maker.portal, maker.table) for maker in mappings.makers(form.of)]
                needed |= {maker for maker in makers if maker[0] == portal} or set(makers)
    if (portal, mapping.table) == ("P2", "document"):
        needed |= {("P2", row["source_table"]) for row in mappings.codes["link_target"]}
    if (portal, mapping.table) == ("P2", "document_link"):
        needed = {(maker) for maker in needed if maker != ("P2", "document")}  # placed together with the documents
    if mapping.owner_rule == "C7":
        needed.add(("P2", "document") if portal == "P2" else ("TC", "tc_document"))
    return needed - {(portal, mapping.table)}


def _superseded(folder: RunFolder, mapping: TableMapping, context: WorkerState) -> Ints:
    """Returns the ids of superseded answers (E7), from columns of numbers only."""
    files = extracted(folder, mapping)
    columns = ["response_id", "security_profile_id", "question_id", "modified_at", "_mark"]

    def answers(file: StageFile) -> pl.DataFrame:
        return pl.DataFrame(read_columns(folder.path, file, columns)).filter(pl.col("_mark") < 2)

    numbers = {file.path: responses.fingerprints(answers(file)) for file in files}
    twice = responses.repeated(numbers.values())
    suspects = [
        answers(file).filter(pl.Series(np.isin(numbers[file.path], twice))) for file in files if np.isin(numbers[file.path], twice).any()
    ]
    if not suspects:
        return responses.NONE
    loaded = context.where("P2", "security_profile")
    together = pl.concat(suspects)
    profile = together["security_profile_id"].to_numpy()
    return responses.superseded(together.filter(pl.Series(loaded.loaded(profile, np.ones(len(profile), bool)))))


class _Work:
    """The tables that are done so far: their stage files, and what has to be put together at the end."""

    def __init__(self, folder: RunFolder, context: WorkerState, pool: Executor | None, tell: Tell) -> None:
        self.folder, self.context, self._pool, self._tell = folder, context, pool, tell
        self._done: list[StageFileResult] = []
        self._files: list[StageFile] = []

    def run(self, tables: list[Key]) -> None:
        """Processes all stage files of these tables, in parallel if there is a pool."""
        files = {key: extracted(self.folder, self.context.mappings.tables[key]) for key in tables}
        results = self._results([(key, number, file) for key in tables for number, file in enumerate(files[key])])
        for key in tables:
            self._close(key, list(islice(results, len(files[key]))))  # at once: no later table needs its placements

    def _results(self, tasks: list[tuple[Key, int, StageFile]]) -> Iterator[StageFileResult]:
        total = sum(file.rows for _, _, file in tasks)
        rows = 0
        ticket = self.context.ticket
        waiting = deque[Future[StageFileResult]]()
        if self._pool is not None:
            waiting.extend(self._pool.submit(reattach_file, ticket, *task) for task in tasks)
        for task in tasks:
            result = waiting.popleft().result() if waiting else reattach_file(ticket, *task)
            if not _belongs(result, self.context.mappings.tables[task[0]], *task[1:]):
                raise wrong_answer(f"reattach {task[2].path}")
            rows += task[2].rows
            self._tell("reattach", rows, total)
            yield result

    def _close(self, key: Key, results: list[StageFileResult]) -> None:
        """Combines the results of a table's stage files into the account index that later tables use."""
        wheres = [result.where for result in results if result.where is not None]
        results = [replace(result, where=None) for result in results]  # `wheres` alone has them now
        if wheres or not results:
            where = join_indexes(wheres) if wheres else EMPTY_INDEX
            file = self.folder.write_table(layout.index("reattach", *key), where.to_arrow())
            self.context = self.context.with_where(key, file)
            self._files.append(file)
        for result in results:
            self._files += result.files
            self._done.append(replace(result, files=[]))

    def place_links(self) -> None:
        """Places all status verification links at once, because the same pair may be accepted twice (chapter G)."""
        key: Key = ("P2", "svi_link")
        rows = start(self.context.mappings.tables[key], whole(self.folder, self.context.mappings.tables[key]))
        columns = svi.place_links(rows, self.context.spine)
        self._close(key, [finish_stage_file(self.context, rows, 0, {"svi_link": columns})])

    def place_documents(self) -> None:
        """Places all documents from their key columns alone, then makes their rows one stage file at a time (chapter C)."""
        tables = self.context.mappings.tables
        document, link = tables["P2", "document"], tables["P2", "document_link"]
        numbers = [_numbers(frame) for frame in frames(self.folder, document)]
        placed = start(document, pl.concat(numbers) if numbers else _numbers(whole(self.folder, document)))
        placement = documents.place_documents_and_links(
            placed, start(link, whole(self.folder, link)), self.context.spine.model_profiles, self.context.spine
        )
        results = []
        first = 0
        for number, frame in enumerate(frames(self.folder, document)):
            results.append(self._document_result(placement, frame, first, number))
            first += frame.height
        self._close(("P2", "document"), results)
        targets = documents.link_targets(placement.link, self.context.spine)
        self._close(
            ("P2", "document_link"), [finish_stage_file(self.context, placement.link, 0, {"document_link": {"target_id": targets}})]
        )

    def _document_result(self, placement: documents.DocumentPlacement, frame: pl.DataFrame, first: int, number: int) -> StageFileResult:
        whole_row, whole_account = placement.document.row, placement.document.account
        begin, end = np.searchsorted(whole_row, [first, first + frame.height])
        rows = RowPlacement(
            placement.document.mapping,
            frame,
            placement.document.reason[first : first + frame.height],
            whole_row[begin:end] - first,
            whole_account[begin:end],
            placement.document.flags if number == 0 else [],
        )
        columns = documents.document_columns(placement, whole_row[begin:end], whole_account[begin:end], self.context.spine)
        return finish_stage_file(self.context, rows, number, {"document": columns})

    def place_contents(self, key: Key) -> None:
        mapping = self.context.mappings.tables[key]
        owner: Key = ("P2", "document") if key[0] == "P2" else ("TC", "tc_document")
        results = []
        for number, frame in enumerate(frames(self.folder, mapping)):
            rows = start(mapping, frame)
            c_contents.place_contents(rows, self.context.where(*owner))
            results.append(finish_stage_file(self.context, rows, number, {}))
        self._close(key, results)

    def written(self) -> list[StageFile]:
        """Returns the files of the step: rows of all tables, and the records of all tables together."""
        results = self._done
        texts = pl.concat([pl.DataFrame(table) for table in self.folder.tables("extract", layout.TEXT)])
        flagged = [flag_invalid_texts(texts), *(result.flags for result in results)]
        # A table without rows has no stage file, but has a tally.
        empty = [(portal, table, 0, 0, 0, 0, 0) for portal, table in self.context.mappings.tables if (portal, table) not in SPINE_TABLES]
        tallies = [pl.DataFrame(empty, schema=TALLY, orient="row"), *(result.tally for result in results)]
        self._files += write_record(self.folder.path, "reattach", [result.held for result in results], flagged, tallies)
        write = self.folder.write_table
        self._files.append(write(layout.STUB_QUESTIONS, _stubs(self.context.mappings, self._done)))
        self._files.append(write(layout.STORED_OBJECTS, _objects(self.folder, texts, self._done)))
        return self._files


def _belongs(result: object, mapping: TableMapping, number: int, file: StageFile) -> bool:
    """Returns whether a worker's result is of this stage file: by its type, the names of its files, and the rows that it accounts for."""
    if not isinstance(result, StageFileResult):
        return False
    key: Key = (mapping.portal, mapping.table)
    names = {layout.made_file("reattach", into.table, *key, number) for into in mapping.into}
    counted = result.tally.select("portal", "table", "read").rows() == [(*key, file.rows)]
    return counted and all(one.path in names for one in result.files) and (result.where is not None) == has_index(mapping)


def _numbers(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(*_NUMBERS, *(["_key"] if "_key" in frame.columns else [pl.col("document_id").cast(pl.String).alias("_key")]))


def _stubs(mappings: Mappings, results: list[StageFileResult]) -> pa.Table:
    """Returns the catalogue rows of answered questions that the old catalogue lacks (E10; fine print 16)."""
    ids = sorted({int(question) for result in results for question in result.stubs})
    values = {"question_id": ids, "question_text": [f"UNKNOWN({question})" for question in ids], "stub": [True] * len(ids)}
    shape = mappings.target.tables["profile_question"]
    return pa.table({column.name: pa.array(values.get(column.name, [None] * len(ids)), arrow_type(column)) for column in shape.columns})


def _objects(folder: RunFolder, texts: pl.DataFrame, results: list[StageFileResult]) -> pa.Table:
    """Returns every object that a row of the new store refers to: documents, bytes of held rows, exact bytes of texts (C7, C9, E8)."""
    kept = pl.DataFrame(
        [pair for result in results for pair in result.objects], schema={"sha256": pl.String, "size": pl.Int64}, orient="row"
    )
    every = (
        pl.concat([contents(folder.path, folder.files("extract")).select("sha256", "size"), texts.select("sha256", "size"), kept])
        .unique()
        .sort("sha256")
    )
    keys = pl.Series([object_key(digest) for digest in every["sha256"].to_list()], dtype=pl.String)
    return every.select("sha256", pl.col("size").alias("size_bytes"), keys.alias("object_key")).to_arrow()

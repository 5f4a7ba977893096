"""Copies every document's bytes into the object store before the freeze, while the old portals are in use, and records them.

A precopy proves nothing about the freeze: `extract` verifies every document again. An interruption loses at most the current part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import polars as pl

from etl.databases import Source, Versioned
from etl.errors import SourceChanged, Unreadable
from etl.extract.precopied import Precopied, precopied, rows_of_record, unchanged
from etl.extract.step import Files, Tell
from etl.objects import Objects, Stored
from etl.objects.transfer import store_all
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, Step
from etl.runfolder.stage_file_io import StageFile
from mappings.model import Mappings, Portal, TableMapping

_TOGETHER = 2_000  # documents: what a kill may lose
_ROWS = 50_000
SHARED = ("P2", "document", "object_path")  # the table and column that name files of the share


class Record:
    """The record that grows in the run's folder: part by part while the portals are read, then as one file."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.kept: Precopied | None = precopied(folder)
        step = folder.steps.setdefault(layout.PRECOPY, Step(""))
        named = {file.path for file in step.files}
        for path in sorted((folder.path / layout.PRECOPY).glob("*")) if (folder.path / layout.PRECOPY).is_dir() else ():
            if path.relative_to(folder.path).as_posix() not in named:
                folder.remove(path.relative_to(folder.path).as_posix())  # a part that a kill kept from the manifest
        self._number = max((int(Path(path).stem) + 1 for path in named), default=0)
        self._whole: list[pl.DataFrame] = []
        # The record must precede the other steps: `clear` removes all steps after one.
        folder.steps = {layout.PRECOPY: step, **{name: other for name, other in folder.steps.items() if name != layout.PRECOPY}}

    def carry(self, rows: pl.DataFrame) -> None:
        """Keeps rows of the earlier record that are still valid."""
        self._whole.append(rows)

    def add(self, rows: pl.DataFrame) -> None:
        """Adds new rows; they are durable when this returns."""
        if rows.height:
            self._whole.append(rows)
            self._folder.steps[layout.PRECOPY].files.append(self._write(rows))
            self._folder.save()

    def finish(self) -> None:
        """Writes the whole record as one file; the caller saves the manifest, after which the earlier files are removed."""
        step = self._folder.steps[layout.PRECOPY]
        before = [file.path for file in step.files]
        if self._whole:
            step.files = [self._write(pl.concat(self._whole).sort("portal", "table", "column", "key"))]
        self._folder.save()
        for path in before:
            self._folder.remove(path)

    def _write(self, rows: pl.DataFrame) -> StageFile:
        self._number += 1
        return self._folder.write_table(layout.precopied_file(self._number - 1), rows.to_arrow())


def precopy(
    sources: Mapping[Portal, Source], share: Files | None, objects: Objects, mappings: Mappings, folder: RunFolder, tell: Tell
) -> dict[str, int]:
    """Returns counts: documents, unchanged since the last precopy, read, and objects new in the store."""
    record = Record(folder)
    counts = {"documents": 0, "unchanged": 0, "read": 0, "objects": 0}
    have: set[str] = set()
    for portal, source in sources.items():
        for mapping in mappings.of(portal):
            for column in sorted(mapping.content_columns):
                keys = _column(source, mapping, column, objects, record, counts, tell)
                if (portal, mapping.table) == ("P2", "document_content"):
                    have = keys
    if share is not None and "P2" in sources:
        mapping = mappings.tables["P2", "document"]
        waiting = _on_share(sources["P2"], share, mapping, have)
        while stored := store_all(islice(waiting, _TOGETHER), objects):
            _count(counts, "read", stored)
            record.add(rows_of_record(mapping, SHARED[2], stored))
            tell("precopy P2.document", counts["documents"], counts["documents"])
    record.finish()
    return counts


def _column(
    source: Source, mapping: TableMapping, column: str, objects: Objects, record: Record, counts: dict[str, int], tell: Tell
) -> set[str]:
    """Copies the documents of one column and returns the keys of the rows whose bytes are in the object store now."""
    name = f"precopy {mapping.portal}.{mapping.table}"
    relation = source.relation(mapping, column) if isinstance(source, Versioned) else None
    if relation is None or not isinstance(source, Versioned):
        stored = store_all(source.contents(mapping, column), objects)
        _count(counts, "read", stored)
        record.add(rows_of_record(mapping, column, stored))
        tell(name, len(stored), len(stored))
        return set(stored)
    now, same = unchanged(source, relation, mapping, column, objects, record.kept)
    versions = dict(now.iter_rows())
    record.carry(rows_of_record(mapping, column, same, relation, versions))
    _count(counts, "unchanged", same)
    keys = set(same)
    changed = [key for key in now["key"].to_list() if key not in same]
    for first in range(0, len(changed), _TOGETHER):
        stored = store_all(source.contents_of(mapping, column, changed[first : first + _TOGETHER]), objects)
        record.add(rows_of_record(mapping, column, stored, relation, versions))
        _count(counts, "read", stored)
        keys |= stored.keys()
        tell(name, len(keys), now.height)
    return keys


def _count(counts: dict[str, int], what: str, stored: Mapping[str, Stored]) -> None:
    counts["documents"] += len(stored)
    counts[what] += len(stored)
    counts["objects"] += len({put.sha256 for put in stored.values() if put.created})


def _on_share(source: Source, share: Files, mapping: TableMapping, have: set[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yields (key, chunks) of every document without a content row that names a readable file (C6)."""
    key, path = mapping.key[0], SHARED[2]
    others = frozenset(column.name for column in mapping.columns if column.name not in (key, path))
    for batch in source.read(mapping, _ROWS, without=others):
        keys = batch.keys or batch.typed.columns[key].cast(pl.String).to_list()
        for one, where in zip(keys, batch.typed.columns[path].to_list(), strict=True):
            chunks = share.chunks(where) if where is not None and one not in have else None
            if chunks is not None:
                yield one, _while_open(chunks)


def _while_open(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yields the same bytes; raises Unreadable at a file that changes meanwhile, which the next precopy reads."""
    try:
        yield from chunks
    except SourceChanged:
        raise Unreadable from None

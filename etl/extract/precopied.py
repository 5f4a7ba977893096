"""The record of a precopy, and which documents need not be read again: the row is the same version of the same relation, and its object exists.

The record `precopy/NNNNN.parquet`: portal, table, column, key (text); sha256 and size (bytes) of the content; relation, transactions and version,
by which PostgreSQL shows that a row is still the one that was read. These three are null for databases without row versions: there the bytes
are read again and their digest is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from etl.databases import Relation, Source, Versioned
from etl.objects import Objects, Stored, of_each
from etl.objects.transfer import store_all
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import StageFile, read_table
from mappings.model import TableMapping

RECORD = {
    "portal": pl.String,
    "table": pl.String,
    "column": pl.String,
    "key": pl.String,
    "sha256": pl.String,
    "size": pl.Int64,
    "relation": pl.String,
    "transactions": pl.Int64,
    "version": pl.String,
}


@dataclass(frozen=True)
class Precopied:
    """The record of a precopy in a run's folder; its bytes are compared with the manifest when a process first reads it."""

    root: Path
    files: tuple[StageFile, ...]

    def of(self, mapping: TableMapping, column: str) -> pl.DataFrame:
        """Returns the rows of RECORD of one document column."""
        chosen = (pl.col("portal") == mapping.portal) & (pl.col("table") == mapping.table) & (pl.col("column") == column)
        return _record(self).filter(chosen)


def precopied(folder: RunFolder) -> Precopied | None:
    """Returns the record of what was precopied into this run, None without a precopy; raises EvidenceAltered (6) if its bytes have changed."""
    if layout.PRECOPY not in folder.steps:
        return None
    files = tuple(folder.files(layout.PRECOPY))
    for file in files:
        folder.read_bytes(file)
    return Precopied(folder.path, files)


@lru_cache(maxsize=1)
def _record(kept: Precopied) -> pl.DataFrame:
    frames = [pl.DataFrame(read_table(kept.root, file)) for file in kept.files]
    return pl.concat(frames) if frames else pl.DataFrame(schema=RECORD)


def forget_record() -> None:
    """Releases the memory of the record in this process."""
    _record.cache_clear()


def unchanged(
    source: Versioned, relation: Relation, mapping: TableMapping, column: str, objects: Objects, kept: Precopied | None
) -> tuple[pl.DataFrame, dict[str, Stored]]:
    """Returns (key and version of every row with bytes; by key the objects of rows that are the precopied version).

    A key that occurs twice has no object here.
    """
    now = source.versions(mapping, column)
    if kept is None or not now.height:
        return now, {}
    same = pl.col("relation") == relation.identity
    # Never newer, and at most half of the 32-bit range apart, within which transaction numbers can be ordered.
    near = pl.col("transactions").is_between(relation.transactions - _TELLABLE, relation.transactions)
    known = kept.of(mapping, column).filter(same & near).unique(("key", "version"), keep="last")
    once = now.filter(pl.col("key").is_unique())
    found = once.join(known, on=("key", "version"), how="inner").select("key", "sha256", "size")
    sizes = dict(found.select("sha256", "size").iter_rows())
    there = {sha256 for (sha256, size), held in zip(sizes.items(), of_each(objects.size, list(sizes)), strict=True) if held == size}
    return now, {key: Stored(sha256, size, False) for key, sha256, size in found.iter_rows() if sha256 in there}


_TELLABLE = 1 << 31


def contents(source: Source, mapping: TableMapping, column: str, objects: Objects, kept: Precopied | None) -> tuple[dict[str, Stored], int]:
    """Returns (by key the stored object of each row's bytes; the number of rows whose bytes were not read again)."""
    relation = source.relation(mapping, column) if kept is not None and isinstance(source, Versioned) else None
    if relation is None or not isinstance(source, Versioned):
        return store_all(source.contents(mapping, column), objects), 0
    now, same = unchanged(source, relation, mapping, column, objects, kept)
    if not same:
        return store_all(source.contents(mapping, column), objects), 0
    changed = [key for key in now["key"].to_list() if key not in same]
    return same | store_all(source.contents_of(mapping, column, changed), objects), len(same)


def rows_of_record(
    mapping: TableMapping,
    column: str,
    stored: Mapping[str, Stored],
    relation: Relation | None = None,
    versions: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Returns rows of RECORD for these objects; relation, transactions and version are null where the database has no row versions."""
    known = versions or {}
    identity, transactions = (relation.identity, relation.transactions) if relation is not None else (None, None)
    rows = [
        (mapping.portal, mapping.table, column, key, put.sha256, put.size, identity, transactions, known.get(key))
        for key, put in stored.items()
    ]
    return pl.DataFrame(rows, schema=RECORD, orient="row")

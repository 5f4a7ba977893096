"""Rows on their way into a SQLite store: in a separate file, which is deleted afterwards."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl
import pyarrow as pa

from etl.databases.quoting import quoted
from etl.databases.target import Rows
from etl.domain.ids import as_text
from etl.domain.typed_values import texts_of
from mappings.schema import Table

_AT_ONCE = 16_384  # rows as Python values at a time: they need ten times the memory of their columns


def stage(staging: Path, tables: Sequence[Table], rows: Rows) -> Generator[int, None, None]:
    """Fills a new file with these tables' rows, in place of an earlier one; yields numbers of rows as they are written."""
    forget(staging)
    staging.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Created before SQLite opens it: SQLite's mode would follow the umask.
    os.close(os.open(staging, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    with closing(_opened(staging)) as file:
        for table in tables:
            names = ", ".join(quoted(column.name) for column in table.columns)
            file.execute(f"CREATE TABLE {quoted(table.name)} ({names})")  # without types: staged values are stored unchanged
            placeholders = ", ".join("?" * len(table.columns))
            file.execute("BEGIN")
            for batch in rows(table):
                for first in range(0, batch.num_rows, _AT_ONCE):
                    chunk = batch.slice(first, _AT_ONCE)
                    columns = [_cells(chunk[column.name], column.family) for column in table.columns]
                    file.executemany(f"INSERT INTO {quoted(table.name)} VALUES ({placeholders})", zip(*columns, strict=True))
                    yield chunk.num_rows
            file.execute("COMMIT")


def key_staged(staging: Path, tables: Sequence[Table]) -> None:
    """Creates the staged tables' keys: without them a comparison with the real tables would take quadratic time."""
    with closing(_opened(staging)) as file:
        for table in tables:
            key = ", ".join(map(quoted, table.key))
            file.execute(f"CREATE INDEX IF NOT EXISTS {quoted('key of ' + table.name)} ON {quoted(table.name)} ({key})")


def forget(staging: Path) -> None:
    """Removes the file and SQLite's files beside it."""
    for leftover in staging.parent.glob(staging.name + "*"):
        leftover.unlink()


def _opened(staging: Path) -> sqlite3.Connection:
    file = sqlite3.connect(staging, isolation_level=None)
    file.execute("PRAGMA synchronous = off")  # deleted after every crash: only the store has to be durable
    file.execute("PRAGMA journal_mode = off")
    return file


def _cells(column: pa.ChunkedArray, family: str) -> list[object]:
    """Returns the values as SQLite stores them: ids and moments as text, booleans as 0 and 1."""
    match family:
        case "uuid":
            return list(as_text(column).to_pylist())
        case "date" | "timestamp":
            return texts_of(pl.Series("x", column)).to_list()
        case "boolean":
            return list(column.cast(pa.int8()).to_pylist())
    return list(column.to_pylist())

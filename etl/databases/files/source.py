"""An old portal that is a folder of files: copied once into a private SQLite file, and read from it."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from etl.databases import Batch, SourceChange, sqlite_url
from etl.databases.files.tables import ENDINGS, columns_and_rows, not_read, tables_in
from etl.databases.quoting import quoted
from etl.databases.source_conditions import SourceConditions
from etl.databases.sqlite.source import SqliteSource
from mappings.model import TableMapping

_AT_ONCE = 5_000


class FolderSource:
    """Implements `Source`; `delimiter`, `encoding`: of its CSV files, set before the first read."""

    level = "a single copy of the files"

    def __init__(self, url: str, name: str) -> None:
        self.folder, self._name = Path(url.removeprefix("folder:")), name
        self.delimiter, self.encoding = ",", "utf-8"
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self.files = tables_in(self.folder, name)

    @cached_property
    def inner(self) -> SqliteSource:
        """Returns the private SQLite copy, made at the first call and removed by `close`."""
        self._scratch = tempfile.TemporaryDirectory(prefix="portal-migrate-")
        file = Path(self._scratch.name) / "files.sqlite"
        with closing(sqlite3.connect(file, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = off")
            copy.execute("PRAGMA synchronous = off")
            for table in self.files:
                columns, rows = columns_and_rows(table, self.delimiter, self.encoding)
                listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
                copy.execute(f"CREATE TABLE {quoted(table.name)} ({listed})")
                statement = f"INSERT INTO {quoted(table.name)} VALUES ({', '.join('?' * len(columns))})"
                copy.execute("BEGIN")
                while some := list(itertools.islice(rows, _AT_ONCE)):
                    copy.executemany(statement, some)
                copy.execute("COMMIT")
        return SqliteSource(sqlite_url(file), self._name)

    def query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        return self.inner.query(statement, *values)

    def shapes(self) -> dict[str, dict[str, str]]:
        return self.inner.shapes()

    def relation_kinds(self) -> dict[str, str]:
        return {}

    def conditions(self, mapped: Sequence[TableMapping], deep: bool = True) -> SourceConditions:
        """Returns the conditions of the copy: a file hides no rows from a process that can read it."""
        beside = [f"{name}: not a file of the kinds {', '.join(ENDINGS)}" for name in not_read(self.folder)]
        return SourceConditions(beside=beside, not_ruled_out=["rows that were left out when the files were written"])

    def count(self, table: str) -> int:
        return self.inner.count(table)

    def bytes_in(self, table: str, column: str) -> int:
        return self.inner.bytes_in(table, column)

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        return self.inner.read(mapping, rows, without)

    def contents(self, mapping: TableMapping, column: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        return self.inner.contents(mapping, column)

    def freeze_mark(self) -> str:
        """Returns the SHA-256 of every file, taken before the copy is made: a later change of a file differs from it."""
        found = []
        for file in sorted({table.file for table in self.files}):
            with file.open("rb") as stream:
                found.append(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {file.name}")
        return "\n".join(found)

    def changed_since(self, freeze_mark: str, read: dict[str, int]) -> SourceChange:
        before, now = set(freeze_mark.splitlines()), set(self.freeze_mark().splitlines())
        names = {line.partition("  ")[2] for line in before ^ now}
        return SourceChange([table.name for table in self.files if table.file.name in names] or sorted(names), "the files' digests")

    def highest_key(self, mapping: TableMapping) -> str:
        return self.inner.highest_key(mapping)

    def counted(self) -> dict[str, str]:
        return {}

    def writers(self) -> list[str]:
        writable = [file.name for file in sorted({table.file for table in self.files}) if file.stat().st_mode & 0o222]
        return [f"{len(writable):,} files have modes that allow writing"] if writable else []

    def close(self) -> None:
        if "inner" in self.__dict__:
            self.inner.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

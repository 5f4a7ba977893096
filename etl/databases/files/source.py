"""An old portal that is a folder of files: copied once into a private SQLite file, and read from it."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

from etl.databases import Batch, ClosedAtExit, SourceChange, sqlite_url
from etl.databases.files.tables import ENDINGS, columns_and_rows, not_read, tables_in
from etl.databases.files.workbook_cells import hidden_sheets
from etl.databases.files.wrong import FileProblem, FilesWrong, FileTable
from etl.databases.quoting import quoted
from etl.databases.source_conditions import SourceConditions
from etl.databases.sqlite.source import SqliteSource
from mappings.model import TableMapping


class FolderSource(ClosedAtExit):
    """Implements `Source`; `delimiter`, `encoding`: of its CSV files, set before the first read."""

    level = "a single copy of the files"

    def __init__(self, url: str, name: str) -> None:
        self.folder, self._name = Path(url.removeprefix("folder:")), name
        self.delimiter, self.encoding = ",", "utf-8"
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._types: dict[str, dict[str, str]] = {}
        self._found: list[FileTable] = []
        self._unusable: FilesWrong | None = None
        try:
            self._found = tables_in(self.folder, name)
        except FilesWrong as error:  # raised at the first read, together with what is wrong elsewhere
            self._unusable = error

    @property
    def files(self) -> list[FileTable]:
        """Returns the tables of the folder; raises FilesWrong where a file is not one."""
        if self._unusable is not None:
            raise FilesWrong(self._unusable.problems)
        return self._found

    def other_delimiters(self) -> dict[str, tuple[str, str]]:
        """Returns, by table, (its only column, a usual delimiter in that name): the file most likely has that delimiter."""
        found = {}
        for table in self.files:
            names = list(self._types.get(table.name, ()))
            usual = [delimiter for delimiter in ";,\t|" if delimiter != self.delimiter and len(names) == 1 and delimiter in names[0]]
            if usual and table.file.suffix.lower() == ".csv":
                found[table.name] = names[0], usual[0]
        return found

    @cached_property
    def inner(self) -> SqliteSource:
        """Returns the private SQLite copy, made at the first call and removed by `close`; raises FilesWrong with every file that is not a table."""
        self._scratch = tempfile.TemporaryDirectory(prefix="portal-migrate-")
        file = Path(self._scratch.name) / "files.sqlite"
        with closing(sqlite3.connect(file, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = off")
            copy.execute("PRAGMA synchronous = off")
            wrong: list[FileProblem] = []
            for table in self.files:
                try:
                    columns, rows = columns_and_rows(table, self.delimiter, self.encoding)
                    # Without types: SQLite would make 1.50 a 1.5 and 99999999999999999999 a 1e20 of them.
                    copy.execute(f"CREATE TABLE {quoted(table.name)} ({', '.join(map(quoted, columns))})")
                    copy.execute("BEGIN")
                    copy.executemany(f"INSERT INTO {quoted(table.name)} VALUES ({', '.join('?' * len(columns))})", rows)
                    copy.execute("COMMIT")
                    self._types[table.name] = columns
                except FilesWrong as error:
                    wrong += error.problems
                    if copy.in_transaction:
                        copy.execute("COMMIT")
            if wrong:
                raise FilesWrong(wrong)
        return SqliteSource(sqlite_url(file), self._name)

    def query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        return self.inner.query(statement, *values)

    def shapes(self) -> dict[str, dict[str, str]]:
        tables = self.inner.shapes()
        return {name: self._types.get(name, columns) for name, columns in tables.items()}

    def relation_kinds(self) -> dict[str, str]:
        return {}

    def conditions(self, mapped: Sequence[TableMapping], deep: bool = True) -> SourceConditions:
        """Returns the conditions of the copy: a file hides no rows from a process that can read it."""
        workbooks = sorted({table.file for table in self.files if table.sheet})
        hidden = [f"{file.name}: sheet {sheet} is hidden; it is read as all others" for file in workbooks for sheet in hidden_sheets(file)]
        beside = [f"{name}: not a file of the kinds {', '.join(ENDINGS)}" for name in not_read(self.folder)]
        return SourceConditions(beside=beside, notes=hidden, not_ruled_out=["rows that were left out when the files were written"])

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

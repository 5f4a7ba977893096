"""An old database that is a SQLite file: any value may stand in any column, keys may be NULL or no numbers."""

from __future__ import annotations

import hashlib
import sqlite3
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy

from etl.databases import Batch, Since, shown
from etl.domain.masking import recorded_key
from etl.domain.typed_values import HELD, Cell, Typed, readable, typed
from etl.errors import Busy, MigrationError
from mappings.model import TableMapping

PIECE = 1 << 20  # bytes of a document read at a time
_SMALL = 8 * PIECE


class SqliteSource:
    """Implements `Source` on one read transaction: a writer cannot change what it sees."""

    def __init__(self, url: str, name: str) -> None:
        self._name, self._shown = name, shown(url)
        file = sqlalchemy.make_url(url).database or ""
        self.path = Path(file)
        if not self.path.is_file():
            raise MigrationError(f"{name}: there is no file {file!r} ({self._shown}).", "Give the path of the old database's SQLite file.")
        # Read-only by the file's own mode and by the connection: nothing here can write to the old portal.
        uri = f"file:{urllib.parse.quote(str(self.path.absolute()))}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA trusted_schema = off")  # views and indexes of a file call no function that does anything
        self._connection.text_factory = bytes
        self._take_snapshot()
        self.level = "one read transaction (SQLite)"

    def _take_snapshot(self) -> None:
        """A new snapshot, in place of the one before."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("PRAGMA query_only = on")
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # only a read takes it
        except sqlite3.DatabaseError as error:
            self._connection.close()
            self._refuse_busy(error)
            raise MigrationError(
                f"{self._name}: {self._shown} is no readable SQLite database ({error}).", "Check the file, then run again."
            ) from None

    def _refuse_busy(self, error: sqlite3.DatabaseError) -> None:
        """Raises Busy where the error says that another process holds the file locked."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise Busy(
                f"{self._name}: somebody is writing to {self._shown} ({error}).", "Close the portal, then run the same command again."
            ) from None

    def shapes(self) -> dict[str, dict[str, str]]:
        names = self._execute(
            "the catalogue", "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        )
        shapes = {}
        for (name,) in names.fetchall():
            info = self._execute("the catalogue", "SELECT name, type FROM pragma_table_info(?)", (name.decode(),)).fetchall()
            shapes[name.decode()] = {column.decode(): kind.decode().upper() for column, kind in info}
        return shapes

    def query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """The rows of a question about the catalogue, texts as `str`."""
        found = self._execute("the catalogue", statement, values).fetchall()
        return [tuple(cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell for cell in row) for row in found]

    def count(self, table: str) -> int:
        return int(self._execute(table, f"SELECT count(*) FROM {_quoted(table)}").fetchone()[0])

    def bytes_in(self, table: str, column: str) -> int:
        name = _quoted(column)
        # `length` knows the size of bytes from the row's head: no document is read for it. A text in their place it would count in characters.
        size = f"CASE typeof({name}) WHEN 'text' THEN length(CAST({name} AS BLOB)) ELSE length({name}) END"
        return int(self._execute(table, f"SELECT total({size}) FROM {_quoted(table)}").fetchone()[0])

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        names = [column.name for column in mapping.columns if column.name not in without]
        if self._has_odd_keys(mapping):
            yield from self._read_carefully(mapping, names, rows)
            return
        # Without a key: as they are stored. A table without rowid takes the quoted name for a text, and gives them as they lie.
        order = ", ".join(_quoted(column) for column in mapping.key) or '"rowid"'
        listed = ", ".join(_quoted(name) for name in names)
        cursor = self._execute(mapping.table, f"SELECT {listed} FROM {_quoted(mapping.table)} ORDER BY {order}")
        while fetched := cursor.fetchmany(rows):
            batch = typed(mapping, dict(zip(names, zip(*fetched, strict=True), strict=True)), len(fetched))
            yield Batch(batch, _key_texts(mapping, batch) if len(mapping.key) > 1 else None)

    def _execute(self, what: str, statement: str, values: Sequence[str] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.DatabaseError as error:
            self._refuse_busy(error)
            raise MigrationError(
                f"{self._name}: {what} cannot be read ({error}).", "Check the old database's file with PRAGMA integrity_check."
            ) from None

    def _has_odd_keys(self, mapping: TableMapping) -> bool:
        """Whether some key is NULL, does not fit its type, or is a text that could become equal to another one's."""
        if not mapping.key:
            return False
        odd = []
        for name in mapping.key:
            column, declared = _quoted(name), mapping.shape.by_name[name]
            if declared.family == "integer":
                odd.append(f"typeof({column}) <> 'integer'")
                if declared.sql_type != "BIGINT":
                    odd.append(f"{column} NOT BETWEEN -2147483648 AND 2147483647")
            else:
                if declared.length is not None:
                    odd.append(f"length({column}) > {declared.length}")
                odd.append(f"typeof({column}) <> 'text' OR instr({column}, '|') > 0 OR CAST({column} AS BLOB) GLOB '*[^ -~]*'")
                odd.append(f"length({column}) <> length(CAST({column} AS BLOB))")
        found = self._execute(mapping.table, f"SELECT 1 FROM {_quoted(mapping.table)} WHERE {' OR '.join(odd)} LIMIT 1").fetchone()
        return found is not None

    def _read_carefully(self, mapping: TableMapping, names: Sequence[str], rows: int) -> Iterator[Batch]:
        """The whole table at once, its keys told apart: NULL keys numbered by rowid, keys that are equal as text by `#2`, `#3` ..."""
        order = ", ".join(_quoted(column) for column in mapping.key)
        any_null = " OR ".join(f"{_quoted(column)} IS NULL" for column in mapping.key)
        nulls = self._execute(mapping.table, f"SELECT count(*) FROM {_quoted(mapping.table)} WHERE {any_null}").fetchone()[0]
        rowid = "rowid" if nulls else "NULL"  # a table may have none; then no key of it is NULL either
        listed = ", ".join(_quoted(name) for name in names)
        fetched = self._execute(
            mapping.table, f"SELECT {rowid}, {listed} FROM {_quoted(mapping.table)} ORDER BY {order}, {rowid}"
        ).fetchall()
        columns = list(zip(*fetched, strict=True)) if fetched else [() for _ in range(len(names) + 1)]
        cells = dict(zip(names, columns[1:], strict=True))
        whole = typed(mapping, cells, len(fetched))
        keys = _told_apart(mapping, cells, columns[0], whole)
        for start in range(0, len(fetched), rows):
            yield _slice(whole, keys, start, start + rows)

    def contents(self, mapping: TableMapping, column: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        keys = {key: text for batch in self.read(mapping, 1 << 30, frozenset({column})) for key, text in _key_pairs(mapping, batch)}
        order, name = ", ".join(_quoted(key) for key in mapping.key), _quoted(column)
        # The length of a blob stands in its header; only a text has to be read for it.
        size_of = f"CASE typeof({name}) WHEN 'text' THEN length(CAST({name} AS BLOB)) ELSE length({name}) END"
        statement = f"SELECT rowid, {order}, typeof({name}), {size_of} FROM {_quoted(mapping.table)} ORDER BY {order}, rowid"
        for place, (rowid, *_parts, kind, size) in enumerate(self._execute(mapping.table, statement)):
            if kind in (b"blob", b"text"):
                yield keys[place], self._pieces(mapping.table, column, rowid, size)

    def _pieces(self, table: str, column: str, rowid: int, size: int) -> Iterator[bytes]:
        if size <= _SMALL:
            statement = f"SELECT CAST({_quoted(column)} AS BLOB) FROM {_quoted(table)} WHERE rowid = ?"
            yield self._connection.execute(statement, (rowid,)).fetchone()[0]
            return
        with self._connection.blobopen(table, column, rowid, readonly=True) as blob:
            while piece := blob.read(PIECE):
                yield piece

    def mark(self) -> str:
        digest = hashlib.sha256()
        for suffix in ("", "-wal", "-journal"):
            file = self.path.with_name(self.path.name + suffix)
            if file.is_file() and file.stat().st_size:
                with file.open("rb") as stream:
                    digest.update(f"{suffix}\0".encode() + hashlib.file_digest(stream, "sha256").digest())
        # Behind the digest: what is committed while it is made is in the snapshot, or differs from the digest. And closing the file has just
        # dropped this process's locks on it, SQLite's own among them: a new transaction takes a new one.
        self._take_snapshot()
        return digest.hexdigest()

    def changed_since(self, mark: str, read: dict[str, int]) -> Since:
        if self.mark() == mark:
            return Since([], "the file is the same, bit by bit")
        return Since(None, "the file is another one; every row was read again and compared")

    def highest_key(self, mapping: TableMapping) -> str:
        listed = ", ".join(_quoted(name) for name in mapping.key)
        order = ", ".join(f"{_quoted(name)} DESC" for name in mapping.key)
        row = self._execute(mapping.table, f"SELECT {listed} FROM {_quoted(mapping.table)} ORDER BY {order} LIMIT 1").fetchone()
        return recorded_key((_part_text(part), mapping.is_number(name)) for part, name in zip(row, mapping.key, strict=True)) if row else ""

    def counted(self) -> dict[str, str]:
        return {}

    def writers(self) -> list[str]:
        return ["the file can be written to by its mode"] if self.path.stat().st_mode & 0o222 else []

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _key_texts(mapping: TableMapping, batch: Typed) -> list[str]:
    columns = [batch.columns[name].to_list() for name in mapping.key]
    return ["|".join(map(str, parts)) for parts in zip(*columns, strict=True)]


def _key_pairs(mapping: TableMapping, batch: Batch) -> Iterator[tuple[int, str]]:
    keys = batch.keys if batch.keys is not None else [str(key) for key in batch.typed.columns[mapping.key[0]].to_list()]
    yield from enumerate(keys)


def _part_text(cell: Cell) -> str:
    return readable(cell) if isinstance(cell, bytes) else repr(cell) if isinstance(cell, float) else str(cell)


def _told_apart(mapping: TableMapping, cells: Mapping[str, Sequence[Cell]], rowids: Sequence[int], whole: Typed) -> list[str]:
    """Each row's key as text, unique in the table; marks rows whose key is NULL or equals an earlier one's part by part (fine print 43, 47)."""
    parts = list(zip(*(cells[name] for name in mapping.key), strict=True))
    null_rows = sorted((rowid, row) for row, (key, rowid) in enumerate(zip(parts, rowids, strict=True)) if None in key)
    place_of_null = {row: place for place, (_, row) in enumerate(null_rows, start=1)}
    seen: dict[str, int] = {}
    seen_parts: set[tuple[str, ...]] = set()
    keys = []
    for row, key in enumerate(parts):
        texts = tuple(_part_text(cell) for cell in key)
        text = f"NULL#{place_of_null[row]}" if row in place_of_null else "|".join(texts)
        if row in place_of_null or texts in seen_parts:
            whole.mark[row] = HELD
        seen_parts.add(texts)
        seen[text] = seen.get(text, 0) + 1
        keys.append(text if seen[text] == 1 else f"{text}#{seen[text]}")
    return keys


def _slice(whole: Typed, keys: list[str], start: int, stop: int) -> Batch:
    def moved(odd: Any) -> bool:
        return bool(start <= odd.row < stop)

    part = Typed({name: series[start:stop] for name, series in whole.columns.items()}, whole.mark[start:stop])
    part.oddities = [type(odd)(odd.row - start, odd.column, odd.raw, odd.unreadable) for odd in filter(moved, whole.oddities)]
    part.texts = [type(odd)(odd.row - start, odd.column, odd.exact) for odd in filter(moved, whole.texts)]
    return Batch(part, keys[start:stop])

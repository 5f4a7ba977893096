"""An old database that is a SQLite file: any column may hold values of any type, and keys may be NULL or not numeric."""

from __future__ import annotations

import hashlib
import sqlite3
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy

from etl.databases import Batch, ClosedAtExit, SourceChange, redacted_url
from etl.databases.quoting import Sql
from etl.databases.source_conditions import SourceConditions
from etl.databases.sqlite.catalogue import UNOPENED, Relation, relations, unstable_views
from etl.databases.sqlite.hiding import collations, damages, hidden_logs, not_ruled_out, refusal, unreadable_step
from etl.databases.told_apart import cut, told_apart
from etl.domain.masking import recorded_key
from etl.domain.typed_values import Bools, Cell, Typed, readable, typed
from etl.errors import Busy, MigrationError
from etl.system.interruption import interruptible
from mappings.model import TableMapping

CHUNK_BYTES = 1 << 20  # bytes of a document in one read
_SMALL = 8 * CHUNK_BYTES


class SqliteSource(ClosedAtExit):
    """Implements `Source` in one read transaction: a writer cannot change what it reads."""

    def __init__(self, url: str, name: str) -> None:
        self._name, self._shown = name, redacted_url(url)
        file = sqlalchemy.make_url(url).database or ""
        self.path = Path(file)
        if not self.path.is_file():
            raise MigrationError(
                f"{name}: the file {file!r} does not exist ({self._shown}).", "Give the path of the old database's SQLite file."
            )
        self.path = self.path.resolve()  # its log is beside the file, not beside a link to it
        self._given = Path(file)
        self._indexes_trusted, self._rowless = True, dict[str, bool]()
        self._relations: dict[str, Relation] | None = None
        # Read-only by the connection's mode: this process cannot write to the old portal.
        uri = f"file:{urllib.parse.quote(str(self.path))}?mode=ro"
        self._connection = interruptible(sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False))
        self._connection.execute("PRAGMA trusted_schema = off")  # views and indexes of a file may not call functions with side effects
        self._connection.text_factory = bytes
        self._take_snapshot()
        self.level = "one read transaction (SQLite)"

    def _take_snapshot(self) -> None:
        """Begins a new snapshot in place of the earlier one."""
        self._relations = None
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("PRAGMA query_only = on")
            self._connection.execute("PRAGMA trusted_schema = off")  # a view in the file may not call a function with side effects
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the first read begins the snapshot
        except sqlite3.DatabaseError as error:
            self._connection.close()
            self._refuse_busy(error)
            raise refusal(self._name, self._shown, self.path, error) from None

    def _refuse_busy(self, error: sqlite3.DatabaseError) -> None:
        """Raises Busy where the error says that another process has locked the file."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise Busy(
                f"{self._name}: another process is writing to {self._shown} ({error}).",
                "Close the portal, then run the same command again.",
            ) from None

    def relations(self) -> dict[str, Relation]:
        """Returns every table and view of the file."""
        if self._relations is None:
            try:
                self._relations = relations(self._connection)
            except sqlite3.DatabaseError as error:
                raise self._unreadable("the catalogue", error) from None
        return self._relations

    def shapes(self) -> dict[str, dict[str, str]]:
        strict = {name for (name,) in self._execute("the catalogue", "SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict")}
        return {
            # STRICT has five types, none of them a date: each value is checked, as in every file
            name: {
                column: "ANY" if name.encode() in strict else declared.upper().removesuffix(" GENERATED ALWAYS")
                for column, declared, _ in of.columns
            }
            for name, of in self.relations().items()
        }

    def relation_kinds(self) -> dict[str, str]:
        return {name: of.kind for name, of in self.relations().items() if of.kind}

    def _views(self) -> dict[str, str]:
        return {name: kind for name, kind in self.relation_kinds().items() if kind == "view" or kind.startswith(UNOPENED)}

    def conditions(self, mapped: Sequence[TableMapping], deep: bool = True) -> SourceConditions:
        views, names = self._views(), {mapping.table for mapping in mapped}
        # Not read from the file: closing it would release SQLite's lock on it.
        (mode,) = self._execute("the catalogue", "PRAGMA journal_mode").fetchone()
        wal = mode == b"wal"
        found = SourceConditions(
            list(hidden_logs(self._given, wal)),
            [f"{kind.replace('view', f'view {name}', 1)}" for name, kind in views.items() if name not in names],
            [f"{name} is a view; it is read as a table" for name in views if name in names],
            list(not_ruled_out(self._given, wal)),
        )
        found.not_ruled_out.extend(f"{name}: it is unknown which rows a view leaves out" for name in views if name in names)
        found.not_ruled_out.extend(unstable_views(self._connection, names))
        for mapping in mapped:
            if mapping.key and mapping.table not in views and not self._keeps_unique(mapping):
                found.notes.append(
                    f"{mapping.table} has no unique key on {', '.join(mapping.key)}: rows with equal keys are told apart (fine print 63)"
                )
        self._indexes_trusted = not collations(self._connection, names)
        if deep:
            try:
                wrong, unasked = damages(self._connection)
            except sqlite3.DatabaseError as error:
                self._refuse_busy(error)
                wrong, unasked = [f"the file is damaged: {error} (PRAGMA integrity_check, K9)"], ""
            found.hiding.extend(wrong)
            self._indexes_trusted &= not unasked
            if unasked:
                found.not_ruled_out.append(unasked)
        return found

    def _keeps_unique(self, mapping: TableMapping) -> bool:
        """Returns whether the file enforces unique keys; True for a table that does not exist."""
        rows = self._execute("the catalogue", "SELECT name, pk FROM pragma_table_xinfo(?)", (mapping.table,)).fetchall()
        own = {name.decode() for name, key_position in rows if key_position}
        if not rows or (own and own <= set(mapping.key)):
            return True
        statement = (
            'SELECT l.name, x.name FROM pragma_index_list(?) l, pragma_index_xinfo(l.name) x WHERE l."unique" AND NOT l.partial AND x.key'
        )
        indexes: dict[bytes, set[str]] = {}
        for index, column in self._execute("the catalogue", statement, (mapping.table,)):
            indexes.setdefault(index, set()).add("" if column is None else column.decode())
        return any(columns <= set(mapping.key) for columns in indexes.values())

    def _has_no_rowid(self, table: str) -> bool:
        """Returns whether the table is a view, or WITHOUT ROWID."""
        if table not in self._rowless:
            row = self._execute(
                "the catalogue", "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", (table,)
            ).fetchone()
            self._rowless[table] = row is not None and (row[0] == b"view" or bool(row[1]))
        return self._rowless[table]

    def _from(self, table: str) -> str:
        """Returns the FROM term: without indexes where their state could not be checked. A view has none."""
        if isinstance(table, Sql):
            return table.sql
        return _quoted(table) + ("" if self._indexes_trusted or table in self._views() else " NOT INDEXED")

    def query(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query on the catalogue, text as `str`."""
        found = self._execute("the catalogue", statement, values).fetchall()
        return [tuple(cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell for cell in row) for row in found]

    def count(self, table: str) -> int:
        # Without indexes: a damaged index that lacks rows would count too few, and the extract compares (K9).
        whole = "" if table in self._views() else " NOT INDEXED"
        return int(self._execute(table, f"SELECT count(*) FROM {_quoted(table)}{whole}").fetchone()[0])

    def bytes_in(self, table: str, column: str) -> int:
        name = _quoted(column)
        # `length` reads the size of a BLOB from the row's header, without the document. For text it would count characters.
        size = f"CASE typeof({name}) WHEN 'text' THEN length(CAST({name} AS BLOB)) ELSE length({name}) END"
        return int(self._execute(table, f"SELECT total({size}) FROM {_quoted(table)}").fetchone()[0])

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        names = [column.name for column in mapping.columns if column.name not in without]
        if self._has_odd_keys(mapping):
            yield from self._read_carefully(mapping, names, rows)
            return
        asked = self._with_blobs(mapping, names)
        listed = ", ".join([*map(_quoted, names), *(_is_blob(name) for name in asked)])
        cursor = self._execute(mapping.table, f"SELECT {listed} FROM {self._from(mapping.table)} ORDER BY {_by_bytes(mapping.key)}")
        while fetched := self._fetched(mapping.table, cursor, rows):
            columns = list(zip(*fetched, strict=True))
            cells = dict(zip(names, columns[: len(names)], strict=True))
            batch = typed(mapping, cells, len(fetched), _blobs(asked, columns[len(names) :]))
            yield Batch(batch, _key_texts(mapping, batch) if len(mapping.key) > 1 else None)

    def _execute(self, what: str, statement: str, values: Sequence[str] = ()) -> sqlite3.Cursor:
        with self._fetching(what):
            return self._connection.execute(statement, values)

    def _fetched(self, what: str, cursor: sqlite3.Cursor, rows: int) -> list[tuple[Any, ...]]:
        with self._fetching(what):
            return cursor.fetchmany(rows)

    @contextmanager
    def _fetching(self, what: str) -> Iterator[None]:
        """Raises MigrationError for an error of SQLite: of the statement, or of a later row whose values it computes."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._unreadable(what, error) from None

    def _unreadable(self, what: str, error: sqlite3.DatabaseError) -> MigrationError:
        """Returns the error about what of the file cannot be read; raises Busy where another process has locked it."""
        self._refuse_busy(error)
        return MigrationError(f"{self._name}: {what} cannot be read ({error}).", unreadable_step(error))

    def keys_are_sound(self, mapping: TableMapping) -> bool:
        """Returns whether every key is unique, not NULL, of its type and in its range."""
        return not self._has_odd_keys(mapping)

    def _has_odd_keys(self, mapping: TableMapping) -> bool:
        """Returns whether a key is NULL, does not fit its type, or is a text that could equal another one after conversion."""
        if not mapping.key:
            return False
        odd = []
        for name in mapping.key:
            column, declared = _quoted(name), mapping.shape.by_name[name]
            if declared.family == "integer":
                odd.append(f"typeof({column}) <> 'integer'")
                if declared.sql_type != "BIGINT":
                    odd.append(f"({column} COLLATE BINARY) NOT BETWEEN -2147483648 AND 2147483647")
            else:
                if declared.length is not None:
                    odd.append(f"length({column}) > {declared.length}")
                odd.append(f"typeof({column}) <> 'text' OR instr({column}, '|') > 0 OR CAST({column} AS BLOB) GLOB '*[^ -~]*'")
                odd.append(f"length({column}) <> length(CAST({column} AS BLOB))")
        found = self._execute(mapping.table, f"SELECT 1 FROM {self._from(mapping.table)} WHERE {' OR '.join(odd)} LIMIT 1").fetchone()
        return found is not None or (not self._keeps_unique(mapping) and self._has_doubles(mapping))

    def _with_blobs(self, mapping: TableMapping, names: Sequence[str]) -> list[str]:
        """Returns the date and timestamp columns in which a row holds a BLOB: its bytes look like a text's."""
        dated = [name for name in names if mapping.shape.by_name[name].family in ("date", "timestamp")]
        if not dated:
            return []
        found = self._execute(
            mapping.table, f"SELECT {', '.join(f'max({_is_blob(name)})' for name in dated)} FROM {self._from(mapping.table)}"
        )
        return [name for name, some in zip(dated, found.fetchone(), strict=True) if some]

    def _has_doubles(self, mapping: TableMapping) -> bool:
        """Returns whether two rows have the same key (fine print 63)."""
        keys = ", ".join(f"{_quoted(name)} COLLATE BINARY" for name in mapping.key)
        statement = f"SELECT 1 FROM {self._from(mapping.table)} GROUP BY {keys} HAVING count(*) > 1 LIMIT 1"
        return self._execute(mapping.table, statement).fetchone() is not None

    def _read_carefully(self, mapping: TableMapping, names: Sequence[str], rows: int) -> Iterator[Batch]:
        """Yields the whole table as one batch with unique keys: NULL keys numbered by position, equal texts suffixed `#2`, `#3` ..."""
        locator = self._locator(mapping)
        kinds = ", ".join(f"typeof({_quoted(column)})" for column in mapping.key)
        asked = self._with_blobs(mapping, names)
        listed = ", ".join([*map(_quoted, names), *(_is_blob(name) for name in asked)])
        statement = f"SELECT {kinds}, {locator}, {listed} FROM {self._from(mapping.table)} ORDER BY {_by_bytes(mapping.key)}, {locator}"
        with self._fetching(mapping.table):
            fetched = self._execute(mapping.table, statement).fetchall()
        width = len(mapping.key) + 1
        columns = list(zip(*fetched, strict=True)) if fetched else [() for _ in range(width + len(names) + len(asked))]
        cells = dict(zip(names, columns[width : width + len(names)], strict=True))
        if self._is_utf16():  # SQLite compares such texts by other bytes than UTF-8
            order = _in_order([[columns[n] for n in range(len(mapping.key))], [cells[name] for name in mapping.key]], columns[width - 1])
            columns = [tuple(column[row] for row in order) for column in columns]
            cells = dict(zip(names, columns[width : width + len(names)], strict=True))
        whole = typed(mapping, cells, len(fetched), _blobs(asked, columns[width + len(names) :]))
        found = zip(*(cells[name] for name in mapping.key), strict=True)
        keys = told_apart([tuple(None if c is None else _part_text(c) for c in key) for key in found], columns[width - 1], whole)
        for start in range(0, len(fetched), rows):
            yield cut(whole, keys, start, start + rows)

    def _locator(self, mapping: TableMapping) -> str:
        """Returns the SQL for each row's position among rows of one key: its rowid, else its position in the order of all columns (fine print 61)."""
        if not self._has_no_rowid(mapping.table):
            return "rowid"
        return f"row_number() OVER (ORDER BY {_by_bytes([column.name for column in mapping.columns if column.family != 'binary'])})"

    def _is_utf16(self) -> bool:
        return bool(self._execute("the catalogue", "PRAGMA encoding").fetchone()[0] != b"UTF-8")

    def contents(self, mapping: TableMapping, column: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        keys = {key: text for batch in self.read(mapping, 1 << 30, frozenset({column})) for key, text in _key_pairs(mapping, batch)}
        name, locator = _quoted(column), self._locator(mapping)
        with self._fetching(mapping.table):
            if self._has_no_rowid(mapping.table):
                statement = f"SELECT {name}, typeof({name}) FROM {self._from(mapping.table)} ORDER BY {_by_bytes(mapping.key)}, {locator}"
                for row, (content, kind) in enumerate(self._execute(mapping.table, statement)):
                    if kind in (b"blob", b"text"):
                        yield keys[row], iter([content])
                return
            # The length of a BLOB is in its header; only text has to be read for it.
            size_of = f"CASE typeof({name}) WHEN 'text' THEN length(CAST({name} AS BLOB)) ELSE length({name}) END"
            statement = f"SELECT rowid, typeof({name}), {size_of} FROM {self._from(mapping.table)} ORDER BY {_by_bytes(mapping.key)}, rowid"
            utf16 = self._is_utf16()
            for row, (rowid, kind, size) in enumerate(self._execute(mapping.table, statement)):
                if kind in (b"blob", b"text"):
                    yield keys[row], self._chunks(mapping.table, column, rowid, 0 if utf16 and kind == b"text" else size)

    def _chunks(self, table: str, column: str, rowid: int, size: int) -> Iterator[bytes]:
        with self._fetching(table):
            if size <= _SMALL:  # text is returned in UTF-8, independent of the file's encoding (fine print 42, 61)
                statement = f"SELECT {_quoted(column)} FROM {_quoted(table)} WHERE rowid = ?"
                yield self._connection.execute(statement, (rowid,)).fetchone()[0]
                return
            with self._connection.blobopen(table, column, rowid, readonly=True) as blob:
                while chunk := blob.read(CHUNK_BYTES):
                    yield chunk

    def freeze_mark(self) -> str:
        digest = hashlib.sha256()
        for suffix in ("", "-wal", "-journal"):
            file = self.path.with_name(self.path.name + suffix)
            if file.is_file() and file.stat().st_size:
                with file.open("rb") as stream:
                    digest.update(f"{suffix}\0".encode() + hashlib.file_digest(stream, "sha256").digest())
        # After the digest: a commit during its calculation is in the snapshot, or differs from the digest. Closing the file has also released
        # all locks of this process on it, including SQLite's: a new transaction takes a new one.
        self._take_snapshot()
        return digest.hexdigest()

    def changed_since(self, freeze_mark: str, read: dict[str, int]) -> SourceChange:
        if self.freeze_mark() == freeze_mark:
            return SourceChange([], "the file is the same, bit by bit")
        return SourceChange(None, "the file was replaced or changed; every row was read again and compared")

    def highest_key(self, mapping: TableMapping) -> str:
        listed = ", ".join(_quoted(name) for name in mapping.key)
        order = ", ".join(f"{_quoted(name)} COLLATE BINARY DESC" for name in mapping.key)
        row = self._execute(mapping.table, f"SELECT {listed} FROM {self._from(mapping.table)} ORDER BY {order} LIMIT 1").fetchone()
        return recorded_key((_part_text(part), mapping.is_number(name)) for part, name in zip(row, mapping.key, strict=True)) if row else ""

    def counted(self) -> dict[str, str]:
        return {}

    def writers(self) -> list[str]:
        return ["the file's mode allows writing"] if self.path.stat().st_mode & 0o222 else []

    def close(self) -> None:
        self._connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _is_blob(column: str) -> str:
    return f"typeof({_quoted(column)}) = 'blob'"


def _blobs(columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> dict[str, Bools]:
    """Returns, by column, which rows hold a BLOB."""
    return {name: np.array(masked, bool) for name, masked in zip(columns, cells, strict=True)}


def _by_bytes(columns: Sequence[str]) -> str:
    """Returns the ORDER BY terms in byte order, independent of collations (fine print 61)."""
    # Without a key: in storage order. A table without rowid takes the quoted name for a string, and returns rows in storage order.
    return ", ".join(f"{_quoted(column)} COLLATE BINARY" for column in columns) or '"rowid"'


def _in_order(keys: list[list[Sequence[Any]]], positions: Sequence[int]) -> list[int]:
    """Returns the row numbers in key order: NULL, numbers, texts, BLOBs, the last two by bytes; then by position."""
    rank = {b"null": 0, b"integer": 1, b"real": 1, b"text": 2, b"blob": 3}
    kinds, cells = keys

    def of(row: int) -> tuple[Any, ...]:
        parts = [(rank[kind[row]], 0 if column[row] is None else column[row]) for kind, column in zip(kinds, cells, strict=True)]
        return (*parts, positions[row])

    return sorted(range(len(positions)), key=of)


def _key_texts(mapping: TableMapping, batch: Typed) -> list[str]:
    columns = [batch.columns[name].to_list() for name in mapping.key]
    return ["|".join(map(str, parts)) for parts in zip(*columns, strict=True)]


def _key_pairs(mapping: TableMapping, batch: Batch) -> Iterator[tuple[int, str]]:
    keys = batch.keys if batch.keys is not None else [str(key) for key in batch.typed.columns[mapping.key[0]].to_list()]
    yield from enumerate(keys)


def _part_text(cell: Cell) -> str:
    return readable(cell) if isinstance(cell, bytes) else repr(cell) if isinstance(cell, float) else str(cell)

"""A SQLite database read whole columns at a time, in one read transaction, without ever being able to write to it."""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import numpy as np
import polars as pl
import pyarrow as pa

from etl.reconcile.databases.sqlite_conditions import conditions
from etl.reconcile.databases.sqlite_hiding import doubts, lacking_indexes, of_file
from etl.reconcile.engine.cells import Raw, Text
from etl.reconcile.engine.frames import LOCATOR, Content, Part, typed
from etl.reconcile.engine.spec import Column
from etl.reconcile.errors import ReconcileError

BATCH = 32_768
_BATCH = {"binary": 256, "text": 16_384}  # rows at once, where columns are of any length
CHUNK_BYTES = 1 << 22  # bytes of a blob that are held at a time
AT_ONCE = 400  # locators in one query
# A first row sets the type of each column, because the driver infers types from the first row.
_FIRST = {"integer": "0", "boolean": "0", "binary": "x''"}
_STORED = {"integer": ("integer",), "boolean": ("integer",), "binary": ("blob",)}


class SqliteDatabase:
    """One snapshot of one SQLite file."""

    pads = False
    _kinds: dict[str, str] | None = None

    def __init__(self, path: Path, left_out: Mapping[str, frozenset[str]] = MappingProxyType({})) -> None:
        if not path.is_file():
            raise ReconcileError(f"{path.name}: the SQLite file does not exist.", "Check the URL; reconcile never creates a database.")
        self._opened_as, self._left_out = path, left_out
        path = path.resolve()  # the log is next to the file itself, not next to a link to it
        self.path, self._bulk = path, _bulk(path)
        self._rows = sqlite3.connect(_uri(path), uri=True, isolation_level=None, check_same_thread=False)
        self._rows.set_progress_handler(lambda: 0, 1_000_000)  # a signal's handler runs only within Python's own code
        self._rows.execute(
            "PRAGMA trusted_schema = off"
        )  # an untrusted file: its views and indexes may not call functions with side effects
        self._rows.text_factory = Text
        try:
            self._rows.execute("PRAGMA trusted_schema = off")
            self._begin()
        except sqlite3.DatabaseError as error:
            self.close()
            raise _not_opened(path, error) from error

    def _begin(self) -> None:
        # Two connections see the same snapshot where the files did not change between the first read of the one and of the other.
        for _ in range(20):
            before = _stamp(self.path)
            self._rows.execute("BEGIN")
            self._rows.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if self._bulk is None:
                return
            self._bulk.set_autocommit(False)
            list(_batches(self._bulk, "SELECT count(*) FROM sqlite_schema", 1))
            if before == _stamp(self.path):
                return
            self._rows.execute("ROLLBACK")
            self._bulk.rollback()
            self._bulk.set_autocommit(True)
        raise ReconcileError(f"{self.path.name}: is being written to continuously; a snapshot could not be taken.", "Freeze it first.")

    def tables(self) -> dict[str, list[str]]:
        names = self._rows.execute(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        return {name: self.columns_of(name) for name in sorted(str(row[0], "utf-8") for row in names.fetchall())}

    def columns_of(self, relation: str) -> list[str]:
        """Returns the relation's columns, generated ones too; none for a view or virtual table that cannot be opened here."""
        try:
            return [str(row[1], "utf-8") for row in self._rows.execute(f"PRAGMA table_xinfo({_quoted(relation)})")]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:
                raise
            return []

    def relation_kinds(self) -> dict[str, str]:
        """Returns the views, and the tables in which virtual tables keep their content: the virtual table itself counts."""
        return {name: kind for name, kind in self._of_kind().items() if kind in ("view", "shadow")}

    def _of_kind(self) -> dict[str, str]:
        if self._kinds is None:
            rows = self._rows.execute("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'").fetchall()
            named = [(str(row[0], "utf-8"), str(row[1], "utf-8"), row[2]) for row in rows]
            self._kinds = {
                name: kind if kind in ("view", "shadow") else "without rowid"
                for name, kind, without_rowid in named
                if kind in ("view", "shadow") or without_rowid
            }
        return self._kinds

    def hiding(self) -> dict[str, str]:
        whole = of_file(self._opened_as, self._logs_ahead())
        return {**lacking_indexes(self._rows), **({"": whole} if whole else {})}

    def doubts(self) -> list[str]:
        return doubts(self._opened_as, self._logs_ahead())

    def _logs_ahead(self) -> bool:
        """Returns whether the database is in WAL mode; asks SQLite, because closing the file would drop SQLite's locks on it."""
        return bool(self._rows.execute("PRAGMA journal_mode").fetchone()[0] == b"wal")

    def in_stored_order(self, table: str) -> bool:
        return self._has_rowid(table)

    def _has_rowid(self, table: str) -> bool:
        return table not in self._of_kind()

    def _named(self, table: str) -> str:
        """Returns the table for a query, NOT INDEXED because an index may lack rows (K9); a view cannot have that clause."""
        return _quoted(table) + ("" if self._of_kind().get(table) == "view" else " NOT INDEXED")

    def _locator(self, table: str) -> str:
        """Returns the SQL of a row's locator: its rowid, or its position in the order of all columns."""
        if self._has_rowid(table):
            return "rowid"
        every = [name for name in self.tables()[table] if name not in self._left_out.get(table, ())]
        return f"row_number() OVER (ORDER BY {', '.join(f'{_quoted(name)} COLLATE BINARY' for name in every)})"

    def _rows_at(self, table: str, listed: str) -> str:
        """Returns a query for the locator `#at` and these columns, to which a condition on the locator can be appended."""
        return f'SELECT * FROM (SELECT {self._locator(table)} AS "#at", {listed} FROM {self._named(table)})'

    def only_integers(self, table: str, column: str) -> bool:
        name = _quoted(column)
        return self._rows.execute(f"SELECT 1 FROM {self._named(table)} WHERE typeof({name}) <> 'integer' LIMIT 1").fetchone() is None

    def has_key(self, table: str, key: Sequence[str]) -> bool:
        wanted = sorted(key)
        key_columns = [row for row in self._rows.execute(f"PRAGMA table_xinfo({_quoted(table)})") if row[5]]
        if key_columns and sorted(str(row[1], "utf-8") for row in key_columns) == wanted:
            return True
        indexes = self._rows.execute(f"PRAGMA index_list({_quoted(table)})").fetchall()
        return any(
            index[2]
            and not index[4]
            and sorted(str(row[2] or b"", "utf-8") for row in self._rows.execute(f"PRAGMA index_info({_quoted(str(index[1], 'utf-8'))})"))
            == wanted
            for index in indexes
        )

    def parts(self, table: str, columns: Sequence[Column], exact: bool = False) -> Iterator[Part]:
        yield from self._parts(self._locator(table), self._named(table), columns, exact)

    def view(self, name: str, columns: Sequence[Column]) -> Iterator[Part]:
        yield from self._parts("0", _quoted(name), columns, True)

    def conditions(self, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
        return conditions(self._rows, tables, views)

    def _parts(self, locator: str, relation: str, columns: Sequence[Column], exact: bool) -> Iterator[Part]:
        size = min(BATCH, *(_BATCH.get(column.kind if column.length == 0 else "", BATCH) for column in columns), BATCH)
        if self._bulk is None:
            yield from self._parts_by_rows(locator, relation, columns, exact, size)
            return
        done = 0
        try:
            for batch in _batches(self._bulk, _select(locator, relation, columns, exact, guarded=False, skip=0), size):
                _expect(batch.schema, columns)
                part = _part(batch, columns, exact)
                done += batch.num_rows
                yield part
            return
        except (OSError, pa.ArrowException, _Surprise):
            pass  # a value of another type than declared: once more from there, looking at each value's type
        for batch in _batches(self._bulk, _select(locator, relation, columns, exact, guarded=True, skip=max(done - 1, 0)), size):
            yield _part(batch, columns, exact)

    def _parts_by_rows(self, locator: str, relation: str, columns: Sequence[Column], exact: bool, size: int) -> Iterator[Part]:
        """Yields the same batches without the ADBC driver: slower, with Python alone."""
        cursor = self._rows.execute(_select(locator, relation, columns, exact, guarded=True, skip=0))
        kinds = [
            pa.int64(),
            *(pa.int64() if column.kind in _FIRST and column.kind != "binary" else pa.binary() for column in columns),
            pa.int64(),
        ]
        while rows := cursor.fetchmany(size):
            arrays = [pa.array(list(values), kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
            yield _part(pa.RecordBatch.from_arrays(arrays, [str(n) for n in range(len(arrays))]), columns, exact)

    def rows(self, table: str, names: Sequence[str], locators: Sequence[int]) -> Iterator[tuple[int, tuple[Raw, ...]]]:
        listed = ", ".join(_quoted(name) for name in names)
        for start in range(0, len(locators), AT_ONCE):
            some = [int(at) for at in locators[start : start + AT_ONCE]]
            placeholders = ", ".join("?" * len(some))
            if self._has_rowid(table):
                sql = f"SELECT rowid, {listed} FROM {_quoted(table)} WHERE rowid IN ({placeholders}) ORDER BY rowid"
            else:
                sql = f'{self._rows_at(table, listed)} WHERE "#at" IN ({placeholders}) ORDER BY "#at"'
            for row in self._rows.execute(sql, some):
                yield row[0], row[1:]

    def contents(self, table: str, key: str, column: str) -> Iterator[Content]:
        blob, whole = _quoted(column), not self._has_rowid(table)
        cursor = self._rows.cursor()
        small = blob if whole else f"CASE WHEN length({blob}) <= {CHUNK_BYTES} THEN {blob} END"
        cursor.execute(f"SELECT {self._locator(table)}, {_quoted(key)}, typeof({blob}), length({blob}), {small} FROM {self._named(table)}")
        for at, found, kind, length, raw in cursor:
            if kind == b"text" and raw is None:
                [(raw,)] = self._rows.execute(f"SELECT {blob} FROM {_quoted(table)} WHERE rowid = ?", (at,))
            if kind not in (b"text", b"blob"):
                yield Content(at, found, None, 0)
            elif raw is not None:
                yield Content(at, found, hashlib.sha256(raw).hexdigest(), len(raw))
            else:
                yield Content(at, found, self._digest_by_chunks(table, column, at), length)

    def _digest_by_chunks(self, table: str, column: str, at: int) -> str:
        digest = hashlib.sha256()
        with self._rows.blobopen(table, column, at, readonly=True) as blob:
            while chunk := blob.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def close(self) -> None:
        self._rows.close()
        if self._bulk is not None:
            self._bulk.close()


_NOWHERE = -(1 << 63)  # the first row's locator


class _Surprise(Exception):
    """A column came with another type than its declared one."""


def _not_opened(path: Path, error: sqlite3.DatabaseError) -> ReconcileError:
    """Returns the error for a file that cannot be opened, with the cause if it can be determined, and the next step."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        if Path(f"{path}-journal").exists():
            return ReconcileError(
                f"{path.name}: {path.name}-journal contains an unfinished transaction.",
                "Open a copy of both files once with a program that can write, so that it is rolled back.",
            )
        return ReconcileError(
            f"{path.name}: cannot be opened; a file in WAL mode needs {path.name}-wal and {path.name}-shm beside it.",
            "Copy it, with its -wal if there is one, to a writable folder.",
        )
    return ReconcileError(f"{path.name}: cannot be read as a SQLite database ({error}).")


def _uri(path: Path) -> str:
    return f"file:{quote(str(path.resolve()))}?mode=ro"


def _bulk(path: Path) -> Any:
    """Returns a connection that gives Arrow batches; None if its driver is not installed."""
    try:
        import adbc_driver_manager
        import adbc_driver_sqlite
    except ImportError:
        return None
    try:
        database = adbc_driver_manager.AdbcDatabase(driver=adbc_driver_sqlite._driver_path(), uri=_uri(path))
        return adbc_driver_manager.AdbcConnection(database)
    except adbc_driver_manager.Error as error:
        raise ReconcileError(f"{path.name}: cannot be read as a SQLite database.") from error


def _batches(connection: Any, sql: str, size: int) -> Iterator[Any]:
    import adbc_driver_manager

    statement = adbc_driver_manager.AdbcStatement(connection)
    try:
        statement.set_options(**{"adbc.sqlite.query.batch_rows": str(size)})
        statement.set_sql_query(sql)
        handle, _ = statement.execute_query()
        with pa.RecordBatchReader._import_from_c(handle.address) as reader:
            yield from reader
    finally:
        statement.close()


def _select(locator: str, relation: str, columns: Sequence[Column], exact: bool, guarded: bool, skip: int) -> str:
    """Returns the query for the locator, the columns, and 1 if the storage class of any value does not fit its column, else 0."""
    wanted, doubts = [], []
    for column in columns:
        name = _quoted(column.name)
        kinds: tuple[str, ...] = _STORED.get(column.kind, ("text",))
        if not exact and column.kind in ("text", "binary"):
            kinds = ("text", "blob")
        stored = ", ".join(f"'{kind}'" for kind in (*kinds, "null"))
        wanted.append(f"CASE WHEN typeof({name}) IN ({stored}) THEN {name} END" if guarded or column.kind == "binary" else name)
        # Without this check the driver fails on values that are not numbers, and a text column cannot hold a number.
        if guarded or not (column.kind in ("integer", "boolean") or (column.kind == "text" and not exact)):
            doubts.append(f"typeof({name}) NOT IN ({stored})")
    odd = f"({' OR '.join(doubts)})" if doubts else "0"
    first = ", ".join([str(_NOWHERE), *(_FIRST.get(column.kind, "''") for column in columns), "0"])
    source = f"SELECT {locator}, {', '.join([*wanted, odd])} FROM {relation}"
    if skip:
        source = f"SELECT * FROM ({source} LIMIT -1 OFFSET {skip})"
    return f"SELECT {first} UNION ALL {source}"


def _arrow_type(column: Column) -> Any:
    return pa.int64() if column.kind in ("integer", "boolean") else pa.binary() if column.kind == "binary" else pa.string()


def _expect(schema: Any, columns: Sequence[Column]) -> None:
    for field, kind in zip(schema, [pa.int64(), *(_arrow_type(column) for column in columns), pa.int64()], strict=True):
        if field.type != kind:
            raise _Surprise(field.name)


def _part(batch: Any, columns: Sequence[Column], exact: bool) -> Part:
    if batch.num_rows and batch.column(0)[0].as_py() == _NOWHERE:
        batch = batch.slice(1)
    at = _integers(batch.column(0)).alias(LOCATOR)
    odd = (_integers(batch.column(batch.num_columns - 1)) != 0).to_numpy()
    series = [at]
    for locator, column in enumerate(columns, start=1):
        values, doubtful = typed(batch.column(locator), column, exact)
        series.append(values.alias(column.name))
        odd = np.logical_or(odd, doubtful)
    frame = pl.DataFrame(series)
    return Part(frame.filter(pl.Series(~odd)), at.filter(pl.Series(odd)).to_list()) if odd.any() else Part(frame, [])


def _integers(array: Any) -> pl.Series:
    # Through polars: numpy's way out of Arrow imports pandas, which takes seconds.
    found = pl.from_arrow(array)
    assert isinstance(found, pl.Series)  # noqa: S101 - tells the type checker what an array becomes
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _stamp(path: Path) -> list[tuple[int, int]]:
    found = []
    for name in (str(path), f"{path}-wal"):
        try:
            state = Path(name).stat()
            found.append((state.st_size, state.st_mtime_ns))
        except FileNotFoundError:
            found.append((-1, -1))
    return found

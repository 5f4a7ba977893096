"""The physical tables of an old portal as raw cells, row by row in stored order; bytes of documents only as digests."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa

from etl.reconcile.databases.postgresql import PostgresDatabase
from etl.reconcile.databases.sqlite import CHUNK_BYTES, SqliteDatabase
from etl.reconcile.engine.cells import Raw, Text
from etl.reconcile.engine.frames import Database
from etl.reconcile.errors import ReconcileError

ROWS = 10_000
AT_ONCE = 400
Batch = tuple[list[int], list[list[Raw]]]  # the row numbers, and each column's raw cells


class Physical(Protocol):
    """`relations`: every table's and view's columns; `tables`: those that are not views."""

    relations: dict[str, list[str]]
    tables: set[str]

    def cells(self, table: str, names: Sequence[str], at: Sequence[int] | None = None) -> Iterator[Batch]:
        """Yields these columns of all rows in their stored order, or of the rows at these locators."""

    def digests(self, table: str, column: str) -> Iterator[tuple[int, str | None, int]]:
        """Yields (locator, SHA-256, size in bytes) of the bytes in that column; the digest is None where there are none."""


def physical(database: Database, schemas: Sequence[str]) -> Physical:
    """Returns the physical tables of an opened database; `schemas`: those that the adapter names."""
    if isinstance(database, SqliteDatabase):
        return SqlitePhysical(database)
    if isinstance(database, PostgresDatabase):
        return PostgresPhysical(database, schemas)
    raise ReconcileError("Adapters are not supported for this kind of database.", "Use SQLite, PostgreSQL or a folder of files.")


class SqlitePhysical:
    """Implements `Physical` for a SQLite file."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._rows = database._rows
        found = self._rows.execute(
            "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        kinds = {str(name, "utf-8"): str(kind, "utf-8") for name, kind in found.fetchall()}
        self.relations = {name: database.columns_of(name) for name in sorted(kinds)}
        beside = database.relation_kinds()
        self.tables = {name for name in kinds if name not in beside}
        self._with_rowid = {name: self._has_rowid(name) for name in self.relations}

    def _has_rowid(self, name: str) -> bool:
        try:
            row = self._rows.execute(f"SELECT rowid FROM {_quoted(name)} LIMIT 1").fetchone()
        except sqlite3.OperationalError:
            return False
        return name in self.tables and (row is None or isinstance(row[0], int))

    def cells(self, table: str, names: Sequence[str], at: Sequence[int] | None = None) -> Iterator[Batch]:
        listed = ", ".join(["rowid" if self._with_rowid[table] else "row_number() OVER ()", *map(_quoted, names)])
        # In rowid order, even if an index covers these columns.
        order = " ORDER BY rowid" if self._with_rowid[table] else ""
        base = f"SELECT {listed} FROM {_quoted(table)}"
        if at is None:
            yield from self._fetched(base + order, ())
            return
        for start in range(0, len(at), AT_ONCE):
            some = [int(one) for one in at[start : start + AT_ONCE]]
            placeholders = ", ".join("?" * len(some))
            if self._with_rowid[table]:
                yield from self._fetched(f"{base} WHERE rowid IN ({placeholders}) ORDER BY rowid", some)
            else:
                inner = ", ".join(["row_number() OVER () AS place", *(f"{_quoted(n)} AS c{i}" for i, n in enumerate(names))])
                outer = ", ".join(["place", *(f"c{i}" for i in range(len(names)))])
                yield from self._fetched(
                    f"SELECT {outer} FROM (SELECT {inner} FROM {_quoted(table)}) WHERE place IN ({placeholders})", some
                )

    def _fetched(self, sql: str, values: Sequence[int]) -> Iterator[Batch]:
        cursor = self._rows.cursor()
        cursor.execute(sql, tuple(values))
        while rows := cursor.fetchmany(ROWS):
            row_numbers, *columns = (list(column) for column in zip(*rows, strict=True))
            yield row_numbers, columns

    def digests(self, table: str, column: str) -> Iterator[tuple[int, str | None, int]]:
        name = _quoted(column)
        for row_numbers, ((kinds), (sizes)) in self._sized(table, name):
            for at, kind, size in zip(row_numbers, kinds, sizes, strict=True):
                if kind not in (b"text", b"blob"):
                    yield at, None, 0
                elif kind == b"blob" and int(size) > CHUNK_BYTES and self._with_rowid[table]:
                    yield at, self._by_chunks(table, column, at), int(size)
                else:
                    [(_, [[raw]])] = self.cells(table, [column], [at])
                    yield at, hashlib.sha256(bytes(raw)).hexdigest(), len(raw)  # type: ignore[arg-type]  # a text or a blob: checked above

    def _sized(self, table: str, name: str) -> Iterator[Any]:
        row_number = "rowid" if self._with_rowid[table] else "row_number() OVER ()"
        yield from self._fetched(f"SELECT {row_number}, typeof({name}), length({name}) FROM {_quoted(table)}", ())

    def _by_chunks(self, table: str, column: str, at: int) -> str:
        digest = hashlib.sha256()
        with self._rows.blobopen(table, column, at, readonly=True) as blob:
            while chunk := blob.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()


_COLUMNS = """SELECT n.nspname::text, c.relname::text, a.attname::text, t.typname::text, c.relkind::text, t.typtype::text, b.typname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type b ON b.oid = t.typbasetype
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND {} ORDER BY c.relname, a.attnum"""


class PostgresPhysical:
    """Implements `Physical` for these schemas of a PostgreSQL database."""

    def __init__(self, database: PostgresDatabase, schemas: Sequence[str]) -> None:
        self._database = database
        self.relations: dict[str, list[str]] = {}
        self.tables: set[str] = set()
        self._types: dict[tuple[str, str], str] = {}
        # A table's name may have a point of its own, with no schema before it.
        there = {str(name) for (name,) in database._tuples("SELECT nspname::text FROM pg_catalog.pg_namespace")}
        schemas = [name for name in schemas if name in there]
        listed = ", ".join("'" + name.replace("'", "''") + "'" for name in schemas)
        which = f"n.nspname IN ({listed})" if schemas else "n.nspname = '" + database.schema.replace("'", "''") + "'"
        self._sql: dict[str, str] = {}
        self._views: set[str] = set()
        for schema, table, column, kind, form, category, base in database._tuples(_COLUMNS.format(which)):
            name = f"{schema}.{table}" if schemas else str(table)
            self.relations.setdefault(name, []).append(str(column))
            self._types[name, str(column)] = str(base) if category == "d" else "enum" if category == "e" else str(kind)
            self._sql[name] = f"{_quoted(str(schema))}.{_quoted(str(table))}"
            if form in ("v", "m", "f") or str(table) in database.members:  # `ctid` does not identify its rows
                self._views.add(name)
            if form not in ("v", "m"):
                self.tables.add(name)

    def _said(self, table: str, column: str) -> str:
        kind, name = self._types[table, column], _quoted(column)
        if kind in ("int2", "int4", "int8"):
            return f"{name}::bigint"
        if kind in ("bool", "bytea"):
            return name
        return f"({name} AT TIME ZONE 'UTC')::text" if kind == "timestamptz" else f"{name}::text"

    def cells(self, table: str, names: Sequence[str], at: Sequence[int] | None = None) -> Iterator[Batch]:
        row_number = (
            "row_number() OVER ()" if table in self._views else "((ctid::text::point)[0]::bigint << 16) + (ctid::text::point)[1]::bigint"
        )
        listed = ", ".join([f"{row_number} AS place", *(f"{self._said(table, n)} AS c{i}" for i, n in enumerate(names))])
        base = f"SELECT {listed} FROM {self._sql[table]}"
        if at is None:
            yield from self._batches(table, names, base)
            return
        for start in range(0, len(at), AT_ONCE):
            some = at[start : start + AT_ONCE]
            if table in self._views:
                sql = f"SELECT * FROM ({base}) placed WHERE place IN ({', '.join(str(int(one)) for one in some)})"
            else:
                tids = ", ".join(f"'({one >> 16},{one & 0xFFFF})'" for one in some)
                sql = f"{base} WHERE ctid = ANY (ARRAY[{tids}]::tid[])"
            yield from self._batches(table, names, sql)

    def _batches(self, table: str, names: Sequence[str], sql: str) -> Iterator[Batch]:
        for batch in self._database._batches(sql):
            row_numbers, *arrays = batch.columns
            yield row_numbers.to_pylist(), [_raws(array, self._types[table, name]) for array, name in zip(arrays, names, strict=True)]

    def digests(self, table: str, column: str) -> Iterator[tuple[int, str | None, int]]:
        name = _quoted(column)
        row_number = (
            "row_number() OVER ()" if table in self._views else "((ctid::text::point)[0]::bigint << 16) + (ctid::text::point)[1]::bigint"
        )
        large = []
        for batch in self._database._batches(
            f"SELECT {row_number} AS place, CASE WHEN octet_length({name}) <= {CHUNK_BYTES} THEN {name} END, octet_length({name})::bigint FROM {self._sql[table]}"
        ):
            for at, content, size in zip(*(array.to_pylist() for array in batch.columns), strict=True):
                if content is None and size is not None:
                    large.append((at, size))
                else:
                    yield at, None if content is None else hashlib.sha256(content).hexdigest(), len(content or b"")
        for at, size in large:
            digest = hashlib.sha256()
            for first in range(1, size + 1, CHUNK_BYTES):
                sql = f"SELECT substring({name} FROM {first} FOR {CHUNK_BYTES}) FROM {self._sql[table]} WHERE ctid = '({at >> 16},{at & 0xFFFF})'"
                [(chunk,)] = self._database._tuples(sql)
                digest.update(chunk)
            yield at, digest.hexdigest(), size


def _raws(array: Any, kind: str) -> list[Raw]:
    array = array.storage if isinstance(array, pa.ExtensionArray) else array
    if kind in ("int2", "int4", "int8", "bool", "bytea"):
        return list(array.to_pylist())
    if kind in ("date", "timestamp", "timestamptz"):
        return list(array.to_pylist())
    texts = [None if value is None else Text(value) for value in array.cast(pa.binary()).to_pylist()]
    if kind in ("float4", "float8"):
        return [None if text is None else _digits(bytes(text).decode()) for text in texts]
    return [_whole(text) for text in texts] if kind == "numeric" else list(texts)


def _digits(text: str) -> Raw:
    """Returns a number in the server's shortest form as an integer if it is a whole number, else as its text."""
    number = Decimal(text)
    return int(number) if number.is_finite() and number == number.to_integral_value() else Text(text.encode())


def _whole(text: Text | None) -> Raw:
    """Returns a NUMERIC as an integer if it is a whole number, else as its text."""
    if text is None:
        return None
    whole, _, fraction = bytes(text).partition(b".")
    return int(whole) if whole.removeprefix(b"-").isdigit() and not fraction.strip(b"0") else text


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

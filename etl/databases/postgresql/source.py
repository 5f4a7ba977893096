"""An old database that is PostgreSQL: Arrow by the low-level ADBC interface, every reader in one exported snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from copy import copy
from itertools import pairwise
from typing import Any, Self

import adbc_driver_manager as adbc
import adbc_driver_postgresql
import polars as pl
import psycopg
import pyarrow as pa
from adbc_driver_manager._reader import AdbcRecordBatchReader

from etl.databases import WHOLE, Batch, ClosedAtExit, KeyRange, Relation, SourceChange
from etl.databases.postgresql.arrow_typed import typed_batch
from etl.databases.postgresql.catalogue import conditions, identities, kinds, parents, replaced, shapes, unique_keys, unpadded
from etl.databases.postgresql.connection import (
    HIDDEN,
    LOCKED,
    OLD_SESSION,
    READING,
    ROW_SECURITY,
    begin_reading,
    connected,
    conninfo,
    next_step,
    no_connection,
    quoted,
    reading_conninfo,
    safe_errors,
    state_of,
)
from etl.databases.postgresql.key_sql import key_parts, order_of, within_range
from etl.databases.postgresql.row_versions import relation, versions_query
from etl.databases.postgresql.writers import writers
from etl.databases.quoting import Sql
from etl.databases.source_conditions import SourceConditions
from etl.databases.told_apart import cut, told_apart
from etl.domain.masking import recorded_key
from etl.domain.typed_values import HELD, Typed, exact_bytes, readable
from etl.errors import Busy, MigrationError, Refused
from mappings.model import TableMapping
from mappings.schema import Column

_SMALL = 8 << 20  # bytes: documents up to this size are read whole, larger ones in chunks
_CHUNK_BYTES = 4 << 20
_KEYS_TOGETHER = 2_000  # keys in one statement


class PostgresSource(ClosedAtExit):
    """Implements `SnapshotSource` and `Versioned`; `snapshot`: one to join. The session that exported it keeps it until it is closed."""

    def __init__(self, url: str, name: str, snapshot: str | None = None) -> None:
        self.url, self.name, self._cut = url, name, WHOLE
        self._session: psycopg.Connection[Any] = connected(url, name)
        with safe_errors(name, "taking the snapshot"):
            self.schema = begin_reading(self._session, snapshot) or "public"
            if snapshot is None:
                (snapshot,) = self._session.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
            encoding, role = self._session.execute("SELECT current_setting('server_encoding'), current_user").fetchone() or ("", "")
            self._shape = shapes(self._session, self.schema)
            self._kinds = kinds(self._session, self.schema)
            self._unique, self._parents = unique_keys(self._session, self.schema), parents(self._session, self.schema)
        self.level = "one exported snapshot, REPEATABLE READ, READ ONLY (PostgreSQL)"
        self._role, self._odd = str(role), dict[str, bool]()
        self._trusted_text = str(encoding).upper() != "SQL_ASCII"  # the server converts all other encodings to UTF-8
        try:
            self._database = _database(url)
            self._reader = adbc.AdbcConnection(self._database)
        except adbc.Error as error:
            self._session.close()
            raise no_connection(url, name, str(error)) from None
        self.snapshot = str(snapshot)
        for statement in (READING, f"SET TRANSACTION SNAPSHOT '{snapshot}'", *OLD_SESSION):
            self._do(statement)
        if not self._trusted_text:  # a server without an encoding would reject bytes that are not UTF-8 (E8)
            self._do("SET LOCAL client_encoding = 'SQL_ASCII'")

    def _do(self, statement: str) -> None:
        try:
            with adbc.AdbcStatement(self._reader) as prepared:
                prepared.set_sql_query(statement)
                prepared.execute_update()
        except adbc.Error as error:
            raise self._failed("reading", error) from None

    def _failed(self, doing: str, error: Any) -> MigrationError:
        state = state_of(error)
        if state == HIDDEN and "row-level security" in str(error):
            return Refused(f"{self.name}: {doing} failed: row-level security hides rows from role {self._role} (K9).", ROW_SECURITY)
        why = " because another session holds a lock" if state == LOCKED else ""
        message = f"{self.name}: {doing} failed{why} ({f'SQLSTATE {state}' if state else type(error).__name__})."
        return (Busy if state == LOCKED else MigrationError)(message, next_step(state or "08"))

    def _batches(self, query: str, about: str = "") -> Iterator[pa.RecordBatch]:
        try:
            with adbc.AdbcStatement(self._reader) as prepared:
                prepared.set_sql_query(query)
                handle, _ = prepared.execute_query()
                # The driver's reader: pyarrow's turns the server's errors into an OSError without SQLSTATE while rows arrive.
                with closing(AdbcRecordBatchReader._import_from_c(handle.address)) as batches:
                    yield from batches
        except (adbc.Error, pa.ArrowException, OSError) as error:  # the stream raises OSError without errno
            raise self._failed(f"reading {about}" if about else "reading", error) from None

    def shapes(self) -> dict[str, dict[str, str]]:
        return self._shape

    def relation_kinds(self) -> dict[str, str]:
        return self._kinds

    def conditions(self, mapped: Sequence[TableMapping], deep: bool = True) -> SourceConditions:
        with safe_errors(self.name, "reading the catalogue"):
            return conditions(self._session, self.schema, tuple(mapped), self._shape, self._role, deep)

    def _table(self, table: str) -> str:
        return table.sql if isinstance(table, Sql) else f"{quoted(self.schema)}.{quoted(table)}"

    def _column_sql(self, mapping: TableMapping, name: str) -> str:
        """Returns the SQL that selects the column: without its padding, where the contract's type has none."""
        return (
            f"CAST({quoted(name)} AS text) AS {quoted(name)}"
            if name in unpadded(mapping, self._shape.get(mapping.table, {}))
            else quoted(name)
        )

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Returns the rows of a query on the catalogue."""
        with safe_errors(self.name, "reading the catalogue"):
            return self._session.execute(statement.encode(), values or None).fetchall()

    def count(self, table: str) -> int:
        # Without indexes: a damaged index that lacks rows would count too few, and the extract compares (K9).
        with safe_errors(self.name, f"counting {table}"), self._session.transaction(force_rollback=True):
            for way in ("indexscan", "indexonlyscan", "bitmapscan"):
                self._session.execute(f"SET LOCAL enable_{way} = off".encode())
            row = self._session.execute(f"SELECT count(*) FROM {self._table(table)}").fetchone()
        return int(row[0]) if row else 0

    def bytes_in(self, table: str, column: str) -> int:
        with safe_errors(self.name, f"measuring {table}"):
            row = self._session.execute(f"SELECT coalesce(sum(octet_length({quoted(column)})), 0) FROM {self._table(table)}").fetchone()
        return int(row[0]) if row else 0

    def cuts(self, mapping: TableMapping, rows: int) -> list[KeyRange]:
        if (
            any(mapping.shape.by_name[name].family != "integer" for name in mapping.key)
            or self._has_odd_keys(mapping)
            or self.count(mapping.table) <= rows
        ):
            return [WHOLE]
        key = ", ".join(map(quoted, mapping.key))
        statement = (
            f"SELECT {key} FROM (SELECT {key}, row_number() OVER (ORDER BY {key}) AS place FROM {self._table(mapping.table)}"
            f" WHERE ({key}) IS NOT NULL) numbered"
            f" WHERE place % {rows} = 1 AND place > 1 ORDER BY place"
        )
        with safe_errors(self.name, f"cutting {mapping.table}"):
            firsts = self._session.execute(statement.encode()).fetchall()
        bounds = [None, *firsts, None]
        return [KeyRange(first, last) for first, last in pairwise(bounds)]

    def within(self, cut: KeyRange) -> Self:
        ranged = copy(self)
        ranged._cut = cut
        return ranged

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        columns = [column for column in mapping.columns if column.name not in without]
        listed = ", ".join(self._column_sql(mapping, column.name) for column in columns)
        if self._has_odd_keys(mapping):
            yield from self._read_carefully(mapping, columns, rows)
            return
        waiting: list[pa.RecordBatch] = []
        count = 0
        for batch in self._batches(
            f"SELECT {listed} FROM {self._table(mapping.table)} WHERE {within_range(mapping, self._cut)} ORDER BY {order_of(mapping)}",
            mapping.table,
        ):
            # Batches by number of rows, independent of the driver's batches: the stage files must not depend on them.
            while count + batch.num_rows >= rows:
                part = batch.slice(0, rows - count)
                yield typed_batch(mapping, columns, [*waiting, part], self._trusted_text)
                batch, waiting, count = batch.slice(part.num_rows), [], 0
            if batch.num_rows:
                waiting.append(batch)
                count += batch.num_rows
        if count:
            yield typed_batch(mapping, columns, waiting, self._trusted_text)

    def _has_odd_keys(self, mapping: TableMapping) -> bool:
        """Returns whether a key is NULL or occurs twice: in a table without its primary key, or with children that have other keys (fine print 63)."""
        if not mapping.key:
            return False
        if mapping.table not in self._odd:
            known = self._unique.get(mapping.table, set())
            odd = False
            if mapping.table in self._parents or not any(columns <= frozenset(mapping.key) for columns in known):
                keys = ", ".join(self._ordered(mapping, [mapping.shape.by_name[name] for name in mapping.key]))
                missing = " OR ".join(f"{quoted(name)} IS NULL" for name in mapping.key)
                statement = f"SELECT 1 FROM {self._table(mapping.table)} GROUP BY {keys} HAVING count(*) > 1 OR bool_or({missing}) LIMIT 1"
                with safe_errors(self.name, f"looking for doubled keys of {mapping.table}"):
                    odd = self._session.execute(statement.encode()).fetchone() is not None
            self._odd[mapping.table] = odd
        return self._odd[mapping.table]

    def _read_carefully(self, mapping: TableMapping, columns: list[Column], rows: int) -> Iterator[Batch]:
        """Yields the whole table as one batch, ordered by its keys and then by all columns, with unique keys (fine print 63)."""
        listed = ", ".join(self._column_sql(mapping, column.name) for column in columns)
        whole, parts = Typed(), list[tuple[str | None, ...]]()
        batches = list(
            self._batches(f"SELECT {listed} FROM {self._table(mapping.table)} ORDER BY {self._careful_order(mapping)}", mapping.table)
        )
        if not batches:
            return
        whole = typed_batch(mapping, columns, batches, self._trusted_text).typed
        texts = [column.to_list() for column in key_parts(mapping, whole)]
        parts = list(zip(*texts, strict=True))
        for row, key in enumerate(parts):
            if None in key:
                whole.mark[row] = HELD
        keys = told_apart(parts, range(len(parts)), whole)
        for start in range(0, len(parts), rows):
            yield cut(whole, keys, start, start + rows)

    def _ordered(self, mapping: TableMapping, columns: Sequence[Column]) -> list[str]:
        """Returns the ORDER BY terms: text in byte order, without padding."""
        padded = unpadded(mapping, self._shape.get(mapping.table, {}))
        return [
            (f"CAST({quoted(c.name)} AS text)" if c.name in padded else quoted(c.name)) + (' COLLATE "C"' if c.family == "text" else "")
            for c in columns
        ]

    def _careful_order(self, mapping: TableMapping) -> str:
        columns = [mapping.shape.by_name[name] for name in mapping.key]
        columns += sorted(mapping.columns, key=lambda column: column.family == "binary")
        return ", ".join(f"{part} NULLS FIRST" for part in self._ordered(mapping, columns))

    def contents(self, mapping: TableMapping, column: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        yield from self._contents(mapping, column, within_range(mapping, self._cut))

    def contents_of(self, mapping: TableMapping, column: str, keys: Sequence[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        for first in range(0, len(keys), _KEYS_TOGETHER):
            listed = ", ".join(str(int(key)) for key in keys[first : first + _KEYS_TOGETHER])
            yield from self._contents(mapping, column, f"{quoted(mapping.key[0])} IN ({listed})")

    def relation(self, mapping: TableMapping, column: str) -> Relation | None:
        if isinstance(mapping.table, Sql) or self._has_odd_keys(mapping):
            return None
        with safe_errors(self.name, "reading the catalogue"):
            return relation(self._session, self._table(mapping.table), mapping, column)

    def versions(self, mapping: TableMapping, column: str) -> pl.DataFrame:
        query = versions_query(self._table(mapping.table), mapping, column, within_range(mapping, self._cut))
        found = [pl.DataFrame(batch) for batch in self._batches(query, mapping.table)]
        return pl.concat([pl.DataFrame(schema={"key": pl.String, "version": pl.String}), *found])

    def _contents(self, mapping: TableMapping, column: str, within: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        keys, name, table = list(map(quoted, mapping.key)), quoted(column), self._table(mapping.table)
        if self._has_odd_keys(mapping):
            known = [key for batch in self.read(mapping, 1 << 30, frozenset({column})) for key in batch.keys or ()]
            batches = self._batches(f"SELECT {name} FROM {table} ORDER BY {self._careful_order(mapping)}", mapping.table)
            for position, content in enumerate(content for batch in batches for content in batch.column(0)):
                if content.is_valid:
                    yield known[position], iter([exact_bytes(content.as_py())])
            return
        listed, order = ", ".join(keys), order_of(mapping)
        with safe_errors(self.name, f"reading {mapping.table}"):
            large = self._session.execute(
                f"SELECT octet_length({name}), {listed} FROM {table} WHERE octet_length({name}) > {_SMALL} AND {within} ORDER BY {order}"
            ).fetchall()
        for batch in self._batches(
            f"SELECT {name}, {listed} FROM {table} WHERE octet_length({name}) <= {_SMALL} AND {within} ORDER BY {order}", mapping.table
        ):
            contents, *parts = batch.columns
            for content, *key in zip(contents, *(part.to_pylist() for part in parts), strict=True):
                yield "|".join(map(str, key)), iter([exact_bytes(content.as_py())])
        matches = " AND ".join(f"{key} = %s" for key in keys)
        for size, *key in large:
            statement = f"SELECT substring({name} from %s for %s) FROM {table} WHERE {matches}"
            yield "|".join(map(str, key)), self._chunks(statement, key, int(str(size)))

    def _chunks(self, statement: str, key: Sequence[object], size: int) -> Iterator[bytes]:
        for first in range(0, size, _CHUNK_BYTES):
            with safe_errors(self.name, "reading a document"), self._session.cursor(binary=True) as cursor:
                row = cursor.execute(statement, (first + 1, _CHUNK_BYTES, *key)).fetchone()
            yield exact_bytes(row[0]) if row else b""

    def freeze_mark(self) -> str:
        with safe_errors(self.name, "reading the snapshot"):
            row = self._session.execute("SELECT pg_current_snapshot()::text").fetchone()
            return f"{row[0] if row else ''} {json.dumps(identities(self._session), separators=(',', ':'))}"

    def changed_since(self, freeze_mark: str, read: dict[str, int]) -> SourceChange:
        """Returns tables with rows that the recorded snapshot could not see, or with fewer rows: inserted, updated, deleted since."""
        snapshot, _, told = freeze_mark.partition(" ")
        is_now, _, tells = self.freeze_mark().partition(" ")
        (_, now, _), (_, then, running) = is_now.split(":"), snapshot.split(":")
        # Rows of a view have no transaction number, and those of a foreign table have numbers of another server.
        unknown = tuple(table for table in read if self._kinds.get(table) in ("view", "materialized view", "foreign table"))
        if now == then and not running:
            foreign = tuple(table for table in unknown if self._kinds[table] == "foreign table")
            return SourceChange([], "no transaction has written anything in the whole server", foreign)
        if int(now) < int(then):
            return SourceChange([*read], "the server has fewer transactions than before: it was restored to an earlier state")
        # A replaced table, or renamed columns: no row version shows it.
        others = replaced(json.loads(told or "{}"), json.loads(tells))
        changed = []
        for table, count in read.items():
            if table in unknown:
                continue
            if self._table(table) in others:
                changed.append(table)
                continue
            with safe_errors(self.name, f"comparing {table}"):
                row = self._session.execute(
                    f"SELECT count(*), count(*) FILTER (WHERE {_INVISIBLE}) FROM {self._table(table)}", {"snapshot": snapshot}
                ).fetchone()
            if row is None or int(row[0]) != count or int(row[1]):
                changed.append(table)
        how = (
            "rows of later transactions, fewer rows, or another table or column in the place"
            if changed
            else "every row belongs to a transaction of the snapshot, and none is missing"
        )
        return SourceChange(changed, how + ("; views were read again and compared" if unknown else ""), unknown)

    def highest_key(self, mapping: TableMapping) -> str:
        texts = [f"{quoted(name)}::text" for name in mapping.key]
        # Without an encoding, bytes need not be valid text: they are read as bytes.
        listed = ", ".join(texts if self._trusted_text else [f"convert_to({text}, 'SQL_ASCII')" for text in texts])
        # With the table's name: without it ORDER BY would use the selected text instead of the column.
        order = ", ".join(f"{self._table(mapping.table)}.{part} DESC" for part in order_of(mapping).split(", "))
        with safe_errors(self.name, f"looking for the last key of {mapping.table}"):
            row = self._session.execute(f"SELECT {listed} FROM {self._table(mapping.table)} ORDER BY {order} LIMIT 1".encode()).fetchone()
        texts = ["" if part is None else readable(part) if isinstance(part, bytes) else str(part) for part in row or ()]
        return recorded_key((text, mapping.is_number(name)) for text, name in zip(texts, mapping.key, strict=True)) if row else ""

    def counted(self) -> dict[str, str]:
        with safe_errors(self.name, "reading the statistics"):
            rows = self._session.execute(
                "SELECT relname, n_tup_ins || ' inserted, ' || n_tup_upd || ' updated, ' || n_tup_del || ' deleted'"
                " FROM pg_stat_user_tables WHERE schemaname = %s",
                (self.schema,),
            ).fetchall()
        return {str(name): str(words) for name, words in rows}

    def writers(self) -> list[str]:
        with safe_errors(self.name, "looking for writers"):
            return writers(self._session, self.schema)

    def close(self) -> None:
        # Report the error that ended the reading, not the half-read table or a connection that cannot be closed.
        with suppress(adbc.Error, RuntimeError):
            self._reader.close()
            self._database.close()
        self._session.close()


def _database(url: str) -> adbc.AdbcDatabase:
    try:
        return adbc.AdbcDatabase(driver=adbc_driver_postgresql._driver_path(), uri=reading_conninfo(url))
    except adbc.Error as error:
        if "unsupported startup parameter" not in str(error):
            raise
        return adbc.AdbcDatabase(
            driver=adbc_driver_postgresql._driver_path(), uri=conninfo(url)
        )  # a pooler, which rejects start-up options


# xmin has 32 bits, a snapshot 64: xmin gets the snapshot's epoch, or the one before where the number would be in the future.
_XMAX = "pg_snapshot_xmax(%(snapshot)s::pg_snapshot)::text::numeric"
_EPOCH = f"trunc({_XMAX} / 4294967296) * 4294967296"
_INVISIBLE = (
    f"xmin::text::numeric > 2 AND NOT pg_visible_in_snapshot(({_EPOCH} + xmin::text::numeric)::text::xid8, %(snapshot)s::pg_snapshot)"
    " AND age(xmin) < 1000000000"
)

"""An old database that is PostgreSQL: Arrow by the low-level ADBC interface, every reader in one exported snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import copy
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import adbc_driver_manager as adbc
import adbc_driver_postgresql
import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg
import pyarrow as pa

from etl.databases import WHOLE, Batch, Cut, Relation, Since
from etl.databases.postgresql.connection import (
    LOCKED,
    NAME,
    SESSION,
    connect,
    conninfo,
    next_step,
    no_connection,
    quoted,
    safe_errors,
    shapes,
    state_of,
)
from etl.databases.postgresql.row_versions import relation, versions_query
from etl.domain.masking import recorded_key
from etl.domain.typed_values import HELD, INFINITE_DAY, INFINITE_MOMENT, InvalidText, Oddity, Typed, readable
from etl.errors import Busy, MigrationError
from mappings.model import TableMapping
from mappings.schema import Column

_SMALL = 8 << 20  # documents up to this size travel whole, larger ones in pieces
_PIECE = 4 << 20
_KEYS_TOGETHER = 2_000  # named in one statement
# ADBC adds the distance from 2000 to 1970 to PostgreSQL's infinities, which wrap around: these are what comes out.
_WRAPPED_DAYS = {-2147472692: INFINITE_DAY[1], -2147472691: INFINITE_DAY[0]}
_WRAPPED_MOMENTS = {-9222425352054775809: INFINITE_MOMENT[1], -9222425352054775808: INFINITE_MOMENT[0]}


class PostgresSource:
    """Implements `Shared`; the session that exported the snapshot holds it as long as it is open. `snapshot`: one to join."""

    def __init__(self, url: str, name: str, snapshot: str | None = None) -> None:
        self.url, self.name, self._cut = url, name, WHOLE
        self._session: psycopg.Connection[Any] = connect(url, name)
        with safe_errors(name, "taking the snapshot"):
            self._session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if snapshot is None:
                (snapshot,) = self._session.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
            else:
                self._session.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())
            (encoding,) = self._session.execute("SHOW server_encoding").fetchone() or ("",)
        self.level = "one exported snapshot, REPEATABLE READ, READ ONLY (PostgreSQL)"
        self._trusted_text = str(encoding).upper() != "SQL_ASCII"  # all others are made UTF-8 by the server
        try:
            self._database = adbc.AdbcDatabase(driver=adbc_driver_postgresql._driver_path(), uri=conninfo(url))
            self._reader = adbc.AdbcConnection(self._database)
        except adbc.Error as error:
            self._session.close()
            raise no_connection(url, name, str(error)) from None
        for setting in SESSION:
            self._do(setting)
        self._do("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._do(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        self.snapshot = str(snapshot)

    def _do(self, statement: str) -> None:
        try:
            with adbc.AdbcStatement(self._reader) as prepared:
                prepared.set_sql_query(statement)
                prepared.execute_update()
        except adbc.Error as error:
            raise self._failed("reading", error) from None

    def _failed(self, doing: str, error: Any) -> MigrationError:
        state = state_of(error)
        why = " for a lock that another session holds" if state == LOCKED else ""
        message = f"{self.name}: {doing} failed{why} ({f'SQLSTATE {state}' if state else type(error).__name__})."
        return (Busy if state == LOCKED else MigrationError)(message, next_step(state or "08"))

    def _batches(self, query: str, about: str = "") -> Iterator[pa.RecordBatch]:
        try:
            with adbc.AdbcStatement(self._reader) as prepared:
                prepared.set_sql_query(query)
                handle, _ = prepared.execute_query()
                with pa.RecordBatchReader._import_from_c(handle.address) as batches:
                    yield from batches
        except (adbc.Error, pa.ArrowException, OSError) as error:  # the stream's own errors come as OSError, without errno
            raise self._failed(f"reading {about}" if about else "reading", error) from None

    def shapes(self) -> dict[str, dict[str, str]]:
        with safe_errors(self.name, "reading the catalogue"):
            return shapes(self._session)

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a question about the catalogue."""
        with safe_errors(self.name, "reading the catalogue"):
            return self._session.execute(statement.encode(), values or None).fetchall()

    def count(self, table: str) -> int:
        with safe_errors(self.name, f"counting {table}"):
            row = self._session.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()
        return int(row[0]) if row else 0

    def bytes_in(self, table: str, column: str) -> int:
        with safe_errors(self.name, f"measuring {table}"):
            row = self._session.execute(f"SELECT coalesce(sum(octet_length({quoted(column)})), 0) FROM {quoted(table)}").fetchone()
        return int(row[0]) if row else 0

    def cuts(self, mapping: TableMapping, rows: int) -> list[Cut]:
        if any(mapping.shape.by_name[name].family != "integer" for name in mapping.key) or self.count(mapping.table) <= rows:
            return [WHOLE]
        key = ", ".join(map(quoted, mapping.key))
        statement = (
            f"SELECT {key} FROM (SELECT {key}, row_number() OVER (ORDER BY {key}) AS place FROM {quoted(mapping.table)}"
            f" WHERE ({key}) IS NOT NULL) numbered"
            f" WHERE place % {rows} = 1 AND place > 1 ORDER BY place"
        )
        with safe_errors(self.name, f"cutting {mapping.table}"):
            firsts = self._session.execute(statement.encode()).fetchall()
        bounds = [None, *firsts, None]
        return [Cut(first, last) for first, last in pairwise(bounds)]

    def within(self, cut: Cut) -> Self:
        stretch = copy(self)
        stretch._cut = cut
        return stretch

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        columns = [column for column in mapping.columns if column.name not in without]
        listed = ", ".join(quoted(column.name) for column in columns)
        waiting: list[pa.RecordBatch] = []
        count = 0
        for batch in self._batches(
            f"SELECT {listed} FROM {quoted(mapping.table)} WHERE {_within(mapping, self._cut)} ORDER BY {_order(mapping)}", mapping.table
        ):
            # Cut by rows, not by what the driver happens to send: the stage files must not depend on it.
            while count + batch.num_rows >= rows:
                part = batch.slice(0, rows - count)
                yield self._typed(mapping, columns, [*waiting, part])
                batch, waiting, count = batch.slice(part.num_rows), [], 0
            if batch.num_rows:
                waiting.append(batch)
                count += batch.num_rows
        if count:
            yield self._typed(mapping, columns, waiting)

    def _typed(self, mapping: TableMapping, columns: list[Column], batches: list[pa.RecordBatch]) -> Batch:
        table = pa.Table.from_batches(batches)
        batch = Typed(mark=np.zeros(table.num_rows, np.uint8))
        for column in columns:
            series, bad = self._column(batch, column, table[column.name])
            batch.columns[column.name] = series
            if bad is not None and bad.any():
                batch.mark[bad] = np.maximum(batch.mark[bad], HELD if column.name in mapping.decisive else 1)
        for name in mapping.key:
            if batch.columns[name].null_count() > sum(oddity.column == name for oddity in batch.oddities):
                raise MigrationError(
                    f"{self.name}: {mapping.table} has rows whose key {name} is NULL. Nothing was published.",
                    f"Find them (WHERE {quoted(name)} IS NULL); have the old portal's owner give them keys or remove them, then run the same command again.",
                )
        return Batch(batch, _keys(mapping, batch))

    def _column(self, batch: Typed, column: Column, values: pa.ChunkedArray) -> tuple[pl.Series, npt.NDArray[np.bool_] | None]:
        match column.family:
            case "text":
                return self._text(batch, column, values)
            case "integer":
                series = pl.Series(column.name, values, dtype=pl.Int64)
                if column.sql_type == "BIGINT":
                    return series, None
                outside = ((series < -(2**31)) | (series >= 2**31)).fill_null(False)
                batch.oddities += [Oddity(int(row), column.name, series[int(row)], True) for row in np.flatnonzero(outside.to_numpy())]
                return series.set(outside, None), outside.to_numpy()
            case "date":
                return _unwrapped(pl.Series(column.name, values.cast(pa.int32()), dtype=pl.Int32), _WRAPPED_DAYS).cast(pl.Date), None
            case "timestamp":
                return _unwrapped(pl.Series(column.name, values.cast(pa.int64()), dtype=pl.Int64), _WRAPPED_MOMENTS).cast(
                    pl.Datetime("us")
                ), None
        return pl.Series(column.name, values, dtype=pl.Binary), None

    def _text(self, batch: Typed, column: Column, values: pa.ChunkedArray) -> tuple[pl.Series, npt.NDArray[np.bool_] | None]:
        if self._trusted_text:
            series = pl.Series(column.name, values, dtype=pl.String)
        else:  # SQL_ASCII keeps any bytes (E8)
            exact = values.cast(pa.binary()).to_pylist()
            texts = [None if cell is None else readable(cell) for cell in exact]
            odd = [
                row
                for row, (cell, text) in enumerate(zip(exact, texts, strict=True))
                if cell is not None and text is not None and text.encode() != cell
            ]
            batch.texts += [InvalidText(row, column.name, exact[row]) for row in odd]
            series = pl.Series(column.name, texts, dtype=pl.String)
        if column.length is None or not len(series) or (series.str.len_bytes().max() or 0) <= column.length:  # type: ignore[operator]  # an int, or None
            return series, None
        long = (series.str.len_chars() > column.length).fill_null(False)
        batch.oddities += [Oddity(int(row), column.name, series[int(row)], True) for row in np.flatnonzero(long.to_numpy())]
        return series.to_frame().select(pl.when(~long).then(pl.col(column.name)).alias(column.name))[column.name], long.to_numpy()

    def contents(self, mapping: TableMapping, column: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        yield from self._contents(mapping, column, _within(mapping, self._cut))

    def contents_of(self, mapping: TableMapping, column: str, keys: Sequence[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        for first in range(0, len(keys), _KEYS_TOGETHER):
            listed = ", ".join(str(int(key)) for key in keys[first : first + _KEYS_TOGETHER])
            yield from self._contents(mapping, column, f"{quoted(mapping.key[0])} IN ({listed})")

    def relation(self, mapping: TableMapping, column: str) -> Relation | None:
        with safe_errors(self.name, "reading the catalogue"):
            return relation(self._session, mapping, column)

    def versions(self, mapping: TableMapping, column: str) -> pl.DataFrame:
        found = [
            pl.DataFrame(batch) for batch in self._batches(versions_query(mapping, column, _within(mapping, self._cut)), mapping.table)
        ]
        return pl.concat([pl.DataFrame(schema={"key": pl.String, "version": pl.String}), *found])

    def _contents(self, mapping: TableMapping, column: str, within: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        key, name, table = quoted(mapping.key[0]), quoted(column), quoted(mapping.table)
        within += f" AND {key} IS NOT NULL"  # such a row is refused where the others of its columns are read
        with safe_errors(self.name, f"reading {mapping.table}"):
            large = self._session.execute(
                f"SELECT {key}, octet_length({name}) FROM {table} WHERE octet_length({name}) > {_SMALL} AND {within} ORDER BY {key}"
            ).fetchall()
        for batch in self._batches(
            f"SELECT {key}, {name} FROM {table} WHERE octet_length({name}) <= {_SMALL} AND {within} ORDER BY {key}", mapping.table
        ):
            for value, content in zip(batch.column(0).to_pylist(), batch.column(1), strict=True):
                yield str(value), iter([content.as_py()])
        for value, size in large:
            yield (
                str(value),
                self._pieces(f"SELECT substring({name} from %s for %s) FROM {table} WHERE {key} = %s", int(str(value)), int(str(size))),
            )

    def _pieces(self, statement: str, key: int, size: int) -> Iterator[bytes]:
        for first in range(0, size, _PIECE):
            with safe_errors(self.name, "reading a document"), self._session.cursor(binary=True) as cursor:
                row = cursor.execute(statement, (first + 1, _PIECE, key)).fetchone()
            yield row[0] if row else b""

    def mark(self) -> str:
        with safe_errors(self.name, "reading the snapshot"):
            row = self._session.execute("SELECT pg_current_snapshot()::text").fetchone()
        return str(row[0]) if row else ""

    def changed_since(self, mark: str, read: dict[str, int]) -> Since:
        """Rows that the recorded snapshot could not see, or fewer rows than it saw: inserted, updated, deleted since."""
        (_, now, _), (_, then, running) = self.mark().split(":"), mark.split(":")
        if now == then and not running:
            return Since([], "no transaction has written anything in the whole server")
        if int(now) < int(then):
            return Since([*read], "the server knows fewer transactions than then: it was put back to an earlier state")
        changed = []
        for table, count in read.items():
            with safe_errors(self.name, f"comparing {table}"):
                row = self._session.execute(
                    f"SELECT count(*), count(*) FILTER (WHERE {_INVISIBLE}) FROM {quoted(table)}", {"snapshot": mark}
                ).fetchone()
            if row is None or int(row[0]) != count or int(row[1]):
                changed.append(table)
        return Since(
            changed,
            "every row is of a transaction that the snapshot saw, and none is missing"
            if not changed
            else "rows of later transactions, or fewer rows",
        )

    def highest_key(self, mapping: TableMapping) -> str:
        listed = ", ".join(f"{quoted(name)}::text" for name in mapping.key)
        # With the table's name: without it the order would be that of the texts that are selected.
        order = ", ".join(f"{quoted(mapping.table)}.{part} DESC" for part in _order(mapping).split(", "))
        with safe_errors(self.name, f"looking for the last key of {mapping.table}"):
            row = self._session.execute(f"SELECT {listed} FROM {quoted(mapping.table)} ORDER BY {order} LIMIT 1".encode()).fetchone()
        return (
            recorded_key(("" if part is None else str(part), mapping.is_number(name)) for part, name in zip(row, mapping.key, strict=True))
            if row
            else ""
        )

    def counted(self) -> dict[str, str]:
        with safe_errors(self.name, "reading the statistics"):
            rows = self._session.execute(
                "SELECT relname, n_tup_ins || ' inserted, ' || n_tup_upd || ' updated, ' || n_tup_del || ' deleted'"
                " FROM pg_stat_user_tables WHERE schemaname = current_schema()"
            ).fetchall()
        return {str(name): str(words) for name, words in rows}

    def writers(self) -> list[str]:
        with safe_errors(self.name, "looking for writers"):
            sessions = self._session.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
                " AND application_name <> %s",
                (NAME,),
            ).fetchone()
            roles = self._session.execute(
                "SELECT DISTINCT grantee FROM information_schema.role_table_grants WHERE table_schema = current_schema()"
                " AND privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') ORDER BY grantee"
            ).fetchall()
        found = [f"{sessions[0]} other sessions are connected"] if sessions and sessions[0] else []
        return found + [f"role {row[0]} may write" for row in roles]

    def close(self) -> None:
        # What ended the reading is the error to tell, not that a table was left half read or that nobody answers the good-bye.
        with suppress(adbc.Error, RuntimeError):
            self._reader.close()
            self._database.close()
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


# xmin has 32 bits, a snapshot 64: the snapshot's own epoch is put before xmin, or the one before it where xmin would lie in the future.
_XMAX = "pg_snapshot_xmax(%(snapshot)s::pg_snapshot)::text::numeric"
_EPOCH = f"trunc({_XMAX} / 4294967296) * 4294967296"
_INVISIBLE = (
    f"xmin::text::numeric > 2 AND NOT pg_visible_in_snapshot(({_EPOCH} + xmin::text::numeric)::text::xid8, %(snapshot)s::pg_snapshot)"
    " AND age(xmin) < 1000000000"
)


def _unwrapped(numbers: pl.Series, wrapped: dict[int, int]) -> pl.Series:
    low = numbers.min()
    if low is None or int(str(low)) > max(wrapped):
        return numbers
    return numbers.replace(wrapped)


def _keys(mapping: TableMapping, batch: Typed) -> list[str] | None:
    """Each row's key as text; a part that does not fit its declared type as it was found (X2). None: all keys are whole numbers."""
    if not mapping.key:
        return None
    odd = [oddity for oddity in batch.oddities if oddity.column in mapping.key]
    if len(mapping.key) == 1 and mapping.shape.by_name[mapping.key[0]].family == "integer" and not odd:
        return None
    parts = {name: batch.columns[name].cast(pl.String) for name in mapping.key}
    for oddity in odd:
        parts[oddity.column] = parts[oddity.column].scatter(oddity.row, str(oddity.raw))
    return pl.DataFrame(list(parts.values())).select(pl.concat_str(pl.all(), separator="|")).to_series().to_list()


def _within(mapping: TableMapping, cut: Cut) -> str:
    """The condition for a stretch: its bounds are whole numbers."""
    key = f"({', '.join(map(quoted, mapping.key))})"
    bounds = [f"{key} {sign} ({', '.join(map(str, bound))})" for sign, bound in ((">=", cut.first), ("<", cut.last)) if bound is not None]
    return " AND ".join(bounds) or "true"


def _order(mapping: TableMapping) -> str:
    """Texts in the order of their bytes, whatever the database's collation: SQLite's order too."""
    parts = [quoted(name) + (' COLLATE "C"' if mapping.shape.by_name[name].family == "text" else "") for name in mapping.key]
    return ", ".join(parts) or "NULL::integer"  # without a key: as they are stored

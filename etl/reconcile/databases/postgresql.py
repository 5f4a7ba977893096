"""A PostgreSQL database read by binary COPY into Arrow, in one repeatable read-only transaction."""

import hashlib
import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy.engine import URL

from etl.reconcile.databases.postgresql_conditions import conditions
from etl.reconcile.engine.background import ahead
from etl.reconcile.engine.cells import Id, Raw, Text
from etl.reconcile.engine.frames import LOCATOR, Content, Part, series_of, text_typed
from etl.reconcile.engine.moments import Mask
from etl.reconcile.engine.spec import Column
from etl.reconcile.errors import ReconcileError

BATCH = 1 << 24  # bytes of a batch, which the driver takes for a hint
PIECE = 1 << 22  # bytes of a blob that are held at a time
AT_ONCE = 5_000  # locators in one query
# What the driver's stream says where it gives no SQLSTATE.
_SAID = {"statement timeout": "57014", "idle-in-transaction": "25P03", "lock timeout": "55P03", "terminating connection": "57P01"}
_NEXT = {
    "55P03": "Another session holds a lock: close it, then run again.",
    "57014": "The role's statement_timeout ended it: ALTER ROLE ... SET statement_timeout = 0; then run again.",
    "25P03": "idle_in_transaction_session_timeout ended the session: ALTER ROLE ... SET idle_in_transaction_session_timeout = 0; then run again.",
}
# Days and microseconds of the years 1 to 9999: the others are read as texts. Infinity lies outside, whatever the driver makes of it.
_DAYS, _MICROS = (-719_162, 2_932_896), (-719_162 * 86_400_000_000, 2_932_897 * 86_400_000_000 - 1)
# A server that is gone without a word is noticed. `portal-migrate` is what `freeze check` knows our sessions by.
_NOTICING = {
    "connect_timeout": "20", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "60000",
    "application_name": "portal-migrate",
}  # fmt: skip


class PostgresDatabase:
    """One snapshot of one PostgreSQL database, of the tables that the search path shows."""

    pads = True

    def __init__(self, url: URL) -> None:
        import adbc_driver_manager
        import adbc_driver_postgresql

        waiting = {name: value for name, value in _NOTICING.items() if name not in url.query}
        if _elsewhere(url) and not _said(url, "sslmode"):
            waiting["sslmode"] = "verify-full"
        plain = url.set(drivername="postgresql").update_query_dict(waiting).render_as_string(hide_password=False)
        self._where = url.set(drivername="postgresql").render_as_string(hide_password=True).partition("?")[0]
        try:
            self._database = adbc_driver_manager.AdbcDatabase(driver=adbc_driver_postgresql._driver_path(), uri=plain)
            # A connection is lent out while rows come from it: whoever asks for others meanwhile gets one more, in the same snapshot.
            self._connections = [self._connected()]
            self._free = list(self._connections)
            [(self._snapshot,)] = self._tuples("SELECT pg_export_snapshot()")
            self._types = self._look()
        except adbc_driver_manager.Error as error:
            # The driver's own message may repeat the whole URL.
            raise ReconcileError(
                f"{self._where}: cannot be read ({type(error).__name__}, SQLSTATE {error.sqlstate or 'none'}).",
                "Check the URL and the role's rights"
                + (", and sslmode and sslrootcert: without an sslmode it is verify-full." if _elsewhere(url) else "."),
            ) from None

    def _connected(self, snapshot: str = "") -> Any:
        import adbc_driver_manager

        connection = adbc_driver_manager.AdbcConnection(self._database)
        connection.set_autocommit(False)
        # No parallel plans: their rows come in another order each time. ISO dates: what this reads as text, it reads itself. UTF-8
        # from any encoding but SQL_ASCII, which is none: its bytes come as they are. Nobody's lock is waited for for ever.
        for sql in ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
                    *([f"SET TRANSACTION SNAPSHOT {_literal(snapshot)}"] if snapshot else []), "SET LOCAL max_parallel_workers_per_gather = 0",
                    "SET LOCAL synchronize_seqscans = off", "SET LOCAL datestyle = ISO", "SET LOCAL client_encoding = 'UTF8'",
                    "SELECT set_config('lock_timeout', '60s', true) WHERE current_setting('lock_timeout') = '0'"):  # fmt: skip
            with adbc_driver_manager.AdbcStatement(connection) as statement:
                statement.set_sql_query(sql)
                statement.execute_update()
        return connection

    def _lent(self) -> Any:
        try:
            return self._free.pop()
        except IndexError:
            self._connections.append(self._connected(self._snapshot))
            return self._connections[-1]

    def _look(self) -> dict[str, dict[str, str]]:
        """Every visible table's columns and their types."""
        sql = """SELECT c.relname::text, a.attname::text, t.typname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                 JOIN pg_type t ON t.oid = a.atttypid WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
                 AND pg_table_is_visible(c.oid) AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                 ORDER BY c.relname, a.attnum"""
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in self._tuples(sql):
            found.setdefault(str(table), {})[str(column)] = str(kind)
        return found

    def tables(self) -> dict[str, list[str]]:
        return {table: list(columns) for table, columns in self._types.items()}

    def only_integers(self, table: str, column: str) -> bool:
        return self._types[table][column] in ("int2", "int4", "int8")

    def has_key(self, table: str, key: Sequence[str]) -> bool:
        sql = f"""SELECT array_to_string(array_agg(a.attname::text ORDER BY a.attname), ',') FROM pg_index i
                  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                  WHERE i.indrelid = {_literal(_quoted(table))}::regclass AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid"""
        return any(columns == ",".join(sorted(key)) for (columns,) in self._tuples(sql))

    def parts(self, table: str, columns: Sequence[Column], exact: bool = False) -> Iterator[Part]:
        listed = ", ".join(_quoted(column.name) for column in columns)
        for batch in self._batches(f"SELECT ctid, {listed} FROM {_quoted(table)}"):
            at = _locators(batch.column(0)).alias(LOCATOR)
            odd, series = np.zeros(batch.num_rows, np.bool_), [at]
            for array, column in zip(batch.columns[1:], columns, strict=True):
                values, doubtful = _typed(array, column)
                series.append(values.alias(column.name))
                odd |= doubtful
            frame = pl.DataFrame(series)
            yield Part(frame.filter(pl.Series(~odd)), at.filter(pl.Series(odd)).to_list()) if odd.any() else Part(frame, [])

    def view(self, name: str, columns: Sequence[Column]) -> Iterator[Part]:
        listed = ", ".join(_quoted(column.name) for column in columns)
        for batch in self._batches(f"SELECT {listed} FROM {_quoted(name)}"):
            values = [(_typed(array, column), column.name) for array, column in zip(batch.columns, columns, strict=True)]
            frame = pl.DataFrame(
                [pl.Series(LOCATOR, [0], dtype=pl.Int64).new_from_index(0, batch.num_rows), *(v.alias(n) for (v, _), n in values)]
            )
            odd = np.logical_or.reduce([doubtful for (_, doubtful), _ in values])
            yield Part(frame.filter(pl.Series(~odd)), [0] * int(odd.sum()))

    def conditions(self, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
        return conditions(lambda sql: list(self._tuples(sql)), tables, views)

    def rows(self, table: str, names: Sequence[str], locators: Sequence[int]) -> Iterator[tuple[int, tuple[Raw, ...]]]:
        # Dates and times as their text: there are some that Python's own types cannot hold.
        listed = ", ".join(
            f"{_quoted(n)}::text" if self._types[table][n] in ("date", "timestamp", "timestamptz") else _quoted(n) for n in names
        )
        for start in range(0, len(locators), AT_ONCE):
            places = ", ".join(f"'({at >> 16},{at & 0xFFFF})'" for at in locators[start : start + AT_ONCE])
            sql = f"SELECT ctid, {listed} FROM {_quoted(table)} WHERE ctid = ANY (ARRAY[{places}]::tid[])"
            for batch in self._batches(sql):
                at = _locators(batch.column(0)).to_list()
                yield from zip(
                    at,
                    zip(*(_raw(array, self._types[table][n]) for array, n in zip(batch.columns[1:], names, strict=True)), strict=True),
                    strict=True,
                )

    def contents(self, table: str, key: str, column: str) -> Iterator[Content]:
        name, of, blob = _quoted(table), _quoted(key), _quoted(column)
        for batch in self._batches(f"SELECT ctid, {of}, {blob} FROM {name} WHERE octet_length({blob}) <= {PIECE} OR {blob} IS NULL"):
            for at, found, data in zip(
                _locators(batch.column(0)).to_list(), _raw(batch.column(1)), batch.column(2).to_pylist(), strict=True
            ):
                yield Content(at, found, None if data is None else hashlib.sha256(data).hexdigest(), len(data or b""))
        large = list(self._tuples(f"SELECT ctid, {of}, octet_length({blob})::bigint FROM {name} WHERE octet_length({blob}) > {PIECE}"))
        for tid, found, size in large:
            digest = hashlib.sha256()
            block, place = int.from_bytes(tid[:4], "big"), int.from_bytes(tid[4:], "big")
            for first in range(1, size + 1, PIECE):
                [(piece,)] = self._tuples(f"SELECT substring({blob} FROM {first} FOR {PIECE}) FROM {name} WHERE ctid = '({block},{place})'")
                digest.update(piece)
            yield Content(block << 16 | place, found, digest.hexdigest(), size)

    def close(self) -> None:
        import adbc_driver_manager

        # What ended the reading is the error to tell, not that a table was left half read.
        for opened in (*self._connections, self._database):
            with suppress(adbc_driver_manager.Error, RuntimeError):
                opened.close()

    def _batches(self, sql: str) -> Iterator[Any]:
        reading = self._read(sql)
        try:
            yield from ahead(reading)
        finally:
            reading.close()

    def _read(self, sql: str) -> Generator[Any]:
        import adbc_driver_manager

        connection = statement = None
        try:
            connection = self._lent()
            statement = adbc_driver_manager.AdbcStatement(connection)
            statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH)})
            statement.set_sql_query(sql)
            handle, _ = statement.execute_query()
            with pa.RecordBatchReader._import_from_c(handle.address) as reader:
                yield from (batch for batch in reader if batch.num_rows)
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:  # OSError: the stream's own, without a state
            # Its text may hold values.
            state = getattr(error, "sqlstate", None) or next((code for said, code in _SAID.items() if said in str(error)), "none")
            message = f"{self._where}: reading failed ({type(error).__name__}, SQLSTATE {state})."
            raise ReconcileError(message, _NEXT.get(state, "Check server and network, then run again.")) from None
        finally:
            if statement is not None:
                statement.close()
            if connection is not None:
                self._free.append(connection)

    def _tuples(self, sql: str) -> Iterator[tuple[Any, ...]]:
        for batch in self._batches(sql):
            yield from zip(*(_storage(array).to_pylist() for array in batch.columns), strict=True)


def _typed(array: Any, column: Column) -> tuple[pl.Series, Mask]:
    """The column as a series of its kind's dtype, and which of its values have to be looked at one by one."""
    array = _storage(array)
    nothing = np.zeros(len(array), np.bool_)
    match column.kind:
        case "integer":
            return series_of(array, pl.Int64), nothing
        case "boolean":
            return series_of(array, pl.Boolean), nothing
        case "date" | "timestamp":
            first, last = _DAYS if column.kind == "date" else _MICROS
            number = series_of(array, pl.Int32 if column.kind == "date" else pl.Int64)
            return number.cast(pl.Date if column.kind == "date" else pl.Datetime("us")), (
                ~number.is_between(first, last).fill_null(True)
            ).to_numpy()
        case "binary" | "uuid":  # ids are only ever compared with each other: as their sixteen bytes
            return series_of(array, pl.Binary), nothing
    text, odd = text_typed(array, column)
    return (text.str.strip_chars_end(" ") if column.padded else text), odd


def _storage(array: Any) -> Any:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _locators(array: Any) -> pl.Series:
    """The places of rows as integers: block and line."""
    raw = _storage(array)
    _, offsets, data = raw.buffers()
    start = int(np.frombuffer(offsets, np.int32)[raw.offset])
    eight = np.zeros((len(raw), 8), np.uint8)
    eight[:, 2:] = np.frombuffer(data, np.uint8)[start : start + 6 * len(raw)].reshape(-1, 6)
    return pl.Series(eight.view(">i8").ravel().astype(np.int64))


def _raw(array: Any, kind: str = "") -> list[Raw]:
    """Values as they are; texts as their bytes; what a date column says as `str`, which it is not free to be."""
    array = _storage(array)
    if kind in ("date", "timestamp"):
        return list(array.to_pylist())
    if pa.types.is_string(array.type):
        return [None if value is None else Text(value) for value in array.cast(pa.binary()).to_pylist()]
    if kind == "uuid":
        return [None if value is None else Id(value) for value in array.to_pylist()]
    return list(array.to_pylist())


def _said(url: URL, name: str) -> str:
    """What the URL, the service file or the environment says of that setting, in libpq's order; empty where none does."""
    value = url.query.get(name) or (unquote(url.host or "") if name == "host" else "")
    if value:
        return value if isinstance(value, str) else ",".join(value)
    service = str(url.query.get("service") or os.environ.get("PGSERVICE", "")) if name != "service" else ""
    home, system = os.environ.get("HOME", ""), os.environ.get("PGSYSCONFDIR", "/etc/postgresql-common")
    for file in (os.environ.get("PGSERVICEFILE") or f"{home}/.pg_service.conf", f"{system}/pg_service.conf") if service else ():
        section = ""
        with suppress(OSError, UnicodeDecodeError):
            for line in Path(file).read_text(encoding="utf-8").splitlines():
                word, _, rest = line.strip().partition("=")
                if word.startswith("[") and word.endswith("]"):
                    section = word[1:-1]
                elif section == service and word.strip() == name:
                    return rest.strip()
    return os.environ.get(f"PG{name.upper()}", "")


def _elsewhere(url: URL) -> bool:
    """Whether some server of the URL may be another machine: neither a socket nor a name that every machine has for itself."""
    addresses, hosts = _said(url, "hostaddr").split(","), _said(url, "host").split(",")
    here = re.compile(r"(?i)|[/@].*|localhost|127\.\d+\.\d+\.\d+|::1")
    return not all(here.fullmatch(address or host) for address, host in zip_longest(addresses, hosts, fillvalue=""))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

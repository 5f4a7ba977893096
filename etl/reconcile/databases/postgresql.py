"""A PostgreSQL database read by binary COPY into Arrow, in one repeatable read-only transaction."""

import hashlib
import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy.engine import URL

from etl.reconcile.databases.postgresql_conditions import conditions
from etl.reconcile.databases.postgresql_values import locators_from, raw_values, storage_of, typed_column
from etl.reconcile.engine.background import prefetch
from etl.reconcile.engine.cells import Raw
from etl.reconcile.engine.frames import LOCATOR, Content, Part, series_of
from etl.reconcile.engine.spec import Column
from etl.reconcile.errors import ReconcileError

BATCH = 1 << 24  # bytes of a batch, which the driver takes for a hint
CHUNK_BYTES = 1 << 22  # bytes of a blob that are held at a time
AT_ONCE = 5_000  # locators in one query
# The driver's messages that come without an SQLSTATE.
_SAID = {"statement timeout": "57014", "idle-in-transaction": "25P03", "lock timeout": "55P03", "terminating connection": "57P01"}
_NEXT = {
    "55P03": "Another session holds a lock: close that session, then run again.",
    "57014": "The role's statement_timeout ended it: ALTER ROLE ... SET statement_timeout = 0; then run again.",
    "25P03": "idle_in_transaction_session_timeout ended the session: ALTER ROLE ... SET idle_in_transaction_session_timeout = 0; then run again.",
}
_PLACE_BITS, _PLACE_MASK = 48, (1 << 48) - 1  # block and line of a row in its table
# Detects a server that has vanished. `freeze check` recognises our sessions by the name `portal-migrate`.
_NOTICING = {
    "connect_timeout": "20",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "application_name": "portal-migrate",
}


# Overrides settings of role, database and server: a bare name finds only pg_catalog; row
# security raises an error instead of choosing rows (K9). Tables are read themselves, never an index that may lack rows, and by one process:
# with several the rows come in another order each time. What is read as text is ISO and UTF-8, from any encoding but SQL_ASCII, which is not an encoding:
# its bytes come unchanged. Waiting for a lock is limited.
_SETTINGS = (
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL search_path = pg_catalog",
    *(
        f"SET LOCAL {name} = {value}"
        for name, value in {
            "row_security": "off",
            "enable_indexscan": "off",
            "enable_indexonlyscan": "off",
            "enable_bitmapscan": "off",
            "max_parallel_workers_per_gather": "0",
            "synchronize_seqscans": "off",
            "datestyle": "ISO",
            "intervalstyle": "postgres",
            "timezone": "'UTC'",
            "bytea_output": "hex",
            "extra_float_digits": "1",
            "quote_all_identifiers": "off",
            "standard_conforming_strings": "on",
            "transform_null_equals": "off",
            "statement_timeout": "0",
        }.items()
    ),
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')",
    "SELECT set_config('client_encoding', CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, true)",
    "SELECT set_config('lock_timeout', '60s', true) WHERE current_setting('lock_timeout') = '0'",
)

# What the driver's own questions on connecting must not depend on either.
_AT_ONCE_SET = "-csearch_path=pg_catalog -cquote_all_identifiers=off -cstatement_timeout=0 -cidle_in_transaction_session_timeout=0"
_EXHAUSTED = ("too many connections", "too many clients", "connection slots are reserved")  # where no SQLSTATE comes along


class PostgresDatabase:
    """One snapshot of one PostgreSQL database, of the tables that the search path shows."""

    pads = True

    def __init__(self, url: URL, left_out: Mapping[str, frozenset[str]] = MappingProxyType({})) -> None:
        import adbc_driver_manager
        import adbc_driver_postgresql
        import psycopg

        self._left_out = left_out
        waiting = {name: value for name, value in _NOTICING.items() if name not in url.query}
        if _elsewhere(url) and not _said(url, "sslmode"):
            waiting["sslmode"] = "verify-full"
        plain = url.set(drivername="postgresql").update_query_dict(waiting).render_as_string(hide_password=False)
        self._where = url.set(drivername="postgresql").render_as_string(hide_password=True).partition("?")[0]
        try:
            self.schema = _first_schema(plain)
            # The driver queries the catalogue when it connects: the result must not depend on the role's settings.
            try:
                uri = _with_options(plain, url, _AT_ONCE_SET)
                self._database = adbc_driver_manager.AdbcDatabase(driver=adbc_driver_postgresql._driver_path(), uri=uri)
            except adbc_driver_manager.Error as error:
                if "unsupported startup parameter" not in str(error):  # the message of a connection pooler that does not accept options
                    raise
                self._database = adbc_driver_manager.AdbcDatabase(driver=adbc_driver_postgresql._driver_path(), uri=plain)
            # A connection is in use while rows are read from it: a second reader gets another one, in the same snapshot.
            self._connections = [self._connected()]
            self._free = list(self._connections)
            [(self._snapshot,)] = self._tuples("SELECT pg_export_snapshot()")
            self._types, self._kinds, self.members = self._look(), self._look_at_kinds(), self._look_at_members()
        except (adbc_driver_manager.Error, psycopg.Error) as error:
            # The driver's own message may repeat the whole URL.
            if error.sqlstate == "53300" or any(words in str(error) for words in _EXHAUSTED):
                raise ReconcileError(
                    f"{self._where}: the connection limit is reached: the role's, the database's or the server's.",
                    "The verifier needs up to 3 connections to each database. End other sessions or raise the limit; then run the same command again.",
                ) from None
            raise ReconcileError(
                f"{self._where}: cannot be read ({type(error).__name__}, SQLSTATE {error.sqlstate or 'none'}).",
                "Check the URL and the role's rights"
                + (", and sslmode and sslrootcert: without an sslmode it is verify-full." if _elsewhere(url) else "."),
            ) from None

    def _connected(self, snapshot: str = "") -> Any:
        import adbc_driver_manager

        connection = adbc_driver_manager.AdbcConnection(self._database)
        connection.set_autocommit(False)
        for sql in (
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
            *([f"SET TRANSACTION SNAPSHOT {_literal(snapshot)}"] if snapshot else []),
            *_SETTINGS,
        ):
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
        """Returns by table the columns and types, for tables with their partitions and children, and for other relations with rows."""
        sql = f"""WITH RECURSIVE tree(top, part) AS (SELECT oid, oid FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND {self._here()}
                  UNION SELECT t.top, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.part)
                  SELECT c.relname::text, a.attname::text, CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace OR t.typname NOT IN
                  (SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace) THEN t.typname::text ELSE t.oid::regtype::text END
                  FROM tree JOIN pg_class c ON c.oid = tree.top
                  JOIN pg_attribute a ON a.attrelid = tree.part JOIN pg_type t ON t.oid = a.atttypid
                  WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, tree.part <> tree.top, a.attnum"""
        found: dict[str, dict[str, str]] = {}
        for table, column, kind in self._tuples(sql):
            found.setdefault(str(table), {}).setdefault(str(column), str(kind))
        return found

    def _look_at_kinds(self) -> dict[str, str]:
        sql = f"""SELECT c.relname::text, CASE WHEN p.oid IS NOT NULL THEN 'part of ' || p.relname WHEN c.relkind = 'v' THEN 'view'
                  WHEN c.relkind = 'm' THEN 'materialized view' ELSE 'foreign table' END
                  FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent AND p.relnamespace = c.relnamespace
                  WHERE {self._here("c.")} AND (c.relkind IN ('v', 'm', 'f') OR c.relkind IN ('r', 'p') AND p.oid IS NOT NULL)"""
        return {str(name): str(kind) for name, kind in self._tuples(sql)}

    def _look_at_members(self) -> dict[str, list[int]]:
        """Returns by table with partitions or children the sorted oids of all tables whose rows it shows."""
        sql = f"""WITH RECURSIVE tree(top, part) AS (SELECT oid, oid FROM pg_class WHERE relkind IN ('r', 'p') AND {self._here()}
                  UNION SELECT t.top, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.part)
                  SELECT c.relname::text, tree.part::bigint FROM tree JOIN pg_class c ON c.oid = tree.top
                  WHERE EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = tree.top) ORDER BY 1, 2"""
        found: dict[str, list[int]] = {}
        for table, member in self._tuples(sql):
            found.setdefault(str(table), []).append(int(member))
        return found

    def _here(self, of: str = "") -> str:
        return f"{of}relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {_literal(self.schema)})"

    def relation_kinds(self) -> dict[str, str]:
        return self._kinds

    def doubts(self) -> list[str]:
        [(checksums, standby)] = self._tuples("SELECT current_setting('data_checksums'), pg_is_in_recovery()")
        found = [
            f"{name} is a {kind}: it is unknown which rows it leaves out"
            for name, kind in sorted(self._kinds.items())
            if name in self._left_out and kind[:4] != "part"
        ]
        found += ["damaged pages on the disk: the server keeps no checksums (data_checksums is off)"] if checksums != "on" else []
        return found + (["what the primary has written and this standby has not yet received"] if standby else [])

    def in_stored_order(self, table: str) -> bool:
        return False  # a row's ctid changes with every update

    def _has_row_ids(self, table: str) -> bool:
        """Returns whether `ctid` alone identifies a row."""
        return table not in self.members and self._kinds.get(table) not in ("view", "foreign table")

    def _locator(self, table: str) -> str:
        """Returns the SQL that locates a row: its `ctid`, table and `ctid`, or its position in the order of all columns."""
        if self._has_row_ids(table):
            return "ctid"
        if table in self.members:
            return "tableoid::bigint, ctid"
        every = [name for name in self._types[table] if name not in self._left_out.get(table, ())]
        order = ", ".join(_quoted(name) + '::text COLLATE "C"' for name in every)
        return f"row_number() OVER (ORDER BY {order})"

    def _located(self, table: str, batch: Any) -> tuple[pl.Series, list[Any]]:
        """Returns the locators of a batch, and its columns after those that `_locator` selects."""
        if self._has_row_ids(table):
            return locators_from(batch.column(0)), batch.columns[1:]
        if table not in self.members:
            return series_of(batch.column(0), pl.Int64).alias(LOCATOR), batch.columns[1:]
        members = np.asarray(self.members[table], np.int64)
        of = np.searchsorted(members, series_of(batch.column(0), pl.Int64).to_numpy()).astype(np.int64)
        return pl.Series((of << _PLACE_BITS) | locators_from(batch.column(1)).to_numpy()), batch.columns[2:]

    def _at(self, table: str, listed: str, locators: Sequence[int]) -> Iterator[str]:
        """Yields queries for the rows at these locators."""
        if self._has_row_ids(table) or table in self.members:
            members = self.members.get(table, [])
            for of in sorted({at >> _PLACE_BITS for at in locators}):
                some = [at & _PLACE_MASK for at in locators if at >> _PLACE_BITS == of]
                row_ids = ", ".join(f"'({at >> 16},{at & 0xFFFF})'" for at in some)
                whose = f"tableoid = {members[of]} AND " if members else ""
                yield f"SELECT {self._locator(table)}, {listed} FROM {self._named(table)} WHERE {whose}ctid = ANY (ARRAY[{row_ids}]::tid[])"
        else:
            numbers = ", ".join(map(str, locators))
            inner = f"SELECT {self._locator(table)} AS portal_migrate_at, {listed} FROM {self._named(table)}"
            yield f"SELECT * FROM ({inner}) numbered WHERE portal_migrate_at IN ({numbers})"

    def _listed(self, table: str, names: Sequence[str], far: bool) -> str:
        """Returns the selected columns as SQL: CHAR(n) without trailing blanks; `far`: days and moments as texts, whatever their year."""
        texts = {"bpchar", *(("date", "timestamp", "timestamptz") if far else ())}
        kinds = self._types[table]
        return ", ".join(f"{_quoted(n)}::text AS {_quoted(n)}" if kinds[n] in texts else _quoted(n) for n in names)

    def _named(self, table: str) -> str:
        return f"{_quoted(self.schema)}.{_quoted(table)}"

    def hiding(self) -> dict[str, str]:
        sql = f"SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND row_security_active(oid) AND {self._here()}"
        found = {str(table): "row-level security restricts the rows that this role sees (K9)" for (table,) in self._tuples(sql)}
        lenient = self._tuples(
            "SELECT name::text FROM pg_settings WHERE name IN ('zero_damaged_pages', 'ignore_checksum_failure') AND setting = 'on'"
        )
        names = " and ".join(sorted(str(name) for (name,) in lenient))
        return found | ({"": f"{names} is on: what lies on a damaged page vanishes or is altered unnoticed (K9)"} if names else {})

    def tables(self) -> dict[str, list[str]]:
        return {table: list(columns) for table, columns in self._types.items()}

    def only_integers(self, table: str, column: str) -> bool:
        return self._types[table][column] in ("int2", "int4", "int8")

    def has_key(self, table: str, key: Sequence[str]) -> bool:
        # Neither an invalid index nor the index of a table from which others inherit keeps its rows unique, and NULLs are not equal to each other.
        sql = f"""SELECT array_to_string(array_agg(a.attname::text ORDER BY a.attname), ',') FROM pg_index i
                  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) JOIN pg_class c ON c.oid = i.indrelid
                  WHERE i.indrelid = {_literal(self._named(table))}::regclass AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                  AND i.indexprs IS NULL AND (c.relkind = 'p' OR NOT EXISTS (SELECT 1 FROM pg_inherits h WHERE h.inhparent = c.oid))
                  GROUP BY i.indexrelid HAVING bool_and(a.attnotnull)"""
        return any(columns == ",".join(sorted(key)) for (columns,) in self._tuples(sql))

    def parts(self, table: str, columns: Sequence[Column], exact: bool = False) -> Iterator[Part]:
        listed = self._listed(table, [column.name for column in columns], far=False)
        for batch in self._batches(f"SELECT {self._locator(table)}, {listed} FROM {self._named(table)}"):
            at, arrays = self._located(table, batch)
            at = at.alias(LOCATOR)
            odd, series = np.zeros(batch.num_rows, np.bool_), [at]
            for array, column in zip(arrays, columns, strict=True):
                values, doubtful = typed_column(array, column)
                series.append(values.alias(column.name))
                odd |= doubtful
            frame = pl.DataFrame(series)
            yield Part(frame.filter(pl.Series(~odd)), at.filter(pl.Series(odd)).to_list()) if odd.any() else Part(frame, [])

    def view(self, name: str, columns: Sequence[Column]) -> Iterator[Part]:
        listed = ", ".join(_quoted(column.name) for column in columns)
        for batch in self._batches(f"SELECT {listed} FROM {self._named(name)}"):
            values = [(typed_column(array, column), column.name) for array, column in zip(batch.columns, columns, strict=True)]
            frame = pl.DataFrame(
                [pl.Series(LOCATOR, [0], dtype=pl.Int64).new_from_index(0, batch.num_rows), *(v.alias(n) for (v, _), n in values)]
            )
            odd = np.logical_or.reduce([doubtful for (_, doubtful), _ in values])
            yield Part(frame.filter(pl.Series(~odd)), [0] * int(odd.sum()))

    def conditions(self, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
        return conditions(lambda sql: list(self._tuples(sql)), self.schema, tables, views)

    def rows(self, table: str, names: Sequence[str], locators: Sequence[int]) -> Iterator[tuple[int, tuple[Raw, ...]]]:
        # Dates and times as their text: there are some that Python's own types cannot hold.
        listed = self._listed(table, names, far=True)
        for start in range(0, len(locators), AT_ONCE):
            for sql in self._at(table, listed, locators[start : start + AT_ONCE]):
                for batch in self._batches(sql):
                    at, arrays = self._located(table, batch)
                    raws = [raw_values(array, self._types[table][n]) for array, n in zip(arrays, names, strict=True)]
                    yield from zip(at.to_list(), zip(*raws, strict=True), strict=True)

    def contents(self, table: str, key: str, column: str) -> Iterator[Content]:
        name, of, blob = self._named(table), _quoted(key), _quoted(column)
        if not self._has_row_ids(table):  # whole, a batch at a time
            for batch in self._batches(f"SELECT {self._locator(table)}, {of}, {blob} FROM {name}"):
                at, (keys, blobs) = self._located(table, batch)
                for where, found, data in zip(at.to_list(), raw_values(keys), blobs.to_pylist(), strict=True):
                    yield Content(where, found, None if data is None else hashlib.sha256(data).hexdigest(), len(data or b""))
            return
        for batch in self._batches(f"SELECT ctid, {of}, {blob} FROM {name} WHERE octet_length({blob}) <= {CHUNK_BYTES} OR {blob} IS NULL"):
            for at, found, data in zip(
                locators_from(batch.column(0)).to_list(), raw_values(batch.column(1)), batch.column(2).to_pylist(), strict=True
            ):
                yield Content(at, found, None if data is None else hashlib.sha256(data).hexdigest(), len(data or b""))
        large = list(
            self._tuples(f"SELECT ctid, {of}, octet_length({blob})::bigint FROM {name} WHERE octet_length({blob}) > {CHUNK_BYTES}")
        )
        for tid, found, size in large:
            digest = hashlib.sha256()
            block, offset = int.from_bytes(tid[:4], "big"), int.from_bytes(tid[4:], "big")
            for first in range(1, size + 1, CHUNK_BYTES):
                [(chunk,)] = self._tuples(
                    f"SELECT substring({blob} FROM {first} FOR {CHUNK_BYTES}) FROM {name} WHERE ctid = '({block},{offset})'"
                )
                digest.update(chunk)
            yield Content(block << 16 | offset, found, digest.hexdigest(), size)

    def close(self) -> None:
        import adbc_driver_manager

        # Report the error that ended the reading, not that a table was read partly.
        for opened in (*self._connections, self._database):
            with suppress(adbc_driver_manager.Error, RuntimeError):
                opened.close()

    def _batches(self, sql: str) -> Iterator[Any]:
        reading = self._read(sql)
        try:
            yield from prefetch(reading)
        finally:
            reading.close()

    def _read(self, sql: str) -> Generator[Any]:
        import adbc_driver_manager
        from adbc_driver_manager._reader import AdbcRecordBatchReader

        connection = statement = None
        try:
            connection = self._lent()
            statement = adbc_driver_manager.AdbcStatement(connection)
            statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH)})
            statement.set_sql_query(sql)
            handle, _ = statement.execute_query()
            # The driver's own reader: with pyarrow's an error after the first rows has no SQLSTATE.
            with closing(AdbcRecordBatchReader._import_from_c(handle.address)) as reader:
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
            yield from zip(*(storage_of(array).to_pylist() for array in batch.columns), strict=True)


def _first_schema(conninfo: str) -> str:
    """Returns the first existing schema on the role's search path that is not the server's own; empty if there is none."""
    import psycopg

    with psycopg.connect(conninfo, autocommit=True) as session:
        session.execute("SET client_encoding = 'UTF8'")  # a database without an encoding gives bytes for names otherwise
        (path,) = session.execute("SHOW search_path").fetchone() or ("",)
        # Without the server's own: to answer, it would create pg_temp, which a role that only reads may not.
        own = [name.strip() for name in re.findall(r'(?:"(?:[^"]|"")*"|[^,"])+', str(path))]
        own = [name for name in own if name.strip('"') != "information_schema" and not name.strip('"').startswith("pg_")]
        session.execute("SELECT pg_catalog.set_config('search_path', %s, false)", (", ".join(own),))
        row = session.execute("SELECT pg_catalog.current_schema()").fetchone()
    return str(row[0]) if row and row[0] is not None else ""


def _with_options(conninfo: str, url: URL, options: str) -> str:
    """Returns the URL with these options appended to those of the URL or the environment; libpq does not accept + for a blank."""
    said = url.query.get("options") or os.environ.get("PGOPTIONS", "")
    before, _, _ = conninfo.partition("?")
    words = [word for word in conninfo.partition("?")[2].split("&") if word and not word.startswith("options=")]
    every = f"{said if isinstance(said, str) else ' '.join(said)} {options}".strip()
    return f"{before}?{'&'.join([*words, f'options={quote(every)}'])}"


def _said(url: URL, name: str) -> str:
    """Returns the value of that setting from the URL, the service file or the environment, in libpq's order; empty if none has it."""
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
    """Returns whether a server of the URL may be on another machine: neither a socket nor a loopback name."""
    addresses, hosts = _said(url, "hostaddr").split(","), _said(url, "host").split(",")
    here = re.compile(r"(?i)|[/@].*|localhost|127\.\d+\.\d+\.\d+|::1")
    return not all(here.fullmatch(address or host) for address, host in zip_longest(addresses, hosts, fillvalue=""))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

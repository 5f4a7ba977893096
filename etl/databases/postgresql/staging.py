"""The staging tables of a PostgreSQL store: each is created, filled, keyed and analysed by one session, several sessions in parallel.

Then their foreign keys are created and checked, in parallel too. They become visible under the real tables' names only when they are published. A
session that finds an existing staging table raises an error: rows of two loads never mix.
"""

from __future__ import annotations

import os
import queue
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import Any

import numpy as np
import pgpq
import psycopg
import pyarrow as pa

from etl.databases.postgresql.connection import connect, quoted, safe_errors
from etl.databases.target import Rows
from etl.domain.typed_values import INFINITE_DAY, INFINITE_MOMENT
from etl.system.prefetch import prefetch
from mappings.schema import Table

Session = psycopg.Connection[Any]
STAGED = "migration_stage__"
OF_THE_RUN = "migration_run"  # created at the publish: it has no staging table
_SESSIONS = 2  # one table, the responses, has two thirds of all rows: the others finish before it
_DAYS, _MICROSECONDS = 10_957, 946_684_800_000_000  # from 1970 to 2000


def stage(url: str, tables: Sequence[Table], rows: Rows, taken: frozenset[str] | None, wrote: dict[str, str]) -> Generator[int, None, None]:
    """Fills a staging table for each table, the first ones first; yields numbers of rows as they are sent.

    `wrote` receives, by table, the transaction that filled it and the number of rows sent ('ID:ROWS'; '' without rows). `taken`: as in `create`;
    where it is given, the tables will become the real ones and get their foreign keys too. Raises the first error of any session, after disconnecting
    the others.
    """
    news: queue.SimpleQueue[int | Future[None]] = queue.SimpleQueue()
    failed: list[BaseException] = []
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(connect(url, "--target"))) for _ in range(_SESSIONS)]
        idle: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for session in sessions:
            idle.put(session)
        pool = stack.enter_context(ThreadPoolExecutor(_SESSIONS))  # closed before the sessions
        complete = False
        try:
            for table in tables:
                pool.submit(_fill, idle, table, rows, taken, news.put, failed, wrote).add_done_callback(news.put)
            yield from _told(news, len(tables), failed)
            # All are created before the first is checked: creating one needs an exclusive lock on its parent, checking blocks only the creation of others.
            for statements in (_made, _checked) if taken is not None else ():
                for table in tables:
                    pool.submit(_refer, idle, table, statements(table), failed).add_done_callback(news.put)
                yield from _told(news, len(tables), failed)
            complete = True
        finally:
            if not complete:
                pool.shutdown(wait=False, cancel_futures=True)
                for session in sessions:
                    shut_down_socket(session)


def _told(news: queue.SimpleQueue[int | Future[None]], jobs: int, failed: list[BaseException]) -> Iterator[int]:
    """Yields the numbers of rows that are sent until this many jobs are done; raises the first error."""
    while jobs:
        told = news.get()
        if isinstance(told, int):
            yield told
        elif told.exception() is not None:
            raise failed[0]  # later errors may be consequences of the first
        else:
            jobs -= 1


def _fill(
    idle: queue.SimpleQueue[Session],
    table: Table,
    rows: Rows,
    taken: frozenset[str] | None,
    tell: Callable[[int], None],
    failed: list[BaseException],
    wrote: dict[str, str],
) -> None:
    """Creates one staging table with all rows, keys and statistics, or leaves none."""
    staged = STAGED + table.name
    first, *keys = create(table, staged, taken)
    names = ", ".join(quoted(column.name) for column in table.columns)
    session = idle.get()
    try:
        with safe_errors("--target", f"loading {table.name}"):
            session.execute("BEGIN")
            session.execute(first.encode())
            # FREEZE, because this transaction created the table: its first reader need not write to every page.
            copy_in = f"COPY {quoted(staged)} ({names}) FROM STDIN (FORMAT binary, FREEZE)"
            sent = 0
            with session.cursor() as cursor, cursor.copy(copy_in.encode()) as copy:
                for content, count in prefetch(encoded(table, rows(table))):
                    copy.write(content)
                    sent += count
                    tell(count)
            (by,) = session.execute("SELECT txid_current() % 4294967296").fetchone() or (0,)  # in the form of a row's xmin
            wrote[table.name] = f"{by}:{sent}" if sent else ""
            for statement in (*keys, f"ANALYZE {quoted(staged)}", "COMMIT"):
                session.execute(statement.encode())
    except BaseException as error:
        failed.append(error)
        raise
    finally:
        idle.put(session)  # a broken session too: the next job fails at once instead of waiting without end


def touched(store_state: dict[str, str], wrote: dict[str, str]) -> list[str]:
    """Returns the tables whose rows are not of the staging transaction, or not as many as it sent: another session wrote to the staging table.

    `store_state`: by table, its oid, a blank, and then the value of `stage` in `wrote`.
    """
    return [name for name, state in store_state.items() if state.partition(" ")[2] != wrote[name]]


def _made(table: Table) -> list[str]:
    """Returns the statements for the table's foreign keys to other staged tables, NOT VALID; they follow the renaming of the tables."""
    return [f"{statement} NOT VALID" for statement in references(table, lambda parent: parent != OF_THE_RUN, STAGED).values()]


def _checked(table: Table) -> list[str]:
    """Returns the statements that check each foreign key in one pass over all rows."""
    names = references(table, lambda parent: parent != OF_THE_RUN, STAGED)
    return [f"ALTER TABLE {quoted(STAGED + table.name)} VALIDATE CONSTRAINT {quoted(name)}" for name in names]


def _refer(idle: queue.SimpleQueue[Session], table: Table, statements: list[str], failed: list[BaseException]) -> None:
    session = idle.get()
    try:
        with safe_errors("--target", f"loading {table.name}"):
            for statement in statements:
                session.execute(statement.encode())
    except BaseException as error:
        failed.append(error)
        raise
    finally:
        idle.put(session)


def references(table: Table, to: Callable[[str], bool], prefix: str = "") -> dict[str, str]:
    """Returns, by name, the statements for the table's foreign keys to the accepted tables; `prefix`: of both tables' names."""
    found = {f"{table.name}_{column.name}_fkey": column for column in table.columns if column.refers_to and to(column.refers_to)}
    return {
        name: f"ALTER TABLE {quoted(prefix + table.name)} ADD CONSTRAINT {quoted(name)}"
        f" FOREIGN KEY ({quoted(column.name)}) REFERENCES {quoted(f'{prefix}{column.refers_to}')}"
        for name, column in found.items()
    }


def shut_down_socket(session: Session) -> None:
    """Closes the connection of a session in use by another thread; the server rolls back what was not committed."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(session.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def create(table: Table, staged: str, taken: frozenset[str] | None) -> list[str]:
    """Returns the statements that create the table under that name: CREATE TABLE first, then its keys.

    Keys have the names that follow from the table's name, except those `taken` in the schema; None: the server chooses all names.
    """

    def called(*words: str) -> str:
        name = "_".join((table.name, *words))
        return f"CONSTRAINT {quoted(name)}" if taken is not None and name not in taken else ""

    not_null = {c.name: f" {called(c.name, 'not_null')} NOT NULL" for c in table.columns if c.not_null or c.name in table.key}
    columns = ", ".join(f"{quoted(c.name)} {c.sql_type}{not_null.get(c.name, '')}" for c in table.columns)
    keys = [f"{called('pkey')} PRIMARY KEY ({', '.join(map(quoted, table.key))})"]
    keys += [f"{called(*unique, 'key')} UNIQUE ({', '.join(map(quoted, unique))})" for unique in table.unique]
    return [f"CREATE TABLE {quoted(staged)} ({columns})", *(f"ALTER TABLE {quoted(staged)} ADD {key}" for key in keys)]


def encoded(table: Table, batches: Iterator[pa.Table]) -> Iterator[tuple[bytes, int]]:
    """Yields the rows as binary COPY and the number of rows in each chunk."""
    encoder: Any = None
    for rows in batches:
        for batch in _fitting(table, rows).to_batches(max_chunksize=20_000):
            if encoder is None:
                encoder = pgpq.ArrowToPostgresBinaryEncoder(batch.schema)
                yield encoder.write_header(), 0
            yield encoder.write_batch(batch), batch.num_rows
    if encoder is not None:
        yield encoder.finish(), 0


def _fitting(table: Table, rows: pa.Table) -> pa.Table:
    """Returns the rows with days and moments as PostgreSQL's bytes, counted from 2000: the only form for infinity and every year."""
    columns = []
    for column in table.columns:
        values = rows[column.name].combine_chunks() if rows.num_rows else rows[column.name]
        if column.family == "date":
            columns.append(_as_bytes(values, pa.int32(), ">i4", _DAYS, INFINITE_DAY))
        elif column.family == "timestamp":
            columns.append(_as_bytes(values, pa.int64(), ">i8", _MICROSECONDS, INFINITE_MOMENT))
        else:
            columns.append(values)
    return pa.table(columns, names=[column.name for column in table.columns])


def _as_bytes(values: Any, number: pa.DataType, wire: str, distance: int, infinite: tuple[int, int]) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    counted = values.cast(number)
    plain = np.asarray(counted.fill_null(0))
    with np.errstate(over="ignore"):  # a moment outside the range from 1970 overflowed when it was read; this reverses it
        since_2000 = plain - plain.dtype.type(distance)
    since_2000[plain == infinite[0]] = infinite[0]
    since_2000[plain == infinite[1]] = infinite[1]
    valid = pa.py_buffer(np.packbits(np.asarray(counted.is_valid()), bitorder="little").tobytes()) if counted.null_count else None
    width = since_2000.dtype.itemsize
    return pa.Array.from_buffers(pa.binary(width), len(counted), [valid, pa.py_buffer(since_2000.astype(wire))])

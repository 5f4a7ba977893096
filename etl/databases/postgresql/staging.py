"""The staging tables of a new store that is PostgreSQL: each made, filled, keyed and analysed by one session, some sessions side by side.

Then their references are made and checked, side by side too. Nobody sees them under the real tables' names before they are published. A session
that finds a staging table there already did not make it and ends: rows of two loads never meet in one.
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
OF_THE_RUN = "migration_run"  # made when the run is published: nothing of it is staged
_SESSIONS = 2  # one table, the responses, has two thirds of all rows: the others are done before it is
_DAYS, _MICROSECONDS = 10_957, 946_684_800_000_000  # from 1970 to 2000


def stage(url: str, tables: Sequence[Table], rows: Rows, taken: frozenset[str] | None, wrote: dict[str, str]) -> Generator[int, None, None]:
    """Fills a staging table for each table, the first ones first; numbers of rows come back as they are sent.

    `wrote` gets, by table, the transaction that filled it and the number of rows sent ('ID:ROWS'; '' without rows): see `PostgresTarget.publish`.
    `taken`: see `create`; where it is given, the tables are to become the real ones and get their references too. Raises the first error of
    any session; the others are hung up on then.
    """
    news: queue.SimpleQueue[int | Future[None]] = queue.SimpleQueue()
    failed: list[BaseException] = []
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(connect(url, "--target"))) for _ in range(_SESSIONS)]
        idle: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for session in sessions:
            idle.put(session)
        pool = stack.enter_context(ThreadPoolExecutor(_SESSIONS))  # ends before the sessions do
        complete = False
        try:
            for table in tables:
                pool.submit(_fill, idle, table, rows, taken, news.put, failed, wrote).add_done_callback(news.put)
            yield from _told(news, len(tables), failed)
            # All are made before the first is checked: making one needs its parent for itself, checking only keeps others from making some there.
            for statements in (_made, _checked) if taken is not None else ():
                for table in tables:
                    pool.submit(_refer, idle, table, statements(table), failed).add_done_callback(news.put)
                yield from _told(news, len(tables), failed)
            complete = True
        finally:
            if not complete:
                pool.shutdown(wait=False, cancel_futures=True)
                for session in sessions:
                    hang_up(session)


def _told(news: queue.SimpleQueue[int | Future[None]], jobs: int, failed: list[BaseException]) -> Iterator[int]:
    """The numbers of rows that are sent until so many jobs are done."""
    while jobs:
        told = news.get()
        if isinstance(told, int):
            yield told
        elif told.exception() is not None:
            raise failed[0]  # what came behind it may be only its consequence
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
    """One table: there with all its rows, keys and statistics, or not there."""
    place = STAGED + table.name
    first, *keys = create(table, place, taken)
    names = ", ".join(quoted(column.name) for column in table.columns)
    session = idle.get()
    try:
        with safe_errors("--target", f"loading {table.name}"):
            session.execute("BEGIN")
            session.execute(first.encode())
            # Frozen, for the table was made in this very transaction: who reads it first need not write to every page of it.
            copy_in = f"COPY {quoted(place)} ({names}) FROM STDIN (FORMAT binary, FREEZE)"
            sent = 0
            with session.cursor() as cursor, cursor.copy(copy_in.encode()) as copy:
                for content, count in prefetch(encoded(table, rows(table))):
                    copy.write(content)
                    sent += count
                    tell(count)
            (by,) = session.execute("SELECT txid_current() % 4294967296").fetchone() or (0,)  # as a row's xmin shows it
            wrote[table.name] = f"{by}:{sent}" if sent else ""
            for statement in (*keys, f"ANALYZE {quoted(place)}", "COMMIT"):
                session.execute(statement.encode())
    except BaseException as error:
        failed.append(error)
        raise
    finally:
        idle.put(session)  # a broken one too: whoever gets it fails at once instead of waiting for ever


def touched(marks: dict[str, str], wrote: dict[str, str]) -> list[str]:
    """The tables whose rows are not of the transaction that staged them, or not as many as it sent: another session wrote to the staging table.

    `marks`: by table, its oid, a blank, and then what `stage` put into `wrote`.
    """
    return [name for name, mark in marks.items() if mark.partition(" ")[2] != wrote[name]]


def _made(table: Table) -> list[str]:
    """The table's references to other staged ones, not checked yet; they go along when the tables get their names."""
    return [f"{statement} NOT VALID" for statement in references(table, lambda parent: parent != OF_THE_RUN, STAGED).values()]


def _checked(table: Table) -> list[str]:
    """Each reference looks at all rows at once."""
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
    """By name, the statements that make the table's references to these tables; `prefix`: with which the names of all of them begin for now."""
    found = {f"{table.name}_{column.name}_fkey": column for column in table.columns if column.refers_to and to(column.refers_to)}
    return {
        name: f"ALTER TABLE {quoted(prefix + table.name)} ADD CONSTRAINT {quoted(name)}"
        f" FOREIGN KEY ({quoted(column.name)}) REFERENCES {quoted(f'{prefix}{column.refers_to}')}"
        for name, column in found.items()
    }


def hang_up(session: Session) -> None:
    """Cancels its current statement, in any thread; the server rolls back what was not committed."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(session.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def create(table: Table, place: str, taken: frozenset[str] | None) -> list[str]:
    """The statements that make the table under that name, its keys behind the first one.

    Keys are called as for the table's own name, unless that is among those `taken` in the schema; None: the server chooses all names.
    """

    def called(*words: str) -> str:
        name = "_".join((table.name, *words))
        return f"CONSTRAINT {quoted(name)}" if taken is not None and name not in taken else ""

    not_null = {c.name: f" {called(c.name, 'not_null')} NOT NULL" for c in table.columns if c.not_null or c.name in table.key}
    columns = ", ".join(f"{quoted(c.name)} {c.sql_type}{not_null.get(c.name, '')}" for c in table.columns)
    keys = [f"{called('pkey')} PRIMARY KEY ({', '.join(map(quoted, table.key))})"]
    keys += [f"{called(*unique, 'key')} UNIQUE ({', '.join(map(quoted, unique))})" for unique in table.unique]
    return [f"CREATE TABLE {quoted(place)} ({columns})", *(f"ALTER TABLE {quoted(place)} ADD {key}" for key in keys)]


def encoded(table: Table, batches: Iterator[pa.Table]) -> Iterator[tuple[bytes, int]]:
    """The rows as binary COPY, batch by batch, with the number of rows in each."""
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
    """Days and moments as PostgreSQL's own bytes, counted from 2000: the only form that holds infinity and every year."""
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
    with np.errstate(over="ignore"):  # a moment beyond 1970's range wrapped when it was read, and wraps back here
        since_2000 = plain - plain.dtype.type(distance)
    since_2000[plain == infinite[0]] = infinite[0]
    since_2000[plain == infinite[1]] = infinite[1]
    valid = pa.py_buffer(np.packbits(np.asarray(counted.is_valid()), bitorder="little").tobytes()) if counted.null_count else None
    width = since_2000.dtype.itemsize
    return pa.Array.from_buffers(pa.binary(width), len(counted), [valid, pa.py_buffer(since_2000.astype(wire))])

"""Staging tables on PostgreSQL: readers, signals, and conflicting objects."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import datetime
from types import FrameType

import psycopg
import pytest
import sqlalchemy

from etl.commands.command_result import Interrupted
from etl.databases.postgresql.target import PostgresTarget
from etl.databases.target import RunRecord
from etl.errors import Refused
from mappings.read import read_mappings

SCHEMA = read_mappings().target
TABLES = [table for table in SCHEMA.tables.values() if table.name != "migration_run"]


@pytest.fixture
def store(postgres: str) -> str:
    """The URL of an empty database."""
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute("DROP DATABASE IF EXISTS staging WITH (FORCE)")
        session.execute("CREATE DATABASE staging TEMPLATE template0 ENCODING 'UTF8'")
    return sqlalchemy.make_url(postgres).set(database="staging").render_as_string(hide_password=False)


def staged(store: str) -> PostgresTarget:
    """A target with every table staged, all of them empty."""
    target = PostgresTarget(store)
    assert sum(target.stage(TABLES, lambda table: iter(()))) == 0
    return target


def left(store: str) -> int:
    """How many staging tables there are."""
    with psycopg.connect(store) as session:
        row = session.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'migration\\_stage\\_\\_%' AND relkind = 'r'").fetchone()
    assert row is not None
    return int(row[0])


def test_a_load_that_ends_unpublished_drops_its_staging_tables(store: str) -> None:
    target = staged(store)
    assert left(store) == len(TABLES)
    target.close()
    assert left(store) == 0


def test_an_ending_load_does_not_wait_for_readers_of_a_staging_table(store: str) -> None:
    target = staged(store)
    with psycopg.connect(store) as reader:
        reader.execute("SELECT count(*) FROM migration_stage__login")
        began = time.monotonic()
        target.close()
        assert time.monotonic() - began < 8
        reader.rollback()
    assert left(store)
    PostgresTarget(store).close()
    assert left(store) == 0


def test_a_signal_during_a_statement_leaves_neither_staging_tables_nor_the_lock(store: str) -> None:
    target = staged(store)

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(Interrupted):
            target.execute("SELECT pg_sleep(60)")
    finally:
        signal.signal(signal.SIGALRM, before)
    began = time.monotonic()
    target.close()
    assert time.monotonic() - began < 8
    assert left(store) == 0
    PostgresTarget(store).close()  # nobody else is at work


def test_a_lost_session_leaves_no_staging_tables(store: str) -> None:
    target = staged(store)
    with psycopg.connect(store, autocommit=True) as session:
        session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portal-migrate'")
        while session.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'portal-migrate'").fetchone():
            time.sleep(0.01)
    target.close()
    assert left(store) == 0


def test_keys_of_a_renamed_table_do_not_collide(store: str) -> None:
    with psycopg.connect(store, autocommit=True) as session:
        session.execute("CREATE TABLE login (login_id int PRIMARY KEY); ALTER TABLE login RENAME TO login_before")
    target = staged(store)
    assert left(store) == len(TABLES)
    target.close()


def test_the_first_error_of_parallel_sessions_is_reported(store: str) -> None:
    target = PostgresTarget(store)

    def rows(table: object) -> Iterator[object]:
        raise LookupError("no such stage file")
        yield

    with pytest.raises(LookupError, match="no such stage file"):
        list(target.stage(TABLES, rows))  # type: ignore[arg-type]  # its rows never come
    target.close()
    assert left(store) == 0


@pytest.mark.parametrize("command", ["publish", "roll_back"])
def test_the_session_that_changes_the_store_holds_the_lock(store: str, command: str) -> None:
    """As with a pooler that was not detected when the store was opened: the transaction runs in another session without the lock."""
    record = RunRecord("run-1", "PUBLISHED", datetime(2023, 9, 16), datetime(2023, 9, 16), None, "0" * 64)
    target = staged(store)
    if command == "roll_back":
        target.publish(SCHEMA, record, lambda *_: None)
    target.execute("SELECT pg_advisory_unlock_all()")
    before = [run.state for run in target.runs()]
    with pytest.raises(Refused, match="does not hold this run's lock"):
        getattr(target, command)(SCHEMA, record, lambda *_: None)
    target.close()
    assert left(store) == (len(TABLES) if command == "publish" else 0)  # they may be another run's
    again = PostgresTarget(store)
    assert [run.state for run in again.runs()] == before
    again.close()

"""The lock of a run: its holder is named, and the statement of a killed run does not continue in the server."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from etl.databases.postgresql.obstacles import RUN_LOCK
from etl.databases.postgresql.target import PostgresTarget
from etl.errors import Refused


def test_the_session_that_holds_the_lock_is_named(postgres: str) -> None:
    """Every role that may connect, including an auditor, can hold an advisory lock."""
    with psycopg.connect(postgres, autocommit=True) as auditor:
        auditor.execute("SELECT pg_advisory_lock(%s, current_schema()::regnamespace::oid::int)", (RUN_LOCK,))
        pid = auditor.info.backend_pid
        with pytest.raises(Refused, match=rf"Another run is active on .*: session {pid} of role \w+.*, since 20.* UTC\.") as raised:
            PostgresTarget(postgres)
        assert f"session {pid}" in raised.value.message
        assert "pg_terminate_backend" in raised.value.next_step


def test_a_lock_that_is_released_a_moment_later_is_waited_for(postgres: str) -> None:
    """The process of a command that has just ended needs a moment on a busy server."""
    with psycopg.connect(postgres, autocommit=True) as before:
        before.execute("SELECT pg_advisory_lock(%s, current_schema()::regnamespace::oid::int)", (RUN_LOCK,))
        ending = threading.Timer(0.5, before.execute, ("SELECT pg_advisory_unlock_all()",))
        ending.start()
        PostgresTarget(postgres).close()
        ending.join()


def test_a_session_whose_client_has_died_ends_during_a_statement(postgres: str) -> None:
    target = PostgresTarget(postgres)
    try:
        (interval,) = target.one("SELECT current_setting('client_connection_check_interval', true)")
        assert interval in ("5s", None)
    finally:
        target.close()
    if interval is None:  # PostgreSQL 13
        return
    # The same setting, a session that is cut off while it sleeps: the lock is free within seconds, not when the statement ends.
    session = psycopg.connect(postgres, autocommit=True)
    session.execute("SET client_connection_check_interval = '1s'")
    session.execute("SELECT pg_advisory_lock(%s, current_schema()::regnamespace::oid::int)", (RUN_LOCK,))
    session.pgconn.send_query(b"SELECT pg_sleep(120)")
    time.sleep(0.2)
    session.pgconn.finish()
    until = time.monotonic() + 20
    while True:
        try:
            PostgresTarget(postgres).close()
            break
        except Refused:
            assert time.monotonic() < until
            time.sleep(0.2)

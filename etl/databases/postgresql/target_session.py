"""The session that a store on PostgreSQL is written through: the run's advisory lock, statements with safe errors, and removal of staging tables."""

from __future__ import annotations

import select
import threading
import time
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from etl.databases import redacted_url
from etl.databases.postgresql.connection import connect, quoted, safe_errors, shapes
from etl.databases.postgresql.obstacles import RUN_LOCK, holder
from etl.databases.postgresql.pooler import refuse_pooler, void_lock
from etl.databases.postgresql.staging import OF_THE_RUN, STAGED, shut_down_socket
from etl.errors import MigrationError, Refused
from mappings.schema import Schema

_HOLDS = (
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND classid = %s AND objsubid = 2"
    " AND objid = current_schema()::regnamespace::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)

_ENDING = 2  # seconds that a server's process may need to end behind its session
_CLEARING = 5  # seconds at most: a signal must not wait for readers of a staging table, nor for a server that does not answer


class TargetSession:
    """A session of a new store; holds an advisory lock until it is closed: the server releases it with the session."""

    def __init__(self, url: str) -> None:
        self.url, self._shown = url, redacted_url(url)
        self.perhaps_committed = False
        self.connection: psycopg.Connection[Any] = connect(url, "--target")
        (encoding, schema) = self.one("SELECT getdatabaseencoding(), current_schema()")
        if encoding != "UTF8":
            self.connection.close()
            message = f"--target: the database's encoding is {encoding}; it cannot store every text."
            raise Refused(message, "Create the database with ENCODING 'UTF8' TEMPLATE template0.")
        if schema is None:
            self.connection.close()
            raise MigrationError(
                f"--target: no schema of the role's search path exists in {self._shown} or is accessible to the role.",
                "Create the schema: the SQL is in runbooks/roles.md.",
            )
        try:
            refuse_pooler(self.connection, url)
        except MigrationError:
            self.connection.close()
            raise
        if not self._locked():
            who = self._holder()
            self.connection.close()
            message = f"Another run is active on {self._shown}{who}."
            raise Refused(
                message,
                "Wait for it to end; a session that does not belong to a run can be ended (pg_terminate_backend). Then run the same command again.",
            )
        # After a run is killed the server must end its statement (14 and later, where the system can detect it).
        with suppress(MigrationError):
            self.one(
                "SELECT set_config('client_connection_check_interval', '5s', false) WHERE current_setting('client_connection_check_interval', true) IS NOT NULL"
            )
        # A leftover of a killed load: the holder of the lock removes it.
        self.staged = any(name.startswith(STAGED) for name in self.existing())

    def _locked(self) -> bool:
        """Returns whether this session has the lock of a run; the session of a command that ended a moment ago may keep it for as long as it ends."""
        until = time.monotonic() + _ENDING
        while True:
            (locked,) = self.one("SELECT pg_try_advisory_lock(%s, current_schema()::regnamespace::oid::int)", (RUN_LOCK,))
            if locked or time.monotonic() > until:
                return bool(locked)
            time.sleep(0.1)

    def _holder(self) -> str:
        with suppress(MigrationError), safe_errors("--target", "reading"):
            return holder(self.connection)
        return ""

    def require_lock(self) -> None:
        """Raises Refused where this transaction's server process does not hold the lock: a pooler has changed the process."""
        if not self.one(_HOLDS, (RUN_LOCK,))[0]:
            self.staged = False  # the staging tables may be another run's
            raise void_lock(f"The session that publishes into {self._shown} does not hold this run's lock: a connection pooler is in use")

    def one(self, statement: str, values: Any = None) -> tuple[Any, ...]:
        """Returns the first row of a query; (None,) where it has none."""
        with safe_errors("--target", "reading"):
            return self.connection.execute(statement, values).fetchone() or (None,)

    def execute(self, statement: str, values: Any = None) -> int:
        """Runs one statement; returns the number of rows that it changed."""
        with safe_errors("--target", "writing"):
            return int(self.connection.execute(statement, values).rowcount)

    def execute_alone(self, statement: str) -> None:
        """Runs one statement from the mappings, prepared: the server rejects a second statement in the same text."""
        with safe_errors("--target", "writing"):
            self.connection.execute(statement, prepare=True)

    def existing(self) -> dict[str, dict[str, str]]:
        """Returns the tables of the current schema: column name and type, by table."""
        with safe_errors("--target", "reading the catalogue"):
            return shapes(self.connection)

    def rows(self, table: str) -> int:
        return int(self.one(f"SELECT count(*) FROM {quoted(table)}")[0]) if self.one("SELECT to_regclass(%s)", (quoted(table),))[0] else 0

    def drop_staging_tables(self) -> None:
        """Drops all staging tables, of this run or a killed one."""
        found = [quoted(name) for name in self.existing() if name.startswith(STAGED)]
        if found:
            self.execute(f"DROP TABLE {', '.join(found)}")

    def begin(self) -> None:
        """Begins a transaction where none is open; its COMMIT waits until the server has written it to disk."""
        if self.connection.info.transaction_status == TransactionStatus.IDLE:
            self.execute("BEGIN")
            self.execute("SET LOCAL synchronous_commit = on")

    def commit(self) -> None:
        """Commits; `perhaps_committed` stays false where the server has refused it: only a lost connection leaves that unknown."""
        self.perhaps_committed = True
        try:
            self.execute("COMMIT")
        except MigrationError:
            self.perhaps_committed = self.connection.closed
            raise

    def lock_tables(self, schema: Schema, mode: str) -> None:
        """Locks the tables until this transaction ends: what was found stays true until they are changed."""
        self.execute(f"LOCK TABLE {', '.join(quoted(name) for name in schema.tables if name != OF_THE_RUN)} IN {mode} MODE")

    def _cleared(self) -> bool:
        """Drops the staging tables; returns False where the session is broken: the next load drops them then."""
        timer = threading.Timer(_CLEARING, shut_down_socket, (self.connection,))
        timer.start()
        try:
            if self.connection.info.transaction_status == TransactionStatus.ACTIVE:  # a signal interrupted a statement
                self.connection.cancel_safe(timeout=2)
                _drain(self.connection)
            if self.connection.info.transaction_status != TransactionStatus.IDLE:
                self.execute("ROLLBACK")
            self.execute("SET lock_timeout = '2s'")
            self.drop_staging_tables()
        except (MigrationError, psycopg.Error):
            return not (timer.is_alive() and self.connection.broken)
        finally:
            timer.cancel()
        return True

    def close(self) -> None:
        if self.staged and not self._cleared():
            with suppress(MigrationError):  # a new session, where the server answers and no other run is active
                other = TargetSession(self.url)
                other._cleared()
                other.connection.close()
        self.connection.close()  # the server rolls back an open transaction: the store is unchanged


def _drain(session: psycopg.Connection[Any]) -> None:
    """Waits for the end of a cancelled statement; raises psycopg.Error where the session breaks."""
    while True:
        session.pgconn.consume_input()
        if session.pgconn.is_busy():
            select.select([session.pgconn.socket], [], [])
        elif session.pgconn.get_result() is None:
            return

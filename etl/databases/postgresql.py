"""What reading and writing PostgreSQL share: connecting, and errors without values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy

from etl.databases import shown
from etl.errors import MigrationError, Transient
from etl.retries import passes

OLDEST = 130000  # PostgreSQL 13

# The contract's words for what the server calls its types.
WORDS = {
    "int8": "BIGINT", "int4": "INTEGER", "int2": "SMALLINT", "text": "TEXT", "date": "DATE", "timestamp": "TIMESTAMP", "bytea": "BYTEA",
    "bool": "BOOLEAN", "uuid": "UUID", "varchar": "VARCHAR", "bpchar": "CHAR",
}  # fmt: skip


def conninfo(url: str) -> str:
    """The URL as libpq takes it: its environment, service file, password file and sslmode all work."""
    return sqlalchemy.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def connect(url: str, name: str) -> psycopg.Connection[Any]:
    """A connection in UTC; `name` is what messages call the database."""
    try:
        connection = psycopg.connect(conninfo(url), autocommit=True, application_name="portal-migrate")
        connection.execute("SET TimeZone = 'UTC'")  # in here: the connection may break on its very first statement, too
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MigrationError(
            f"{name}: no connection to {shown(url)} ({reason}).", "Check server, database, user and password (PGPASSFILE)."
        ) from None
    if connection.info.server_version < OLDEST:
        version = connection.info.server_version // 10000
        connection.close()
        raise MigrationError(f"{name}: the server is PostgreSQL {version}.", "PostgreSQL 13 or later is needed.")
    return connection


@contextmanager
def safe_errors(name: str, doing: str) -> Iterator[None]:
    """Turns the server's errors into sentences: SQLSTATE and constraint only, for their texts may hold values."""
    try:
        yield
    except psycopg.Error as error:
        state = error.diag.sqlstate or "connection lost"
        about = f", constraint {error.diag.constraint_name}" if error.diag.constraint_name else ""
        where = f" on {error.diag.table_name}" if error.diag.table_name else ""
        message = f"{name}: {doing} failed ({type(error).__name__}, SQLSTATE {state}{where}{about})."
        kind = Transient if passes(error.diag.sqlstate) and isinstance(error, psycopg.OperationalError) else MigrationError
        raise kind(message, _next_step(state)) from None


def _next_step(state: str) -> str:
    match state[:2]:
        case "42":
            return "Check the role's rights and the schema: the SQL for both roles is in runbooks/roles.md."
        case "53":
            return "The server lacks resources (disk, memory, connections): mend that, then run the same command again."
        case "25":
            return "The server or the role is read-only: give a target that can be written to."
    return "Mend that, then run the same command again: nothing is half done."


def shapes(connection: psycopg.Connection[Any]) -> dict[str, dict[str, str]]:
    """Declared type of every column of every table in the current schema, in the contract's words."""
    rows = connection.execute(
        "SELECT c.relname, a.attname, t.typname, a.atttypmod FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped"
        " ORDER BY c.relname, a.attnum"
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, column, kind, modifier in rows:
        word = WORDS.get(kind, kind.upper())
        length = f"({modifier - 4})" if word in ("VARCHAR", "CHAR") and modifier > 4 else ""
        found.setdefault(table, {})[column] = word + length
    return found


def quoted(name: str) -> str:
    """The identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'

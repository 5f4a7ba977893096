"""Connections to PostgreSQL, shared by reading and writing: connecting, and error messages without values."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import sqlalchemy
from psycopg.pq import TransactionStatus

from etl.databases import redacted_url
from etl.databases.conditions import REJECTED
from etl.databases.postgresql.transport import sslmode
from etl.databases.quoting import quoted as quoted
from etl.errors import Busy, MigrationError, NoSpace, Refused, Transient
from etl.system.retries import is_transient

OLDEST = 130000  # PostgreSQL 13
# Text travels as UTF-8, independent of the database's encoding and PGCLIENTENCODING. (SQL_ASCII has no encoding: its bytes come unchanged, E8.)
# No session waits for a lock without a limit, independent of the server's default; a lock_timeout of the role or database is kept. No other setting
# of a role or database changes how long a load may take or how values are written or shown; row security raises an error (K9).
SESSION = (
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET client_encoding = 'UTF8'",
    "SET TimeZone = 'UTC'",
    "SET row_security = off",
    "SET quote_all_identifiers = off",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'postgres'",
    "SET bytea_output = 'hex'",
    "SET extra_float_digits = 1",
    "SET standard_conforming_strings = on",
    "SET transform_null_equals = off",
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')",
    "SELECT pg_catalog.set_config('lock_timeout', '60s', false) WHERE pg_catalog.current_setting('lock_timeout') = '0'",
)
# An old portal is read in one transaction, which begins with these: read-only from its first statement, and independent of settings of the role
# or database. `row_security` off: the server raises an error where it would omit rows (K9). Unqualified names resolve in pg_catalog only: no
# operator, function or cast of another schema is called.
READING = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
OLD_SESSION = (
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL search_path = pg_catalog",
    "SET LOCAL row_security = off",
    "SET LOCAL quote_all_identifiers = off",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL standard_conforming_strings = on",
    "SET LOCAL transform_null_equals = off",
    "SET LOCAL client_encoding = 'UTF8'",
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')",  # parameters of later versions
    "SELECT set_config('lock_timeout', '60s', true) WHERE current_setting('lock_timeout') = '0'",
)
_MICROSECONDS = 6  # digits of a TIMESTAMP without a precision
WRITING = 4  # connections of a load: the main one, those that stage, and one for checks
LOCKED, FULL, HIDDEN = "55P03", "53100", "42501"
NAME = "portal-migrate"  # the application_name of all our sessions: `freeze check` ignores them
# A server that stops answering (power, network, firewall) is detected within one or two minutes, not after the system's two hours.
_NOTICING = {
    "connect_timeout": "20",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}

ROW_SECURITY = "ALTER ROLE ... BYPASSRLS for the role that reads (runbooks/roles.md), or have the old portal's owner disable row security; then run again."

# The contract's words for the server's type names.
WORDS = {
    "int8": "BIGINT",
    "int4": "INTEGER",
    "int2": "SMALLINT",
    "text": "TEXT",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "bytea": "BYTEA",
    "bool": "BOOLEAN",
    "uuid": "UUID",
    "varchar": "VARCHAR",
    "bpchar": "CHAR",
}


# pg_class.relkind of relations that are not tables, in words.
RELATION_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table", "S": "sequence"}
# A type's name; only types of pg_catalog have it without a schema: a domain called int8 may be anything.
TYPE = (
    "CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace AND EXISTS (SELECT 1 FROM pg_type s WHERE s.typname = t.typname"
    " AND s.typnamespace = 'pg_catalog'::regnamespace) THEN t.typnamespace::regnamespace::text || '.' || t.typname ELSE t.typname::text END"
)


def conninfo(url: str) -> str:
    """Returns the URL as libpq's conninfo: environment, service file, password file, sslmode and time-outs of the URL apply.

    Without an sslmode the connection uses verify-full, except to this machine.
    """
    parsed = sqlalchemy.make_url(url).set(drivername="postgresql")
    given = {name for name, variable in (("connect_timeout", "PGCONNECT_TIMEOUT"),) if variable in os.environ} | parsed.query.keys()
    ours = {name: value for name, value in _NOTICING.items() if name not in given}
    mode = sslmode(parsed)
    secured = {"sslmode": mode} if mode else {}
    return parsed.update_query_dict({**ours, **secured, "application_name": NAME}).render_as_string(hide_password=False)


def connect(url: str, name: str) -> psycopg.Connection[Any]:
    """Returns a connection in UTC and UTF-8; `name` is the database's name in messages. For an old portal use `old_portal`."""
    connection = connected(url, name)
    with safe_errors(name, "connecting"):
        # The time-outs first: they may be short. The encoding before any text: a database without one (SQL_ASCII) returns bytes.
        connection.execute("; ".join(SESSION[:3]).encode())
        schema = own_schema(connection)
        if schema is not None:
            # No function or operator of another schema, nor a temporary table, is taken for one of the server's or of the store's.
            connection.execute(f"SET search_path = {quoted(schema)}, pg_temp".encode())
        connection.execute("; ".join(SESSION[3:]).encode())
    return connection


def own_schema(session: psycopg.Connection[Any]) -> str | None:
    """Returns the first schema of the search_path that is not the server's own, and takes the server's out of the path, for the transaction or session.

    A path may begin with pg_catalog or pg_temp: no tables of ours are there, and the server would create the latter to answer.
    """
    (path,) = session.execute("SHOW search_path").fetchone() or ("",)
    names = re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', str(path))
    kept = [name for name in map(str.strip, names) if not name.strip('"').startswith("pg_") and name.strip('"') != "information_schema"]
    local = session.info.transaction_status == TransactionStatus.INTRANS
    session.execute("SELECT pg_catalog.set_config('search_path', %s, %s)", (", ".join(kept), local))
    row = session.execute("SELECT pg_catalog.current_schema()").fetchone()
    return None if row is None or row[0] is None else str(row[0])


def reading_conninfo(url: str) -> str:
    """Returns the conninfo for the ADBC driver of an old portal: it queries the catalogue as soon as it is connected, so both settings are options."""
    plain = conninfo(url)
    given = sqlalchemy.make_url(plain)
    said = given.query.get("options") or os.environ.get("PGOPTIONS", "")
    ours = "-csearch_path=pg_catalog -cquote_all_identifiers=off -cstatement_timeout=0 -cidle_in_transaction_session_timeout=0"
    options = f"{said if isinstance(said, str) else ' '.join(said)} {ours}".strip()
    rendered = given.difference_update_query(["options"]).render_as_string(hide_password=False)
    return f"{rendered}{'&' if '?' in rendered else '?'}options={urllib.parse.quote(options)}"  # libpq does not accept + for a blank


@contextmanager
def old_portal(url: str, name: str) -> Iterator[tuple[psycopg.Connection[Any], str | None]]:
    """Yields a session in the one read-only transaction on an old portal, and the schema of its tables; None where the search_path has none."""
    with closing(connected(url, name)) as session:  # closed without a COMMIT, which may fail: nothing was written
        with safe_errors(name, "beginning to read"):
            schema = begin_reading(session)
        yield session, schema


def connected(url: str, name: str) -> psycopg.Connection[Any]:
    """Returns a connection before its first statement."""
    try:
        connection = psycopg.connect(conninfo(url), autocommit=True)
    except psycopg.Error as error:
        raise no_connection(url, name, str(error)) from None
    if connection.info.server_version < OLDEST:
        version = connection.info.server_version // 10000
        connection.close()
        raise MigrationError(f"{name}: the server is PostgreSQL {version}.", f"PostgreSQL {OLDEST // 10000} or later is needed.")
    return connection


def begin_reading(session: psycopg.Connection[Any], snapshot: str | None = None) -> str | None:
    """Begins the transaction in which an old portal is read, with its settings; returns the first schema of the role's search_path that is not the server's."""
    session.execute(f"{READING}; {OLD_SESSION[0]}".encode())  # first, because the time-out may be short
    if snapshot is not None:
        session.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())
    session.execute("SET LOCAL client_encoding = 'UTF8'")  # a database without an encoding returns names as bytes
    schema = own_schema(session)
    session.execute("; ".join(OLD_SESSION).encode())
    return schema


_SECURED = (
    "Give sslrootcert=FILE, the certificate of the authority that signed the server's certificate, which has to name the host of the URL. The default sslmode is verify-full;"
    " a weaker mode has to be set in the URL or in PGSSLMODE: sslmode=require."
)
# The connection limits of a role, a database and the server (53300): temporary, but they rarely end without action.
_EXHAUSTED = ("too many connections", "too many clients", "connection slots are reserved")
_ENOUGH = (
    f"A run reads each old portal over 2 connections and 2 more for each worker, and loads over {WRITING}. End other sessions, raise the limit"
    " (ALTER ROLE or DATABASE ... CONNECTION LIMIT, max_connections), or give fewer --workers; then run the same command again."
)
# libpq's messages about failed connections, and the next step for each. It gives no SQLSTATE, and writes English
# unless the server's lc_messages is another language: then the last line of `no_connection` applies.
_REFUSALS = (
    ("password authentication failed", "the password is wrong", "Put the correct password into the password file (PGPASSFILE), mode 0600."),
    (
        "no password supplied",
        "the server asks for a password, and none is given",
        "Put the password into the password file (PGPASSFILE), mode 0600.",
    ),
    ("pg_hba.conf", "the server's pg_hba.conf does not allow this connection", "Ask its administrator, or set sslmode."),
    ("permission denied for database", "the role may not connect to this database", "GRANT CONNECT: the SQL is in runbooks/roles.md."),
    ("is not permitted to log in", "the role may not log in", "Give another role: the SQL is in runbooks/roles.md."),
    ("definition of service", "the service is not in the service file", "Check ?service= and PGSERVICEFILE."),
    ("service file", "the service file cannot be read", "Check PGSERVICEFILE."),
    ("certificate", "the server's certificate is not accepted", _SECURED),
    ("SSL", "no connection with the required sslmode", f"Enable TLS on the server. {_SECURED}"),
    ("sslmode value", "the sslmode is not valid", "Check sslmode."),
    ("failed to resolve host", "the host name cannot be resolved", "Check the URL, PGHOST and the name service."),
    ("could not translate host name", "the host name cannot be resolved", "Check the URL, PGHOST and the name service."),
    (
        "could not access file",
        "the server cannot load a library for this session",
        "Correct session_preload_libraries or local_preload_libraries of the role, the database or the server.",
    ),
    ("Connection refused", "no server is listening there", "Start the server, or check host and port (PGHOST, PGPORT)."),
    ("No such file or directory", "no server is listening there", "Start the server, or check host and port (PGHOST, PGPORT)."),
    ("timeout expired", "the server did not answer in time", "Check host, port and firewall."),
    (
        "statement timeout",
        "the role's statement_timeout ended it, SQLSTATE 57014",
        "ALTER ROLE ... SET statement_timeout = 0; then run the same command again.",
    ),
)
_PASSING = (
    "starting up",
    "shutting down",
    "recovery mode",
    "closed the connection unexpectedly",
)


def no_connection(url: str, name: str, said: str) -> MigrationError:
    """Returns the error in this project's words: libpq's text may contain the whole URL with its password."""
    where = f"{name}: no connection to {redacted_url(url)}"
    if any(chunk in said for chunk in _EXHAUSTED):
        return Transient(f"{where} (the connection limit is reached: the role's, the database's or the server's).", _ENOUGH)
    for chunk in _PASSING:
        if chunk in said:
            return Transient(f"{where} (the server is not ready: {chunk}).", "Wait a little, then run the same command again.")
    for chunk, reason, next_step in _REFUSALS:
        if chunk in said:
            return MigrationError(f"{where} ({reason}).", next_step)
    if "database" in said and "does not exist" in said:
        return MigrationError(f"{where} (the database does not exist).", "Check the URL and PGDATABASE.")
    if "role" in said and "does not exist" in said:
        return MigrationError(
            f"{where} (the role does not exist).", "Check the URL and PGUSER: the SQL for all roles is in runbooks/roles.md."
        )
    return MigrationError(f"{where}.", "Check server, database, user, password (PGPASSFILE) and the URL's settings.")


@contextmanager
def safe_errors(name: str, doing: str) -> Iterator[None]:
    """Turns the server's errors into messages with SQLSTATE and constraint only: their texts may contain values."""
    try:
        yield
    except psycopg.Error as error:
        state = error.diag.sqlstate or "connection lost"
        if state == HIDDEN and "row-level security" in str(error):
            raise Refused(f"{name}: {doing} failed: row-level security hides rows from the role (K9).", ROW_SECURITY) from None
        about = f", constraint {error.diag.constraint_name}" if error.diag.constraint_name else ""
        where = f" on {error.diag.table_name}" if error.diag.table_name else ""
        why = " because another session holds a lock" if state == LOCKED else ""
        message = f"{name}: {doing} failed{why} ({type(error).__name__}, SQLSTATE {state}{where}{about})."
        kind = Transient if is_transient(error.diag.sqlstate) and isinstance(error, psycopg.OperationalError) else MigrationError
        raise {LOCKED: Busy, FULL: NoSpace}.get(state, kind)(message, next_step(error.diag.sqlstate or "08")) from None


_FOREIGN = (
    "A foreign table is read from another server or from a file, and that failed: correct its server, user mapping and options, or put a table with its rows"
    " in its place; then run again."
)
_NEXT_STEPS = {
    "22": "A view or generated column computes a value, or a foreign table reads one, and that fails for some row: correct it, or put a table with its rows in its place."
    " In the new store: an index or constraint that is not the contract's (`plan` names it): drop it.",
    "23": REJECTED,
    **dict.fromkeys(("08001", "2F003", "58P01", "HV"), _FOREIGN),
    "53400": "A limit of the role or database ended it, temp_file_limit perhaps: ALTER ROLE ... RESET temp_file_limit; then run the same command again.",
    "22P05": "The new store's encoding must be UTF8: create its database with ENCODING 'UTF8'.",
    "25006": "The server or the role is read-only: give a writable target.",
    "25P03": "The server's idle_in_transaction_session_timeout ended the session: ALTER ROLE ... SET idle_in_transaction_session_timeout = 0; then run again.",
    "40P01": "Two sessions were in a deadlock. Close the other sessions that write to this database, then run the same command again: no partial changes were made.",
    "55P03": "Another session holds a lock, autovacuum perhaps. Close the other sessions of this database, raise a short lock_timeout of role or database (`plan` names it),"
    " then run the same command again: no partial changes were made.",
    "55000": "A table is in a publication (PUBLICATION) without a replica identity, which `plan` names: ALTER TABLE ... REPLICA IDENTITY DEFAULT; then run again.",
    "57014": "The role's statement_timeout ended it (or it was cancelled): ALTER ROLE ... SET statement_timeout = 0; then run the same command again.",
    "42": "Check the role's rights and the schema: the SQL for both roles is in runbooks/roles.md.",
    "53100": "The server's disk is full: free space there, then run the same command again: no partial changes were made.",
    "53300": _ENOUGH,
    "53": "The server lacks resources (disk, memory, connections): provide them, then run the same command again.",
    "P0001": "A function of the database raised it: an event trigger of the new store, which `plan` names (ALTER EVENT TRIGGER ... DISABLE), or a view's function. Then run again.",
    "08": "The connection was lost. Run the same command again: no partial changes were made.",
    "57": "The server ended the session. Run the same command again: no partial changes were made.",
}


# The driver's messages for errors to which it gives no SQLSTATE.
_SAID = (
    ("statement timeout", "57014"),
    ("user request", "57014"),
    ("idle-in-transaction", "25P03"),
    ("idle in transaction", "25P03"),
    ("lock timeout", "55P03"),
    ("terminating connection", "57P01"),
    ("closed the connection", "08006"),
    ("no connection", "08003"),
    ("invalid byte sequence", "22021"),
)
_STATE = re.compile(r"SQLSTATE:? ?([0-9A-Z]{5})")


def state_of(error: BaseException) -> str | None:
    """Returns the SQLSTATE of a driver's error, from its attribute or its text; None where neither has one."""
    own = getattr(error, "sqlstate", None)
    if own:
        return str(own)
    found = _STATE.search(str(error))
    return found[1] if found else next((state for words, state in _SAID if words in str(error)), None)


def next_step(state: str) -> str:
    """Returns the next step after an error with that SQLSTATE."""
    for known in (state, state[:2]):
        if known in _NEXT_STEPS:
            return _NEXT_STEPS[known]
    return "Correct that, then run the same command again: no partial changes were made."


def shapes(connection: psycopg.Connection[Any]) -> dict[str, dict[str, str]]:
    """Returns the declared type, in the contract's words, of every column of every table in the current schema."""
    rows = connection.execute(
        f"SELECT c.relname, a.attname, {TYPE}, a.atttypmod FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped"
        " ORDER BY c.relname, a.attnum"
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, column, kind, modifier in rows:
        word = WORDS.get(kind, kind.upper())
        length = f"({modifier - 4})" if word in ("VARCHAR", "CHAR") and modifier > 4 else ""
        if word == "TIMESTAMP" and 0 <= modifier < _MICROSECONDS:  # it rounds
            length = f"({modifier})"
        found.setdefault(table, {})[column] = word + length
    return found

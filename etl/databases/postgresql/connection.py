"""What reading and writing PostgreSQL share: connecting, and errors without values."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy

from etl.databases import redacted_url
from etl.databases.postgresql.transport import sslmode
from etl.databases.quoting import quoted as quoted
from etl.errors import Busy, MigrationError, NoSpace, Refused, Transient
from etl.system.retries import is_transient

OLDEST = 130000  # PostgreSQL 13
# Whatever encoding the database or PGCLIENTENCODING has, texts travel as UTF-8. (SQL_ASCII has none: its bytes come as they are, E8.)
# Nothing waits for another session's lock for ever, whatever the server's default; a role's or database's own lock_timeout stands.
SESSION = (
    "SET TimeZone = 'UTC'",
    "SET client_encoding = 'UTF8'",
    "SELECT set_config('lock_timeout', '60s', false) WHERE current_setting('lock_timeout') = '0'",
)
# An old portal is read in one transaction, which begins like this: read-only from its first statement, and nothing that a role or a database
# sets decides what is seen. `row_security` off: the server refuses where it would leave rows out (K9). Nothing in another schema than
# pg_catalog is ever found by its bare name: neither operators nor functions nor casts of others are called.
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
    "SET LOCAL client_encoding = 'UTF8'",
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')",  # later versions have them
    "SELECT set_config('lock_timeout', '60s', true) WHERE current_setting('lock_timeout') = '0'",
)
WRITING = 4  # connections of a load: its own, those that stage, and one to look with
LOCKED, FULL, HIDDEN = "55P03", "53100", "42501"
NAME = "portal-migrate"  # of all our sessions, so that `freeze check` does not take them for somebody else's
# A server that is gone without a word (power, network, firewall) is noticed within a minute or two, not after the system's two hours.
_NOTICING = {
    "connect_timeout": "20",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}

ROW_SECURITY = "ALTER ROLE ... BYPASSRLS for the role that reads (runbooks/roles.md), or have the old portal's owner disable row security; then run again."

# The contract's words for what the server calls its types.
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


def conninfo(url: str) -> str:
    """The URL as libpq takes it: its environment, service file, password file and sslmode all work; what the URL says of time-outs, too.

    Where nobody says an sslmode, it is verify-full, but for servers of this machine.
    """
    parsed = sqlalchemy.make_url(url).set(drivername="postgresql")
    given = {name for name, variable in (("connect_timeout", "PGCONNECT_TIMEOUT"),) if variable in os.environ} | parsed.query.keys()
    ours = {name: value for name, value in _NOTICING.items() if name not in given}
    mode = sslmode(parsed)
    secured = {"sslmode": mode} if mode else {}
    return parsed.update_query_dict({**ours, **secured, "application_name": NAME}).render_as_string(hide_password=False)


def connect(url: str, name: str) -> psycopg.Connection[Any]:
    """A connection in UTC that speaks UTF-8; `name` is what messages call the database. Of an old portal it is `old_portal` that connects."""
    connection = connected(url, name)
    with safe_errors(name, "connecting"):
        for setting in SESSION:
            connection.execute(setting.encode())
    return connection


def reading_conninfo(url: str) -> str:
    """The same for the driver that reads an old portal: it asks the catalogue as soon as it is connected, so these two hold from the start."""
    plain = conninfo(url)
    given = sqlalchemy.make_url(plain)
    said = given.query.get("options") or os.environ.get("PGOPTIONS", "")
    options = f"{said if isinstance(said, str) else ' '.join(said)} -csearch_path=pg_catalog -cquote_all_identifiers=off".strip()
    rendered = given.difference_update_query(["options"]).render_as_string(hide_password=False)
    return f"{rendered}{'&' if '?' in rendered else '?'}options={urllib.parse.quote(options)}"  # libpq takes no + for a blank


@contextmanager
def old_portal(url: str, name: str) -> Iterator[tuple[psycopg.Connection[Any], str | None]]:
    """A session on an old portal inside of the one transaction that only reads, and the schema that its tables lie in; None: there is none."""
    with connected(url, name) as session:
        with safe_errors(name, "beginning to read"):
            schema = begin_reading(session)
        yield session, schema


def connected(url: str, name: str) -> psycopg.Connection[Any]:
    """A connection on which nothing was said yet."""
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
    """Begins the transaction in which an old portal is read, and sets all that matters there; the schema that the role's path leads to first."""
    session.execute(f"{READING}; {OLD_SESSION[0]}".encode())  # at once: the time-out may be short
    if snapshot is not None:
        session.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())
    session.execute("SET LOCAL client_encoding = 'UTF8'")  # a database without an encoding gives bytes for names otherwise
    row = session.execute("SELECT pg_catalog.current_schema()").fetchone()
    session.execute("; ".join(OLD_SESSION).encode())
    return None if row is None or row[0] is None else str(row[0])


_SECURED = (
    "Give sslrootcert=FILE, the certificate of the authority that signed the server's certificate, which has to name the host of the URL. The default sslmode is verify-full;"
    " a weaker mode has to be set in the URL or in PGSSLMODE: sslmode=require."
)
# A role's, a database's and the server's own limit (53300). They pass, but rarely by themselves.
_EXHAUSTED = ("too many connections", "too many clients", "connection slots are reserved")
_ENOUGH = (
    f"A run reads each old portal over 2 connections and 2 more for each worker, and loads over {WRITING}. End other sessions, raise the limit"
    " (ALTER ROLE or DATABASE ... CONNECTION LIMIT, max_connections), or give fewer --workers; then run the same command again."
)
# What libpq says of a connection that does not come about, and what to do about it. It gives no SQLSTATE, and says it in English
# unless the server's lc_messages is another language: then the last line of `no_connection` serves.
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
    """The error in words of our own: libpq's text may repeat the whole URL, its password too."""
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
    """Turns the server's errors into sentences: SQLSTATE and constraint only, for their texts may hold values."""
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


_NEXT_STEPS = {
    "22P05": "The new store's encoding must be UTF8: create its database with ENCODING 'UTF8'.",
    "25006": "The server or the role is read-only: give a writable target.",
    "25P03": "The server's idle_in_transaction_session_timeout ended the session: ALTER ROLE ... SET idle_in_transaction_session_timeout = 0; then run again.",
    "40P01": "Two sessions were in a deadlock. Close the other sessions that write to this database, then run the same command again: no partial changes were made.",
    "55P03": "Another session holds a lock. Close the other sessions of this database, then run the same command again: no partial changes were made.",
    "57014": "The role's statement_timeout ended it (or it was cancelled): ALTER ROLE ... SET statement_timeout = 0; then run the same command again.",
    "42": "Check the role's rights and the schema: the SQL for both roles is in runbooks/roles.md.",
    "53100": "The server's disk is full: free space there, then run the same command again: no partial changes were made.",
    "53300": _ENOUGH,
    "53": "The server lacks resources (disk, memory, connections): provide them, then run the same command again.",
    "08": "The connection was lost. Run the same command again: no partial changes were made.",
    "57": "The server ended the session. Run the same command again: no partial changes were made.",
}


# How the driver's stream says what it has no SQLSTATE for.
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
    """The SQLSTATE of an error of the driver: its own, or what its words say; None where they say none."""
    own = getattr(error, "sqlstate", None)
    if own:
        return str(own)
    found = _STATE.search(str(error))
    return found[1] if found else next((state for words, state in _SAID if words in str(error)), None)


def next_step(state: str) -> str:
    """What to do about an error of that SQLSTATE."""
    for known in (state, state[:2]):
        if known in _NEXT_STEPS:
            return _NEXT_STEPS[known]
    return "Correct that, then run the same command again: no partial changes were made."


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

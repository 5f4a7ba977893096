"""Sessions and connection limits that would stop a run: detected by queries, with the rights of the roles."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import psycopg

from etl.databases.postgresql.connection import old_portal, safe_errors
from etl.databases.postgresql.settings import OVERRIDDEN_WRITING, sentences, settings_of, stopping
from etl.databases.source_conditions import Foreseen

Session = psycopg.Connection[Any]

RUN_LOCK = 0x706F7274  # "port": the advisory lock that allows one run at a time in a schema
_HOLDER = (
    "SELECT l.pid, a.usename::text, coalesce('client ' || host(a.client_addr), 'client ' || nullif(a.application_name, '')),"
    " to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objsubid = 2"
    " AND l.objid = current_schema()::regnamespace::oid AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_LOOKS = 3  # seconds between two queries
_LONG = 60  # seconds: the lock_timeout of our sessions
# A prepared transaction has no process. Few roles see the state of another role's session: null then.
_LOCKS = """
SELECT c.relname, pg_catalog.min(l.mode), l.pid, a.usename::pg_catalog.text, a.state, p.gid, p.owner::pg_catalog.text,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - coalesce(a.xact_start, p.prepared))
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_prepared_xacts p ON l.pid IS NULL AND l.virtualtransaction LIKE '%%/' || p.transaction::pg_catalog.text
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND n.nspname = %(schema)s AND c.relname = ANY (%(tables)s) AND (%(every)s OR l.mode = 'AccessExclusiveLock')
  AND coalesce(a.backend_type, 'client backend') = 'client backend'
GROUP BY 1, 3, 4, 5, 6, 7, 8 ORDER BY 3, 6, 1
"""
_LIMITS = """
SELECT CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END, CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END, r.rolname, d.datname,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.usename = session_user AND a.pid <> pg_catalog.pg_backend_pid()),
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datname = d.datname AND a.usename IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid())
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d WHERE r.rolname = session_user AND d.datname = pg_catalog.current_database()
"""


def holder(session: Session) -> str:
    """Returns a phrase for the session that holds the lock of a run, as far as this role may see it; any role that may connect can hold it."""
    row = session.execute(_HOLDER, (RUN_LOCK,)).fetchone()
    if row is None or row[0] is None:
        return ""
    pid, user, client, since = row
    return f": session {pid} of role {user}{f', {client}' if client else ''}{f', since {since}' if since else ''}"


def of_store(session: Session, tables: Iterable[str]) -> Foreseen:
    """Returns what would stop a load: settings without writes, the lock of another run, sessions that hold its tables."""
    schema = session.execute("SELECT pg_catalog.current_schema()").fetchone()
    if schema is None or schema[0] is None:
        return Foreseen()
    found = locks(session, str(schema[0]), tables, every=True)
    at_work = holder(session)
    another = (
        [f"another run is at work, or its session was left behind{at_work}; pg_terminate_backend ends one that is no run's"]
        if at_work
        else []
    )
    standby = session.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone() == (True,)
    read_only = ["the server is a standby: nothing can be written"] if standby else []
    return Foreseen(
        read_only + stopping(session) + another + found.stopping, sentences(settings_of(session), OVERRIDDEN_WRITING) + found.notes
    )


def of_portal(session: Session, schema: str, tables: Iterable[str]) -> Foreseen:
    """Returns which sessions would prevent reading the tables of an old portal."""
    return locks(session, schema, tables, every=False)


def locks(session: Session, schema: str, tables: Iterable[str], every: bool) -> Foreseen:
    """Returns the sessions whose locks on these tables a run would wait for: any lock where `every` (for writing), else locks that exclude reading.

    Stopping: a lock held longer than the lock time-out, a prepared transaction, and a session of unknown age that still holds it seconds later. The
    rest is a note.
    """
    asked = {"schema": schema, "tables": list(tables), "every": every}
    whose, since = _held(session, asked)
    for _ in range(_LOOKS):  # sessions of unknown age: a lock that is still held a moment later counts as held
        unknown = [who for who, age in since.items() if age is None]
        if not unknown:
            break
        time.sleep(1)
        now, _ = _held(session, asked)
        for who in unknown:
            if who not in now:
                del whose[who], since[who]
    found = Foreseen()
    for who, names in whose.items():
        pid, user, state, gid, owner = who
        age = since[who]
        of = f", for {age:,.0f} seconds" if age is not None else ""
        on = f"holds a lock on {', '.join(names[:8])}{f' and {len(names) - 8:,} more' if len(names) > 8 else ''}"
        if gid is not None:
            found.stopping.append(
                f"prepared transaction {gid} of role {owner} {on}{of}; it ends only by COMMIT PREPARED or ROLLBACK PREPARED"
            )
            continue
        doing = state or "doing what its own role may see"
        sentence = f"session {pid} of role {user} ({doing}) {on}{of}; pg_terminate_backend({pid}) ends it"
        (found.stopping if age is None or age > _LONG else found.notes).append(sentence)
    return found


def _held(session: Session, asked: dict[str, Any]) -> tuple[dict[tuple[Any, ...], list[str]], dict[tuple[Any, ...], float | None]]:
    """Returns, by holder (pid, role, state, id and owner of a prepared transaction), the tables, and the age in seconds (None: not visible)."""
    whose: dict[tuple[Any, ...], list[str]] = {}
    since: dict[tuple[Any, ...], float | None] = {}
    for table, _mode, pid, user, state, gid, owner, seconds in session.execute(_LOCKS.encode(), asked).fetchall():
        who = (pid, user, state, gid, owner)
        whose.setdefault(who, []).append(str(table))
        since[who] = None if seconds is None else float(seconds)
    return whose, since


def too_few_connections(url: str, option: str, needed: int) -> list[str]:
    """Returns sentences where the connection limit of the role or database leaves fewer sessions than a run needs. (The server's limit: `health`.)"""
    with old_portal(url, option) as (session, _), safe_errors(option, "looking at the limits of connections"):
        row = session.execute(_LIMITS.encode()).fetchone()
    if row is None:
        return []
    of_role, of_database, role, database, by_role, there = row
    return [
        f"{option}: {who} allows {limit:,} connections, {used:,} are in use; a run needs {needed:,}: ALTER {verb} ... CONNECTION LIMIT"
        for who, verb, limit, used in (
            (f"role {role}", "ROLE", of_role, by_role),
            (f"database {database}", "DATABASE", of_database, there),
        )
        if 0 <= limit < used + needed
    ]

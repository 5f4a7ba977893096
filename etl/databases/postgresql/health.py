"""The state of a PostgreSQL server before a cut-over: clock, connections, durability, statistics; read-only queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from etl.databases.postgresql.connection import old_portal, safe_errors
from etl.databases.postgresql.settings import OVERRIDDEN_READING, OVERRIDDEN_WRITING, sentences, settings_of

_LIMIT = (
    "SELECT pg_catalog.current_setting('max_connections')::pg_catalog.int4"
    " - pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4"
)
# Only the server's limit applies to a superuser. Few roles see the process type of another role's session: null then.
_LIMITS = """
SELECT CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END, CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END,
       pg_catalog.count(*) FILTER (WHERE a.usename = session_user), pg_catalog.count(*) FILTER (WHERE a.datname = d.datname), pg_catalog.count(*)
FROM pg_catalog.pg_stat_activity a, pg_catalog.pg_roles r, pg_catalog.pg_database d
WHERE a.usename IS NOT NULL AND coalesce(a.backend_type, 'client backend') = 'client backend'
  AND r.rolname = session_user AND d.datname = pg_catalog.current_database() GROUP BY 1, 2
"""


@dataclass(frozen=True)
class ServerHealth:
    """The state of a server.

    `skew`: seconds by which its clock is ahead of this machine's. `free`: connections that the role can still open. `settings`: sentences about
    settings of the role or database. `stale`: tables with rows that were never analyzed. `database_bytes`: its size.
    """

    version: str
    skew: float
    free: int
    durable: bool
    settings: tuple[str, ...]
    stale: tuple[str, ...]
    database_bytes: int


def health(url: str, option: str) -> ServerHealth:
    """Returns the state of the server behind that URL, as this role sees it."""
    with old_portal(url, option) as (session, schema), safe_errors(option, "looking at the server"):

        def one(statement: str) -> object:
            row = session.execute(statement.encode()).fetchone()
            return row[0] if row else None

        before = datetime.now(UTC)
        server = one("SELECT pg_catalog.clock_timestamp()")
        middle = before + (datetime.now(UTC) - before) / 2
        skew = (server - middle).total_seconds() if isinstance(server, datetime) else 0.0
        limit = int(str(one(_LIMIT)))
        role_limit, database_limit, by_role, there, used = session.execute(_LIMITS.encode()).fetchone() or (-1, -1, 0, 0, 0)
        free = min(of - taken for of, taken in ((limit, used), (role_limit, by_role), (database_limit, there)) if of >= 0)
        durable = all(one(f"SELECT pg_catalog.current_setting('{name}')") == "on" for name in ("fsync", "full_page_writes"))
        overridden = OVERRIDDEN_WRITING if option == "--target" else OVERRIDDEN_READING
        settings = sentences(settings_of(session), overridden, schema if option != "--target" else None)
        stale = session.execute(
            b"SELECT relname FROM pg_catalog.pg_stat_user_tables WHERE n_live_tup > 10000 AND last_analyze IS NULL AND last_autoanalyze IS NULL"
            b" ORDER BY 1"
        ).fetchall()
        return ServerHealth(
            version=str(one("SELECT pg_catalog.current_setting('server_version')")),
            skew=skew,
            free=free,
            durable=durable,
            settings=tuple(settings),
            stale=tuple(str(row[0]) for row in stale),
            database_bytes=int(str(one("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())"))),
        )

"""What a PostgreSQL server says of itself before a cut-over: clock, connections, durability, statistics. Asked in read-only statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from etl.databases.postgresql.connection import connect, safe_errors


@dataclass(frozen=True)
class ServerHealth:
    """`skew`: seconds by which the server's clock is ahead of this machine's; `free`: connections that the role can still open; `settings`: of
    the role or database that are not the server's default; `stale`: tables with rows that were never analyzed; `database_bytes`: its size."""

    version: str
    skew: float
    free: int
    durable: bool
    settings: tuple[str, ...]
    stale: tuple[str, ...]
    database_bytes: int


def health(url: str, option: str) -> ServerHealth:
    """The server behind that URL, as this role sees it."""
    with connect(url, option) as session, safe_errors(option, "looking at the server"):
        session.execute("SET default_transaction_read_only = on")

        def one(statement: str) -> object:
            row = session.execute(statement.encode()).fetchone()
            return row[0] if row else None

        before = datetime.now(UTC)
        server = one("SELECT pg_catalog.clock_timestamp()")
        middle = before + (datetime.now(UTC) - before) / 2
        skew = (server - middle).total_seconds() if isinstance(server, datetime) else 0.0
        limit, role_limit, used, mine = (
            int(str(one(statement)))
            for statement in (
                "SELECT pg_catalog.current_setting('max_connections')::pg_catalog.int4"
                " - pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4",
                "SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = current_user",
                "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend'",
                "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE usename = current_user AND backend_type = 'client backend'",
            )
        )
        free = limit - used if role_limit < 0 else min(limit - used, role_limit - mine)
        durable = all(one(f"SELECT pg_catalog.current_setting('{name}')") == "on" for name in ("fsync", "full_page_writes"))
        settings = session.execute(
            b"SELECT s FROM pg_catalog.pg_db_role_setting c CROSS JOIN LATERAL pg_catalog.unnest(c.setconfig) s"
            b" WHERE (c.setrole = 0 OR c.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user))"
            b" AND (c.setdatabase = 0 OR c.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))"
            b" ORDER BY 1"
        ).fetchall()
        stale = session.execute(
            b"SELECT relname FROM pg_catalog.pg_stat_user_tables WHERE n_live_tup > 10000 AND last_analyze IS NULL AND last_autoanalyze IS NULL"
            b" ORDER BY 1"
        ).fetchall()
        return ServerHealth(
            version=str(one("SELECT pg_catalog.current_setting('server_version')")),
            skew=skew,
            free=free,
            durable=durable,
            settings=tuple(str(row[0]) for row in settings),
            stale=tuple(str(row[0]) for row in stale),
            database_bytes=int(str(one("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())"))),
        )

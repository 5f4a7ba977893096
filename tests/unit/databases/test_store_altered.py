"""K2, K8: a store that others altered without writing a row as a transaction counts it is neither changed by difference nor rolled back unseen."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import psycopg
import pytest

from etl.databases.registry import open_target
from etl.errors import Refused
from etl.load.staged_rows import run_id_of
from etl.load.step import stage_all
from etl.runfolder.folder import open_locked
from tests.support.evolution import _session, content, staged
from tests.support.legacy import MAPPINGS, _silent
from tests.unit.databases.test_delta import KINDS, Stores, changing, stores

__all__ = ["stores"]


def test_K2_a_column_dropped_and_added_again_is_detected(stores: Stores, tmp_path: Path) -> None:
    """PostgreSQL gives all rows the new column's default without writing one: a delta compares, a rollback is refused."""
    first, second, _ = changing()
    runs = [staged(world, tmp_path / str(number), tmp_path / "objects") for number, world in enumerate((first, second))]
    runs[1].load(fresh := stores("postgresql", "fresh"))
    wanted = content(fresh)
    runs[0].load(url := stores("postgresql", "columns"))
    with _session(url) as session:
        session.execute("ALTER TABLE login DROP COLUMN phone")
        session.execute("ALTER TABLE login ADD COLUMN phone varchar(40) DEFAULT 'altered'")
        session.execute("ALTER TABLE login ALTER COLUMN phone DROP DEFAULT")
    with pytest.raises(Refused, match=r"changed after this run was published: login"):
        runs[0].rollback(url)
    runs[1].load(url)
    assert content(url) == wanted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("delta", [False, True])
def test_K8_a_rollback_that_a_trigger_prevents_changes_nothing(kind: str, delta: bool, stores: Stores, tmp_path: Path) -> None:
    first, _, third = changing()
    worlds = (third, first) if delta else (first,)
    runs = [staged(world, tmp_path / str(number), tmp_path / "objects") for number, world in enumerate(worlds)]
    url = stores(kind, "hindered")
    for run in runs:
        run.load(url)
    table = "migration_exception" if delta else "login"  # no row of others refers to what stays there
    assert content(url)[table]
    with _session(url) as session:
        if kind == "sqlite":
            session.execute(f"CREATE TRIGGER keep BEFORE DELETE ON {table} BEGIN SELECT RAISE(IGNORE); END")
            session.commit()
        else:
            session.execute("CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
            session.execute(f"CREATE TRIGGER keep BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep()")
    before = content(url)
    if kind == "postgresql" and not delta:
        runs[-1].rollback(url)  # TRUNCATE asks no such trigger
        assert not any(content(url).values())
        return
    with pytest.raises(Refused, match=f"{table} cannot be rolled back"):
        runs[-1].rollback(url)
    assert content(url) == before


def test_K8_a_stale_write_ahead_log_of_a_restored_file_is_compared(stores: Stores, tmp_path: Path) -> None:
    """The file's bytes are those of the publish, but SQLite reads those of the write-ahead log that was not removed at the restore."""
    run = staged(changing()[0], tmp_path / "0", tmp_path / "objects")
    run.load(url := stores("sqlite", "stale"))
    path = Path(url.removeprefix("sqlite:///"))
    saved = path.read_bytes()
    lite = sqlite3.connect(path, isolation_level=None)
    lite.execute("PRAGMA journal_mode = wal")
    lite.execute("PRAGMA wal_autocheckpoint = 0")
    lite.execute("UPDATE login SET phone = 'altered'")
    log = path.with_name(path.name + "-wal")
    kept = log.read_bytes()
    lite.close()
    log.unlink(missing_ok=True)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    path.write_bytes(saved)
    log.write_bytes(kept)
    with _session(url) as session:
        assert session.execute("SELECT DISTINCT phone FROM login").fetchall() == [("altered",)]
    path.write_bytes(saved)
    log.write_bytes(kept)
    with pytest.raises(Refused, match="changed after this run was published: login"):
        run.rollback(url)


def test_K8_a_file_in_write_ahead_mode_that_changed_before_the_rollback_is_refused(stores: Stores, tmp_path: Path) -> None:
    run = staged(changing()[0], tmp_path / "0", tmp_path / "objects")
    run.load(url := stores("sqlite", "log"))
    with _session(url) as session:
        session.execute("PRAGMA journal_mode = wal")
    with open_locked(run.folder) as folder:
        target = open_target(url, folder.path / "load")
        stage_all(folder, MAPPINGS, target, run_id_of(folder), _silent)
        assert target.differs_from_staged(MAPPINGS.target) == []
        with _session(url) as session:
            session.execute("UPDATE login SET phone = 'theirs'")
            session.commit()
        with pytest.raises(Refused, match="Others write"):
            target.roll_back(MAPPINGS.target, target.runs()[-1], lambda *_: None)
        target.close()


@pytest.mark.parametrize("kind", KINDS)
def test_K8_a_run_published_again_after_another_rolls_back_to_that_one_and_further(kind: str, stores: Stores, tmp_path: Path) -> None:
    first, second, _ = changing()
    runs = [staged(world, tmp_path / str(number), tmp_path / "objects") for number, world in enumerate((first, second))]
    url, states = stores(kind, "again"), []
    order = (runs[0], runs[1], runs[0], runs[1])
    for run in order:
        run.load(url)
        states.append((content(url), _records(url)))
    for number in (3, 2, 1):
        order[number].rollback(url)
        assert content(url) == states[number - 1][0]
        now, then = _records(url), states[number - 1][1]
        assert {run_id: record for run_id, record in now.items() if record[0] == "PUBLISHED"} == then
    runs[0].rollback(url)
    assert not any(content(url).values())
    with _session(url) as session:
        names = (
            "SELECT name FROM sqlite_master"
            if kind == "sqlite"
            else "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        )
        assert not [name for (name,) in session.execute(names).fetchall() if name.startswith("migration_undo")]


def _records(url: str) -> dict[str, tuple[object, ...]]:
    """By run: its state, when it ended, whether it was the first."""
    with _session(url) as session:
        return {row[0]: row[1:] for row in session.execute("SELECT run_id, state_cd, finished_at, fresh FROM migration_run").fetchall()}


def test_K2_other_folders_next_to_the_run_do_not_prevent_a_delta(stores: Stores, tmp_path: Path) -> None:
    first, second, _ = changing()
    runs = [staged(world, tmp_path / f"run{number}", tmp_path / "objects") for number, world in enumerate((first, second))]
    runs[0].load(url := stores("postgresql", "beside"))
    for number, text in enumerate(
        (
            b"",
            b"\xff\xfe",
            b"[]",
            b"{}",
            b'"x"',
            b'{"name": "web"}',
            b'{"steps": 1}',
            b'{"steps": {"load": {}}}',
            b'{"steps": {"load": null}, "settings": []}',
            b"[" * 100000,
        )
    ):
        path = tmp_path / f"00{number}"
        path.mkdir(mode=0o700)
        (path / "manifest.json").write_bytes(text)
    unreadable = tmp_path / "00"
    unreadable.mkdir()
    (unreadable / "manifest.json").symlink_to("x" * 300)  # cannot be asked, also by root
    hidden = tmp_path / "000"
    shutil.copytree(runs[0].folder, hidden, dirs_exist_ok=True)
    next(hidden.glob("split/login/*.parquet")).unlink()
    runs[1].load(url)


def test_K2_the_store_is_locked_from_the_comparison_of_its_rows_to_the_commit(stores: Stores, tmp_path: Path) -> None:
    """Neither to a table without references: a row of others would pass for one of the run, and go with its rollback."""
    first, second, _ = changing()
    runs = [staged(world, tmp_path / str(number) / "alone", tmp_path / "objects") for number, world in enumerate((first, second))]
    runs[0].load(url := stores("postgresql", "meanwhile"))

    def write(_: object) -> None:
        with _session(url) as session:
            session.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                session.execute("INSERT INTO criteria_category VALUES (-1, 'theirs', 'theirs')")

    runs[1].load(url, write)

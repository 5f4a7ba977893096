"""Chapter K: the run as a whole, by the real commands. More ways to be changed, killed and refused: test_exit_codes.py, tests/faults."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from etl.errors import Refused
from etl.runfolder import folder as run
from etl.runfolder.layout import WORKERS
from tests.support.command import Workspace, started
from tests.support.legacy import Legacy, content_of_store

STEPS = ("extract", "split", "reattach", "check", "load")


def small(folder: Path) -> Workspace:
    """A workspace with one company of two importers, with a document."""
    world = (
        Legacy().user(5, user_name="a@x.example").profile(1, company_name="One").model(11).entity(101, type="IMP").entity(102, type="IMP")
    )
    world.contact(1, user=5).year(1).answer(1, response_text="yes").task(1, due="2023-01-01")
    world.document(1, model=11).content(1, b"abc").write(folder / "legacy")
    return Workspace(folder)


def migrated(workspace: Workspace, *more: str) -> dict[str, tuple[int, int, int]]:
    """All steps up to publishing; by table what was inserted, updated and removed."""
    for step in STEPS:
        done = workspace.command(step, *more)
        assert done.code == 0, done.err
    folder = workspace.folder / (more[more.index("--run") + 1] if "--run" in more else "run")
    changes = json.loads((folder / "manifest.json").read_bytes())["run"]["steps"]["load"]["facts"]["changes"]
    return {table: tuple(numbers) for table, *numbers in changes if any(numbers)}


def content(workspace: Workspace, name: str = "portal3.sqlite") -> dict[str, list[tuple[object, ...]]]:
    """Every row of the store, but for the runs' own record and what is kept for a rollback."""
    return {table: rows for table, rows in content_of_store(workspace.folder / name).items() if not table.startswith("migration_undo")}


def ids(rows: dict[str, list[tuple[Any, ...]]], table: str) -> set[Any]:
    return {row[0] for row in rows[table]}


# -- K1 ------------------------------------------------------------------------------------------------------------------------------------


def test_K1_a_source_that_changed_since_the_extract_stops_before_publishing_and_its_tables_are_named(checked: Workspace) -> None:
    with checked.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET company_name = 'Changed' WHERE company_profile_id = 1")
        source.execute("DELETE FROM highway_crossing")
    with checked.database("legacy/tc.sqlite") as source:
        source.execute("UPDATE tc_message SET body = body || '.'")
    done = checked.command("load")
    assert done.code == 5
    assert "Changed since the extract: P2.company_profile, P2.highway_crossing, TC.tc_message. Nothing was published." in done.err
    assert not checked.target.exists()


def test_K1_a_refused_delta_leaves_the_earlier_run_unchanged(tmp_path: Path) -> None:
    workspace = small(tmp_path)
    migrated(workspace)
    before = workspace.content()
    with workspace.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET company_name = 'Two'")
    for step in STEPS[:-1]:
        assert workspace.command(step, "--run", "second").code == 0
    with workspace.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET company_name = 'Three'")
    assert workspace.command("load", "--run", "second").code == 5
    assert workspace.content() == before


# -- K2 ------------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def later(tmp_path: Path) -> Workspace:
    """A workspace whose run was published, and whose portal was used afterwards."""
    workspace = small(tmp_path)
    migrated(workspace)
    with workspace.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET company_name = 'One & Sons'")
        source.execute("DELETE FROM portal_task")
        source.execute("INSERT INTO highway_crossing VALUES (102, 'NEW')")
        source.execute("UPDATE profile_response SET response_text = 'no'")
    return workspace


def test_K2_a_rerun_into_the_same_store_is_a_delta_under_the_same_ids(later: Workspace) -> None:
    before = content(later)
    assert migrated(later, "--run", "second") == {
        "entity_account": (0, 2, 0),
        "account_group": (0, 1, 0),
        "profile_response": (0, 2, 0),
        "portal_task": (0, 0, 2),
        "account_highway_crossing": (1, 0, 0),
    }
    after = content(later)
    changed = {table for table in after if after[table] != before[table]}
    assert changed == {"entity_account", "account_group", "profile_response", "portal_task", "account_highway_crossing"}
    assert [ids(after, table) == ids(before, table) for table in ("entity_account", "account_group", "profile_response")] == [True] * 3
    assert later.json("reconcile").data["answer"] == "equal"


def test_K2_a_rerun_into_an_empty_store_gives_the_rows_of_the_delta(later: Workspace) -> None:
    migrated(later, "--run", "second")
    migrated(later, "--run", "third", "--target", "sqlite:///empty.sqlite")
    assert content(later, "empty.sqlite") == content(later)


# -- K3 ------------------------------------------------------------------------------------------------------------------------------------


def killed_after(workspace: Workspace, line: str) -> None:
    """Starts `run`, and kills it when it has said that line: it is then in the middle of the next step."""
    running = started(*workspace.words("run"), folder=workspace.folder)
    assert running.stderr is not None
    assert any(said.startswith(line) for said in running.stderr)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert running.returncode == -signal.SIGKILL


def test_K3_a_killed_run_resumes_with_the_same_command_and_ends_the_same(tmp_path: Path) -> None:
    workspace, undisturbed = small(tmp_path / "cutover"), small(tmp_path / "undisturbed")
    for line in ("extract: ", "reattach: "):
        killed_after(workspace, line)
        assert not workspace.target.exists()
    done = workspace.command("run")
    assert done.code == 0, done.err
    assert "reattach: done before, unchanged" in done.err
    migrated(undisturbed)
    assert content(workspace) == content(undisturbed)


def test_K3_a_store_killed_during_publishing_shows_all_or_nothing(checked: Workspace, cast: Workspace) -> None:
    killed_after(checked, "check: done before")
    if checked.target.exists():
        with closing(sqlite3.connect(checked.target)) as store:
            tables = store.execute("SELECT count(*) FROM sqlite_master WHERE name = 'migration_run'").fetchone()[0]
            assert tables == 0 or store.execute("SELECT count(*) FROM migration_run JOIN entity_account").fetchone()[0] == 73
    assert checked.command("run").code == 0
    assert content(checked) == content(cast)


# -- K4 ------------------------------------------------------------------------------------------------------------------------------------


def test_K4_the_same_run_twice_changes_nothing_and_says_so(published: Workspace) -> None:
    before = published.content()
    done = published.command("run")
    assert done.code == 0, done.err
    assert [f"{step}: done before, unchanged" in done.err for step in STEPS[:-1]] == [True] * 4
    assert "is already published: nothing changed" in done.err
    assert published.content() == before


def test_K4_K2_the_same_sources_in_another_run_folder_are_the_same_run(published: Workspace) -> None:
    before = published.content()
    assert migrated(published, "--run", "another") == {}
    assert published.content() == before


# -- K5 ------------------------------------------------------------------------------------------------------------------------------------

UNFIT = {
    "a new table": ("portal2", "CREATE TABLE surprise (id BIGINT PRIMARY KEY)", "P2.surprise: this table is not in any mapping"),
    "a new column": (
        "portal2",
        "ALTER TABLE company_profile ADD COLUMN mood TEXT",
        "P2.company_profile.mood: this column is not in any mapping",
    ),
    "a lost column": ("portal2", "ALTER TABLE company_profile DROP COLUMN fax", "P2.company_profile.fax: the column is missing"),
    "a lost table": ("portal2", "DROP TABLE svi_link", "P2.svi_link: the table is missing"),
    "a new column of the other portal": (
        "tc",
        "ALTER TABLE tc_message ADD COLUMN mood TEXT",
        "TC.tc_message.mood: this column is not in any mapping",
    ),
    "another type": (
        "portal2",
        "DROP TABLE criteria_version; CREATE TABLE criteria_version (criteria_version_id BIGINT PRIMARY KEY, name BLOB, effective_dt DATE)",
        "P2.criteria_version.name: found type BLOB, expected VARCHAR(80)",
    ),
}


@pytest.mark.parametrize("how", UNFIT)
@pytest.mark.parametrize("name", ["plan", "extract", "run"])
def test_K5_unmapped_and_missing_tables_and_columns_are_refused_before_data_is_read(tmp_path: Path, name: str, how: str) -> None:
    workspace = small(tmp_path)
    database, change, named = UNFIT[how]
    with workspace.database(f"legacy/{database}.sqlite") as source:
        source.executescript(change)
        # A row that would stop any reader: it is not even looked at.
        source.execute("UPDATE tc_message SET body = NULL" if database == "tc" else "UPDATE portal_task SET task_kind_cd = X'ff'")
    done = workspace.command(name)
    assert done.code == 1
    assert named in done.err
    assert "No data was read" in done.next
    assert not (workspace.run / "extract").exists()
    assert not [path for path in (workspace.folder / "objects").rglob("*") if path.is_file()]


# -- K8 ------------------------------------------------------------------------------------------------------------------------------------


def test_K8_a_rollback_removes_exactly_what_was_published_and_changes_no_source(published: Workspace) -> None:
    sources = {name: (published.folder / "legacy" / name).read_bytes() for name in ("portal2.sqlite", "tc.sqlite")}
    done = published.json("rollback")
    assert done.code == 0
    assert {table for table, rows in content(published).items() if rows} == set()
    assert [path for path in (published.folder / "objects").rglob("*") if path.is_file()] == []
    with closing(sqlite3.connect(published.target)) as store:
        assert store.execute("SELECT run_id, state_cd FROM migration_run").fetchall() == [(done.data["run_id"], "ROLLED_BACK")]
    assert {name: (published.folder / "legacy" / name).read_bytes() for name in sources} == sources


def test_K8_K2_a_rolled_back_delta_restores_the_earlier_rows(later: Workspace) -> None:
    before = content(later)
    migrated(later, "--run", "second")
    assert content(later) != before
    assert later.command("rollback").code == 7  # not the latest
    done = later.command("rollback", "--run", "second")
    assert done.code == 0, done.err
    assert content(later) == before


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE entity_account SET website = 'https://new.example' WHERE legacy_entity_id = 101", "entity_account"),
        ("DELETE FROM message", "message"),
        ("INSERT INTO account_highway_crossing SELECT account_id, 'NEW' FROM entity_account LIMIT 1", "account_highway_crossing"),
    ],
    ids=["changed", "removed", "added"],
)
def test_K8_a_rollback_refuses_where_others_have_written_since_and_changes_nothing(
    published: Workspace, statement: str, table: str
) -> None:
    with published.database("portal3.sqlite") as store:
        store.execute(statement)
    before = published.content()
    done = published.command("rollback")
    assert done.code == 7
    assert f"Rows were changed after this run was published: {table}" in done.err
    assert published.content() == before


def test_K8_a_rollback_that_ended_after_its_commit_is_finished_by_the_same_command(published: Workspace) -> None:
    """The state after a kill: the store is rolled back, an object still exists, and the folder has no record of the rollback."""
    kept = published.folder / "kept"
    shutil.copytree(published.run, kept)
    path = min(path for path in (published.folder / "objects" / "sha256").rglob("*") if path.is_file())
    exact, before = path.read_bytes(), content(published)
    assert published.command("rollback").code == 0
    shutil.rmtree(published.run)
    kept.rename(published.run)
    path.parent.mkdir(parents=True)
    path.write_bytes(exact)
    done = published.json("rollback")
    assert done.code == 0
    assert done.data["objects"] == 1
    assert not path.exists()
    assert published.command("rollback").code == 7  # now nothing is left to roll back
    migrated(published)  # and the same run brings everything again, its objects too
    assert content(published) == before
    assert path.read_bytes() == exact


def test_K8_a_rollback_where_nothing_was_published_is_refused(checked: Workspace) -> None:
    assert checked.command("rollback").code == 7
    assert not checked.target.exists()


# -- K10 -----------------------------------------------------------------------------------------------------------------------------------


def test_K10_the_cast_is_equal_counted_without_the_runs_folder(cast: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for name in ("legacy", "objects", "portal3.sqlite"):
        (tmp_path / name).symlink_to(cast.folder / name)
    data = workspace.json("reconcile").data
    assert (data["answer"], data["total"], data["differences"]) == ("equal", 0, [])
    assert data["profiles_checked"] > 30
    assert data["logins_checked"] > 30
    assert sum(source["read"] for source in data["sources"]) > 800


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "UPDATE entity_account SET anniversary_dt = '2001-02-03' WHERE legacy_entity_id = 101",
            {("entity_account", "changed", "anniversary_dt")},
        ),
        (
            "UPDATE profile_response SET response_text = response_text || ' ' WHERE legacy_key = '101'",
            {("profile_response", "changed", "response_text")},
        ),
        ("DELETE FROM account_highway_crossing WHERE port_cd = '3604'", {("account_highway_crossing", "missing", None)}),
        (
            "INSERT INTO account_highway_crossing SELECT account_id, 'NEW' FROM entity_account LIMIT 1",
            {("account_highway_crossing", "unexpected", None)},
        ),
    ],
    ids=["a date", "a text", "a lost row", "a row too many"],
)
def test_K10_one_changed_cell_is_one_difference_and_exit_code_4(
    published: Workspace, statement: str, expected: set[tuple[str, str, str | None]]
) -> None:
    with published.database("portal3.sqlite") as store:
        assert store.execute(statement).rowcount == 1
    done = published.json("reconcile")
    assert (done.code, done.envelope["errors"][0]["code"], done.data["total"]) == (4, "DIFFERENT", 1)
    assert {(entry["table"], entry["kind"], entry["column"] or None) for entry in done.data["differences"]} == expected


def test_K10_one_changed_byte_of_a_document_is_a_difference(published: Workspace) -> None:
    file = max((path for path in (published.folder / "objects").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    exact = bytearray(file.read_bytes())
    exact[0] ^= 1
    file.write_bytes(exact)
    done = published.json("reconcile")
    assert done.code == 4
    assert {entry["legacy_key"] for entry in done.data["differences"]} == {file.name}


def test_worker_processes_start_with_any_temporary_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    script = (
        "from pathlib import Path; from etl.system.worker_pool import worker_processes\n"
        f"with worker_processes(2, Path({str(tmp_path / 'workers')!r})) as pool: print(list(pool.map(abs, (-1, -2))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(folder)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "[1, 2]\n"), done.stderr


def test_a_start_waits_for_the_workers_of_a_killed_run_and_refuses_where_one_does_not_end(
    checked: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they write must not meet what is written now: a worker that waits for a disk when its run is killed lives a little longer."""
    with (checked.run / WORKERS).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        monkeypatch.setattr(run, "_ENDING", 0.1)
        with pytest.raises(Refused, match="Worker processes"):
            run.RunFolder(checked.run)
        monkeypatch.setattr(run, "_ENDING", 30)
        Timer(0.3, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        run.RunFolder(checked.run).close()

"""Chapter K: the run as a whole, by the real command."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from command import Night, started


def _rows(target: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table of the store but the run's own record, its rows sorted; which run held or flagged a row does not count."""
    found = {}
    with sqlite3.connect(target) as store:
        for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table != "migration_run" and not table.startswith("migration_undo"):
                columns = [f'"{row[1]}"' for row in store.execute(f'PRAGMA table_info("{table}")') if row[1] != "run_id"]
                rows = store.execute(f'SELECT {", ".join(columns)} FROM "{table}"').fetchall()
                found[table] = sorted(rows, key=repr)
    return found


def test_K1_a_source_that_changed_since_the_extract_stops_the_run_and_is_named(checked: Night) -> None:
    with checked.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET company_name = 'Changed' WHERE company_profile_id = 1")
        source.execute("DELETE FROM highway_crossing")
    done = checked.command("load")
    assert done.code == 5
    assert "P2.company_profile" in done.err
    assert "P2.highway_crossing" in done.err
    assert "P2.model_entity" not in done.err
    assert not checked.target.exists()


def test_K2_a_rerun_into_the_same_store_is_a_delta_with_the_same_ids_and_can_be_taken_back(published: Night) -> None:
    before = _rows(published.target)
    with published.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET company_name = 'Renamed' WHERE company_profile_id = 1")
        source.execute("INSERT INTO highway_crossing VALUES (101, 'NEW')")
        source.execute("DELETE FROM profile_response WHERE response_id = (SELECT min(response_id) FROM profile_response)")
    for step in ("extract", "split", "reattach", "check", "load"):
        assert published.command(step, "--run", "run2").code == 0
    after = _rows(published.target)
    ids = [{row[0] for row in rows["entity_account"]} for rows in (before, after)]
    assert ids[0] == ids[1]
    assert len(after["account_highway_crossing"]) == len(before["account_highway_crossing"]) + 1
    assert published.command("reconcile").code == 0
    assert published.command("rollback", "--run", "run2").code == 0
    assert _rows(published.target) == before


def test_K3_a_killed_step_goes_on_with_the_same_command_and_ends_the_same(checked: Night, cast: Night) -> None:
    for _ in range(3):
        running = started(*checked.words("load"), folder=checked.folder)
        time.sleep(0.4)  # somewhere in the middle: tests/faults kills at every single call
        running.send_signal(signal.SIGKILL)
        running.communicate()
    done = checked.process("load")
    assert done.code == 0, done.err
    assert _rows(checked.target) == _rows(cast.target)


def test_K4_the_same_run_twice_changes_nothing_and_says_so(published: Night) -> None:
    before = published.content()
    done = published.command("load")
    assert done.code == 0
    assert "published already" in done.out
    assert published.content() == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("CREATE TABLE surprise (id BIGINT PRIMARY KEY)", "P2.surprise: no mapping names this table"),
        ("ALTER TABLE company_profile ADD COLUMN mood TEXT", "P2.company_profile.mood: no mapping names this column"),
        ("ALTER TABLE company_profile DROP COLUMN fax", "P2.company_profile.fax: the column is gone"),
        ("DROP TABLE svi_link", "P2.svi_link: the table is gone"),
    ],
)
@pytest.mark.parametrize("name", ["plan", "extract"])
def test_K5_an_unknown_or_a_missing_table_or_column_stops_before_data_is_read(checked: Night, name: str, change: str, named: str) -> None:
    shutil.rmtree(checked.run)
    with checked.database("legacy/portal2.sqlite") as source:
        source.execute(change)
    done = checked.command(name)
    assert done.code == 1
    assert named in done.err
    assert not (checked.run / "extract").exists()


def test_K8_a_rollback_takes_back_exactly_what_was_published_and_the_run_starts_again(published: Night) -> None:
    sources = [(published.folder / "legacy" / name).read_bytes() for name in ("portal2.sqlite", "tc.sqlite")]
    assert published.command("rollback").code == 0
    assert all(not rows for rows in _rows(published.target).values())
    assert [place for place in (published.folder / "objects").rglob("*") if place.is_file()] == []
    with published.database("portal3.sqlite") as store:
        assert store.execute("SELECT state_cd FROM migration_run").fetchall() == [("ROLLED_BACK",)]
    assert [(published.folder / "legacy" / name).read_bytes() for name in ("portal2.sqlite", "tc.sqlite")] == sources


def test_K8_a_rollback_refuses_when_others_have_written_since(published: Night) -> None:
    with published.database("portal3.sqlite") as store:
        store.execute("UPDATE entity_account SET website = 'https://new.example' WHERE legacy_entity_id = 101")
    before = published.content()
    done = published.command("rollback")
    assert done.code == 7
    assert "entity_account" in done.err
    assert published.content() == before


def test_K10_one_changed_cell_is_one_difference_and_exit_code_4(published: Night) -> None:
    assert published.json("reconcile").data["answer"] == "equal"
    with published.database("portal3.sqlite") as store:
        store.execute("UPDATE entity_account SET anniversary_dt = '2001-02-03' WHERE legacy_entity_id = 101")
    done = published.json("reconcile")
    assert done.code == 4
    (difference,) = done.data["differences"]
    assert (difference["table"], difference["kind"], difference["column"]) == ("entity_account", "changed", "anniversary_dt")
    assert done.data["total"] == 1

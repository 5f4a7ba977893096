"""An old portal of another schema, presented by an adapter: the same store, the same questions, and every error in one answer."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import Done, command
from tests.support.presented import copied, different_tables, disguised_cast, migrated, reconciled


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disguised cast, migrated; and its twin of the contract's names, migrated too."""
    folder = tmp_path_factory.mktemp("presented")
    foreign = disguised_cast(folder)
    files = folder / "legacy" / "files"
    migrated(foreign / "twin", files)
    migrated(foreign, files, "--adapter", str(foreign / "adapter"))
    return folder


def planned(foreign: Path, adapter: Path) -> Done:
    sources = ("--source", f"sqlite:///{foreign}/portal2.sqlite", "--tc", f"sqlite:///{foreign}/tc.sqlite")
    return command("plan", *sources, "--adapter", str(adapter))


def test_69_a_disguised_portal_gives_the_identical_store(world: Path) -> None:
    foreign = world / "foreign"
    assert different_tables(foreign / "twin" / "store.sqlite", foreign / "store.sqlite") == []
    assert reconciled(foreign, world / "legacy" / "files", "--adapter", str(foreign / "adapter")).data["total"] == 0


def test_a_held_row_has_the_contracts_row_and_the_raw_cells_behind_it(world: Path) -> None:
    with closing(sqlite3.connect(world / "foreign" / "store.sqlite")) as store:
        held = dict(store.execute("SELECT legacy_key, row_json FROM migration_holding WHERE legacy_table = 'model_entity'"))
    rows = [json.loads(text) for text in held.values()]
    assert rows
    for row in rows:
        behind = row.pop("_physical")
        assert "entity_id" in row
        assert all(name.startswith("CT_MDL_ENTT.") and isinstance(cell, str) for name, cell in behind.items())
        assert "CT_MDL_ENTT.ENTT_ID" not in behind  # presented as it is
    assert any("CT_MDL_ENTT.STTS_CD" in json.loads(text)["_physical"] for text in held.values())


def test_errors_of_an_adapter_come_in_one_answer_each_with_file_and_place(world: Path, tmp_path: Path) -> None:
    adapter = copied(world / "foreign" / "adapter", tmp_path / "adapter")
    (adapter / "portal2" / "model_entitty.toml").write_text("", encoding="utf-8")
    entity = adapter / "portal2" / "model_entity.toml"
    text = entity.read_text(encoding="utf-8")
    text = text.replace('office_cd = { trim = "OFFC_CD" }', 'office_cd = { trimm = "OFFC_CD" }').replace("pivot = 1950", "pivott = 1950", 1)
    entity.write_text(text, encoding="utf-8")
    (adapter / "codes" / "unused.csv").write_text("legacy,contract\nA,B\n", encoding="utf-8")
    done = planned(world / "foreign", adapter)
    assert done.code == 1
    for piece in ("model_entitty.toml", "nearest: model_entity", "from[0].columns.office_cd", "pivott", "codes/unused.csv"):
        assert piece in done.err, piece


def test_K5_what_no_file_names_and_what_is_gone_is_named_on_both_sides(world: Path, tmp_path: Path) -> None:
    foreign = copied(world / "foreign", tmp_path / "foreign")
    with closing(sqlite3.connect(foreign / "portal2.sqlite")) as portal, portal:
        portal.execute("CREATE TABLE STRANGER (A INTEGER)")
        portal.execute("ALTER TABLE CT_MDL_ENTT ADD COLUMN EXTRA TEXT")
        portal.execute("ALTER TABLE CT_MSSG RENAME COLUMN SBJC TO SUBJ") if _has(portal, "CT_MSSG", "SBJC") else None
        portal.execute("ALTER TABLE CT_CBP_USR RENAME COLUMN DSPL_NM TO DISPLAYED")
    done = planned(foreign, foreign / "adapter")
    assert done.code == 1
    for piece in ("STRANGER", "CT_MDL_ENTT.EXTRA", "DISPLAYED", "dspl_nm", "portal2/cbp_user.toml"):
        assert piece in done.err, piece


def _has(portal: sqlite3.Connection, table: str, column: str) -> bool:
    return any(row[1] == column for row in portal.execute(f"PRAGMA table_info({table})"))


def test_another_adapter_or_none_is_refused_by_the_run(world: Path, tmp_path: Path) -> None:
    foreign = copied(world / "foreign", tmp_path / "foreign")
    code = next((foreign / "adapter" / "codes").glob("*entity_status*.csv"), None) or next((foreign / "adapter" / "codes").glob("*.csv"))
    with code.open("a", encoding="utf-8") as file:
        file.write("ZZ,OTHER\n")
    sources = ("--source", f"sqlite:///{foreign}/portal2.sqlite", "--tc", f"sqlite:///{foreign}/tc.sqlite", "--run", str(foreign / "run"))
    done = command("split", *sources, "--adapter", str(foreign / "adapter"))
    assert done.code == 7, done.err

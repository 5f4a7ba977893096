"""What is added in mapping files alone, without Python, is migrated and verified."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sample_data.world import write_cast
from tests.docs.extended_mappings import OLD, extend
from tests.support.command import Workspace, copied_mappings


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The cast with all additions, migrated with the extended mappings."""
    workspace = Workspace(tmp_path_factory.mktemp("extended"))
    write_cast(workspace.folder / "legacy")
    with workspace.database("legacy/portal2.sqlite") as source:
        source.executescript(OLD)
    extend(copied_mappings(workspace.folder))
    done = workspace.command("run", "--mappings", "mappings")
    assert done.code == 0, done.out + done.err
    return workspace


def found(workspace: Workspace, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(workspace.target)) as store:
        return store.execute(query).fetchall()


def test_unmapped_new_tables_and_columns_are_all_named_before_any_read(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_cast(workspace.folder / "legacy")
    with workspace.database("legacy/portal2.sqlite") as source:
        source.executescript(OLD)
    done = workspace.command("run")
    assert done.code == 1
    for name in (
        "P2.company_fleet: this table is not in any mapping",
        "P2.company_profile.lei_txt: this column is not in any mapping",
        "P2.company_profile.screen_theme_cd: this column is not in any mapping",
    ):
        assert name in done.err
    assert not (workspace.run / "extract").exists()


def test_a_new_column_loads_into_every_account_and_a_retired_one_does_not(extended: Workspace) -> None:
    rows = found(extended, "SELECT DISTINCT legacy_profile_id, lei_txt FROM entity_account WHERE lei_txt IS NOT NULL")
    assert rows == [(3, "5299000J2N45DDNE4Y28")]
    plan = extended.json("plan", "--mappings", "mappings").data
    assert plan["coverage"].startswith("100% (")
    assert plan["retired"]["P2.company_profile.screen_theme_cd"] == "colours of the old application; the new portal has none"


def test_a_new_table_goes_to_its_accounts_by_its_routes_or_is_held(extended: Workspace) -> None:
    rows = found(
        extended,
        "SELECT f.legacy_key, legacy_entity_id, truck_count FROM account_fleet f JOIN entity_account USING (account_id) ORDER BY 1, 2",
    )
    assert rows == [("1", 301, 12), ("1", 302, 12), ("1", 398, 12), ("1", 399, 12), ("2", 302, 3)]
    held = found(extended, "SELECT legacy_key, reason_cd FROM migration_holding WHERE legacy_table = 'company_fleet' ORDER BY 1")
    assert held == [("3", "PARENT_HELD"), ("4", "BROKEN_REFERENCE")]
    ids = {row[0][14:18] for row in found(extended, "SELECT account_fleet_id FROM account_fleet")}
    assert len(ids) == 1
    trace = extended.json("trace", "P2", "company_fleet", "2", "--mappings", "mappings").data
    assert [(row["table"], row["account_number"]) for row in trace["rows"]] == [("account_fleet", "10000302")]


def test_a_new_kind_of_link_leads_to_the_copy_in_the_same_account(extended: Workspace) -> None:
    rows = found(
        extended,
        "SELECT d.legacy_key, f.legacy_key, d.account_id = f.account_id FROM document_link l JOIN document d USING (document_id)"
        " JOIN account_fleet f ON f.account_fleet_id = l.target_id WHERE l.target_cd = 'FLEET'",
    )
    assert rows == [("301", "2", 1)]


def test_a_new_business_type_follows_the_code_files(extended: Workspace) -> None:
    rows = found(
        extended,
        "SELECT legacy_entity_id, status_cd, trade_visible, identifiers_complete FROM entity_account WHERE business_type_cd = 'ECF' ORDER BY 1",
    )
    assert rows == [(398, "PAUSED", 0, 1), (399, "CERTIFIED", 1, 0)]
    assert found(extended, "SELECT active FROM business_type WHERE business_type_cd = 'ECF'") == [(1,)]


def test_the_verifier_reads_the_same_new_files(extended: Workspace) -> None:
    done = extended.json("reconcile", "--mappings", "mappings")
    assert (done.code, done.data["answer"], done.data["total"]) == (0, "equal", 0)
    tables = {entry["table"]: entry for entry in done.data["tables"]}
    assert tables["account_fleet"]["expected"] == tables["account_fleet"]["actual"] == 5


def test_the_verifier_finds_a_changed_cell_of_a_new_column(extended: Workspace, tmp_path: Path) -> None:
    copy = tmp_path / "portal3.sqlite"
    copy.write_bytes(extended.target.read_bytes())
    with closing(sqlite3.connect(copy)) as store, store:
        store.execute("UPDATE account_fleet SET truck_count = 4 WHERE legacy_key = '2'")
    done = extended.json("reconcile", "--mappings", "mappings", "--target", f"sqlite:///{copy}")
    assert done.code == 4
    assert [(d["table"], d["kind"], d["column"]) for d in done.data["differences"]] == [("account_fleet", "changed", "truck_count")]

"""An old portal of another schema, presented by an adapter: the same store, the same questions, and every error in one answer."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from etl.commands.adapter_faults import adapter_faults
from etl.errors import MigrationError
from etl.extract.source_contract import refuse_problems
from etl.reconcile.databases.portable import PortableDatabase
from etl.reconcile.engine.spec import read_spec
from etl.reconcile.present.database import left_out
from etl.reconcile.present.words import adapter_files
from sample_data.world import write_cast
from tests.support.command import Done, command
from tests.support.legacy import MAPPINGS
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


def test_errors_of_an_adapter_are_reported_together_each_with_file_and_location(world: Path, tmp_path: Path) -> None:
    adapter = copied(world / "foreign" / "adapter", tmp_path / "adapter")
    (adapter / "portal2" / "model_entitty.toml").write_text("", encoding="utf-8")
    entity = adapter / "portal2" / "model_entity.toml"
    text = entity.read_text(encoding="utf-8")
    text = text.replace('office_cd = { trim = "OFFC_CD" }', 'office_cd = { trimm = "OFFC_CD" }').replace("pivot = 1950", "pivott = 1950", 1)
    entity.write_text(text, encoding="utf-8")
    (adapter / "codes" / "unused.csv").write_text("legacy,contract\nA,B\n", encoding="utf-8")
    done = planned(world / "foreign", adapter)
    assert done.code == 1
    for part in ("model_entitty.toml", "nearest: model_entity", "from[0].columns.office_cd", "pivott", "codes/unused.csv"):
        assert part in done.err, part


def test_K5_unmapped_and_missing_names_are_reported_on_both_sides(world: Path, tmp_path: Path) -> None:
    foreign = copied(world / "foreign", tmp_path / "foreign")
    with closing(sqlite3.connect(foreign / "portal2.sqlite")) as portal, portal:
        portal.execute("CREATE TABLE STRANGER (A INTEGER)")
        portal.execute("ALTER TABLE CT_MDL_ENTT ADD COLUMN EXTRA TEXT")
        portal.execute("ALTER TABLE CT_MSSG RENAME COLUMN SBJC TO SUBJ") if _has(portal, "CT_MSSG", "SBJC") else None
        portal.execute("ALTER TABLE CT_CBP_USR RENAME COLUMN DSPL_NM TO DISPLAYED")
    done = planned(foreign, foreign / "adapter")
    assert done.code == 1
    for part in ("STRANGER", "CT_MDL_ENTT.EXTRA", "DISPLAYED", "dspl_nm", "portal2/cbp_user.toml"):
        assert part in done.err, part


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
    for more in ((), ("--adapter", str(foreign / "adapter"))):  # without the run's folder the store's own record says so
        assert reconciled(foreign, world / "legacy" / "files", *more).code == 7
    assert reconciled(foreign / "twin", world / "legacy" / "files", "--adapter", str(tmp_path / "limits")).code == 1
    (tmp_path / "limits").mkdir()
    assert reconciled(foreign / "twin", world / "legacy" / "files", "--adapter", str(tmp_path / "limits")).code == 7


def test_plan_checks_codes_left_out_rows_and_look_ups_in_the_data(world: Path, tmp_path: Path) -> None:
    foreign = copied(world / "foreign", tmp_path / "foreign")
    with closing(sqlite3.connect(foreign / "portal2.sqlite")) as portal, portal:
        portal.execute("UPDATE CT_MDL_ENTT SET STTS_CD = '77' WHERE rowid IN (1, 2)")
        portal.execute("CREATE TABLE OFFICE (ID INTEGER, CODE TEXT)")
        portal.execute("INSERT INTO OFFICE VALUES (1, 'A'), (1, 'B')")
    entity = foreign / "adapter" / "portal2" / "model_entity.toml"
    text = entity.read_text(encoding="utf-8")
    task = foreign / "adapter" / "portal2" / "portal_task.toml"
    task.write_text(
        "".join(line for line in task.read_text(encoding="utf-8").splitlines(True) if not line.startswith("rest")), encoding="utf-8"
    )
    look = 'lookup = { off = { table = "OFFICE", key = "ID", by = "OFFC_CD" } }\n[from.columns]'
    entity.write_text(
        text.replace("[from.columns]", look, 1).replace('office_cd = { trim = "OFFC_CD" }', 'office_cd = "off.CODE"'), encoding="utf-8"
    )
    done = planned(foreign, foreign / "adapter")
    assert done.code == 1
    assert "1 keys of OFFICE.ID that occur more than once" in done.err
    entity.write_text(text, encoding="utf-8")
    (foreign / "adapter" / "portal2" / "source.toml").write_text('[ignored]\nTMP_LOAD_2019 = "x"\nOFFICE = "x"\n', encoding="utf-8")
    done = planned(foreign, foreign / "adapter")
    assert done.code == 1
    for part in ("'77' (2)", "codes/portal2_model_entity_status_cd.csv", "3 rows of CT_PRTL_TSK that no [[from]] selects"):
        assert part in done.err, part


def test_plan_counts_both_sides_and_says_what_will_not_fit(world: Path, tmp_path: Path) -> None:
    foreign = copied(world / "foreign", tmp_path / "foreign")
    with closing(sqlite3.connect(foreign / "portal2.sqlite")) as portal, portal:
        portal.execute("UPDATE CT_MDL_ENTT SET NXT_VLDT_D_DT = '31-FEB-20' WHERE rowid <= 3")
    sources = (
        "--source",
        f"sqlite:///{foreign}/portal2.sqlite",
        "--tc",
        f"sqlite:///{foreign}/tc.sqlite",
        "--adapter",
        str(foreign / "adapter"),
    )
    done = command("plan", *sources, "--output", "json")
    assert done.code == 0, done.out
    counts = done.data["presented"]["P2"]
    assert counts["physical_retired"] >= 41
    assert counts["physical_ignored"] == 1
    assert counts["rows_left_out"] == 6
    held = {(entry["table"], entry["column"]): entry["rows"] for entry in done.data["will_be_held"]}
    assert held["model_entity", "next_validation_due_dt"] == 3


def test_K5_a_renamed_table_or_column_without_an_adapter_is_refused_with_the_line_to_add(tmp_path: Path) -> None:
    legacy = tmp_path / "legacy"
    write_cast(legacy)
    for file, portal in (("portal2.sqlite", "P2"), ("tc.sqlite", "TC")):
        with closing(sqlite3.connect(legacy / file)) as old:
            old.isolation_level = None
            tables = [name for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            columns = {name: [row[1] for row in old.execute(f"PRAGMA table_info({name})")] for name in tables}
            for table in tables:
                renames = [(table, f'ALTER TABLE {table} RENAME TO "CT_{table[:9]}"', f'[[from]] table = "CT_{table[:9]}"')]
                renames += [(c, f"ALTER TABLE {table} RENAME COLUMN {c} TO {c}_X", f'{c} = "{c}_X"') for c in columns[table]]
                for name, statement, line in renames:
                    old.execute("BEGIN")
                    old.execute(statement)
                    found = _refused(old, portal)
                    old.execute("ROLLBACK")
                    assert f"{table}.{name}: the column is missing" in found or f"{table}: the table is missing" in found, (table, name)
                    assert line in found, (line, found)


def _refused(database: sqlite3.Connection, portal: str) -> str:
    """The message of `plan` for a portal with these tables; called within the transaction, which another process could not see."""
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    shapes = {name: {row[1]: row[2].upper() for row in database.execute(f'PRAGMA table_info("{name}")')} for name in tables}
    with pytest.raises(MigrationError) as refused:
        refuse_problems({portal: Shapes(shapes)}, MAPPINGS)  # type: ignore[dict-item]  # what is asked of a source here is its shapes
    return refused.value.message


@dataclass
class Shapes:
    """A source that provides shapes only."""

    found: dict[str, dict[str, str]]

    def shapes(self) -> dict[str, dict[str, str]]:
        return self.found

    def relation_kinds(self) -> dict[str, str]:
        return {}


def test_trace_takes_physical_names_and_shows_both(world: Path) -> None:
    foreign = world / "foreign"
    with closing(sqlite3.connect(foreign / "portal2.sqlite")) as portal:
        (note,) = portal.execute("SELECT NT_ID FROM CT_INTR_NT ORDER BY 1").fetchone()
    stores = ("--target", f"sqlite:///{foreign}/store.sqlite", "--adapter", str(foreign / "adapter"), "--output", "json")
    done = command("trace", "P2", "ct_intr_nt", note, *stores)
    assert done.code == 0, done.out
    assert done.data["table"] == "internal_note"
    assert done.data["physical"] == [{"table": "ct_intr_nt", "key": note}]
    again = command("trace", "P2", "internal_note", done.data["key"], *stores)
    assert again.data["rows"] == done.data["rows"]
    assert again.data["physical"] == [{"table": "ct_intr_nt", "key": None}]
    assert command("trace", "P2", "NO_TABLE", "1", *stores).code == 2


def test_the_verifier_finds_every_fault_of_the_loaders_adapter(world: Path) -> None:
    planted, found, alarms = adapter_faults(world / "foreign", 100, 1)
    assert sum(planted.values()) == 100
    assert set(planted) == {"columns swapped", "code line gone", "another century", "another zone", "yes and no exchanged"}
    assert (found, alarms) == (planted, 0)


def test_B17_the_verifiers_copy_of_another_database_leaves_out_what_the_adapter_never_reads(world: Path) -> None:
    foreign = world / "foreign"
    never = left_out(adapter_files(foreign / "adapter"), read_spec(), "P2")
    database = PortableDatabase(make_url(f"sqlite:///{foreign}/portal2.sqlite"), never)
    try:
        columns = database.tables()["CT_PRTL_USR"]
        assert "USR_NM" in columns
        assert not {"PSSW_HSH", "ROW_CHK"} & set(columns)
    finally:
        database.close()

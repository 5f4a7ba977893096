"""What is new in the old portals is a matter of files: one of each kind added to a copy of the mappings, migrated and reconciled; and every mistake
in such a file is named: which file, which place, what was found, what was expected."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mappings.errors import MappingError
from mappings.read import read_mappings
from sample_data.world import write_cast
from tests.support.command import Workspace, changed, command, copied_mappings

OLD = """
ALTER TABLE company_profile ADD COLUMN lei_txt VARCHAR(20);
ALTER TABLE company_profile ADD COLUMN screen_theme_cd VARCHAR(8);
CREATE TABLE company_fleet (
  fleet_id BIGINT PRIMARY KEY, company_profile_id BIGINT NOT NULL, entity_id BIGINT, truck_count INTEGER, home_port_cd VARCHAR(8)
);
UPDATE company_profile SET lei_txt = '5299000J2N45DDNE4Y28', screen_theme_cd = 'DARK' WHERE company_profile_id = 3;
INSERT INTO company_fleet VALUES (1, 3, NULL, 12, '2304'), (2, 3, 302, 3, NULL), (3, 4, NULL, 1, NULL), (4, 3, 404404, 1, NULL);
INSERT INTO document_link VALUES (301, 'FLEET', 2, '2023-01-01 00:00:00');
INSERT INTO business_type VALUES ('ECF', 'E-commerce fulfilment', 'Y');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, created_at, modified_at) VALUES
  (398, 301, 'ECF', '10000398', 'PAUSED', '1', '2023-01-01 00:00:00', '2023-01-01 00:00:00'),
  (399, 301, 'ECF', '10000399', 'CERTIFIED', '1', '2023-01-01 00:00:00', '2023-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (39801, NULL, 398, 'ECOM', 'E-1', 'Y', NULL, NULL);
"""
FLEET = (
    "  fleet_id BIGINT PRIMARY KEY, company_profile_id BIGINT NOT NULL, entity_id BIGINT, truck_count INTEGER, home_port_cd VARCHAR(8)\n"
)
NEW_SCHEMAS = {
    "portal2": f"CREATE TABLE company_fleet (\n{FLEET});\n",
    "portal3": "CREATE TABLE account_fleet (\n  account_fleet_id UUID PRIMARY KEY, account_id UUID NOT NULL REFERENCES entity_account,"
    " truck_count INTEGER, home_port_cd VARCHAR(8),\n  legacy_key VARCHAR(80) NOT NULL\n);\n",
}
NEW_MAPPING = """# The trucks of a carrier: on the entity that they belong to, else on all accounts of the profile.
rules = ["E8", "X2"]

[owner]
entity_id          = "model_entity"
company_profile_id = "company_profile"

[[into]]
table = "account_fleet"
per   = "account"

[into.columns]
account_fleet_id = { id = "self" }
account_id       = { id = "account" }
truck_count      = "truck_count"
home_port_cd     = "home_port_cd"
legacy_key       = { legacy_key = true }
"""
NEW_CODES = {
    "code_list": (
        "business_type,business_type_cd,ECF,E-commerce fulfilment",
        "model_entity,status_cd,PAUSED,Paused at its own wish",
        "document_link,target_cd,FLEET,A row of company_fleet",
        "entity_identifier,identifier_type_cd,ECOM,Number of an e-commerce fulfilment house",
    ),
    "status": ("PAUSED,false,true",),
    "identifier_carrier": ("ECOM,ECF",),
    "identifier_required": ("ECF,1,ECOM",),
    "link_target": ("FLEET,company_fleet,account_fleet",),
}


def extend(home: Path) -> None:
    """One of each kind, by files alone."""
    for name, text in NEW_SCHEMAS.items():
        with (home / "schemas" / f"{name}.sql").open("a", encoding="utf-8") as schema:
            schema.write(text)
    dated = "  created_at TIMESTAMP NOT NULL, modified_at TIMESTAMP NOT NULL, deleted_ind CHAR(1) NOT NULL\n"
    changed(home / "schemas/portal2.sql", dated, f"{dated.rstrip()},\n  lei_txt VARCHAR(20), screen_theme_cd VARCHAR(8)\n")
    changed(home / "schemas/portal3.sql", "company_history TEXT,\n", "company_history TEXT,\n  lei_txt VARCHAR(20),\n")
    known = '  "P2.company_profile.employee_count_txt",\n'
    changed(home / "personal.toml", known, f'{known}  "P2.company_profile.lei_txt",\n')
    profile = home / "portal2/company_profile.toml"
    changed(profile, '"company_history"\n', '"company_history"\nlei_txt = "lei_txt"\n')
    with profile.open("a", encoding="utf-8") as mapping:
        mapping.write('\n[retired]\nscreen_theme_cd = "colours of the old application; the new portal has none"\n')
    (home / "portal2/company_fleet.toml").write_text(NEW_MAPPING, encoding="utf-8")
    for name, lines in NEW_CODES.items():
        with (home / "codes" / f"{name}.csv").open("a", encoding="utf-8") as codes:
            codes.writelines(f"{line}\n" for line in lines)


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


# -- mistakes ----------------------------------------------------------------------------------------------------------------------------

TRUCKS = 'truck_count      = "truck_count"'
# What is wrong: the file, the text in it, what stands there instead; then the error's file (where it is another), place, found, expected.
MISTAKES: dict[str, tuple[str, str, str, str, str, str, str]] = {
    "no TOML": ("portal2/company_fleet.toml", "[owner]", "[owner", "", "file", "line 4", "TOML in UTF-8"),
    "a word": ("portal2/company_fleet.toml", "[owner]", "[owners]", "", "owners", "an unknown word", "owner, owner_rule"),
    "a word of a block": ("portal2/company_fleet.toml", "per   =", "pro   =", "", "into[0].pro", "an unknown word", "table, per, columns"),
    "per": ("portal2/company_fleet.toml", '"account"\n', '"acount"\n', "", "into[0].per", "'acount'", "account, once, part or missing"),
    "a rule": ("portal2/company_fleet.toml", '"E8", "X2"', '"E8", "X99"', "", "rules", "X99", "a number of rules.toml"),
    "a route's column": (
        "portal2/company_fleet.toml",
        "entity_id  ",
        "entitty_id",
        "",
        "owner.entitty_id",
        "entitty_id",
        "a column of company_fleet",
    ),
    "a route's table": (
        "portal2/company_fleet.toml",
        '"model_entity"',
        '"modell"',
        "",
        "owner.entity_id",
        "modell",
        "a source table with a key of one",
    ),
    "a source column": (
        "portal2/company_fleet.toml",
        TRUCKS,
        'truck_count = "trucks"',
        "",
        "into[0].columns.truck_count",
        "trucks",
        "a column of company_fleet",
    ),
    "a column forgotten": (
        "portal2/company_fleet.toml",
        'home_port_cd     = "home_port_cd"\n',
        'home_port_cd = { constant = "x" }\n',
        "",
        "columns",
        "home_port_cd neither mapped, used nor retired",
        "every column of the source table",
    ),
    "a target column": (
        "portal2/company_fleet.toml",
        "truck_count  ",
        "trucks       ",
        "",
        "into[0].columns.trucks",
        "an unknown column",
        "a column of account_fleet",
    ),
    "a target column without source": (
        "portal2/company_fleet.toml",
        TRUCKS,
        "[used]\ntruck_count = 'X2: x'\n[more]",
        "",
        "more",
        "an unknown word",
        "used",
    ),
    "a target table": (
        "portal2/company_fleet.toml",
        '"account_fleet"',
        '"fleet"',
        "",
        "into[0].table",
        "fleet",
        "a table of schemas/portal3.sql",
    ),
    "the run's own record": (
        "portal2/company_fleet.toml",
        '"account_fleet"',
        '"migration_run"',
        "",
        "into[0].table",
        "migration_run",
        "a table of schemas/portal3.sql",
    ),
    "a form": (
        "portal2/company_fleet.toml",
        "{ legacy_key = true }",
        "{ legacykey = true }",
        "",
        "into[0].columns.legacy_key",
        "{'legacykey': True}",
        "one of the forms of mappings/README.md",
    ),
    "null where a value must be": (
        "portal2/company_fleet.toml",
        "{ legacy_key = true }",
        '{ null = "X2" }',
        "",
        "into[0].columns.legacy_key",
        "null",
        "account_fleet.legacy_key is NOT NULL",
    ),
    "a type that does not fit": (
        "schemas/portal3.sql",
        "truck_count INTEGER",
        "truck_count DATE",
        "portal2/company_fleet.toml",
        "into[0].columns.truck_count",
        "truck_count INTEGER",
        "a value that fits truck_count DATE",
    ),
    "a length that does not suffice": (
        "schemas/portal3.sql",
        "home_port_cd VARCHAR(8)",
        "home_port_cd VARCHAR(7)",
        "portal2/company_fleet.toml",
        "into[0].columns.home_port_cd",
        "home_port_cd VARCHAR(8)",
        "at most the length of home_port_cd VARCHAR(7)",
    ),
    "nothing for a target column": (
        "schemas/portal3.sql",
        "truck_count INTEGER,",
        "truck_count INTEGER, driver_count INTEGER,",
        "portal2/company_fleet.toml",
        "into[0].columns",
        "no value for account_fleet.driver_count",
        "every target column has a source",
    ),
    "a table that nothing fills": (
        "schemas/portal3.sql",
        "CREATE TABLE account_fleet",
        "CREATE TABLE empty (id UUID PRIMARY KEY);\nCREATE TABLE account_fleet",
        "",
        "empty",
        "no mapping that fills it",
        "at least one [[into]] block",
    ),
    "a table without mapping": (
        "schemas/portal2.sql",
        "CREATE TABLE company_fleet",
        "CREATE TABLE more (id BIGINT PRIMARY KEY);\nCREATE TABLE company_fleet",
        "",
        "more",
        "no mapping file",
        "portal2/more.toml: map the table or retire its columns",
    ),
    "a table without key": (
        "schemas/portal2.sql",
        "fleet_id BIGINT PRIMARY KEY",
        "fleet_id BIGINT",
        "portal2.sql",
        "company_fleet",
        "no primary key",
        "a PRIMARY KEY",
    ),
    "a type": (
        "schemas/portal2.sql",
        "truck_count INTEGER",
        "truck_count MONEY",
        "portal2.sql",
        "company_fleet.truck_count",
        "type MONEY",
        "one of BIGINT",
    ),
    "no SQL": (
        "schemas/portal2.sql",
        "CREATE TABLE company_fleet (",
        "CREATE TABEL company_fleet (",
        "portal2.sql",
        "statements",
        "syntax error",
        "CREATE TABLE",
    ),
    "a rule without its sentence": (
        "rules.toml",
        "decision",
        "decison",
        "",
        "rule or reason",
        "decison",
        "number, chapter, situation, decision",
    ),
    "the head of a code file": (
        "codes/status.csv",
        "trade_visible",
        "trade_visble",
        "",
        "first line",
        "status_cd, trade_visble, continued_membership",
        "status_cd, trade_visible",
    ),
    "a code file's line": ("codes/status.csv", "PAUSED,false,true", "PAUSED,false", "", "line 11", "2 values", "3 values"),
    "neither true nor false": (
        "codes/status.csv",
        "PAUSED,false,true",
        "PAUSED,no,true",
        "",
        "line 11, trade_visible",
        "no",
        "true or false",
    ),
    "a link's source table": (
        "codes/link_target.csv",
        "FLEET,company_fleet",
        "FLEET,company_fleets",
        "",
        "line 8, source_table",
        "company_fleets",
        "a table of schemas/portal2.sql",
    ),
    "a link's target table": (
        "codes/link_target.csv",
        "company_fleet,account_fleet",
        "company_fleet,fleet",
        "",
        "line 8, target_table",
        "fleet",
        "a target table of company_fleet",
    ),
    "a code's column": (
        "codes/code_list.csv",
        "model_entity,status_cd,PAUSED",
        "model_entity,state_cd,PAUSED",
        "",
        "line",
        "model_entity.state_cd",
        "a column of one of the schemas",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_with_file_location_found_and_expected(tmp_path: Path, mistake: str) -> None:
    home = copied_mappings(tmp_path)
    extend(home)
    file, before, after, named, location, what, expected = MISTAKES[mistake]
    _changed_last(home / file, before, after)
    with pytest.raises(MappingError) as raised:
        read_mappings(home)
    error = raised.value
    assert error.file == (named or file)
    assert location in error.location
    assert what in error.found
    assert expected in error.expected


def _changed_last(file: Path, before: str, after: str) -> None:
    """Additions are at the end of each file."""
    head, found_it, tail = file.read_text(encoding="utf-8").rpartition(before)
    assert found_it, before
    file.write_text(head + after + tail, encoding="utf-8")


def test_a_mistake_ends_a_command_with_1_before_the_first_read(tmp_path: Path) -> None:
    home = copied_mappings(tmp_path)
    extend(home)
    changed(home / "portal2/company_fleet.toml", "[owner]", "[owners]")
    done = command(
        "run", "--source", "sqlite:///nowhere.sqlite", "--run", "run", "--mappings", "mappings", "--output", "json", folder=tmp_path
    )
    (error,) = done.envelope["errors"]
    assert (done.code, error["code"]) == (1, "MAPPING")
    assert error["message"].startswith("portal2/company_fleet.toml: owners: found an unknown word, expected ")
    assert "No data was read" in error["next"]


def test_a_missing_mappings_folder_is_named(tmp_path: Path) -> None:
    done = command("plan", "--source", "sqlite:///nowhere.sqlite", "--mappings", "nothing-here", folder=tmp_path)
    assert done.code == 1
    assert "nothing-here" in done.err
    assert "fault" not in done.err

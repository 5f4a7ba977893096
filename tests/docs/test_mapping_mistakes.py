"""A mistake in a mapping file is reported with file, location, what was found and what was expected, before the first read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mappings.errors import MappingError
from mappings.read import read_mappings
from tests.docs.extended_mappings import extend
from tests.support.command import changed, command, copied_mappings

TRUCKS = 'truck_count      = "truck_count"'


# By mistake: the file, the text in it, its replacement; then the error's file (where it is another), place, found, expected.
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
    "a length that is not enough": (
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

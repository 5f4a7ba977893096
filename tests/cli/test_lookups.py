"""`trace` and `picker` on the migrated cast: every source row is traced to its targets, and every account to its source rows."""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
from collections import defaultdict
from contextlib import closing

import pytest

from etl.commands.lookups import picker
from etl.commands.row_origins import Origins
from etl.commands.trace import trace
from etl.databases.sqlite.reading import SqliteReading
from etl.errors import MigrationError, WrongUsage
from etl.options import Options
from etl.runfolder.folder import open_readonly
from tests.support.command import Workspace, command
from tests.support.legacy import MAPPINGS, Store
from tests.unit.transform.test_laws import loaded_keys

PERSONAL = "078-05-1120"


@pytest.fixture(scope="module")
def store(cast: Workspace) -> Store:
    return Store(cast.target, cast.folder / "objects", open_readonly(cast.run))


@pytest.fixture(scope="module")
def options(cast: Workspace) -> Options:
    return Options(target=f"sqlite:///{cast.target}", source=f"sqlite:///{cast.folder}/legacy/portal2.sqlite", run=cast.run)


def _portal(table: str) -> str:
    return "TC" if table.startswith("tc_") else "P2"


@pytest.fixture(scope="module")
def behind(options: Options, store: Store) -> dict[str, set[tuple[str, str]]]:
    """Returns, by account number, (table, key) of its source rows."""
    found = {}
    for number in store.accounts("account_number").values():
        answer = trace(options, (), number)
        found[number] = {(row["table"], row["key"]) for row in answer["rows"]}
        assert answer["total"] == len(found[number])
    return found


# A few rows of every table; all of one profile and of those that Trade Compliance touches.
def _some(keys: set[str]) -> list[str]:
    ordered = sorted(key for key in keys if PERSONAL not in key)
    return sorted({*ordered[::9], *(key for key in ordered if key.partition("|")[0] in {"1", "2", "101", "102"})})


def test_every_loaded_row_is_traced_to_its_accounts_and_back(
    options: Options, store: Store, behind: dict[str, set[tuple[str, str]]]
) -> None:
    untold: dict[str, list[str]] = defaultdict(list)
    for table, keys in loaded_keys(store).items():
        for key in _some(keys):
            rows = trace(options, (_portal(table), table, key), None)["rows"]
            assert rows, f"{table} {key}"
            untold[table] += [
                key for row in rows if row["account_number"] is not None and (table, key) not in behind[row["account_number"]]
            ]
    assert {table: keys for table, keys in untold.items() if keys} == {}


def test_every_held_row_is_traced_to_its_reason(options: Options, store: Store) -> None:
    loaded = loaded_keys(store)
    for row, reason in [*store.held.items()][::4]:
        table, _, key = row.partition(" ")
        answer = trace(options, (_portal(table), table, key), None)
        assert [entry["reason_cd"] for entry in answer["held"]] == [reason]
        assert bool(answer["rows"]) == (key in loaded.get(table, ())), row


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        (("P2", "model_entity", "302"), [("entity_account", "10000302")]),
        (
            ("P2", "security_model", "301"),
            [
                "entity_account 10000301",
                "entity_account 10000302",
                "account_group",
                "account_group_member 10000301",
                "account_group_member 10000302",
            ],
        ),
        (("P2", "profile_response", "301"), ["profile_response 10000301", "profile_response 10000302"]),
        (("P2", "finding_response", "101"), ["finding_response 10000101"]),
        (("P2", "document", "2104"), ["document"]),
        (("P2", "document_content", "101"), ["stored_object"]),
        (("P2", "portal_user", "1802"), ["login", "login_alias"]),
        (("P2", "document_link", "2114|MODEL|2101"), ["document_link 10002101"]),
        (("P2", "question_applicability", "101|IMP"), ["question_applicability"]),
        (("P2", "importer_country_of_origin", "101|2"), ["account_country_of_origin 10000101"]),
        (("TC", "tc_anl_document", "2|2"), ["tc_anl_document 10000101"]),
        (("TC", "tc_event", "2"), ["event_history", "event_account 10000101"]),
    ],
)
def test_a_row_is_traced_to_its_new_rows_and_their_accounts(
    options: Options, where: tuple[str, ...], rows: list[str | tuple[str, str]]
) -> None:
    found = [f"{row['table']} {row['account_number'] or ''}".strip() for row in trace(options, where, None)["rows"]]
    assert sorted(found) == sorted(row if isinstance(row, str) else " ".join(row) for row in rows)


def test_a_trace_names_flags_with_what_was_decided_and_the_rules_of_the_table(options: Options) -> None:
    answer = trace(options, ("p2", "model_entity", "1305"), None)
    assert [(flag["rule_cd"], flag["decision"]) for flag in answer["flags"] if flag["rule_cd"] == "A16"]
    assert "A16" in answer["rules"]


def test_H6_a_persons_number_is_masked_in_keys_and_ids_of_a_trace(options: Options) -> None:
    answer = trace(options, ("TC", "tc_ior", f"1|{PERSONAL}"), None)
    assert answer["rows"]
    assert PERSONAL not in str(answer)
    assert PERSONAL not in str(trace(options, (), "10000101"))
    with pytest.raises(MigrationError) as error:
        trace(options, ("TC", "tc_ior", f"999|{PERSONAL}"), None)
    assert PERSONAL not in str(error.value)


def test_a_trace_of_a_held_row_names_the_rows_that_hold_it(options: Options) -> None:
    """Profile 4 has no entity: what depends on it is held because of it, also over another held row."""
    near = trace(options, ("P2", "company_contact", "401"), None)
    assert near["because"] == [
        {"column": "company_profile_id", "portal": "P2", "table": "company_profile", "key": "4", "reason_cd": "PROFILE_WITHOUT_ENTITY"}
    ]
    far = trace(options, ("P2", "document_content", "401"), None)["because"]
    assert [(entry["table"], entry["reason_cd"]) for entry in far] == [
        ("document", "PARENT_HELD"),
        ("company_profile", "PROFILE_WITHOUT_ENTITY"),
    ]
    assert trace(options, ("P2", "company_profile", "4"), None)["because"] == []


@pytest.mark.parametrize(
    ("where", "account"),
    [
        ((), None),
        (("P2", "document"), None),
        (("P2", "document", "1", "2"), None),
        (("P2", "document", "1"), "10000101"),
        (("P3", "document", "1"), None),
        (("P2", "no_such_table", "1"), None),
        (("TC", "document", "1"), None),
    ],
)
def test_a_trace_without_arguments_is_wrong_usage(options: Options, where: tuple[str, ...], account: str | None) -> None:
    with pytest.raises(WrongUsage):
        trace(options, where, account)


@pytest.mark.parametrize(
    "where", [("P2", "document", "no number"), ("P2", "document", "99999999999999999999"), ("P2", "highway_crossing", "1")]
)
def test_an_unknown_key_is_an_error(options: Options, where: tuple[str, ...]) -> None:
    with pytest.raises(MigrationError, match="has no row"):
        trace(options, where, None)


def test_B1_picker_shows_what_a_consultant_of_several_companies_sees_and_through_which_profiles(options: Options) -> None:
    answer = picker(options, " PER@lindqvist.example")
    assert [account["account_number"] for account in answer["after"]] == ["10000101", "10000201", "10000202", "10001701"]
    assert (answer["before"], answer["users"], answer["status"]) == ([1, 2, 17], ["1701"], "ACTIVE")


def test_picker_counts_accounts_hidden_from_trade(options: Options, store: Store) -> None:
    seen_by = {key: store.picker(key) for key in store.rows("login", "email_key")}
    for key, entities in seen_by.items():
        answer = picker(options, key)
        numbers = store.accounts("account_number")
        assert sorted(account["account_number"] for account in answer["after"]) == sorted(numbers[entity] for entity in entities), key


def test_picker_of_an_unknown_address_fails_and_of_an_invalid_one_is_wrong_usage(options: Options) -> None:
    with pytest.raises(MigrationError, match="No login has that e-mail"):
        picker(options, "nobody@nowhere.example")
    with pytest.raises(WrongUsage):
        picker(options, "not an address")


def test_a_trace_has_the_digests_of_the_new_rows_and_of_a_documents_bytes(options: Options, cast: Workspace) -> None:
    (row,) = trace(options, ("P2", "finding_response", "101"), None)["rows"]
    with closing(sqlite3.connect(cast.target)) as store:
        values = store.execute("SELECT * FROM finding_response WHERE finding_response_id = ?", (row["id"],)).fetchone()
        told = json.dumps([None if value is None else str(value) for value in values], ensure_ascii=False)
        assert row["digest"] == hashlib.sha256(told.encode()).hexdigest()
        behind = trace(options, (), row["account_number"])["rows"]
        assert [entry["digest"] for entry in behind if (entry["table"], entry["key"]) == ("finding_response", "101")] == [row["digest"]]
        document = trace(options, ("P2", "document", "101"), None)["rows"][0]
        sha256 = store.execute("SELECT sha256 FROM document WHERE document_id = ?", (document["id"],)).fetchone()[0]
    assert (
        document["sha256"] == sha256 == hashlib.sha256((cast.folder / "objects" / "sha256" / sha256[:2] / sha256).read_bytes()).hexdigest()
    )
    shown = command("trace", "P2", "document", "101", "--run", "run", folder=cast.folder).out
    assert f"bytes: SHA-256 {sha256}" in shown
    assert document["digest"][:16] in shown


def test_the_links_of_a_document_are_found_without_comparing_the_ids_of_all_accounts_in_pairs(store: Store, cast: Workspace) -> None:
    """A link has two ids, each with a possible value for each account: 10 seconds for one row at 4,000 profiles, before."""
    mapping = MAPPINGS.tables["P2", "document_link"]
    reading = SqliteReading(cast.target, f"sqlite:///{cast.target}")
    condition = Origins(reading, MAPPINGS).of(mapping, mapping.block("document_link"), "2114|MODEL|2101")
    assert condition is not None
    steps = itertools.count()
    reading._connection.set_progress_handler(lambda: next(steps) < 0, 1)
    found = reading.rows(f"SELECT document_id FROM document_link WHERE {condition.sql}", *condition.values)
    reading.close()
    assert found
    assert next(steps) < 10 * len(store.accounts("account_number"))  # of SQLite; 1,847 with all ids, 309 with those that exist

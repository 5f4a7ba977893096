"""What a report counts: every row and column, from the files of the run."""

import re
import sqlite3

import polars as pl
import pytest

from etl.errors import EvidenceAltered
from etl.report.csv_files import csv_bytes
from etl.report.facts import facts
from etl.report.html import bridge
from etl.report.lists import lists
from etl.report.recheck import queries
from mappings.model import Portal
from tests.unit.report.cast_run import MAPPINGS, answered, cast, folder

__all__ = ["folder"]  # fixtures


def test_every_source_row_of_the_cast_is_loaded_held_or_retired(folder):
    rows = facts(folder, MAPPINGS)["conservation"]
    assert {row["difference"] for row in rows} == {0}
    assert {(row["portal"], row["table"]) for row in rows} == set(MAPPINGS.tables)
    read = {(row["portal"], row["table"]): row["read"] for row in rows}
    folders: dict[Portal, str] = {"P2": "portal2", "TC": "tc"}
    for portal, name in folders.items():
        with sqlite3.connect(cast().folder / f"{name}.sqlite") as source:
            tables = MAPPINGS.sources[portal].tables
            assert {table: source.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables} == {
                t: read[portal, t] for t in tables
            }


def test_rows_that_are_loaded_and_held_as_well_count_loaded(folder):
    row = next(row for row in facts(folder, MAPPINGS)["conservation"] if row["table"] == "security_profile")
    found = lists(folder, MAPPINGS).held.filter(pl.col("table") == "security_profile").height
    assert row["held_and_loaded"] > 0
    assert row["held_rows"] + row["held_and_loaded"] == found
    assert row["read"] == row["loaded"] + row["held_rows"]


def test_numbers_come_from_the_files_and_not_from_the_steps(folder):
    report = facts(folder, MAPPINGS)
    for step in folder.steps.values():
        step.facts = {
            name: value for name, value in step.facts.items() if name in ("levels", "marks", "began", "seconds", "critical", "run_id")
        }
    again = facts(folder, MAPPINGS)
    assert [again[name] for name in ("conservation", "targets", "exceptions", "held", "documents")] == [
        report[name] for name in ("conservation", "targets", "exceptions", "held", "documents")
    ]


def test_a_stage_file_that_lost_rows_is_reported(folder):
    file = folder.files("extract", "extract/P2.message/")[0]
    shorter = folder.read_table(file).slice(1)
    (folder.path / file.path).unlink()
    folder.write_table(file.path, shorter)
    with pytest.raises(EvidenceAltered, match=re.escape(file.path)):
        facts(folder, MAPPINGS)


def test_expected_rows_are_those_that_were_published(folder):
    report = facts(folder, MAPPINGS)
    with sqlite3.connect(cast().folder / "portal3.sqlite") as store:
        actual = {row["table"]: store.execute(f"SELECT count(*) FROM {row['table']}").fetchone()[0] for row in report["targets"]}
    assert actual == {row["table"]: row["expected"] for row in report["targets"]}


def test_statements_for_the_auditor_give_the_numbers_of_the_report(folder):
    report = facts(folder, MAPPINGS)
    files = {"Portal 2.0": "portal2", "Trade Compliance": "tc", "new store": "portal3"}
    results = {}
    for query in queries(report, MAPPINGS):
        with sqlite3.connect(cast().folder / f"{files[query.where]}.sqlite") as database:
            results[query.title] = database.execute(query.sql).fetchall()
    rows = {f"{row['portal']}.{row['table']}": row for row in report["conservation"]}
    loaded = dict(results["Source rows loaded"])
    # The bytes of Portal 2.0's documents have no row of their own in the new store: read less held.
    assert loaded == {name: row["loaded"] for name, row in rows.items() if name != "P2.document_content"}
    held, both = (
        {f"{portal}.{table}": count for portal, table, count in results[f"Source rows held and {word}"]}
        for word in ("not loaded", "loaded as well")
    )
    assert held == {name: row["held_rows"] for name, row in rows.items() if row["held_rows"]}
    assert both == {name: row["held_and_loaded"] for name, row in rows.items() if row["held_and_loaded"]}
    assert dict(results["Held rows by reason"]) == {entry["reason"]: entry["count"] for entry in report["held"]["reasons"]}
    assert dict(results["Exceptions by rule"]) == {entry["rule"]: entry["count"] for entry in report["exceptions"]["rules"]}
    assert results["Documents by state of their bytes"] == [
        (s["state"], s["documents"], s["rows"]) for s in sorted(report["documents"]["states"], key=lambda s: s["state"]) if s["rows"]
    ]
    assert results["Stored objects"] == [(report["documents"]["objects"], report["documents"]["bytes"])]
    assert results["Accounts that nobody can open"] == [(report["set_aside"]["visible"], report["set_aside"]["closed"])]
    assert results["The reach of the logins"][0][0] == next(row["expected"] for row in report["targets"] if row["table"] == "login")
    decided = {rule: count for title, rows in results.items() if title.startswith("Rows decided by each rule") for rule, count in rows}
    assert decided == {rule["rule"]: rule["decided"] for rule in report["rules"] if rule["decided"] is not None}
    assert [rule["rule"] for rule in report["rules"]] == list(MAPPINGS.rules)
    # The cast has a row for every rule that decides rows, but for the decisions of people.
    assert {rule for rule, count in decided.items() if not count} == {"L1", "L2"}
    assert {"C1", "E14", "H2"} <= decided.keys()
    assert results["No link leads out of its account"] == [(0,)]


def test_columns_are_all_accounted_for(folder):
    coverage = facts(folder, MAPPINGS)["coverage"]
    assert coverage["accounted"] == coverage["columns"] == sum(len(m.shape.columns) for m in MAPPINGS.tables.values())
    assert [entry["column"] for entry in coverage["retired"]] == ["password_hash"]


def test_a_held_row_names_its_cause_and_company(folder):
    held = {(row["table"], row["key"]): row for row in lists(folder, MAPPINGS).held.to_dicts()}
    names = ("because_column", "because_table", "because_key", "root_table", "root_key", "company_profile_id")
    said = {key: tuple(row[name] for name in names) for key, row in held.items()}
    assert said["agreement_signature", "2305"] == ("agreement_version_id", "agreement_version", "99", "agreement_signature", "2305", 23)
    assert said["company_contact", "3802"] == ("phone, removed_at", None, None, "company_contact", "3802", 38)
    # A follower names the row above it, and the one at the top of the chain.
    assert said["document_content", "2107"] == ("document_id", "document", "2107", "security_model", "502", 5)
    for (table, key), row in held.items():
        if row["reason"] == "PARENT_HELD":
            assert (row["because_table"], row["because_key"]) in held, (table, key)
    with sqlite3.connect(cast().folder / "portal2.sqlite") as source:
        for row in held.values():
            if row["reason"] == "BROKEN_REFERENCE" and row["portal"] == "P2" and row["because_table"]:
                (column,) = MAPPINGS.sources["P2"].tables[row["because_table"]].key
                assert source.execute(
                    f"SELECT count(*) FROM {row['because_table']} WHERE {column} = ?", (row["because_key"],)
                ).fetchone() == (0,)


def test_the_key_of_a_failed_check_names_the_cause_of_its_hold(folder):
    """An old row is named by its key, followed by the check's note; a new row by its portal, old key and id."""
    copy = "(00000000-015d-8000-8000-000000000001)"
    keys = {
        "P2.document_content": ["2107", "2107: neither loaded nor held", "999999999"],
        "company_contact": [],
        "account_contact": [f"3802 {copy}", f"P2|3802 {copy}", f"TC|3802 {copy}"],
        "entity_account": ["2107"],
    }
    answered(folder, [{"table": table, "failed": len(names), "keys": names} for table, names in keys.items()])
    found = lists(folder, MAPPINGS)
    names = ("because_table", "because_key", "root_table", "root_key", "company_profile_id")
    said = {(row["table"], row["key"]): tuple(row[name] for name in names) for row in found.failures.to_dicts()}
    nothing = (None,) * 5
    unreadable = (None, None, "company_contact", "3802", 38)
    assert said == {
        ("P2.document_content", "2107"): ("document", "2107", "security_model", "502", 5),
        ("P2.document_content", "2107: neither loaded nor held"): ("document", "2107", "security_model", "502", 5),
        ("P2.document_content", "999999999"): nothing,
        ("account_contact", f"3802 {copy}"): unreadable,
        ("account_contact", f"P2|3802 {copy}"): unreadable,
        ("account_contact", f"TC|3802 {copy}"): nothing,
        ("entity_account", "2107"): nothing,
    }
    text = csv_bytes(found.failures).decode("utf-8-sig")
    head = "check_id,severity,table,key,because_column,because_table,because_key,root_table,root_key,company_profile_id,loaded"
    assert text.splitlines()[0] == head


def test_the_bridge_from_old_rows_to_the_store_ties(folder):
    report = facts(folder, MAPPINGS)
    parts = bridge(report)
    made = {table: part["made"] or 0 for table, part in parts.items()}
    assert all(made[row["table"]] + (parts[row["table"]]["besides"] or 0) == row["expected"] for row in report["targets"])
    assert sum(made.values()) == sum(row["made_rows"] for row in report["conservation"])
    besides = {table for table, part in parts.items() if part["besides"]}
    assert besides == {"business_type", "profile_question", "stored_object", "migration_holding", "migration_exception"}


def test_exceptions_are_listed_by_severity(folder):
    rules = facts(folder, MAPPINGS)["exceptions"]["rules"]
    assert [rule["severity"] for rule in rules] == sorted((rule["severity"] for rule in rules), key=("attention", "warning", "info").index)
    said = {rule["rule"]: rule["sentence"] for rule in rules}
    assert said["C11"].startswith("The earlier version does not exist")
    assert said["X1"] == "Loaded with null, no such row or it is held."

"""The report: what it counts, what it says first, and that nothing of the data becomes markup, formula, escape or personal."""

import atexit
import csv
import io
import json
import os
import re
import shutil
import sqlite3
import zipfile
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from xml.etree import ElementTree

import jsonschema
import polars as pl
import pytest
from rich.console import Console

from etl.databases.registry import open_source, open_target
from etl.errors import EvidenceAltered
from etl.extract.step import extract
from etl.load.step import load
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.report.annotations import annotated
from etl.report.csv_files import csv_bytes
from etl.report.facts import facts
from etl.report.html import as_html, bridge, some
from etl.report.junit import as_junit
from etl.report.lists import lists, without_personal
from etl.report.markdown import as_markdown
from etl.report.recheck import queries
from etl.report.templates import HERE
from etl.report.terminal import show
from etl.report.text import code, escaped, visible
from etl.report.verdict import verdict
from etl.report.write import write_report
from etl.runfolder.folder import RunFolder, Step, open_locked
from etl.runfolder.settings import RunSettings
from etl.transform.reattach import reattach
from etl.transform.split import split
from mappings.model import Portal
from mappings.read import read_mappings
from sample_data.world import write_cast

FREEZE = (date(2023, 9, 16), date(2023, 9, 30))
GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SCHEMA = json.loads((HERE / "schema.json").read_text(encoding="utf-8"))
MAPPINGS = read_mappings()
HOSTILE = "</td><script>alert(1)</script>&amp;\"'[red]x[/red]\x1b[31m\u202egnp.exe\x00|`**b**"
Report = dict[str, Any]


@dataclass(frozen=True)
class Cast:
    """The cast, migrated once for all tests of this process: where its run's folder, sources and new store lie."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "run"


@cache
def cast() -> Cast:
    """All steps but check and reconcile, whose answers `answered` and `reconciled` write: the report only reads them."""
    place = Cast(Path(mkdtemp(prefix="report-")))
    atexit.register(shutil.rmtree, place.folder, ignore_errors=True)
    world = write_cast(place.folder)
    objects = str(place.folder / "objects")
    with open_locked(place.run) as folder, open_source(world.source, "Portal 2.0") as p2, open_source(world.tc, "Trade Compliance") as tc:
        new_store, files = f"sqlite:///{place.folder / 'portal3.sqlite'}", str(world.files)
        folder.fix(RunSettings(world.source, world.tc, new_store, files, objects, FREEZE, MAPPINGS.digest))
        store = open_objects(objects)
        folder.steps["extract"] = extract({"P2": p2, "TC": tc}, Share(str(world.files)), store, MAPPINGS, folder, lambda *_: None)
        folder.steps["split"] = split(folder, MAPPINGS, FREEZE)
        folder.steps["reattach"] = reattach(folder, MAPPINGS, objects, FREEZE, None, lambda *_: None)
        answered(folder, [])
        target = open_target(new_store, folder.path / "load")
        folder.steps["load"] = load(folder, MAPPINGS, target, FREEZE, lambda: None, lambda *_: None)
        target.close()
        for step in folder.steps.values():
            step.facts["seconds"] = 1.5
        folder.save()
    return place


@pytest.fixture
def folder(tmp_path):
    """The cast's run folder, a copy for this test alone."""
    copy_of(cast().run, tmp_path / "run")
    with open_locked(tmp_path / "run") as copied:
        yield copied


def copy_of(source: Path, target: Path) -> None:
    for place in sorted(source.rglob("*")):
        there = target / place.relative_to(source)
        if place.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        elif place.name not in (".lock", ".workers"):
            there.parent.mkdir(parents=True, exist_ok=True)
            os.link(place, there)


QUESTION = {
    "question": "Is it there?",
    "why": "Else it is lost.",
    "severity": "critical",
    "table": "entity_account",
    "asked": 71,
    "failed": 0,
}


def answered(folder: RunFolder, changes: list[Report]) -> None:
    """Writes what the step check leaves: one question that passed, and these."""
    answers = [{**QUESTION, "id": "present", "keys": []}, *({**QUESTION, "id": f"c{n}", "keys": [], **c} for n, c in enumerate(changes))]
    failures = [(a["id"], a["severity"], a["table"], key) for a in answers for key in a["keys"]]
    table = pl.DataFrame(failures, schema=["check_id", "severity", "table", "key"], orient="row").cast(pl.String)
    files = [
        folder.write_bytes("check/answers.json", json.dumps({"answers": answers}).encode()),
        folder.write_table("check/failures.parquet", table.to_arrow()),
    ]
    critical = [a["id"] for a in answers if a["failed"] and a["severity"] == "critical"]
    folder.steps["check"] = Step("", files, {"critical": critical, "sentence": f"{len(answers)} checks asked"})


DIFFERENCE = ("document", "changed", "P2", "17", "10000017", "deleted", "true", "false")


def reconciled(folder: RunFolder, differences: list[tuple[str, ...]], short: str = "") -> None:
    """Writes what the step reconcile leaves."""
    names = ["table", "kind", "legacy_portal", "legacy_key", "account_number", "column", "expected", "actual"]
    table = pl.DataFrame(differences, schema=dict.fromkeys(names, pl.String), orient="row")
    kinds = {row[1] for row in differences}
    answer = "different" if kinds - {"not_checked"} else "not_checked" if kinds else "equal"
    report = facts(folder, MAPPINGS)
    tables = [{"table": t["table"], "expected": t["expected"], "actual": t["expected"] - (t["table"] == short)} for t in report["targets"]]
    sources = [
        {
            **{name: row[name] for name in ("portal", "table", "read", "loaded", "retired")},
            "held": {**row["held"], "X2": row["held_and_loaded"]},
        }
        for row in report["conservation"]
    ]
    sources[0]["read"] += short == sources[0]["table"]
    counted = {"objects": {"counted": 57, "verified_bytes": 101_000}, "profiles_checked": 39, "logins_checked": 41}
    files = [
        folder.write_table("reconcile/differences.parquet", table.to_arrow()),
        folder.write_bytes(
            "reconcile/result.json", json.dumps({"answer": answer, "tables": tables, "sources": sources, **counted}).encode()
        ),
    ]
    folder.steps["reconcile"] = Step("", files, {"answer": answer, "sentence": answer, "seconds": 1.5})


def shown(report: Report, width: int = 100) -> str:
    out = io.StringIO()
    show(report, Console(file=out, width=width, force_terminal=False), full=True)
    return out.getvalue()


# What it counts -------------------------------------------------------------------------------------------------------


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


def test_a_stage_file_that_lost_rows_is_told(folder):
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
    places = {"Portal 2.0": "portal2", "Trade Compliance": "tc", "new store": "portal3"}
    results = {}
    for query in queries(report, MAPPINGS):
        with sqlite3.connect(cast().folder / f"{places[query.where]}.sqlite") as database:
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


def test_a_held_row_says_because_of_what_and_whose_it_is(folder):
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


def test_the_key_of_a_failed_check_says_because_of_what_its_row_is_held(folder):
    """An old row by its own key, with what the check says behind it; a new row by its portal, its old key and the id of the copy."""
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


def test_exceptions_say_what_is_wrong_the_worst_first(folder):
    rules = facts(folder, MAPPINGS)["exceptions"]["rules"]
    assert [rule["severity"] for rule in rules] == sorted((rule["severity"] for rule in rules), key=("attention", "warning", "info").index)
    said = {rule["rule"]: rule["sentence"] for rule in rules}
    assert said["C11"].startswith("The earlier version does not exist")
    assert said["X1"] == "Loaded with null, no such row or it is held."


# What it says first ---------------------------------------------------------------------------------------------------


def test_published_and_equal(folder):
    reconciled(folder, [])
    found = facts(folder, MAPPINGS)["verdict"]
    assert (found["state"], found["holds"], found["sentence"], found["why"]) == ("published_and_equal", True, "published and equal", [])
    assert "readiness" in found["next"]
    # A green verdict does not hide what was set aside: the sentences' numbers are those of the store.
    with sqlite3.connect(cast().folder / "portal3.sqlite") as store:
        held = store.execute("SELECT count(*) FROM migration_holding").fetchone()[0]
        visible = store.execute("SELECT count(*) FROM entity_account WHERE trade_visible").fetchone()[0]
        closed = store.execute(
            "SELECT count(*) FROM entity_account a WHERE trade_visible AND NOT EXISTS (SELECT 1 FROM account_picker p JOIN login l "
            "ON l.login_id = p.login_id WHERE p.account_id = a.account_id AND (l.status_cd = 'ACTIVE' OR l.status_cd = 'LOCKED' AND l.lock_reason_cd "
            "IN ('PASSWORD', 'IDLE')))"
        ).fetchone()[0]
        narrow = store.execute(
            "SELECT count(*) FROM (SELECT min(c.scope_cd = 'TC' OR c.restricted_reason_cd IS NOT NULL) AS every FROM entity_account a"
            " JOIN account_contact c ON c.account_id = a.account_id JOIN login l ON l.login_id = c.login_id WHERE a.trade_visible AND c.removed_at"
            " IS NULL AND (l.status_cd = 'ACTIVE' OR l.status_cd = 'LOCKED' AND l.lock_reason_cd IN ('PASSWORD', 'IDLE')) GROUP BY a.account_id) WHERE every"
        ).fetchone()[0]
    roots = lists(folder, MAPPINGS).held.select("portal", "root_table", "root_key").n_unique()
    said = [
        sentence for sentence in found["aside"] if "can be opened only by contacts that are restricted, or of Trade Compliance." in sentence
    ]
    assert [int(sentence.split()[0]) for sentence in said] == [narrow]
    both = sum(row["held_and_loaded"] for row in facts(folder, MAPPINGS)["conservation"])
    too = f"({both} of them loaded too, without a value that cannot be read)"
    assert found["aside"][0] == f"{held} rows are held {too}, because of {roots} causes."
    assert f"{closed} of {visible} accounts visible to trade cannot be opened by anyone." in found["aside"]
    assert "No approval was required." in found["aside"]
    assert 0 < roots < held
    assert 0 < closed < visible


def test_published_but_different(folder):
    reconciled(folder, [DIFFERENCE])
    found = facts(folder, MAPPINGS)["verdict"]
    assert (found["sentence"], found["holds"]) == ("published, but different", False)
    assert found["why"] == ["Old and new differ in 1 place; differences.csv lists each."]


def test_what_could_not_be_compared_is_not_equal(folder):
    reconciled(folder, [("document", "not_checked", *DIFFERENCE[2:])])
    report = facts(folder, MAPPINGS)
    assert report["verdict"]["sentence"] == "not finished: published, but not everything could be compared"
    assert "document: 1 places not compared; differences.csv lists them." in report["not_checked"]


def test_a_store_with_fewer_rows_than_were_made_is_never_green(folder):
    reconciled(folder, [], short="login")
    found = facts(folder, MAPPINGS)["verdict"]
    assert not found["holds"]
    assert found["why"][0].startswith("login:")


def test_other_rows_in_the_old_portal_than_the_run_read_are_never_green(folder):
    reconciled(folder, [], short="business_type")
    found = facts(folder, MAPPINGS)["verdict"]
    assert not found["holds"]
    assert found["why"][0] == "P2.business_type: the comparison counts a different number of rows in the old portal than the run."


def test_a_lost_row_is_never_green(folder):
    reconciled(folder, [])
    report = facts(folder, MAPPINGS)
    report["conservation"][0]["difference"] = 1
    assert verdict(report)["sentence"] == "not finished: not every row is accounted for"


def test_critical_checks_come_before_all_else(folder):
    answered(folder, [{"id": "unique", "failed": 2, "keys": ["1", "2"]}])
    del folder.steps["load"]
    found = facts(folder, MAPPINGS)["verdict"]
    assert found["sentence"] == "not published: critical checks failed"
    assert found["why"] == ["2 rows of entity_account: Else it is lost. (unique)", "Nothing was published."]
    page = as_html(facts(folder, MAPPINGS), lists(folder, MAPPINGS), MAPPINGS)
    assert "Would be loaded onto accounts" in page
    assert "rows that would be held" in page
    assert "Nothing is kept yet" in page
    assert "kept whole<" not in page


@pytest.mark.parametrize("done", [0, 1, 2, 3, 4])
def test_half_a_run_says_which_steps_were_not_done(folder, done):
    names = ("extract", "split", "reattach", "check", "load")
    for name in names[done:]:
        del folder.steps[name]
    report = facts(folder, MAPPINGS)
    jsonschema.validate(report, SCHEMA)
    assert report["verdict"]["sentence"].startswith("not finished: ")
    for name in (*names[done:], "reconcile"):
        assert name in report["verdict"]["sentence"]
        assert any(sentence.startswith(f"{name}:") for sentence in report["not_checked"])
    for name in names[:done]:
        assert name not in report["verdict"]["sentence"]
    assert len(write_report(folder, MAPPINGS)) == 18


def test_an_empty_folder_has_a_report_too(tmp_path):
    with open_locked(tmp_path / "run") as empty:
        write_report(empty, MAPPINGS)
        jsonschema.validate(facts(empty, MAPPINGS), SCHEMA)


# For machines ---------------------------------------------------------------------------------------------------------


def test_report_json_fits_its_schema(folder):
    reconciled(folder, [DIFFERENCE])
    write_report(folder, MAPPINGS)
    written = json.loads((folder.path / "report" / "report.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(written, SCHEMA)
    written["verdict"]["state"] = "green"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, SCHEMA)


def test_same_run_same_bytes_and_nobody_else_reads_them(folder):
    first = write_report(folder, MAPPINGS)
    assert first == write_report(folder, MAPPINGS)
    assert [file.path for file in first] == sorted(file.path for file in first)
    assert {(folder.path / file.path).stat().st_mode & 0o777 for file in first} == {0o600}


def test_junit_ha_case_per_check_and_per_table(folder):
    answered(folder, [{"id": "bad", "failed": 1, "keys": ["1"]}, {"id": "odd", "failed": 1, "severity": "warning", "keys": ["2"]}])
    reconciled(folder, [DIFFERENCE])
    root = ElementTree.fromstring(as_junit(facts(folder, MAPPINGS)))  # noqa: S314 - our own bytes
    suites = {suite.get("name"): suite for suite in root}
    assert [suites[name].get("tests") for name in ("checks", "source tables", "new store")] == ["3", str(len(MAPPINGS.tables)), "54"]
    assert [suites[name].get("failures") for name in ("checks", "source tables", "new store")] == ["1", "0", "1"]
    assert "warning" in str(next(case for case in suites["checks"] if str(case.get("name")).startswith("odd")).findtext("system-out"))


def test_the_job_summary_is_appended(folder, tmp_path, monkeypatch):
    job = tmp_path / "summary.md"
    job.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job))
    write_report(folder, MAPPINGS)
    assert job.read_text(encoding="utf-8") == "before\n" + (folder.path / "report" / "summary.md").read_text(encoding="utf-8")


def test_a_job_on_github_shows_what_failed_beside_it(folder, monkeypatch, capsys):
    write_report(folder, MAPPINGS)
    assert "::" not in capsys.readouterr().err
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    answered(folder, [{"id": "bad", "failed": 1, "keys": ["1"]}, {"id": "odd", "failed": 2, "severity": "warning", "keys": ["2", "3"]}])
    reconciled(folder, [DIFFERENCE])
    write_report(folder, MAPPINGS)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("::")]
    assert [line.split("::")[1] for line in lines] == [
        "error title=Migration report",
        f"error title={DIFFERENCE[0]} differs",
        "error title=check bad",
        "warning title=check odd",
    ]


def test_an_annotation_is_one_line_whatever_is_in_it():
    report = {
        "verdict": {"holds": False, "sentence": "100%\n::error::forged"},
        "checks": {"answers": []},
        "reconciliation": {"tables": []},
        "goals": [],
    }
    assert annotated(report) == ["::error title=Migration report::100%25%0A::error::forged"]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(begin):
    content = csv_bytes(pl.DataFrame({"key": [f'{begin}cmd|" /C calc"!A0', "a=b", None, "ü"], "count": [-1, 2, 3, 4]}))
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [row[0] for row in rows] == ["key", f'\'{begin}cmd|" /C calc"!A0', "a=b", "", "ü"]


def test_lists_are_complete(folder):
    write_report(folder, MAPPINGS)
    report = facts(folder, MAPPINGS)
    for name, total in (("held", report["held"]["total"]), ("exceptions", report["exceptions"]["total"])):
        text = (folder.path / "report" / f"{name}.csv").read_text(encoding="utf-8-sig")
        assert len(list(csv.reader(io.StringIO(text, newline="")))) == total + 1


# Nothing personal, nothing hostile --------------------------------------------------------------------------------------


def text_of(place: Path) -> str:
    """The file's text, a workbook's of all its parts."""
    if place.suffix != ".xlsx":
        return place.read_text(encoding="utf-8")
    with zipfile.ZipFile(place) as book:
        return "\n".join(book.read(name).decode() for name in book.namelist())


def test_nothing_personal_is_in_any_file(folder):
    answered(folder, [{"id": "ior", "failed": 1, "keys": ["1|078-05-1120"]}])
    reconciled(folder, [("tc_ior", "changed", "TC", "1|078-05-1120", "10000001", "active", "078-05-1120", "x")])
    written = {file.path: text_of(folder.path / file.path) for file in write_report(folder, MAPPINGS)}
    with sqlite3.connect(cast().folder / "portal2.sqlite") as source:
        source.text_factory = lambda raw: raw.decode("utf-8", "replace")
        people = {row[0] for row in source.execute("SELECT user_name FROM portal_user WHERE user_name LIKE '%@%.%'")}
        people |= {row[0] for row in source.execute("SELECT email FROM company_contact WHERE email LIKE '%@%.%'")}
        people |= {row[0] for row in source.execute("SELECT phone FROM company_profile WHERE length(phone) > 7")}
    assert people
    for path, text in written.items():
        assert not re.search(r"(?<![0-9])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9])", text), path
        assert [person for person in people if person in text] == [], path
    assert "1|***-**-****" in written["report/exceptions.csv"]


def test_masking_leaves_the_rest_of_the_table(folder):
    frame = pl.DataFrame({"key": ["1|078-05-1120", "2|1078-05-11200", None], "detail": ["a", "b", "078-05-1120"]})
    assert without_personal(frame, "key", "detail").to_dict(as_series=False) == {
        "key": ["1|***-**-****", "2|1078-05-11200", None],
        "detail": ["a", "b", "***-**-****"],
    }


def test_no_password_is_shown(folder):
    source, objects = "postgresql://auditor:***@db.example/portal2", "s3://key:secret-word@bucket/prefix"
    folder.settings = replace(folder.settings, source=source, objects=objects)
    report = facts(folder, MAPPINGS)
    assert report["run"]["sources"]["P2"] == "postgresql://auditor:***@db.example/portal2"
    assert report["run"]["objects"] == "s3://key:***@bucket/prefix"


def hostile(folder: RunFolder) -> Report:
    change = {"id": "odd", "question": HOSTILE, "why": HOSTILE, "failed": 1, "severity": "warning", "keys": [HOSTILE]}
    answered(folder, [change])
    reconciled(folder, [("document", "changed", "P2", HOSTILE, HOSTILE, "file_name", HOSTILE, HOSTILE)])
    folder.settings = replace(folder.settings, files=HOSTILE)
    return facts(folder, MAPPINGS)


def test_hostile_names_are_text_in_html(folder):
    page = as_html(hostile(folder), lists(folder, MAPPINGS), MAPPINGS)
    assert page.count("<script>") == page.count("</script>") == 1
    assert "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in page
    assert not set(page) & {"\x1b", "\u202e", "\x00"}
    assert "\\x1b[31m\\u202egnp.exe\\x00" in page


def test_hostile_names_are_text_in_markdown(folder):
    text = as_markdown(hostile(folder), lists(folder, MAPPINGS), MAPPINGS)
    assert not set(text) & {"\x1b", "\u202e", "\x00"}
    prose = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)  # code spans hold anything
    assert not re.search(r"(?<!\\)<script", prose)
    assert not re.search(r"(?<!\\)\*\*b", prose)


def test_hostile_names_are_text_on_a_terminal(folder):
    out = io.StringIO()
    show(hostile(folder), Console(file=out, width=400, force_terminal=True, color_system="standard"), full=True)
    text = out.getvalue()
    assert "[red]x[/red]\\x1b[31m\\u202egnp.exe\\x00" in text
    assert not {"\u202e", "\x00"} & set(text)


def test_hostile_names_are_text_in_junit(folder):
    root = ElementTree.fromstring(as_junit(hostile(folder)))  # noqa: S314 - our own bytes
    assert any("<script>alert(1)</script>" in "".join(case.itertext()) for case in root.iter("testcase"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain", "plain"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb\u200b", "a\\u202eb\\u200b"),
        ("\t\r\n", "\\t\\r\\n"),
        ("Straße 東", "Straße 東"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\ufffd", "\ufffd"),
    ],
)
def test_control_characters_are_shown_not_obeyed(given, expected):
    assert visible(given) == expected


def test_code_spans_hold_backticks_and_pipes():
    assert [code("a|b"), code("a`b"), code("`"), code(""), code("``x")] == ["`a\\|b`", "``a`b``", "`` ` ``", "`   `", "``` ``x ```"]


def test_sentences_keep_their_punctuation():
    assert escaped("user_name, *all* [of] <them> | _x_") == "user_name, \\*all\\* \\[of\\] \\<them\\> \\| \\_x\\_"


# For people -----------------------------------------------------------------------------------------------------------


def test_the_screen_begins_and_ends_with_the_verdict(folder):
    reconciled(folder, [])
    lines = shown(facts(folder, MAPPINGS)).splitlines()
    assert lines[0] == "Published and equal."
    assert lines[-1] == f"Published and equal. Full report: {folder.path}/report/report.html"


def test_the_page_needs_nothing_from_anywhere(folder):
    page = as_html(facts(folder, MAPPINGS), lists(folder, MAPPINGS), MAPPINGS)
    assert "Content-Security-Policy" in page
    assert not re.search(r"(src|href)=\"(?!#|[a-z_]+\.(json|md|xml|csv|sql|xlsx)\")", page)
    assert not re.search(r"url\(|@import|https?://", page)
    for name in ("Trade Compliance", "Every source row accounted for", "What was not checked", "password_hash", "BROKEN_REFERENCE", "C6"):
        assert name in page


def test_large_lists_show_some_of_every_kind(monkeypatch):
    monkeypatch.setattr("etl.report.html.ROWS_SHOWN", 10)
    frame = pl.DataFrame({"rule": ["A"] * 50 + ["B"] * 3 + ["C"] * 20, "key": [str(n) for n in range(73)]})
    chosen = some(frame, "rule")
    assert chosen["rule"].value_counts().sort("rule").rows() == [("A", 4), ("B", 3), ("C", 3)]
    assert chosen["key"].to_list() == ["0", "1", "2", "3", "50", "51", "52", "53", "54", "55"]


def normal(text: str, place: Path) -> str:
    """Without what differs from run to run: places, moments, times, sizes, digests of what holds a moment, versions."""
    text = text.replace(str(place), "RUN").replace(str(cast().folder), "WORLD")
    text = re.sub(r"[0-9a-f]{64}", "DIGEST", re.sub(r"run-[0-9a-f]{32}", "RUN-ID", text))
    text = re.sub(r"[0-9-]{10}T[0-9:.]+Z", "MOMENT", re.sub(r"\| Versions \|.*", "| Versions | VERSIONS |", text))
    return re.sub(r"\| [0-9.,]+ (s|bytes|kB|MB)(?= \|)", "| SIZE", text)


def test_report_md_of_the_cast(folder):
    """Golden. After a wanted change: GOLDEN=write pytest tests/unit/report/test_report.py, then read the difference."""
    reconciled(folder, [])
    text = normal(as_markdown(facts(folder, MAPPINGS), lists(folder, MAPPINGS), MAPPINGS), folder.path.parent)
    golden = GOLDEN / "report.md"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")

"""The files of a report: their form, who may read them, and that they hold nothing personal."""

import csv
import io
import json
import os
import re
import sqlite3
from dataclasses import replace
from xml.etree import ElementTree

import jsonschema
import polars as pl
import pytest

from etl.report.annotations import annotated
from etl.report.csv_files import csv_bytes
from etl.report.facts import facts
from etl.report.html import as_html, some
from etl.report.junit import as_junit
from etl.report.lists import lists, without_personal
from etl.report.markdown import as_markdown
from etl.report.write import write_report
from tests.unit.report.cast_run import DIFFERENCE, GOLDEN, MAPPINGS, SCHEMA, answered, cast, folder, normal, reconciled, text_of

__all__ = ["folder"]  # fixtures


def test_report_json_fits_its_schema(folder):
    reconciled(folder, [DIFFERENCE])
    write_report(folder, MAPPINGS)
    written = json.loads((folder.path / "report" / "report.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(written, SCHEMA)
    written["verdict"]["state"] = "green"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, SCHEMA)


def test_the_same_run_gives_the_same_bytes_and_private_files(folder):
    first = write_report(folder, MAPPINGS).files
    assert first == write_report(folder, MAPPINGS).files
    assert [file.path for file in first] == sorted(file.path for file in first)
    assert {(folder.path / file.path).stat().st_mode & 0o777 for file in first} == {0o600}


def test_junit_has_a_case_per_check_and_per_table(folder):
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


def test_a_github_job_gets_an_annotation_per_failure(folder, monkeypatch, capsys):
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


def test_an_annotation_is_one_line():
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


def test_no_cell_moves_a_cursor_or_turns_the_writing():
    frame = pl.DataFrame({"key": ["1\x1b[2J", "2\u202e3", "a\tb\nc", None, "ü \u2028"], "other": ["", "", "", "", "\x07="]})
    rows = list(csv.reader(io.StringIO(csv_bytes(frame).decode("utf-8-sig"), newline="")))
    assert [row[0] for row in rows] == ["key", "1\\x1b[2J", "2\\u202e3", "a\tb\nc", "", "ü \\u2028"]
    assert rows[-1][1] == "\\x07="


def test_lists_are_complete(folder):
    write_report(folder, MAPPINGS)
    report = facts(folder, MAPPINGS)
    for name, total in (("held", report["held"]["total"]), ("exceptions", report["exceptions"]["total"])):
        text = (folder.path / "report" / f"{name}.csv").read_text(encoding="utf-8-sig")
        assert len(list(csv.reader(io.StringIO(text, newline="")))) == total + 1


def test_nothing_personal_is_in_any_file(folder):
    answered(folder, [{"id": "ior", "failed": 1, "keys": ["1|078-05-1120"]}])
    reconciled(folder, [("tc_ior", "changed", "TC", "1|078-05-1120", "10000001", "active", "078-05-1120", "x")])
    written = {file.path: text_of(folder.path / file.path) for file in write_report(folder, MAPPINGS).files}
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


def test_the_page_has_no_external_resources(folder):
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


def test_report_md_of_the_cast(folder):
    """Golden. After a wanted change: GOLDEN=write pytest tests/unit/report/test_report_files.py, then read the difference."""
    reconciled(folder, [])
    text = normal(as_markdown(facts(folder, MAPPINGS), lists(folder, MAPPINGS), MAPPINGS), folder.path.parent)
    golden = GOLDEN / "report.md"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")

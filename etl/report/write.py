"""Writes the report into the run's folder, in all its forms."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from etl.errors import MigrationError
from etl.report.annotations import annotated
from etl.report.csv_files import csv_bytes
from etl.report.early import early_files, early_line
from etl.report.facts import facts
from etl.report.html import as_html
from etl.report.junit import as_junit
from etl.report.kept_lists import keep, kept
from etl.report.lists import lists
from etl.report.markdown import as_markdown, summary
from etl.report.recheck import as_sql
from etl.report.tables import as_workbook, tables
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, Step
from mappings.model import Mappings

_LISTS = "lists"  # the fact of the step that names the kept lists


def write_report(folder: RunFolder, mappings: Mappings, earlier: dict[str, Any] | None = None) -> Step:
    """Writes the report into `report/` of the run's folder and returns its step; summary.md also goes to the CI job's summary if there is one.

    `earlier`: the facts of the run's report before; its lists are used where they are still true. Raises EvidenceAltered (6) if a stage file is
    not that of the manifest.
    """
    known = (earlier or {}).get(_LISTS)
    found = kept(folder, mappings, known)
    if found is None:
        found = lists(folder, mappings)
        known = keep(folder, mappings, found) if "load" in folder.steps else None
    report = facts(folder, mappings, found)
    short, frames = summary(report), tables(report, found, mappings)
    contents = {
        "report.json": (json.dumps(report, ensure_ascii=False, indent=1) + "\n").encode(),
        "report.md": as_markdown(report, found, mappings).encode(),
        "summary.md": short.encode(),
        "report.html": as_html(report, found, mappings).encode(),
        "junit.xml": as_junit(report),
        "recheck.sql": as_sql(report, mappings).encode(),
        "report.xlsx": as_workbook(report, frames),
    }
    lines = {f"{name}.csv": frame for name, frame in frames.items()}
    # The lists are longer than all else: the text of one at a time.
    files = [
        folder.write_bytes(layout.report_file(name), contents[name] if name in contents else csv_bytes(lines[name]))
        for name in sorted([*contents, *lines])
    ]
    _tell_job(short, annotated(report))
    kept_here = {_LISTS: known} if known is not None else {}
    return Step("", files, {"sentence": f"written to {folder.path / layout.REPORT}", **kept_here})


def write_early(folder: RunFolder, step: str, error: MigrationError) -> None:
    """Writes junit.xml and summary.md of a run that ended in that step, and shows them in the CI job: its summary and one line beside it."""
    files = early_files(folder.steps, step, error)
    for name, content in files.items():
        folder.write_bytes(layout.report_file(name), content)
    _tell_job(files["summary.md"].decode(), [early_line(step, error)])


def tell_early(step: str, error: MigrationError) -> None:
    """Shows in the CI job what refused a run before its folder existed: its summary and one line beside it."""
    _tell_job(early_files({}, step, error)["summary.md"].decode(), [early_line(step, error)])


def _tell_job(short: str, notes: list[str]) -> None:
    """Appends the short report to the CI job's summary file, and writes the notes that CI shows beside the job."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        with suppress(OSError):  # stdout is closed: the report is written nevertheless
            sys.stderr.write("".join(f"{note}\n" for note in notes))  # not stdout, which may be JSON; both are read
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(short)

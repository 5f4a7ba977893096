"""The lists that the report writes as CSV and as sheets of its workbook, each one frame."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from etl.report.csv_columns import dictionary
from etl.report.decided import statements
from etl.report.goals import as_frame
from etl.report.lists import Lists
from etl.report.workbook import workbook
from mappings.model import Mappings
from mappings.personal import NONE, read_personal

SHEET_ROWS = 20_000  # of a list in the workbook; the CSV file has them all
_RULES = dict.fromkeys(("rule", "chapter", "severity"), pl.String) | {
    "decided": pl.Int64,
    "counts": pl.String,
    "flagged": pl.Int64,
    "asked": pl.String,
    "sql": pl.String,
}
_PERSONAL = dict.fromkeys(("kind", "meaning", "portal", "table", "column", "becomes", "ends", "care"), pl.String)


def tables(report: dict[str, Any], found: Lists, mappings: Mappings) -> dict[str, pl.DataFrame]:
    """Returns the lists by name; csv_columns.toml describes their columns."""
    severity = {number: rule.severity for number, rule in mappings.rules.items()}
    flagged = found.exceptions.with_columns(pl.col("rule").replace_strict(severity, default="", return_dtype=pl.String).alias("severity"))
    return {
        "differences": found.differences,
        "exceptions": flagged.select("rule", "severity", "portal", "table", "key", "detail"),
        "held": found.held,
        "failures": found.failures,
        "closed_accounts": found.closed,
        "rules": _rules(report),
        "goals": as_frame(report),
        "companies": found.companies,
        "company_chapters": found.chapters,
        "personal_data": _personal(mappings),
        "columns": dictionary(),
    }


def as_workbook(report: dict[str, Any], frames: Mapping[str, pl.DataFrame]) -> bytes:
    """Returns report.xlsx: the facts, the tables and the lists; of a long list the first SHEET_ROWS lines."""
    began = report["run"]["extract_began"]
    made_at = datetime.fromisoformat(began).replace(tzinfo=None) if began else datetime(2000, 1, 1)
    sheets = {"summary": _summary(report, frames), "source_rows": _source_rows(report), "new_store": _new_store(report)}
    return workbook("Migration report", sheets | {name: frame.head(SHEET_ROWS) for name, frame in frames.items()}, made_at)


def _rules(report: dict[str, Any]) -> pl.DataFrame:
    known = statements()
    rows = [
        (
            entry["rule"],
            entry["chapter"],
            entry["severity"],
            entry["decided"],
            entry["counts"],
            entry["flagged"],
            (known[entry["rule"]].of or "new store") if entry["rule"] in known and known[entry["rule"]].sql else None,
            known[entry["rule"]].sql or None if entry["rule"] in known else None,
        )
        for entry in report["rules"]
    ]
    return pl.DataFrame(rows, schema=_RULES, orient="row")


def _personal(mappings: Mappings) -> pl.DataFrame:
    rows = [
        (kind.code, kind.name, one.portal, one.table, one.column, ", ".join(one.becomes), one.ends, kind.care)
        for kind in read_personal(mappings)
        if kind.code != NONE
        for one in kind.columns
    ]
    return pl.DataFrame(rows, schema=_PERSONAL, orient="row")


def _summary(report: dict[str, Any], frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    verdict = report["verdict"]
    rows = [("Verdict", verdict["sentence"]), *(("Against it", why) for why in verdict["why"])]
    rows += [("Set aside", sentence) for sentence in verdict["aside"]]
    rows += [
        ("Next", verdict["next"]),
        ("Run", report["run"]["id"] or "not published"),
        ("Old portals read", report["run"]["extract_began"] or ""),
    ]
    rows += [("Not checked", sentence) for sentence in report["not_checked"]]
    rows += [
        ("Sheet cut", f"{name}: the first {SHEET_ROWS:,} of {frame.height:,} lines; {name}.csv has them all")
        for name, frame in frames.items()
        if frame.height > SHEET_ROWS
    ]
    return pl.DataFrame(rows, schema={"what": pl.String, "said": pl.String}, orient="row")


def _source_rows(report: dict[str, Any]) -> pl.DataFrame:
    names = ("portal", "table", "chapter", "read", "loaded", "made_rows", "held_rows", "held_and_loaded", "retired", "difference")
    rows = [tuple(row[name] for name in names) for row in report["conservation"]]
    return pl.DataFrame(rows, schema={name: pl.String if position < 3 else pl.Int64 for position, name in enumerate(names)}, orient="row")


def _new_store(report: dict[str, Any]) -> pl.DataFrame:
    rows = [(row["table"], row["expected"], row["actual"]) for row in report["targets"]]
    return pl.DataFrame(rows, schema={"table": pl.String, "expected": pl.Int64, "actual": pl.Int64}, orient="row")

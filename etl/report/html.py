"""The report as one HTML page: no network, no script needed to read it, its verdict first."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import polars as pl
from markupsafe import Markup

from etl.report.controls import SECTIONS, controls, shown_and_link
from etl.report.flow import flow
from etl.report.goals import headline
from etl.report.lists import Lists
from etl.report.markdown import approval_sentence, guard_sentences, totals
from etl.report.recheck import queries
from etl.report.set_aside import published
from etl.report.templates import HERE, environment
from etl.report.text import changed_tables, changes_sentence, number, plural
from mappings.model import Mappings
from mappings.personal import NONE, read_personal

ROWS_SHOWN = 1000  # of each list; the CSV beside the page has them all
TONE = {
    "published_and_equal": "good",
    "published_but_different": "bad",
    "critical_checks_failed": "bad",
    "goals_missed": "bad",
    "not_finished": "warn",
    "published_but_written_to": "warn",
    "taken_back": "warn",
}
_CLASSES = {
    **dict.fromkeys(("Key", "Old key", "Because of", "Root of the chain", "Bytes kept as", "Expected", "Actual"), "key"),
    **dict.fromkeys(
        ("Rows checked", "Failed", "Profile", "Entity", "Accounts", "Nobody can open", "Read", "Loaded", "Held", "Causes"), "n"
    ),
    **dict.fromkeys(("Attention", "Warning", "Info", "Decided", "Flagged"), "n"),
    **dict.fromkeys(("Table", "Check", "Account", "Column", "Reason", "Type", "Old column"), "name"),
    **dict.fromkeys(("Question", "Why it matters", "Detail", "Cause", "What is counted", "What it is about, and what it decides"), "prose"),
    **dict.fromkeys(("Becomes", "Why it ends"), "prose"),
}
FILES = (
    "report.json",
    "report.md",
    "report.xlsx",
    "summary.md",
    "junit.xml",
    "recheck.sql",
    *(f"{name}.csv" for name in ("exceptions", "held", "closed_accounts", "failures", "differences")),
    *(f"{name}.csv" for name in ("rules", "goals", "companies", "company_chapters", "personal_data")),
)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_MADE_OF = {"migration_holding": "rows held", "migration_exception": "rows flagged"}


def as_html(report: dict[str, Any], found: Lists, mappings: Mappings) -> str:
    """Returns report.html."""
    script = (HERE / "report.js").read_text(encoding="utf-8")
    coverage = report["coverage"]
    counted = {**totals(report), "failures": found.failures.height}
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            changed=changed_tables(report["changes"]) if report["changes"] else [],
            changes=changes_sentence(report["changes"]) if report["changes"] else "",
            tone=TONE[report["verdict"]["state"]],
            contents=[item for item in SECTIONS.items() if item[0] != "goals" or report["goals"]],
            headline=headline,
            classes=_CLASSES,
            made_of=_MADE_OF,
            totals=counted,
            figures=figures(report),
            flow=flow(report),
            chapters=_chapters(report),
            lost=sum(row["difference"] or 0 for row in report["conservation"]),
            failed=[answer for answer in report["checks"]["answers"] if answer["failed"]],
            questions=_questions(report),
            failures=some(found.failures, "check_id").select("check_id", "severity", "table", "key").rows(),
            differences=some(found.differences, "table", "kind").fill_null("").rows(),
            exceptions=some(found.exceptions, "rule").select("rule", "portal", "table", "key", "detail").rows(),
            held=_held_rows(found),
            closed=[(a, str(p), str(e), t, c) for a, p, e, t, c in found.closed.head(ROWS_SHOWN).rows()],
            rules=_rules(report),
            companies=_companies(found),
            companies_total=found.companies.height,
            outside=counted["read"] - report["companies"]["rows_read"],
            kinds=_kinds(mappings),
            personal=_personal(mappings),
            controls=[(control, [shown_and_link(shown) for shown in control.shown]) for control in controls()],
            files=FILES,
            # For a style sheet, in which nothing is escaped: only a plain word.
            run_word=found_id if (found_id := str(report["run"]["id"] or "")) and _PLAIN.fullmatch(found_id) else "",
            published=published(report),
            bridge=bridge(report),
            bridged=_bridged(report),
            share=f"{100 * coverage['accounted'] / coverage['columns']:.0f}%" if coverage["columns"] else "–",
            spent=sum(step["seconds"] or 0 for step in report["steps"]),
            queries=queries(report, mappings),
            facts=run_facts(report),
            prints=[
                (f"{t['portal']}.{t['table']}", t["rows"], t["highest_key"], t["sha256"], t["counted"])
                for t in report["freeze_guard"]["tables"]
            ],
            # Both come from this package and contain no data.
            style=Markup((HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704  # comes from this package
            script=Markup(script),  # noqa: S704
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def some(frame: pl.DataFrame, *kinds: str) -> pl.DataFrame:
    """Returns at most ROWS_SHOWN rows in their order: the first ones of every kind, so that a large kind does not displace a small one."""
    if frame.height <= ROWS_SHOWN:
        return frame
    ranked = frame.with_row_index("position").with_columns(pl.int_range(pl.len()).over(kinds).alias("rank"))
    return ranked.sort("rank", "position").head(ROWS_SHOWN).sort("position").drop("position", "rank")


def figures(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the figures below the verdict."""
    total = totals(report)
    accounts = next(row for row in report["targets"] if row["table"] == "entity_account")
    logins = next(row for row in report["targets"] if row["table"] == "login")
    lost = sum(abs(row["difference"] or 0) for row in report["conservation"])
    checks = report["checks"]
    passed = f"{checks['passed']:,} of {checks['asked']:,}" if checks["asked"] else "–"
    differences = report["reconciliation"]["total"]
    return [
        {"value": number(total["read"]), "label": "rows read", "section": "rows", "alarm": False},
        {"value": number(accounts["expected"]), "label": "standalone accounts", "section": "store", "alarm": False},
        {"value": number(logins["expected"]), "label": "logins", "section": "store", "alarm": False},
        {"value": number(total["made"]), "label": "rows made for them", "section": "store", "alarm": False},
        {
            "value": number(report["held"]["total"]),
            "label": "rows held, kept complete" if published(report) else "rows that would be held",
            "section": "held",
            "alarm": False,
        },
        {"value": number(lost), "label": "rows unaccounted for", "section": "rows", "alarm": bool(lost)},
        {"value": passed, "label": "checks passed", "section": "checks", "alarm": bool(checks["critical"])},
        {"value": number(differences), "label": "differences old to new", "section": "compared", "alarm": bool(differences)},
    ]


def _held_rows(found: Lists) -> list[tuple[str, ...]]:
    """Returns for each held row its table, reason and cause, and the row at the root of the chain if that is another one."""
    row = pl.concat_str("because_table", "because_key", separator=" ")
    because = pl.concat_str(pl.col("because_column"), pl.when(row.is_null()).then(pl.lit("")).otherwise(pl.concat_str(pl.lit(": "), row)))
    own = (pl.col("root_table") == pl.col("table")) & (pl.col("root_key") == pl.col("key"))
    top = pl.when(own).then(pl.lit("")).otherwise(pl.concat_str("root_table", "root_key", separator=" "))
    shown = some(found.held, "reason").select(
        "portal",
        "table",
        "key",
        "reason",
        because.alias("because"),
        top.alias("top"),
        pl.col("company_profile_id").cast(pl.String),
        pl.when("loaded").then(pl.lit("yes")).otherwise(pl.lit("no")).alias("loaded"),
        "sha256",
    )
    return shown.fill_null("").rows()


def bridge(report: dict[str, Any]) -> dict[str, dict[str, int | None]]:
    """Returns by target table the rows made from source rows (`made`) and the others (`besides`, null if unknown); their sum is `expected`."""
    made: dict[str, int] = {}
    for entry in report["conservation"]:
        for table, rows in entry["made"].items():
            made[table] = made.get(table, 0) + rows
    return {
        row["table"]: {
            "made": made.get(row["table"], 0),
            "besides": None if row["expected"] is None else row["expected"] - made.get(row["table"], 0),
        }
        for row in report["targets"]
    }


def _bridged(report: dict[str, Any]) -> dict[str, int | None]:
    """Returns the bridge's last line; None where a number is not known yet."""

    def together(numbers: list[int | None]) -> int | None:
        known = [value for value in numbers if value is not None]
        return sum(known) if len(known) == len(numbers) else None

    rows, parts = report["targets"], list(bridge(report).values())
    return {
        **{name: together([part[name] for part in parts]) for name in ("made", "besides")},
        **{name: together([row[name] for row in rows]) for name in ("expected", "actual")},
    }


def _questions(report: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            f"{answer['severity']} failed" if answer["failed"] else "passed",
            answer["table"],
            answer["question"],
            answer["why"],
            number(answer["asked"]),
            number(answer["failed"]),
        )
        for answer in report["checks"]["answers"]
    ]


def _rules(report: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            rule["rule"],
            rule["severity"],
            number(rule["decided"]),
            rule["counts"],
            number(rule["flagged"]),
            f"{rule['situation']} {rule['decision']}",
        )
        for rule in report["rules"]
    ]


def _companies(found: Lists) -> list[tuple[str, ...]]:
    """Returns the companies with most held rows first, then those with most exceptions that need attention."""
    order = ["rows_held", "attention", "warning", "company_profile_id"]
    shown = found.companies.sort(order, descending=[True, True, True, False]).head(ROWS_SHOWN)
    return [(str(profile), *map(number, counts), worst or "") for profile, *counts, worst in shown.rows()]


def _kinds(mappings: Mappings) -> list[tuple[str, str, int, int, str]]:
    """Returns (code, name, old columns, new columns, treatment) of each kind of personal data."""
    return [
        (kind.code, kind.name, len(kind.columns), len({name for one in kind.columns for name in one.becomes}), kind.care)
        for kind in read_personal(mappings)
        if kind.code != NONE
    ]


def _personal(mappings: Mappings) -> list[tuple[str, ...]]:
    return [
        (kind.code, f"{one.portal}.{one.table}.{one.column}", ", ".join(one.becomes), one.ends)
        for kind in read_personal(mappings)
        if kind.code != NONE
        for one in kind.columns
    ]


def _chapters(report: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    chapters: dict[str, list[dict[str, Any]]] = {}
    for row in report["conservation"]:
        chapters.setdefault(row["chapter"], []).append(row)
    return list(chapters.items())


def run_facts(report: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Returns (name, value, whether it is a name or digest) of everything that identifies the run."""
    run = report["run"]
    names = {"P2": "Portal 2.0", "TC": "Trade Compliance", "files": "Old file share"}
    found = [("Run", run["id"] or "not published yet", bool(run["id"]))]
    found += [(names[key], address, True) for key, address in run["sources"].items()]
    found += [(name, run[key], True) for name, key in (("New store", "target"), ("Object store", "objects")) if run[key]]
    found += [(f"Snapshot of {names[portal]}", level, False) for portal, level in run["snapshot"].items()]
    found += [(f"Fingerprint of {names[portal]}", fingerprint, True) for portal, fingerprint in run["fingerprints"].items()]
    freeze = run["freeze"]
    found += [("Freeze guard", sentence, False) for sentence in guard_sentences(report)]
    found.append(("Freeze", f"{freeze['from']} to {freeze['to']}" if freeze else "none given", False))
    found.append(("Approval", approval_sentence(report), False))
    found.append(("Extract began", run["extract_began"] or "–", False))
    found += [("Digest of the mappings", run["mappings"], True), ("Digest of the stage files", run["manifest"], True)]
    found.append(("Versions", ", ".join(f"{name} {value}" for name, value in run["versions"].items()), False))
    found.append(("Steps done", plural(sum(step["done"] for step in report["steps"]), "step"), False))
    return found

"""The report as Markdown: report.md in full, summary.md for a CI job's page."""

from __future__ import annotations

from typing import Any

import polars as pl

from etl.report.controls import controls, shown_and_link
from etl.report.goals import headline
from etl.report.lists import Lists
from etl.report.markdown_table import table
from etl.report.recheck import queries
from etl.report.text import changed_tables, changes_sentence, code, escaped, number, plural, seconds, size
from mappings.model import Mappings
from mappings.personal import NONE, read_personal

KEYS_SHOWN = 200  # of one failed check; failures.csv has them all
SIGN = {
    "published_and_equal": "✅",
    "published_but_different": "❌",
    "critical_checks_failed": "❌",
    "goals_missed": "❌",
    "not_finished": "⚠️",
    "published_but_written_to": "⚠️",
    "taken_back": "⚠️",
}
Report = dict[str, Any]


def as_markdown(report: Report, found: Lists, mappings: Mappings) -> str:
    """Returns report.md."""
    parts = [
        *_verdict(report),
        *_goals(report),
        *_run(report),
        *_conservation(report),
        *_targets(report),
        *_checks(report, found),
        *_reconciliation(report),
        *_exceptions(report),
        *_rules(report),
        *_decisions(report),
        *_held(report),
        *_companies(report),
        *_documents(report),
        *_freeze_guard(report),
        *_coverage(report),
        *_personal(mappings),
        *_timings(report),
        *_not_checked(report),
        *_recheck(report, mappings),
        *_signed(report),
        *_controls(),
    ]
    return "\n".join(parts) + "\n"


def summary(report: Report) -> str:
    """Returns summary.md: what a reviewer needs on the CI job's page."""
    failed = [answer for answer in report["checks"]["answers"] if answer["failed"]]
    total = totals(report)
    lines = [*_verdict(report), "## In numbers", ""]
    lines += table(
        ("", "Rows"),
        [
            ("read", number(total["read"])),
            ("loaded", number(total["loaded"])),
            ("held", number(total["held"])),
            ("of these loaded as well (X2)", number(total["both"])),
            ("retired", number(total["retired"])),
            ("made for the new store", number(total["made"])),
            ("flagged for review", number(report["exceptions"]["total"])),
        ],
    )
    lines += _goals(report)
    lines += _checks_sentence(report)
    if failed:
        rows = [(code(a["id"]), a["severity"], escaped(a["sentence"] or a["question"]), number(a["failed"])) for a in failed]
        lines += table(("Check", "Severity", "Question", "Failed"), rows)
    different = report["reconciliation"]["tables"]
    if different:
        lines += table(("Differs", "Kind", "Places"), [(code(d["table"]), d["kind"], number(d["count"])) for d in different])
    return "\n".join(lines) + "\n"


def totals(report: Report) -> dict[str, int]:
    """Returns the sums over all source tables, in rows."""
    rows = report["conservation"]
    return {
        "read": sum(row["read"] for row in rows),
        "loaded": sum(row["loaded"] or 0 for row in rows),
        "held": report["held"]["total"],
        "both": sum(row["held_and_loaded"] for row in rows),
        "retired": sum(row["retired"] for row in rows),
        "made": sum(row["made_rows"] for row in rows),
    }


def _verdict(report: Report) -> list[str]:
    verdict = report["verdict"]
    lines = [f"# {SIGN[verdict['state']]} Migration report: {escaped(verdict['sentence'])}", ""]
    lines += [*(f"- {escaped(reason)}" for reason in verdict["why"]), *([""] if verdict["why"] else [])]
    lines += [escaped(" ".join(verdict["aside"])), ""] if verdict["aside"] else []
    return [*lines, f"Next: {escaped(verdict['next'])}", "", *_changes(report)]


def _goals(report: Report) -> list[str]:
    """Returns the section about the signed goals and their results; empty without goals."""
    rows = [
        (
            code(entry["goal"]),
            f"**{entry['state']}**" if entry["state"] != "met" else "met",
            escaped(headline(entry)),
            escaped(entry["found"] or "–"),
            escaped(entry["recounted"] or "–"),
            escaped(entry["signed"]),
            escaped(f"{entry['by']}, {entry['on']}: {entry['reason']}"),
            escaped("{by}, {on}: {reason}".format(**entry["waiver"])) if entry["waiver"] else "",
        )
        for entry in report["goals"]
    ]
    head = ("Goal", "", "What is counted", "Found", "Counted again", "Signed", "By", "Waived by")
    return ["## Goals", "", *table(head, rows)] if rows else []


def _changes(report: Report) -> list[str]:
    changes = report["changes"]
    if changes is None:
        return []
    rows = [(code(name), *map(number, counts)) for name, *counts in changed_tables(changes)]
    return [escaped(changes_sentence(changes)), "", *(table(("Table", "To insert", "To update", "To remove"), rows) if rows else [])]


def _run(report: Report) -> list[str]:
    run = report["run"]
    names = {"P2": "Portal 2.0", "TC": "Trade Compliance", "files": "Old file share"}
    rows = [("Run", code(run["id"]) if run["id"] else "not published yet")]
    rows += [(names[key], code(address)) for key, address in run["sources"].items()]
    rows += [(name, code(run[key])) for name, key in (("New store", "target"), ("Object store", "objects")) if run[key]]
    if run["rehearsal"]:
        rows.append(("Kind", "rehearsal against a throw-away store"))
    rows += [(f"Snapshot of {names[portal]}", escaped(level)) for portal, level in run["snapshot"].items()]
    rows += [(f"Fingerprint of {names[portal]}", code(fingerprint)) for portal, fingerprint in run["fingerprints"].items()]
    rows.append(("Freeze", f"{run['freeze']['from']} to {run['freeze']['to']}" if run["freeze"] else "none given"))
    rows.append(("Approval", escaped(approval_sentence(report))))
    rows.append(("Extract began", run["extract_began"] or "–"))
    rows += [("Mappings", code(run["mappings"])), ("Stage files", code(run["manifest"]))]
    rows.append(("Versions", escaped(", ".join(f"{name} {number}" for name, number in run["versions"].items()))))
    return ["## The run", "", *table(("", ""), rows)]


def approval_sentence(report: Report) -> str:
    """Returns the sentence that names approver, time and backup."""
    approval = report["run"]["approval"]
    if approval is None:
        return "not required"
    if approval["at"] is None:
        return f"of {approval['by']}: not given"
    backup = approval["backup"]
    return f"of {approval['by']}, given {approval['at']} for {approval['digest']}; backup {backup['id']} of {backup['at']}, SHA-256 {backup['sha256']}"


def _conservation(report: Report) -> list[str]:
    rows = []
    for row in report["conservation"]:
        held = ", ".join(f"{count:,} {reason}" for reason, count in row["held"].items())
        counted = [number(row[name]) for name in ("read", "loaded", "made_rows", "held_rows", "held_and_loaded", "retired", "difference")]
        rows.append((code(f"{row['portal']}.{row['table']}"), *counted, escaped(held)))
    total = totals(report)
    lost = sum(row["difference"] or 0 for row in report["conservation"])
    rows.append(
        (
            "**together**",
            number(total["read"]),
            number(total["loaded"]),
            number(total["made"]),
            number(total["held"] - total["both"]),
            number(total["both"]),
            number(total["retired"]),
            number(lost),
            "",
        )
    )
    head = ("Source table", "Read", "Loaded", "Rows made", "Held", "Loaded and held", "Retired", "Difference", "Held for")
    note = "Every row that was read is loaded, held or retired. `Difference` = read − loaded − held − retired, and must be 0."
    return ["## Every source row accounted for", "", note, "", *table(head, rows)]


def _targets(report: Report) -> list[str]:
    rows = [(code(row["table"]), number(row["expected"]), number(row["actual"])) for row in report["targets"]]
    note = "Expected: rows produced by the steps. Actual: rows counted in the new store by `reconcile`."
    return ["## The new store", "", note, "", *table(("Table", "Expected", "Actual"), rows)]


def _checks_sentence(report: Report) -> list[str]:
    checks = report["checks"]
    if not checks["asked"]:
        return ["No check was run.", ""]
    failed = f"{plural(checks['warnings'], 'warning')}, {plural(len(checks['critical']), 'critical failure')}"
    return [f"{plural(checks['asked'], 'check')} run, {checks['passed']:,} passed, {failed}.", ""]


def _checks(report: Report, found: Lists) -> list[str]:
    lines = ["## Checks before publishing", "", *_checks_sentence(report)]
    answers = report["checks"]["answers"]
    for answer in answers:
        if answer["failed"]:
            keys = found.failures.filter((pl.col("check_id") == answer["id"]) & (pl.col("table") == answer["table"]))["key"]
            shown = ", ".join(code(key) for key in keys.head(KEYS_SHOWN).to_list())
            more = f" and {len(keys) - KEYS_SHOWN:,} more (failures.csv)" if len(keys) > KEYS_SHOWN else ""
            lines += [f"### {code(answer['id'])} failed ({answer['severity']})", ""]
            lines += [f"{escaped(answer['question'])} {escaped(answer['why'])}", ""]
            lines += [escaped(answer["sentence"]), ""] if answer["sentence"] else []
            of = f" of {code(answer['table'])}" if answer["table"] else ""
            lines += [f"{plural(answer['failed'], 'row')}{of}: {shown}{more}", ""]
    if answers:
        rows = [
            (code(a["id"]), a["severity"], code(a["table"]), escaped(a["question"]), number(a["asked"]), number(a["failed"]))
            for a in answers
        ]
        lines += table(("Check", "Severity", "Table", "Question", "Rows checked", "Failed"), rows)
    return lines


def _reconciliation(report: Report) -> list[str]:
    result = report["reconciliation"]
    lines = ["## Old and new compared", ""]
    if result["answer"] is None:
        return [*lines, "Not done.", ""]
    seen = result["compared"]
    counted = (
        f"{number(seen['rows'])} rows of {plural(seen['tables'], 'table')}, {plural(seen['objects'], 'object')} ({size(seen['bytes'])})"
    )
    lines += [f"{counted}, {plural(seen['profiles'], 'profile')} and {plural(seen['logins'], 'login')} re-read and compared.", ""]
    if result["answer"] == "equal":
        lines += ["Equal: every table, row, column, reference and object.", ""]
    else:
        lines += [f"{plural(result['total'], 'difference')}; differences.csv lists each.", *map(escaped, result["not_checked"]), ""]
    rows = [(code(row["table"]), row["kind"], number(row["count"])) for row in result["tables"]]
    return lines + (table(("Table", "Kind", "Places"), rows) if rows else [])


def _exceptions(report: Report) -> list[str]:
    rows = [
        (
            r["rule"],
            r["severity"],
            number(r["count"]),
            escaped(" ".join(dict.fromkeys((r["sentence"], r["situation"], r["decision"])))),
            _by_table(r["tables"]),
        )
        for r in report["exceptions"]["rules"]
    ]
    note = f"{plural(report['exceptions']['total'], 'row')} migrated and flagged for review; exceptions.csv lists each."
    return ["## Exceptions by rule", "", note, "", *table(("Rule", "Severity", "Rows", "Meaning", "Where"), rows)]


def _rules(report: Report) -> list[str]:
    rows = [
        (
            r["rule"],
            r["severity"],
            number(r["decided"]),
            escaped(r["counts"]),
            number(r["flagged"]),
            escaped(f"{r['situation']} {r['decision']}"),
        )
        for r in report["rules"]
    ]
    note = "Decided: rows that the rule was applied to, as the next column says. Flagged: rows in exceptions.csv."
    head = ("Rule", "Severity", "Decided", "What is counted", "Flagged", "What it is about, and what it decides")
    return ["## What each rule decided", "", note, "", *table(head, rows)]


def _companies(report: Report) -> list[str]:
    found = report["companies"]
    outside = totals(report)["read"] - found["rows_read"]
    note = (
        f"{plural(found['total'], 'company profile')}: {found['with_held']:,} have held rows, {found['without_account']:,} became no account."
        f" {plural(found['rows_read'], 'row')} read belong to a company: {found['rows_loaded']:,} loaded, {found['rows_held']:,} held; {outside:,} belong to none."
        " companies.csv has a line for each company, company_chapters.csv one for each company and subject."
    )
    return ["## Completeness by company", "", note, ""]


def _personal(mappings: Mappings) -> list[str]:
    rows = [(escaped(kind.name), number(len(kind.columns)), escaped(kind.care)) for kind in read_personal(mappings) if kind.code != NONE]
    note = "personal\\_data.csv names each column and where it went. A held row is kept whole, and can hold any of it."
    return ["## Personal data", "", note, "", *table(("Kind", "Old columns", "Treatment"), rows)]


def _signed(report: Report) -> list[str]:
    rows = [
        (escaped(s["what"]), escaped(s["who"]), escaped(s["when"] or "–"), code(s["digest"]) if s["digest"] else "–")
        for s in report["signed"]
    ]
    return ["", "## Who signed what", "", *table(("What", "Who", "When", "Digest"), rows)]


def _controls() -> list[str]:
    rows = [(c.control, c.title, escaped(c.what), ", ".join(code(shown_and_link(shown)[0]) for shown in c.shown)) for c in controls()]
    note = "Controls of NIST SP 800-53 Rev. 5 that this run supports, and where each is shown."
    return ["## Controls", "", note, "", *table(("Control", "Name", "What is done", "Shown in"), rows)][:-1]


def _decisions(report: Report) -> list[str]:
    """Returns the section about people's decisions; empty without decisions."""
    made = report["decisions"]
    rows = [
        (d["rule"], code(f"{d['portal']} {d['table']} {d['key']}".strip()), escaped(d["by"]), d["on"], escaped(d["reason"])) for d in made
    ]
    note = f"{plural(len(made), 'decision')} that people made (chapter L)."
    return ["## Decisions", "", note, "", *table(("Rule", "About", "By", "On", "Why"), rows)] if made else []


def _held(report: Report) -> list[str]:
    rows = [(code(e["reason"]), number(e["count"]), escaped(e["meaning"]), _by_table(e["tables"])) for e in report["held"]["reasons"]]
    note = f"{plural(report['held']['total'], 'row')} kept complete in `migration_holding`; held.csv lists each."
    return ["## Held rows by reason", "", note, "", *table(("Reason", "Rows", "Meaning", "Where"), rows)]


def _by_table(tables: dict[str, int]) -> str:
    return ", ".join(f"{code(name)} {count:,}" for name, count in tables.items())


def _documents(report: Report) -> list[str]:
    documents = report["documents"]
    rows = [(s["state"], number(s["documents"]), number(s["rows"]), escaped(s["meaning"])) for s in documents["states"]]
    note = f"{number(documents['objects'])} stored objects, {size(documents['bytes'])}: equal bytes are stored once."
    return ["## Documents", "", note, "", *table(("State", "Documents", "Rows on accounts", "Meaning"), rows)]


def _freeze_guard(report: Report) -> list[str]:
    guard = report["freeze_guard"]
    looks = [f"- {escaped(sentence)}" for sentence in guard_sentences(report)]
    rows = [
        (
            code(f"{t['portal']}.{t['table']}"),
            number(t["rows"]),
            code(t["highest_key"]) if t["highest_key"] else "–",
            code(t["sha256"]),
            escaped(t["counted"]),
        )
        for t in guard["tables"]
    ]
    head = ("Source table", "Rows", "Highest key", "SHA-256 of rows and documents", "Writes that the database counted")
    return ["## The old portals did not change", "", *looks, *([""] if looks else []), *table(head, rows)]


def guard_sentences(report: Report) -> list[str]:
    """Returns a sentence per old portal and check of the freeze guard: what changed since it was read (K1)."""
    names = {"P2": "Portal 2.0", "TC": "Trade Compliance"}
    return [
        f"{names[look['portal']]} {look['moment']}: {'changed: ' + ', '.join(look['changed']) if look['changed'] else 'unchanged'} ({look['how']})."
        for look in report["freeze_guard"]["looks"]
    ]


def _coverage(report: Report) -> list[str]:
    coverage = report["coverage"]
    share = 100 * coverage["accounted"] / coverage["columns"] if coverage["columns"] else 0
    counted = f"{coverage['accounted']:,}/{coverage['columns']:,} columns of {coverage['tables']:,} tables"
    note = f"{share:.0f}% ({counted}) mapped, used or retired."
    rows = [(code(f"{r['portal']}.{r['table']}.{r['column']}"), escaped(r["reason"])) for r in coverage["retired"]]
    return ["## Columns", "", note, "", *table(("Retired column", "Why"), rows)]


def _timings(report: Report) -> list[str]:
    state = {True: "done", False: "**not done**"}
    rows = [
        (s["step"], state[s["done"]], seconds(s["seconds"]), number(s["rows"]), size(s["bytes"]), escaped(s["sentence"]))
        for s in report["steps"]
    ]
    return ["## Steps", "", *table(("Step", "", "Time", "Rows staged", "Stage files", "Result"), rows)]


def _not_checked(report: Report) -> list[str]:
    return ["## What was not checked", "", *(f"- {escaped(sentence)}" for sentence in report["not_checked"])]


def _recheck(report: Report, mappings: Mappings) -> list[str]:
    lines = [
        "",
        "## How to reproduce each number",
        "",
        "Each statement runs unchanged on PostgreSQL and on SQLite; a read-only role is sufficient.",
        "",
    ]
    for query in queries(report, mappings):
        lines += [f"### {query.title} ({query.where})", "", query.shows, "", "```sql", query.sql, "```", ""]
    return lines[:-1]

"""The content of all reports as one document, the verdict first; derived from the run's files, without personal data."""

from __future__ import annotations

import platform
import re
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import polars as pl

from etl.evidence.approval import approval_status
from etl.report import counts, goals, set_aside
from etl.report.chapters import chapters
from etl.report.decided import statements
from etl.report.lists import Lists, document, lists
from etl.report.signed import signed
from etl.report.verdict import verdict
from etl.runfolder import layout
from etl.runfolder.decisions_file import decisions_made
from etl.runfolder.event_log import content_of, read_events
from etl.runfolder.folder import RunFolder
from etl.runfolder.rehearsed import was_rehearsal
from etl.runfolder.settings import RunSettings
from mappings.model import Mappings

_WORST = ("attention", "warning", "info")
VERSION = 1  # of report.json; schema.json describes it
STEPS = tuple(step for step in layout.STEPS if step != "report")
_LIBRARIES = ("portal-migration", "polars", "pyarrow", "pandas", "great-expectations", "sqlalchemy")
_NOT_DONE = {
    "extract": "extract: the old portals were not read.",
    "split": "split: no accounts were made.",
    "reattach": "reattach: no rows were assigned to the accounts.",
    "check": "check: the new rows were not checked.",
    "load": "load: this run published nothing.",
    "reconcile": "reconcile: old and new were not compared after loading.",
}
_NEVER = (
    "Whether the data in the old portals is correct: it is migrated unchanged, never repaired.",
    "Files on the old file share without a document row: they are not migrated.",
    "Passwords: never read; every login has to be activated again.",
    "How the new portal's programs use the rows.",
)
_MOMENTS = {"before publishing": "load", "in reconcile": "reconcile"}
_SECRET = re.compile(r"(://[^/@:\s]*):[^/@\s]+@")


def facts(folder: RunFolder, mappings: Mappings, found: Lists | None = None) -> dict[str, Any]:
    """Returns the report as the document that schema.json describes; apart from times, the same run gives the same document.

    `found`: the run's lists, where they have been read already.
    """
    found = lists(folder, mappings) if found is None else found
    report: dict[str, Any] = {
        "version": VERSION,
        "verdict": {},
        "changes": _changes(folder),
        "run": _run(folder, mappings),
        "steps": _steps(folder),
        "conservation": _conservation(folder, mappings, found),
        "targets": _targets(folder, mappings),
        "checks": _checks(folder),
        "exceptions": _exceptions(mappings, found),
        "held": _held(mappings, found),
        "rules": _rules(mappings, found),
        "companies": _companies(found),
        "decisions": decisions_made(folder),
        "goals": goals.goals(folder, mappings),
        "documents": counts.documents(folder),
        "freeze_guard": _freeze_guard(folder),
        "coverage": counts.coverage(folder, mappings),
        "reconciliation": _reconciliation(folder, found),
        "not_checked": [],
        "set_aside": {
            "visible": found.visible,
            "closed": found.closed.height,
            "narrow": found.narrow,
            "roots": found.held.select("portal", "root_table", "root_key").n_unique(),
        },
    }
    report["signed"] = signed(folder, report["decisions"], report["run"]["approval"])
    report["not_checked"] = _not_checked(folder, report)
    report["verdict"] = {**verdict(report), "aside": [*set_aside.sentences(report), *goals.sentences(report)]}
    return report


def _changes(folder: RunFolder) -> dict[str, Any] | None:
    """Returns the changes that the load will make in the new store, counted by the check; None if the run has published or was not checked."""
    known = folder.steps["check"].facts if "check" in folder.steps else {}
    if "load" in folder.steps or "changes" not in known:
        return None
    tables = [{"table": table, **change} for table, change in sorted((known["changes"] or {}).items())]
    return {"tables": tables if known["changes"] is not None else None, "unknown": known["changes_unknown"]}


def _run(folder: RunFolder, mappings: Mappings) -> dict[str, Any]:
    settings, steps = folder.settings, folder.steps
    extract = steps["extract"].facts if "extract" in steps else {}
    sources = {"P2": settings.source, "TC": settings.tc, "files": settings.files}
    return {
        "id": steps["load"].facts.get("run_id") if "load" in steps else None,
        "place": str((folder.path / layout.REPORT).absolute()),
        "sources": {name: _harmless(address) for name, address in sources.items() if address is not None},
        "target": _harmless(settings.target) if settings.target is not None else None,
        "objects": _harmless(settings.objects) if settings.objects is not None else None,
        "taken_back": _rolled_back_at(folder),
        "rehearsal": was_rehearsal(settings),
        "freeze": {"from": str(settings.freeze[0]), "to": str(settings.freeze[1])} if settings.freeze is not None else None,
        "approval": approval_status(folder),
        "extract_began": f"{extract['began'].replace(' ', 'T')}Z" if "began" in extract else None,
        "snapshot": dict(sorted(extract.get("levels", {}).items())),
        "fingerprints": dict(sorted(extract.get("marks", {}).items())),
        "mappings": mappings.digest,
        "manifest": folder.digest(*(name for name in layout.BEFORE_LOAD if name in steps)),
        "versions": _versions(),
    }


def _rolled_back_at(folder: RunFolder) -> str | None:
    """Returns the time of the run's rollback; None if it was not rolled back, or was published again afterwards."""
    events = [event for event in read_events(content_of(folder.path)) if not str(event.get("outcome")).startswith("refused")]
    last: dict[str, Any] = next((event for event in reversed(events) if event.get("what") in ("load", "rollback")), {})
    return str(last["at"]) if last.get("what") == "rollback" else None


def _freeze_guard(folder: RunFolder) -> dict[str, Any]:
    """Returns the fingerprint of each old table when it was read, and whether it had changed at later checks (K1)."""
    steps = folder.steps
    prints = steps["extract"].facts.get("fingerprints", {}) if "extract" in steps else {}
    tables = [{"portal": name.partition(".")[0], "table": name.partition(".")[2], **known} for name, known in sorted(prints.items())]
    looks = [
        {"moment": moment, "portal": portal, **since}
        for moment, step in _MOMENTS.items()
        if step in steps
        for portal, since in sorted(steps[step].facts.get("looked", {}).items())
    ]
    return {"tables": tables, "looks": looks}


def _harmless(url: str) -> str:
    """Settings hold no password of a database; the address of a share or an object store might."""
    return _SECRET.sub(r"\1:***@", url)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def _steps(folder: RunFolder) -> list[dict[str, Any]]:
    entries = []
    for name in STEPS:
        step = folder.steps.get(name)
        facts = step.facts if step else {}
        entries.append(
            {
                "step": name,
                "done": step is not None,
                "started": facts.get("started"),
                "seconds": facts.get("seconds"),
                "rows": sum(file.rows for file in step.files) if step else 0,
                "files": len(step.files) if step else 0,
                "bytes": sum(file.size for file in step.files) if step else 0,
                "sentence": facts.get("sentence", ""),
            }
        )
    return entries


def _conservation(folder: RunFolder, mappings: Mappings, found: Lists) -> list[dict[str, Any]]:
    chapter = chapters(mappings)
    again = {(entry["portal"], entry["table"]): entry for entry in _result(folder).get("sources", [])}
    rows = counts.conservation(folder, mappings, found)
    for row in rows:
        recount = again.get((row["portal"], row["table"]))
        row["chapter"] = chapter[row["portal"], row["table"]]
        row["recounted"] = (
            {"read": recount["read"], "loaded": recount["loaded"], "held": sum(recount["held"].values()), "retired": recount["retired"]}
            if recount
            else None
        )
    return rows


def _targets(folder: RunFolder, mappings: Mappings) -> list[dict[str, Any]]:
    actual = {entry["table"]: entry["actual"] for entry in _result(folder).get("tables", [])}
    return [{**entry, "actual": actual.get(entry["table"])} for entry in counts.targets(folder, mappings)]


def _result(folder: RunFolder) -> dict[str, Any]:
    """Returns the verifier's counts; empty if it has not run."""
    return dict(document(folder, "reconcile", layout.RESULT) or {})


def _reconciliation(folder: RunFolder, found: Lists) -> dict[str, Any]:
    result = _result(folder)
    counted = found.differences.group_by("table", "kind").len().sort("table", "kind").iter_rows()
    tables = [{"table": table, "kind": kind, "count": count} for table, kind, count in counted]
    unknown = [entry for entry in tables if entry["kind"] == "not_checked"]
    return {
        "answer": result.get("answer"),
        "compared": _compared(result),
        "total": sum(entry["count"] for entry in tables if entry not in unknown) if result else None,
        "tables": tables,
        "not_checked": [f"{entry['table']}: {entry['count']:,} places not compared; differences.csv lists them." for entry in unknown],
    }


def _compared(result: dict[str, Any]) -> dict[str, int] | None:
    if not result:
        return None
    objects = result.get("objects", {})
    return {
        "tables": len(result.get("tables", [])),
        "rows": sum(entry["actual"] for entry in result.get("tables", [])),
        "objects": objects.get("counted", 0),
        "bytes": objects.get("verified_bytes", 0),
        "profiles": result.get("profiles_checked", 0),
        "logins": result.get("logins_checked", 0),
    }


def _checks(folder: RunFolder) -> dict[str, Any]:
    content = document(folder, "check", layout.ANSWERS) or []
    answers = content["answers"] if isinstance(content, dict) else content
    names = ("id", "question", "why", "severity", "table")
    entries = [
        {
            **{name: str(answer.get(name) or "") for name in names},
            **{name: int(answer.get(name) or 0) for name in ("asked", "failed")},
            "seconds": answer.get("seconds"),
            "sentence": str(answer.get("sentence") or ""),
        }
        for answer in sorted(answers, key=lambda answer: (answer["severity"], answer["id"], str(answer.get("table"))))
    ]
    failed = [entry for entry in entries if entry["failed"]]
    return {
        "asked": len(entries),
        "passed": len(entries) - len(failed),
        "warnings": sum(entry["severity"] != "critical" for entry in failed),
        "critical": sorted({entry["id"] for entry in failed if entry["severity"] == "critical"}),
        "answers": entries,
    }


def _exceptions(mappings: Mappings, found: Lists) -> dict[str, Any]:
    tables: dict[str, dict[str, int]] = {}
    for rule, portal, table, rows in found.exceptions.group_by("rule", "portal", "table").len().sort("rule", "portal", "table").iter_rows():
        tables.setdefault(rule, {})[f"{portal}.{table}"] = rows
    said = _said(mappings, found)
    rules = [
        {
            "rule": rule.number,
            "chapter": rule.chapter,
            "situation": rule.situation,
            "decision": rule.decision,
            "severity": rule.severity,
            "sentence": said[rule.number],
            "count": sum(tables[rule.number].values()),
            "tables": tables[rule.number],
        }
        for rule in mappings.rules.values()
        if rule.number in tables
    ]
    rules.sort(key=lambda rule: _WORST.index(rule["severity"]))
    quiet = [rule.number for rule in mappings.rules.values() if rule.flags and rule.number not in tables]
    return {"total": found.exceptions.height, "rules": rules, "quiet": quiet}


def _said(mappings: Mappings, found: Lists) -> dict[str, str]:
    """Returns by rule the problem of its rows: the text of the flags if at least half of them share it, else the rule's description.

    Text after a colon often concerns one row: it is left out if the rows differ in it.
    """
    said = {}
    for (rule,), rows in found.exceptions.group_by("rule"):
        for texts in (rows["detail"], rows["detail"].str.split(": ").list.first()):
            text, count = texts.value_counts().sort("count", "detail", descending=[True, False]).row(0)
            if text and 2 * count >= rows.height:
                said[str(rule)] = f"{text[:1].upper()}{text[1:].rstrip('.')}."
                break
        else:
            said[str(rule)] = mappings.rules[str(rule)].situation
    return said


def _rules(mappings: Mappings, found: Lists) -> list[dict[str, Any]]:
    """Returns every rule with the number of rows that it decided."""
    flagged, known = dict(found.exceptions.group_by("rule").len().iter_rows()), statements()
    return [
        {
            "rule": rule.number,
            "chapter": rule.chapter,
            "severity": rule.severity,
            "situation": rule.situation,
            "decision": rule.decision,
            "decided": found.decided[rule.number],
            "counts": known[rule.number].counts if rule.number in known else "not counted",
            "flagged": flagged.get(rule.number, 0) if rule.flags else None,
        }
        for rule in mappings.rules.values()
    ]


def _companies(found: Lists) -> dict[str, int]:
    """Returns how many company profiles there are, how many are complete, and how many rows lead to one."""
    frame = found.companies
    return {
        "total": frame.height,
        "with_held": frame.filter(pl.col("rows_held") > 0).height,
        "without_account": frame.filter(pl.col("accounts") == 0).height,
        **{name: int(frame[name].sum()) for name in ("rows_read", "rows_loaded", "rows_held")},
    }


def _held(mappings: Mappings, found: Lists) -> dict[str, Any]:
    tables: dict[str, dict[str, int]] = {}
    for reason, portal, table, rows in found.held.group_by("reason", "portal", "table").len().sort("reason", "portal", "table").iter_rows():
        tables.setdefault(reason, {})[f"{portal}.{table}"] = rows
    reasons = [
        {
            "reason": reason.code,
            "meaning": reason.meaning,
            "rules": list(reason.rules),
            "count": sum(tables[reason.code].values()),
            "tables": tables[reason.code],
        }
        for reason in mappings.reasons.values()
        if reason.code in tables
    ]
    return {"total": found.held.height, "reasons": reasons}


def _not_checked(folder: RunFolder, report: dict[str, Any]) -> list[str]:
    found = [_NOT_DONE[step] for step in STEPS if step not in folder.steps]
    if "extract" in folder.steps and "TC" not in report["run"]["snapshot"]:
        found.append("Trade Compliance: not given (--tc).")
    for portal, known in (folder.steps["extract"].facts.get("conditions", {}) if "extract" in folder.steps else {}).items():
        found += [f"{portal}, present but not read: {sentence}." for sentence in known["beside"]]
        found += [f"{portal}, not ruled out: {sentence}." for sentence in known["not_ruled_out"]]
        found += [f"{portal}, note: {sentence}." for sentence in known["notes"]]
    begun = folder.settings != RunSettings()
    if begun and folder.settings.files is None:
        found.append("The old file share: not given (--files); documents stored there count as missing.")
    if begun and not report["run"]["freeze"]:
        found.append("Due dates inside the freeze: no freeze was given (--freeze-from, --freeze-to), so no date was adjusted.")
    if report["run"]["rehearsal"]:
        found.append("The real new store: this was a rehearsal against a throw-away one.")
    return [*found, *report["reconciliation"]["not_checked"], *_NEVER]

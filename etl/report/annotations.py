"""What a CI system shows beside the job: one line for each failed check and each table that differs, as GitHub's workflow commands."""

from __future__ import annotations

from typing import Any

from etl.report.text import visible
from etl.runfolder.acceptance_file import said

MOST = 10  # of a step: GitHub shows no more


def annotated(report: dict[str, Any]) -> list[str]:
    """Returns one GitHub workflow command per failed check and per table that differs, errors first; an empty list if there are none.

    The lines contain names, questions and counts, never a value from the old portals.
    """
    failed = [answer for answer in report["checks"]["answers"] if answer["failed"]]
    failed.sort(key=lambda answer: answer["severity"] != "critical")
    found = [] if report["verdict"]["holds"] else [_line("error", "Migration report", report["verdict"]["sentence"])]
    found += [_line("error", f"{d['table']} differs", f"{d['kind']}: {d['count']:,} places") for d in report["reconciliation"]["tables"]]
    for entry in report["goals"]:
        if entry["state"] in ("missed", "waived"):
            level = "error" if entry["state"] == "missed" and entry["judged"] == "check" else "warning"
            found.append(_line(level, f"goal {entry['goal']} {entry['state']}", said(entry)))
    for answer in failed:
        level = "error" if answer["severity"] == "critical" else "warning"
        found.append(_line(level, f"check {answer['id']}", answer["sentence"] or f"{answer['question']} Failed for {answer['failed']:,}."))
    more = len(found) - MOST
    return found if more <= 0 else [*found[: MOST - 1], _line("warning", "More", f"{more + 1:,} more are in report/summary.md.")]


def error_line(title: str, text: str) -> str:
    """Returns one error as a GitHub workflow command."""
    return _line("error", title, text)


def _line(level: str, title: str, text: str) -> str:
    safe = visible(_encoded(title).replace(":", "%3A").replace(",", "%2C"))
    return f"::{level} title={safe}::" + visible(_encoded(text))


def _encoded(text: str) -> str:
    """Returns the text with the characters encoded that would end a GitHub workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

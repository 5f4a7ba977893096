"""The goals that the owners signed, as the run ended: met, missed, missed and waived, or open as long as it is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl

from etl.report.lists import document
from etl.report.text import capital, plural
from etl.runfolder import acceptance_file, layout
from etl.runfolder.event_log import content_of, read_events
from etl.runfolder.folder import RunFolder
from mappings.model import Mappings

GOALS: dict[str, type[pl.DataType]] = {
    "goal": pl.String,
    "state": pl.String,
    "kind": pl.String,
    "of": pl.String,
    "actual": pl.String,
    "total": pl.Int64,
    "limit_word": pl.String,
    "limit": pl.String,
    "judged": pl.String,
    "by": pl.String,
    "on": pl.String,
    "reason": pl.String,
    "waived_by": pl.String,
    "waived_on": pl.String,
    "waived_reason": pl.String,
}
STATES = ("missed", "waived", "open", "met")  # the worst first
_VERDICT = "time"


def goals(folder: RunFolder, mappings: Mappings) -> list[dict[str, Any]]:
    """Returns one entry per goal, worst first, as `entry_of` describes, with `state`, and `found` and `signed`: the numbers as texts."""
    entries = acceptance_file.judged(folder) or acceptance_file.unjudged(folder, mappings)
    started = folder.steps["extract"].facts.get("started") if "extract" in folder.steps else None
    minutes = minutes_to_verdict(started, read_events(content_of(folder.path))) if entries else None
    again = {entry["goal"]: (entry["actual"], entry["total"]) for entry in document(folder, "reconcile", layout.GOALS_AGAIN) or []}
    told = []
    for entry in entries:
        if entry["kind"] == _VERDICT and minutes is not None:
            # Compared exactly: a rounded number would meet a limit that the cut-over exceeded by less than the rounding.
            entry = {**entry, "actual": float(round(minutes, 6)), "met": minutes <= Fraction(str(entry["limit"]))}
        found = acceptance_file.value(entry, entry["actual"], entry["total"]) if entry["actual"] is not None else ""
        counted = again.get(entry["goal"])
        recounted = acceptance_file.value(entry, *counted) if counted is not None else None
        agrees = counted is None or counted == (entry["actual"], entry["total"])
        told.append(
            {
                **entry,
                "state": _state(entry),
                "found": found,
                "signed": acceptance_file.limit(entry),
                "recounted": recounted,
                "recount_agrees": agrees,
            }
        )
    return sorted(told, key=lambda entry: STATES.index(entry["state"]))


def _state(entry: Mapping[str, Any]) -> str:
    if entry["met"] is None:
        return "open"
    return "met" if entry["met"] else "waived" if entry["waiver"] is not None else "missed"


def minutes_to_verdict(started: str | None, events: Iterable[Mapping[str, Any]]) -> Fraction | None:
    """Returns the exact minutes from the start of extract to the first comparison after publishing; None before it, and after a rollback.

    Later comparisons change nothing.
    """
    if started is None:
        return None
    began, published, minutes = datetime.fromisoformat(started), False, None
    for event in events:
        if str(event["outcome"]).startswith("refused"):
            continue
        match event["what"]:
            case "extract" | "rollback":
                published, minutes = False, None
            case "load":
                published = True
            case "reconcile" if published and minutes is None:
                minutes = Fraction((datetime.fromisoformat(event["at"]) - began) // timedelta(microseconds=1), 60_000_000)
    return minutes


def contradicted(report: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for each goal whose number in the new store differs from the check's."""
    odd = [entry for entry in report["goals"] if not entry["recount_agrees"]]
    return [f"Goal {e['goal']}: the check counted {e['found']}, the new store and the old portals have {e['recounted']}." for e in odd]


def stopping(report: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for each goal that was missed before publishing and not waived."""
    return [acceptance_file.said(entry) for entry in report["goals"] if entry["state"] == "missed" and entry["judged"] == "check"]


def sentences(report: Mapping[str, Any]) -> list[str]:
    """Returns the sentences below the verdict: how many goals were met, which were waived, open, or missed after publishing."""
    entries = report["goals"]
    if not entries:
        return []
    found = [f"{sum(entry['state'] == 'met' for entry in entries):,} of {plural(len(entries), 'goal')} met."]
    for state, word in (("waived", "Missed and waived"), ("open", "Not judged yet")):
        if names := [entry["goal"] for entry in entries if entry["state"] == state]:
            found.append(f"{word}: {', '.join(names)}.")
    late = [acceptance_file.said(entry) for entry in entries if entry["state"] == "missed" and entry["judged"] == "verdict"]
    return [*found, *(f"Missed, known only after publishing: {sentence}." for sentence in late)]


def headline(entry: Mapping[str, Any]) -> str:
    """Returns the subject of the goal with a capital at its beginning."""
    return capital(entry["subject"])


def as_frame(report: Mapping[str, Any]) -> pl.DataFrame:
    """Returns GOALS, one line per goal; numbers are texts, because their units differ."""
    lines = [
        {
            **{name: entry[name] for name in ("goal", "state", "kind", "of", "total", "limit_word", "judged", "by", "on", "reason")},
            **{name: None if entry[name] is None else str(entry[name]) for name in ("actual", "limit")},
            **{f"waived_{name}": (entry["waiver"] or {}).get(name) for name in ("by", "on", "reason")},
        }
        for entry in report["goals"]
    ]
    return pl.DataFrame(lines, schema=GOALS)

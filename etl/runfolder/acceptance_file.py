"""The acceptance goals of a run: the form in which a judged goal is stored and shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from etl.domain.acceptance import Goal, known_names, read_goals
from etl.domain.masking import without_names
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.given_file import fixed_file
from mappings.acceptance import LIMITS, GoalKind, read_goal_kinds
from mappings.model import Mappings


def entry_of(goal: Goal, kinds: Mapping[str, GoalKind]) -> dict[str, Any]:
    """Returns goal, kind, of, limit_word, limit, judged, subject, actual, total, met (null: unknown), waiver (null: none), by, on, reason; names masked."""
    kind = kinds[goal.kind]
    limit: int | float = float(goal.limit) if isinstance(goal.limit, Decimal) else goal.limit
    return {
        "goal": goal.name,
        "kind": goal.kind,
        "of": goal.of,
        "limit_word": goal.limit_word,
        "limit": limit,
        "judged": kind.judged,
        "subject": kind.subject.format(of=goal.of),
        "actual": None,
        "total": None,
        "met": None,
        "waiver": None,
        "by": without_names(goal.by),
        "on": goal.on.isoformat(),
        "reason": without_names(goal.reason),
    }


def judged(folder: RunFolder) -> list[dict[str, Any]]:
    """Returns the run's goals as the step check judged them; empty before that step, or without goals."""
    files = [file for file in (folder.steps["check"].files if "check" in folder.steps else []) if file.path == layout.GOALS]
    return [entry for file in files for entry in json.loads(folder.read_bytes(file))]


def unjudged(folder: RunFolder, mappings: Mappings) -> list[dict[str, Any]]:
    """Returns the goals of a run before they are judged; empty where it has none."""
    content = fixed_file(folder, "acceptance", None)
    if content is None:
        return []
    acceptance, _ = read_goals(content, layout.ACCEPTANCE, known_names(mappings, with_tc=True))
    return [entry_of(goal, read_goal_kinds(mappings.files)) for goal in acceptance.goals]


def said(entry: Mapping[str, Any]) -> str:
    """Returns the goal as a sentence: what was counted, and the signed limit."""
    found = value(entry, entry["actual"], entry["total"]) if entry["actual"] is not None else "not known yet"
    return f"{entry['goal']}: {entry['subject']}: {found}; signed: {limit(entry)}"


def value(entry: Mapping[str, Any], actual: float, total: int | None) -> str:
    """Returns a number for readers: 3 of 120 (2.5%), 1,200, 12.3 minutes."""
    match LIMITS[entry["limit_word"]][0]:
        case "share":
            share = f" ({_beside(actual / total, entry['limit'], _share, 2)})" if total else ""
            return f"{int(actual):,} of {total or 0:,}{share}"
        case "count":
            return f"{int(actual):,}"
    return f"{_beside(actual, entry['limit'], _minutes, 1)} minutes"


def _beside(number: float, limit: float, written: Callable[[float, int], str], decimals: int) -> str:
    """Returns the number with so many decimals, or as many more as it takes to look unlike a limit that it is not equal to."""
    longer = (written(number, more) for more in range(decimals, 9) if written(number, more) != written(limit, more))
    return written(number, decimals) if number == limit else next(longer, written(number, 9))


def _minutes(number: float, decimals: int) -> str:
    return f"{number:,.{decimals}f}"


def limit(entry: Mapping[str, Any]) -> str:
    """Returns the signed limit for readers: at most 0.5%, at least 1,200."""
    unit, direction = LIMITS[entry["limit_word"]]
    number = entry["limit"]
    texts = {"share": _share(number, 2) if unit == "share" else "", "count": f"{number:,}", "minutes": f"{number:,} minutes"}
    return f"at {direction} {texts[unit]}"


def _share(number: float, decimals: int) -> str:
    """Returns a percentage with at most so many decimals, never rounded to 0 or 100."""
    text = f"{100 * number:.{decimals}f}".rstrip("0").rstrip(".")
    if text == "0" and number:
        return f"below 0.{'0' * (decimals - 1)}1%"
    return f"above 99.{'9' * decimals}%" if text == "100" and number < 1 else f"{text}%"

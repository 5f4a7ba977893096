"""Goals compared with what was counted: met, missed, or missed and waived (L5)."""

from __future__ import annotations

import json
from typing import Any

from etl.acceptance.measures import Measures
from etl.domain.acceptance import Acceptance
from etl.domain.decisions import Decisions
from etl.domain.masking import without_names
from etl.runfolder.acceptance_file import entry_of
from etl.runfolder.folder import RunFolder
from mappings.acceptance import read_goal_kinds
from mappings.model import Mappings


def judged_goals(folder: RunFolder, mappings: Mappings, acceptance: Acceptance, decisions: Decisions) -> list[dict[str, Any]]:
    """Returns one entry per goal, in the file's order, as `entry_of` describes; `met` is null for goals that need the verdict. Names are masked."""
    measures, kinds = Measures(folder, mappings), read_goal_kinds(mappings.files)
    entries = []
    for goal in acceptance.goals:
        found, entry = measures.of(goal), entry_of(goal, kinds)
        if found is not None:
            entry |= {"actual": found.actual, "total": found.total, "met": goal.met(found.actual, found.total)}
        entries.append(entry)
    return with_waivers(entries, decisions)


def with_waivers(entries: list[dict[str, Any]], decisions: Decisions) -> list[dict[str, Any]]:
    """Returns the entries, each with the waiver (L5) that names its goal: by, on, reason; null without one. Names are masked."""
    waivers = {
        waiver.key: {"by": without_names(waiver.by), "on": waiver.on.isoformat(), "reason": without_names(waiver.reason)}
        for waiver in decisions.of("waiver")
    }
    return [{**entry, "waiver": waivers.get(entry["goal"])} for entry in entries]


def as_json(entries: list[dict[str, Any]]) -> bytes:
    """Returns the entries as JSON in UTF-8."""
    return (json.dumps(entries, ensure_ascii=False, indent=1) + "\n").encode()


def missed(entries: list[dict[str, Any]]) -> list[str]:
    """Returns the names of the goals that stop the run: missed before publishing, and not waived."""
    return [entry["goal"] for entry in entries if entry["met"] is False and entry["waiver"] is None]

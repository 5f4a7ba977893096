"""Who carried out which step, who decided, who approved: with the time and the digest that each refers to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from etl.runfolder.event_log import content_of, read_events
from etl.runfolder.folder import RunFolder

_ABOUT = {"L1": "Trade Compliance accounts assigned", "L2": "user names decided", "L5": "missed goals waived"}


def signed(folder: RunFolder, decisions: list[dict[str, str]], approval: dict[str, Any] | None) -> list[dict[str, str]]:
    """Returns what, who, when, digest for each act: carried out, decided, waived, approved, signed; `when` and `digest` are empty if unknown.

    Decisions' names are masked as in `decisions`; steps were carried out by the operating system's account, named with its machine.
    """
    found = [
        {"what": f"carried out: {', '.join(steps)}", "who": who, "when": f"{first} to {last}" if first != last else first, "digest": ""}
        for who, steps, first, last in _carried_out(read_events(content_of(folder.path)))
    ]
    digest = folder.settings.decisions or ""
    for rule, by, on, count in _decided(decisions):
        what = f"{'waived' if rule == 'L5' else 'decided'} ({rule}): {count:,} {_ABOUT.get(rule, 'rows')}"
        found.append({"what": what, "who": by, "when": on, "digest": digest})
    if approval is None:
        found.append({"what": "approved", "who": "no one: no approval was required", "when": "", "digest": ""})
    else:
        when = approval["at"] or "not given"
        found.append({"what": "approved", "who": f"the key {approval['by']}", "when": when, "digest": approval["digest"] or ""})
    evidence = "the person who packs the evidence; portal-migrate evidence verify names the key"
    return [*found, {"what": "signed this report", "who": evidence, "when": "after it was written", "digest": ""}]


def _carried_out(events: Iterable[dict[str, Any]]) -> list[tuple[str, list[str], str, str]]:
    """Returns (account on machine, its steps, first and last moment to the minute), in the order of the first moments."""
    by_whom: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_whom.setdefault(f"{event.get('who', '')} on {event.get('where', '')}", []).append(event)
    return [
        (who, list(dict.fromkeys(str(e["what"]) for e in mine)), _minute(str(mine[0]["at"])), _minute(str(mine[-1]["at"])))
        for who, mine in by_whom.items()
    ]


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _decided(decisions: list[dict[str, str]]) -> list[tuple[str, str, str, int]]:
    """Returns (rule, by, on, count), sorted by rule, name and day."""
    counted: dict[tuple[str, str, str], int] = {}
    for one in decisions:
        key = (one["rule"], one["by"], one["on"])
        counted[key] = counted.get(key, 0) + 1
    return [(*key, count) for key, count in sorted(counted.items())]

"""The verdict: state, reasons and next step, which every report shows first."""

from __future__ import annotations

from typing import Any

from etl.report.goals import contradicted, stopping
from etl.report.text import plural

_NEXT = {
    "published_and_equal": "Distribute the remaining work: portal-migrate readiness writes the work lists.",
    "published_but_different": "Keep the new store unchanged until differences.csv is explained; then roll back, or correct the cause and run again.",
    "critical_checks_failed": "Correct the mapping or the old portal's rows that failures.csv lists, then run the same command again.",
    "goals_missed": "Have the rows corrected in the old portal, or have the owner sign a waiver of the goal; then start again in a new run folder.",
    "not_finished": "Give the same command again to resume where it stopped, and compares.",
    "published_but_written_to": "Find out who wrote, freeze the old portals and, if the change matters, start again in a new run folder.",
    "taken_back": "portal-migrate run with the same options publishes it again.",
}


def verdict(report: dict[str, Any]) -> dict[str, Any]:
    """Returns `state`, `holds` (true only for "published and equal"), `sentence`, `why` (reasons against, strongest first) and `next` (next step).

    `aside`, which does not depend on the verdict, is empty here; the facts fill it.
    """
    missing = [step["step"] for step in report["steps"] if not step["done"]]
    answer, rolled_back = report["reconciliation"]["answer"], report["run"]["taken_back"]
    since, contradicted = written_to(report), contradictions(report)
    unknown = report["reconciliation"]["not_checked"]
    if answer == "different":
        total = report["reconciliation"]["total"]
        differences = f"Old and new differ in {total:,} {'place' if total == 1 else 'places'}; differences.csv lists each."
        return _verdict("published_but_different", "published, but different", [differences, *contradicted, *since, *unknown])
    if report["checks"]["critical"]:
        failed = [answer for answer in report["checks"]["answers"] if answer["failed"] and answer["severity"] == "critical"]
        return _verdict(
            "critical_checks_failed",
            "not published: critical checks failed",
            [*map(_meaning, failed), *stopping(report), "Nothing was published."],
        )
    if below := stopping(report):
        return _verdict("goals_missed", "not published: goals were missed", [*below, "Nothing was published."])
    if rolled_back is not None:
        return _verdict("taken_back", "rolled back: the new store holds no rows of this run", [f"It was rolled back at {rolled_back}."])
    if missing:
        what = f"not finished: {_listed(missing)} {'was' if len(missing) == 1 else 'were'} not done"
        return _verdict("not_finished", what, contradicted)
    if contradicted:
        return _verdict("not_finished", "not finished: not every row is accounted for", [*contradicted, *since, *unknown])
    if answer != "equal":
        return _verdict("not_finished", "not finished: published, but not everything could be compared", [*unknown, *since])
    if since:
        return _verdict("published_but_written_to", "published and equal, but an old portal was written to since", since)
    return _verdict("published_and_equal", "published and equal", [])


def _meaning(answer: dict[str, Any]) -> str:
    """Returns the consequence of a failed check in words, with its id at the end."""
    rows = plural(answer["failed"], "row") + (f" of {answer['table']}" if answer["table"] else "")
    return f"{rows}: {answer['sentence'] or answer['why']} ({answer['id']})"


def written_to(report: dict[str, Any]) -> list[str]:
    """Returns sentences about old tables that changed after they were read, according to the last comparison."""
    looks = [look for look in report["freeze_guard"]["looks"] if look["moment"] == "in reconcile" and look["changed"]]
    return [f"Written to since the extract: {', '.join(look['changed'])}. The old portal is not frozen." for look in looks]


def contradictions(report: dict[str, Any]) -> list[str]:
    """Returns sentences about tables whose numbers of rows do not add up."""
    lost = [entry for entry in report["conservation"] if entry["difference"]]
    recounted = [entry for entry in report["conservation"] if entry["recounted"] and _counts(entry) != entry["recounted"]]
    short = [entry for entry in report["targets"] if entry["actual"] is not None and entry["expected"] not in (None, entry["actual"])]
    found = [f"{e['portal']}.{e['table']}: {abs(e['difference']):,} rows {'missing' if e['difference'] > 0 else 'too many'}." for e in lost]
    found += [
        f"{e['portal']}.{e['table']}: the comparison counts a different number of rows in the old portal than the run." for e in recounted
    ]
    found += contradicted(report)
    return found + [f"{e['table']}: {e['expected']:,} rows were made, the new store holds {e['actual']:,}." for e in short]


def _counts(entry: dict[str, Any]) -> dict[str, Any]:
    held = entry["held_rows"] + entry["held_and_loaded"]
    return {"read": entry["read"], "loaded": entry["loaded"], "held": held, "retired": entry["retired"]}


def _verdict(state: str, sentence: str, why: list[str]) -> dict[str, Any]:
    return {
        "state": state,
        "holds": state == "published_and_equal",
        "sentence": sentence,
        "why": why,
        "aside": [],
        "next": _NEXT[state],
    }


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

"""What the report says first."""

from __future__ import annotations

from typing import Any


def verdict(report: dict[str, Any]) -> dict[str, Any]:
    """`state`, `holds` (only "published and equal" does), `sentence`, and `why`: what stands against it."""
    missing = [step["step"] for step in report["steps"] if not step["done"]]
    why = contradictions(report)
    answer = report["reconciliation"]["answer"]
    if report["checks"]["critical"]:
        names = ", ".join(report["checks"]["critical"])
        found = [a["sentence"] for a in report["checks"]["answers"] if a["sentence"] and a["failed"] and a["severity"] == "critical"]
        return _verdict("critical_checks_failed", "not published: critical checks failed", [f"Critical checks failed: {names}.", *found])
    if missing:
        what = f"not finished: {_listed(missing)} {'was' if len(missing) == 1 else 'were'} not done"
        return _verdict("not_finished", what, why)
    if why:
        return _verdict("not_finished", "not finished: not every row is accounted for", why)
    match answer:
        case "equal":
            return _verdict("published_and_equal", "published and equal", [])
        case "different":
            total = report["reconciliation"]["total"]
            places = [f"Old and new differ in {total:,} {'place' if total == 1 else 'places'}; differences.csv names each."]
            return _verdict("published_but_different", "published, but different", places)
    unknown = report["reconciliation"]["not_checked"]
    return _verdict("not_finished", "not finished: published, but not everything could be compared", unknown)


def contradictions(report: dict[str, Any]) -> list[str]:
    """Sentences about tables whose rows do not add up."""
    lost = [entry for entry in report["conservation"] if entry["difference"]]
    recounted = [entry for entry in report["conservation"] if entry["recounted"] and _counts(entry) != entry["recounted"]]
    short = [entry for entry in report["targets"] if entry["actual"] is not None and entry["expected"] not in (None, entry["actual"])]
    found = [f"{e['portal']}.{e['table']}: {abs(e['difference']):,} rows {'missing' if e['difference'] > 0 else 'too many'}." for e in lost]
    found += [f"{e['portal']}.{e['table']}: the comparison counts other rows in the old portal than the run did." for e in recounted]
    return found + [f"{e['table']}: {e['expected']:,} rows were made, the new store holds {e['actual']:,}." for e in short]


def _counts(entry: dict[str, Any]) -> dict[str, Any]:
    held = entry["held_rows"] + entry["held_and_loaded"]
    return {"read": entry["read"], "loaded": entry["loaded"], "held": held, "retired": entry["retired"]}


def _verdict(state: str, sentence: str, why: list[str]) -> dict[str, Any]:
    return {"state": state, "holds": state == "published_and_equal", "sentence": sentence, "why": why}


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

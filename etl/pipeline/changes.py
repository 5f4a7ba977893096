"""The forecast of the load's changes by table: shown before the approval, signed with it, and compared with the actual changes."""

from __future__ import annotations

from typing import Any

from etl.databases.target import Change
from etl.errors import MigrationError, Refused
from etl.load.staged_rows import run_id_of
from etl.load.step import foreseen
from etl.pipeline.left_out import published_last
from etl.runfolder.folder import RunFolder
from mappings.model import Mappings

Changes = dict[str, dict[str, int]]
_WORDS = ("insert", "update", "remove")
_SHOWN = 5


def foresee(folder: RunFolder, mappings: Mappings, target: str | None) -> dict[str, Any]:
    """Returns facts of the step check: `changes`, by table the rows to insert, update and remove; None, with the reason, where unknown."""
    if target is None:
        return {"changes": None, "changes_unknown": "No new store was given (--target)."}
    try:
        return {"changes": as_data(foreseen(folder, mappings, target)), "changes_unknown": None}
    except MigrationError as error:
        return {"changes": None, "changes_unknown": error.message}


def renew(folder: RunFolder, mappings: Mappings, target: str | None) -> None:
    """Computes the forecast of an earlier check again, because the store may have changed since; a published run keeps its forecast."""
    known = folder.steps["check"].facts
    if known["critical"] or (target is None and known.get("changes") is not None):
        return
    try:
        last = published_last(target) if target is not None else None
    except MigrationError:
        if "load" in folder.steps:
            return
        last = None
    if last is not None and last["run_id"] == run_id_of(folder):
        return
    found = foresee(folder, mappings, target)
    if found != {name: known.get(name) for name in found}:
        known.update(found)
        folder.save()


def as_data(changes: list[Change]) -> Changes:
    """Returns the changes by table, in the order of their names."""
    return {
        change.table: dict(zip(_WORDS, (change.inserted, change.updated, change.removed), strict=True))
        for change in sorted(changes, key=lambda c: c.table)
    }


def sentence(facts: dict[str, Any]) -> str:
    """Returns a sentence with the total number of changes of the load."""
    if (changes := facts.get("changes")) is None:
        return f"unknown what the load will change: {facts.get('changes_unknown') or 'the check did not compare'}"
    inserted, updated, removed = (sum(change[word] for change in changes.values()) for word in _WORDS)
    return f"the load will insert {inserted:,} rows, update {updated:,} and remove {removed:,}"


def others(known: Changes | None, changes: list[Change]) -> list[str]:
    """Returns a sentence for each table in which the load changes another number of rows than forecast; empty without a forecast."""
    if known is None:
        return []
    return [
        f"{table}: {_told(done)}, foreseen {_told(known.get(table, dict.fromkeys(_WORDS, 0)))}"
        for table, done in as_data(changes).items()
        if done != known.get(table, dict.fromkeys(_WORDS, 0))
    ]


def refuse_others(found: list[str]) -> None:
    """Raises Refused (exit 7) where the load would make other changes than the approved ones."""
    if found:
        more = f"; {len(found) - _SHOWN:,} more tables" if len(found) > _SHOWN else ""
        raise Refused(
            f"The store was changed after the check: the load would change other rows than those approved ({'; '.join(found[:_SHOWN])}{more})."
            " Nothing was published.",
            "Run `portal-migrate check` again and have its new digest approved; or find out who wrote to the store.",
        )


def _told(change: dict[str, int]) -> str:
    return ", ".join(f"{change[word]:,} to {word}" for word in _WORDS)

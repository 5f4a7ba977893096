"""Step 5: the checked rows into the new store: staged, then published in one transaction together with the run's record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import polars as pl

from etl.databases.conditions import refuse_conditions
from etl.databases.editions import refuse_differences
from etl.databases.registry import would_change
from etl.databases.target import Agree, Change, RunRecord, TakesDifferences, Target, Tell, agreed, in_reference_order
from etl.domain.grace import NO_GRACE, Grace
from etl.errors import Refused
from etl.load.difference import known_difference
from etl.load.staged_rows import files_of, rows_of, run_id_of
from etl.objects import Objects
from etl.objects.journal import journaled
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, Step
from mappings.limits import digest_of
from mappings.model import Mappings

Preview = Callable[[list[Change]], None]
_REMOVED_TOGETHER = 2_000  # objects
_IMAGES = "before-images"  # the event with their digests


def load(
    folder: RunFolder,
    mappings: Mappings,
    target: Target,
    freeze: tuple[date, date] | None,
    ready: Callable[[], None],
    tell: Tell,
    grace: Grace = NO_GRACE,
    decisions_sha256: str | None = None,
    agree: Agree = agreed,
    early: Callable[[], None] = lambda: None,
) -> Step:
    """Stages and publishes the rows in one transaction, and returns the finished step (K8).

    `ready` is called directly before publishing and raises if a source changed (K1); `agree` gets the changes before the commit and may raise.
    `early` is called before all rows are staged, which takes minutes, and for a run that is published already; it raises what `ready` would.
    """
    refuse_unfit(target, mappings)
    run_id = run_id_of(folder)
    published = [run for run in target.runs() if run.state == "PUBLISHED"]
    if published and published[-1].run_id == run_id:
        early()
        refuse_foreign_rows(target, mappings)
        before = folder.steps["load"].facts if "load" in folder.steps else {}
        kept, marks = before.get("record"), {"marks": before["marks"]} if "marks" in before else {}  # by which its rows are known again
        if _logged_images(folder, published[-1]) is not None and published[-1].row() not in (kept or ()):
            kept = None  # of an earlier publish of the same run: the last one was killed after its commit
        return Step(
            "", [], {"run_id": run_id, "already": True, "changes": [], "record": kept or [run.row() for run in target.runs()]} | marks
        )
    known = known_difference(folder, mappings.target, published[-1]) if published and isinstance(target, TakesDifferences) else None
    if known is None:  # else it holds only rows of an earlier run, or this is checked below
        early()
        refuse_foreign_rows(target, mappings)
        stage_all(folder, mappings, target, run_id, tell)
    ready()
    # Independent of the clock: a publish is later than its run's start and than every publish before it.
    began = datetime.fromisoformat(str(folder.steps["extract"].facts["began"]))
    earlier = [run.finished_at + timedelta(microseconds=1) for run in published if run.finished_at]
    finished = max([datetime.now(UTC).replace(tzinfo=None), began, *earlier])
    record = RunRecord(
        run_id,
        "PUBLISHED",
        began,
        finished,
        freeze,
        folder.digest(*(name for name in layout.BEFORE_LOAD if name in folder.steps)),
        grace.in_force(freeze),
        digest_of(mappings.digest, folder.settings.adapter),
        decisions_sha256,
    )
    agree_and_keep = _keeping(folder, target, record, agree)
    changes = (
        target.publish_difference(mappings.target, record, known, tell, agree_and_keep)
        if known is not None and isinstance(target, TakesDifferences)
        else None
    )
    if changes is None:  # others have written to the store since: all rows are sent, and compared there
        if known is not None:
            refuse_foreign_rows(target, mappings)
            stage_all(folder, mappings, target, run_id, tell)
            ready()
        changes = target.publish(mappings.target, record, tell, agree_and_keep)
    told = [[c.table, c.inserted, c.updated, c.removed] for c in changes]
    return Step(
        "",
        [],
        {"run_id": run_id, "already": False, "changes": told, "marks": target.store_state, "record": [run.row() for run in target.runs()]},
    )


def _keeping(folder: RunFolder, target: Target, record: RunRecord, agree: Agree) -> Agree:
    """Returns `agree`, which then also logs the digests of the before-images: before the commit, so that a kill behind it does not lose them."""

    def agree_and_keep(changes: list[Change]) -> None:
        agree(changes)
        if target.images is not None:
            about = {"run": replace(record, fresh=False).row(), "images": target.images}
            folder.record(_IMAGES, f"{len(target.images):,} tables of before-images kept for a rollback", {}, about)

    return agree_and_keep


def foreseen(folder: RunFolder, mappings: Mappings, target: str) -> list[Change]:
    """Returns the changes that `load` would make in the store now, without making them; raises MigrationError if it cannot be compared."""
    run_id = run_id_of(folder)
    tables = mappings.target.tables
    sizes = {name: sum(file.rows for file in files_of(folder, table)) for name, table in tables.items() if name != "migration_run"}
    return would_change(
        target,
        mappings.target,
        sizes,
        lambda table: rows_of(folder, table, run_id),
        lambda record: known_difference(folder, mappings.target, record),
        folder.path / layout.CHECK,
    )


def missing_objects(folder: RunFolder, objects: Objects) -> list[str]:
    """Returns the SHA-256 of every referenced object that is missing or of another size in the object store."""
    stored = [pl.DataFrame(table) for table in folder.tables("reattach", layout.made("reattach", "stored_object"))]
    sizes = dict(row for frame in stored for row in frame.select("sha256", "size_bytes").iter_rows())
    there = objects.sizes(list(sizes))
    return [sha256 for (sha256, size), found in zip(sizes.items(), there, strict=True) if found != size]


def refuse_unfit(target: Target, mappings: Mappings) -> None:
    """Raises Refused (7) for a store whose tables differ from the contract, or with rows that no migration published."""
    refuse_differences(target.differences_from(mappings.target), mappings.target)
    refuse_conditions(target.conditions(mappings.target))
    if not any(run.state == "PUBLISHED" for run in target.runs()):
        filled = [table for table in mappings.target.tables if table != "migration_run" and target.rows(table)]
        if filled:
            raise Refused(f"The target holds rows that are not this run's: {', '.join(filled)}.", "Give an empty target.")


def refuse_foreign_rows(target: Target, mappings: Mappings) -> None:
    """Raises Refused (7) for a store with rows that no migration published beside those of a run."""
    foreign = target.foreign_rows(mappings)
    if foreign:
        raise Refused(
            f"The target holds rows that no migration published: {', '.join(foreign)}.", "Give an empty target, or remove those rows."
        )


def stage_all(folder: RunFolder, mappings: Mappings, target: Target, run_id: str, tell: Tell) -> None:
    """Stages the rows of every table of the new store, the largest tables first."""
    sizes = {table.name: sum(file.rows for file in files_of(folder, table)) for table in in_reference_order(mappings.target)}
    tables = sorted((mappings.target.tables[name] for name in sizes if name != "migration_run"), key=lambda table: -sizes[table.name])
    done, total = 0, sum(sizes.values())
    # Closed however the loop ends: a target that stages in several sessions must end all of them.
    with closing(target.stage(tables, lambda table: rows_of(folder, table, run_id))) as staged:
        for count in staged:
            done += count
            tell("load", done, total)


@dataclass(frozen=True)
class RolledBack:
    """Rows and objects that a rollback removed and restored; `kept`: unreferenced objects that other stores may need."""

    run_id: str
    removed: int
    restored: int
    objects: int
    kept: int
    others: list[str]
    tables: list[tuple[str, int, int]] = field(default_factory=list)  # table, rows removed, rows restored


def rollback(
    folder: RunFolder, mappings: Mappings, target: Target, objects: Objects, store: str, tell: Tell, preview: Preview = lambda _: None
) -> RolledBack:
    """Reverts exactly what this run published (K8), and returns the counts. Raises Refused (7) if it published nothing or rows were changed since.

    `store`: the target's identity among the objects. `preview` gets the counts of rows to remove and restore, and may raise to stop.
    """
    run_id = run_id_of(folder)
    runs = target.runs()
    published = [run for run in runs if run.state == "PUBLISHED"]
    if run_id not in {run.run_id for run in published}:
        if run_id in {run.run_id for run in runs} and "load" in folder.steps:  # a rollback that was killed after its commit
            return RolledBack(run_id, 0, 0, *_remove_unneeded(folder, target, objects, store))
        raise Refused(
            f"The target does not hold the rows that {run_id} published: there is nothing to roll back.", "Check --target and --run."
        )
    if published[-1].run_id != run_id:
        raise Refused(f"{published[-1].run_id} published after {run_id}.", "Roll that run back first.")
    _refuse_other_record(folder, published[-1])
    _refuse_other_tables(target, mappings)
    images = _logged_images(folder, published[-1])
    preview(target.would_roll_back(mappings.target, published[-1], images))
    store_state = folder.steps["load"].facts.get("marks", {}) if "load" in folder.steps else {}
    others = []
    if not target.unchanged_since(mappings.target, store_state):  # then the rows themselves must be compared
        stage_all(folder, mappings, target, run_id, tell)
        others = target.differs_from_staged(mappings.target)
    if others:
        raise Refused(
            f"Rows were changed after this run was published: {', '.join(others)}.",
            "A rollback would lose these changes: resolve them first.",
        )
    changes = target.roll_back(mappings.target, published[-1], tell, images)
    gone = _remove_unneeded(folder, target, objects, store)
    tables = [(change.table, change.removed, change.updated + change.inserted) for change in changes]
    return RolledBack(run_id, sum(removed for _, removed, _ in tables), sum(restored for *_, restored in tables), *gone, tables)


def _refuse_other_tables(target: Target, mappings: Mappings) -> None:
    """Raises Refused where tables or columns of the store are gone or something else has their name: their rows cannot be compared or removed."""
    found = [
        text for text in target.differences_from(mappings.target) if text.endswith(("no such table", "no such column", "of another origin"))
    ]
    if found:
        raise Refused(
            "The store's tables are not those that this run filled:\n  " + "\n  ".join(found),
            "Give them their names and columns back, or restore the store's backup; then run the same command again. Nothing was changed.",
        )


def _refuse_other_record(folder: RunFolder, record: RunRecord) -> None:
    """Raises Refused where the store's record of the run is none that the run published: what a rollback does follows from it."""
    recorded = folder.steps["load"].facts.get("record", []) if "load" in folder.steps else []
    logged = [event["about"].get("run") for event in folder.refuse_altered_log() if event.get("what") in (_IMAGES, "load")]
    known = [row for row in (*logged, *recorded) if row is not None and row["run_id"] == record.run_id]
    if known and record.row() not in known:
        columns = ", ".join(sorted(name for name, value in record.row().items() if known[-1].get(name) != value))
        raise Refused(
            f"The store's record of {record.run_id} (migration_run) was altered after it was published: {columns}. Nothing was changed.",
            "Find out who altered it and restore the record, or restore the store's backup from before that run.",
        )


def _logged_images(folder: RunFolder, record: RunRecord) -> dict[str, str] | None:
    """Returns the digests of the before-images that this publish logged; None where the run's log has none for it."""
    logged = [event["about"] for event in folder.refuse_altered_log() if event.get("what") == _IMAGES]
    return next((about["images"] for about in reversed(logged) if about["run"] == record.row()), None)


def _remove_unneeded(folder: RunFolder, target: Target, objects: Objects, store: str) -> tuple[int, int, list[str]]:
    """Removes the objects that this run stored and no row of the store names. Returns (number removed, number kept, other stores that may need those)."""
    taken = removed_objects(target.unknown_objects(sorted(journaled(folder.path / layout.JOURNAL))), objects, store)
    if not any(run.state == "PUBLISHED" for run in target.runs()):
        objects.record_store(store, "")
    return taken


def remove_orphans(folder: RunFolder, target: Target, objects: Objects, store: str) -> tuple[int, int, list[str]]:
    """Removes objects of this run that its published rows do not name: precopied documents that changed or vanished since.

    Returns (number removed, number kept, other stores that may need those).
    """
    ours = {
        sha256 for table in folder.tables("reattach", layout.made("reattach", "stored_object")) for sha256 in table["sha256"].to_pylist()
    }
    orphans = sorted(journaled(folder.path / layout.JOURNAL) - ours)
    return removed_objects(target.unknown_objects(orphans), objects, store) if orphans else (0, 0, [])


def removed_objects(unneeded: list[str], objects: Objects, store: str) -> tuple[int, int, list[str]]:
    """Removes these objects unless another store publishes there. Returns (number removed, number kept, those other stores)."""
    gone, kept, others = 0, 0, list[str]()
    for first in range(0, len(unneeded), _REMOVED_TOGETHER):
        others = objects.others(store)  # queried for each batch: another store may publish meanwhile
        if others:
            kept = sum(size is not None for size in objects.sizes(unneeded[first:]))
            break
        gone += objects.remove_all(unneeded[first : first + _REMOVED_TOGETHER])
    return gone, kept, others if kept else []

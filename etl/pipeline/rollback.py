"""The command `rollback`. It imports neither the steps of a run nor the verifier: these imports would take longer than a small rollback."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from etl.databases.registry import open_target
from etl.databases.target import Change
from etl.errors import Refused
from etl.load.step import rollback as roll_back_rows
from etl.objects import Objects
from etl.objects.journal import journaled
from etl.objects.registry import open_objects
from etl.options import Options, needed, needed_run
from etl.pipeline.context import fixed_options
from etl.pipeline.roles import roles
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, open_locked, open_readonly
from etl.system.confirm import confirm, refuse_unasked
from etl.system.progress import ProgressReporter
from mappings.model import Mappings
from mappings.read import read_mappings


def rollback(options: Options, reporter: ProgressReporter, yes: bool) -> dict[str, Any]:
    """Reverts exactly what the run published and restores the store; returns their numbers. `yes`: without confirmation."""
    # The run's start checked that they agree with rules and verifier, whose import takes a second; other mappings are refused below.
    mappings = read_mappings(options.mappings)
    run = needed_run(options.run)
    open_readonly(run)  # without a run nothing is rolled back, and no folder is created
    refuse_unasked("rollback", yes)
    with open_locked(run) as folder, ExitStack() as stack:
        folder.refuse_purged(
            "A rollback is no longer possible without the purged stage files: restore the new store from its backup (runbooks/rollback.md)."
        )
        options = fixed_options(options, mappings, folder)
        if folder.settings.rolled_back is not None and "load" not in folder.steps:
            raise Refused(
                f"The run was already rolled back: {folder.settings.rolled_back}. There is nothing to roll back.",
                "Give `portal-migrate run` with the same options to publish it again.",
            )

        def preview(changes: list[Change]) -> None:
            for change in changes:
                if change.removed or change.updated:
                    reporter.info(f"rollback: {change.table}: {change.removed:,} rows to remove, {change.updated:,} to restore")
            removed, restored = sum(change.removed for change in changes), sum(change.updated for change in changes)
            confirm(f"Remove {removed:,} rows and restore {restored:,}?", yes)
            stack.enter_context(reporter.bars())  # not before: a bar would hide the question

        target = open_target(needed(options.target, "--target", "the URL of the new store"), folder.path / layout.LOAD)
        objects_uri = needed(options.objects, "--objects", "the root of the new object store")
        objects: Objects = open_objects(objects_uri, folder.path / layout.JOURNAL)
        objects.clean()
        try:
            reverted = asdict(roll_back_rows(folder, mappings, target, objects, target.identity(objects_uri), reporter.progress, preview))
            written = folder.steps["report"].facts if "report" in folder.steps else None
            gone = any(objects.size(sha256) is None for sha256 in journaled(folder.path / layout.JOURNAL))
            when = datetime.now(UTC).isoformat(timespec="seconds")
            folder.settings = replace(folder.settings, rolled_back=f"{reverted['run_id']} at {when}")
            folder.clear("extract" if gone else "load")  # a new start stores the objects again
            folder.record("rollback", "rolled back", roles(options), reverted)
            write_report_again(folder, mappings, roles(options), written)
            folder.remove(layout.LISTS)
            for described in (layout.READINESS, layout.INDEX):  # what they say of the new store is over; the explorer's audit log stays
                folder.remove(described)
            del folder.steps["report"]  # it reports the end of the run; the next run writes a report
            folder.save()
            return reverted
        finally:
            target.close()


def write_report_again(folder: RunFolder, mappings: Mappings, known_roles: dict[str, str], earlier: dict[str, Any] | None) -> None:
    """Writes the run's report again; removes the report of a purged run, whose rows are gone. `earlier`: the facts of the report before."""
    from etl.report.write import write_report

    folder.remove(layout.REPORT)
    folder.steps.pop("report", None)
    if folder.settings.purged:
        folder.record("report", "removed: it described the state before the rollback", known_roles, {})
        return
    folder.steps["report"] = write_report(folder, mappings, earlier)
    folder.record("report", folder.steps["report"].facts["sentence"], known_roles, {})

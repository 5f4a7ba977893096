"""The steps of a migration, in order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.databases import backend, database_identity, sqlite_url
from etl.errors import CheckFailed, DifferencesFound, MigrationError, WrongUsage, note
from etl.evidence.approval import approval_status, fix_publish_location
from etl.extract.step import ShareMissing
from etl.objects.share import Share
from etl.options import Options, needed_run
from etl.path_overlap import refuse_overlap
from etl.pipeline import changes
from etl.pipeline.ahead import is_first, look_ahead, refuse_ahead
from etl.pipeline.binding import bound_mappings
from etl.pipeline.context import RunContext, fixed_options
from etl.pipeline.preflight import Plan, changeable, plan, refuse_few_connections, refuse_other_tables, rights
from etl.pipeline.publication import known, truthful
from etl.pipeline.signed_files import fixed_signed, planned_goals, read_signed
from etl.pipeline.sources import sources_of
from etl.pipeline.step_actions import ACTIONS, READ, refuse_failed_check
from etl.pipeline.waiting_decisions import template
from etl.present import refuse_wrong_files
from etl.runfolder import layout
from etl.runfolder.acceptance_file import judged
from etl.runfolder.disk_space import Need, loaded_bytes, need_of_step, require_room
from etl.runfolder.folder import SEAL, open_locked, open_readonly, sealing
from etl.runfolder.stage_file_io import rows_of
from etl.system.memory import give_memory_back, limit_free_memory
from etl.system.progress import ProgressReporter
from etl.system.worker_pool import WorkerPool, refuse_password, secured
from mappings.limits import read_limits
from mappings.model import Mappings

_FIXED_BY = {"extract": ("source", "tc", "files", "adapter"), "split": ("freeze", "grace", "decisions", "acceptance")}


def rehearsal(options: Options) -> Options:
    """Returns the options for a temporary store: in the database of --target (`rehearsal_schema`), else a file in the run folder."""
    run = needed_run(options.run)
    folder = run / layout.REHEARSAL
    return replace(options, target=options.target or sqlite_url(folder / "portal3.sqlite"), objects=str(run / layout.REHEARSAL_OBJECTS))


def run_steps(
    options: Options,
    steps: tuple[str, ...],
    reporter: ProgressReporter,
    leave: Callable[[Options, Path], list[str]] = lambda _options, _run: [],
) -> dict[str, Any]:
    """Does these steps in order and returns the report's facts; skips a step that is done and whose inputs are unchanged.

    `leave`: what a published rehearsal leaves besides its report; it returns one sentence for each file. Raises the error of the first step that
    fails; differences and failed checks are raised after the report is written.
    """
    limit_free_memory()
    if options.rehearse:
        options = rehearsal(options)
    run = needed_run(options.run)
    if options.scheduler is not None and sealing():
        message = f"{SEAL} and --scheduler cannot be combined: every process of the cluster would need the key."
        raise WrongUsage(message, "Use --workers, or leave the run unsealed.")
    if options.scheduler is not None:
        secured(options.scheduler)
        for option, url in (("--source", options.source), ("--tc", options.tc)):
            refuse_password(option, url)
        run, options = run.absolute(), _seen_from_elsewhere(options)
    if steps == ("report",):
        open_readonly(run)  # a run that never began has no log, and no folder is created for it
    refuse_overlap(options)
    mappings = bound_mappings(options.mappings)
    if options.adapter is not None:
        refuse_wrong_files(options.adapter, mappings, lambda: sources_of(options, mappings))  # before anything is created
    first = is_first(run)
    if first:
        _refuse_first(options, steps, mappings, reporter)
    with open_locked(run) as folder, WorkerPool(options.workers, folder.path / layout.WORKERS, options.scheduler) as pool:
        folder.refuse_purged("Start again in a new run folder.")
        fixed = fixed_options(options, mappings, folder)
        limits = read_limits(options.adapter, mappings, fixed.adapter_sha256)
        signed = fixed_signed(folder, options, mappings)
        fixed = replace(fixed, decisions=folder.path / layout.DECISIONS if signed.decisions.sha256 is not None else None)
        context = RunContext(fixed, mappings, folder, reporter, pool, limits, decisions=signed.decisions, acceptance=signed.acceptance)
        context.alone = len(steps) == 1 and steps != ("report",)
        refuse_overlap(context.options)  # with the settings of the run's start
        failure: MigrationError | None = None
        if len(steps) > 1 and not first:
            look_ahead(context.options, mappings, reporter)
        with reporter.bars():
            for step in steps:
                if failure is not None and step not in ("report",):
                    continue
                try:
                    with reporter.notices.ending(step, told=len(steps) > 1) as ending:  # of a single step, the command reports the end
                        ending.told &= _do_truthfully(context, step)
                except (CheckFailed, DifferencesFound) as error:
                    failure = error
        answer = _answer(context, steps, failure is not None)
        if options.rehearse and "load" in folder.steps:
            for sentence in leave(context.options, folder.path):
                reporter.info(f"rehearsal: {sentence}")
        if failure is not None:
            failure.data = answer
            raise failure
        return answer


def _seen_from_elsewhere(options: Options) -> Options:
    """Returns the options with absolute paths: the workers of a cluster run in other folders."""
    adapter = options.adapter.absolute() if options.adapter is not None else None
    return replace(options, adapter=adapter, mappings=options.mappings.absolute())


def _do_truthfully(context: RunContext, step: str) -> bool:
    """Does the step as `_do`; an error gets the state of publishing."""
    try:
        return _do(context, step)
    except (CheckFailed, DifferencesFound):
        raise
    except MigrationError as error:
        context.folder.record(step, f"refused: {error.code}", context.roles(), {})
        said = truthful(error, step, context.folder, context.publishing)
        if not isinstance(said, DifferencesFound):
            _tell_early(context, step, said)
        raise said from None
    except Exception as error:
        note(error, "publication", known(context.folder, context.publishing))
        raise


def _tell_early(context: RunContext, step: str, error: MigrationError) -> None:
    """Writes a short report with the error, for CI, where the folder is still writable."""
    from etl.report.write import write_early

    if step != "report" and "load" not in context.folder.steps:  # the report of a published run stays
        with suppress(OSError, MigrationError):
            write_early(context.folder, step, error)


def _refuse_first(options: Options, steps: tuple[str, ...], mappings: Mappings, reporter: ProgressReporter) -> None:
    """Raises what is wrong with a run that has not begun, before its folder exists; CI shows it beside the job."""
    try:
        refuse_ahead(options, steps, mappings, reporter)
    except MigrationError as error:
        from etl.report.write import tell_early

        tell_early(steps[0], error)
        raise


def _answer(context: RunContext, steps: tuple[str, ...], failed: bool) -> dict[str, Any]:
    """Returns the command's answer: for a whole run and `report` report.json as it was written, for one step its result and the next step."""
    if steps[-1] == "report":
        written = {file.path: file for file in context.folder.steps["report"].files}
        return dict(json.loads(context.folder.read_bytes(written[layout.report_file("report.json")])))
    (step,) = steps
    done = context.folder.steps.get(step)
    answer: dict[str, Any] = {"step": step, "facts": done.facts if done else {}}
    if step == "check":
        answer["goals"] = judged(context.folder)
    if failed:
        return answer
    if step == "check":
        answer["approval"] = approval_status(context.folder)
        answer |= {name: answer["facts"].get(name) for name in ("changes", "changes_unknown")}
    return {**answer, "next": next((name for name in layout.STEPS if name not in context.folder.steps), None)}


def _do(context: RunContext, step: str) -> bool:
    """Does one step, unless it is done and its inputs are unchanged; returns whether it did anything."""
    folder = context.folder
    if step in ("check", "load") and not context.options.rehearse:
        fix_publish_location(folder, context.options.target, context.options.objects)
    inputs = _inputs(context, step)
    if step in folder.steps and folder.steps[step].inputs == inputs and step in layout.BEFORE_LOAD:
        context.reporter.info(f"{step}: done before, unchanged")
        if step == "check":
            changes.renew(folder, context.mappings, context.options.target)
            _say_changes(context)
        refuse_failed_check(context)
        return False
    before = folder.settings
    if step in layout.BEFORE_LOAD:
        folder.clear(step)
        # Later starts must leave out the same inputs as this step.
        folder.fix(folder.settings.completed(*_FIXED_BY.get(step, ())))
    began, clock = datetime.now(UTC), time.monotonic()
    _require_room(context, step)
    context.reporter.begins(step)
    try:
        done = ACTIONS[step](context)
    except ShareMissing:
        folder.settings = before  # the next step of the message is to give the missing input, in this same folder
        folder.save()
        raise
    except BrokenProcessPool:
        message = "A worker process was killed from outside; the usual cause is a lack of memory."
        raise MigrationError(message, "Give fewer --workers, then run the same command again to resume.") from None
    done.inputs = inputs
    done.facts.update({"started": began.isoformat(timespec="seconds"), "seconds": round(time.monotonic() - clock, 3)})
    folder.steps[step] = done
    about = {"inputs": inputs, **({"approval": done.facts["approval"]} if "approval" in done.facts else {})}
    if step == "load":  # by which a rollback recognizes the store's record of each publish, also of one before the last
        about["run"] = next((row for row in done.facts["record"] if row["run_id"] == done.facts["run_id"]), None)
    folder.record(step, str(done.facts.get("sentence", "done")), context.roles(), about)
    tell = context.reporter.info_beside if context.alone else context.reporter.info
    tell(f"{step}: {done.facts.get('sentence', 'done')} ({done.facts['seconds']:.1f} s)")
    context.pool.release_if_large()
    give_memory_back()
    if step == "check":
        _say_changes(context)
    if step in ("check", "reconcile"):
        refuse_failed_check(context)
        _refuse_differences(context, step)
    return True


def _say_changes(context: RunContext) -> None:
    facts = context.folder.steps["check"].facts
    if "load" not in context.folder.steps and "changes" in facts:
        context.reporter.info(f"check: {changes.sentence(facts)}")


def _require_room(context: RunContext, step: str) -> None:
    """Raises NoSpace where the disks lack space for the step's files; extract checks after it has counted."""
    written = step in context.folder.steps and step != "report"  # it writes no more than exists there; a report is always written again
    if written or "extract" not in context.folder.steps:
        return
    rows = rows_of(context.folder.files("extract"))
    needs = [need_of_step(context.folder, step)]
    target = context.options.target
    if step == "load" and target is not None and backend(target) == "sqlite":  # only the server knows its free space
        store = Path(str(database_identity(target)[1])).parent
        needs += [Need(context.folder.path, loaded_bytes(rows), "staging"), Need(store, loaded_bytes(rows), "the new store")]
    require_room(needs)


def _inputs(context: RunContext, step: str) -> str:
    """Returns the digest of all inputs of the step."""
    before = [name for name in layout.STEPS[: layout.STEPS.index(step)] if name in context.folder.steps and name in layout.BEFORE_LOAD]
    freeze = f"{context.options.freeze}|{context.options.grace}|{context.decisions.sha256}" if step != "extract" else ""
    freeze += f"|{context.acceptance.sha256}" if step == "check" and context.acceptance.sha256 is not None else ""
    import hashlib

    return hashlib.sha256(f"{context.mappings.digest}|{freeze}|{context.folder.digest(*before)}".encode()).hexdigest()


def _refuse_differences(context: RunContext, step: str) -> None:
    facts = context.folder.steps[step].facts
    if step == "reconcile":
        from etl.pipeline.reconcile_step import failure

        error = failure(facts, f"{READ}, or run `portal-migrate reconcile --output json`.")
        if error is not None:
            raise error


def planned(options: Options) -> Plan:
    """Returns what a run would do; changes nothing."""
    refuse_overlap(options)
    mappings = bound_mappings(options.mappings)
    if options.adapter is not None:
        with sources_of(options, mappings):
            pass  # all errors of the adapter, of both portals, in one answer
    signed = read_signed(options, mappings)
    found = rights(options, mappings)
    beside, foreseen = refuse_other_tables(options.target, mappings) if options.target is not None else ([], [])
    share = Share(options.files) if options.files is not None else None
    with sources_of(options, mappings) as sources:
        ahead = plan(sources, mappings, share, whole=True)
        waiting = template(sources, mappings, signed.decisions)
    refuse_few_connections(options, sum(ahead.rows.values()))
    goals = planned_goals(signed, mappings)
    return replace(
        ahead, rights=found, beside=beside, foreseen=foreseen, decisions_template=waiting, goals=goals, changeable=changeable(options)
    )

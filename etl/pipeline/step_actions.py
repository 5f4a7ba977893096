"""The action of each step, given the run's context."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from etl.acceptance.judgement import as_json, judged_goals, missed
from etl.databases import redacted_url
from etl.databases.registry import open_target
from etl.databases.target import Change, Target
from etl.domain.grace import NO_GRACE, Grace
from etl.errors import CheckFailed, MigrationError, Refused, SourceChanged
from etl.evidence.approval import require_approval
from etl.extract.freeze_guard import changed_of, looked_again
from etl.extract.precopied import precopied
from etl.extract.step import Helpers, ShareMissing, extract
from etl.load.step import load, missing_objects, remove_orphans
from etl.objects import Objects
from etl.objects.address import bucket_of, folder_of
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.options import needed
from etl.pipeline import changes
from etl.pipeline.context import RunContext
from etl.pipeline.left_out import NoShare, refuse_left_out, share_left_out
from etl.pipeline.preflight import plan
from etl.pipeline.sources import sources_of
from etl.runfolder import acceptance_file, layout
from etl.runfolder.disk_space import Need, bytes_below, require_room
from etl.runfolder.event_log import refuse_undone
from etl.runfolder.folder import Step
from etl.runfolder.stage_file_io import rows_of
from etl.system.retries import retry_policy
from etl.system.visible import BREAK
from etl.transform.reattach import reattach
from etl.transform.split import split
from etl.transform.stage_file_task import clear_worker_cache

READ = "Read report/report.md of the run's folder (`portal-migrate report` writes it)"


def refuse_failed_check(context: RunContext) -> None:
    """Raises CheckFailed (exit 3) where a critical check failed, or where a goal without a waiver was missed."""
    check = context.folder.steps.get("check")
    if check and check.facts.get("goals_missed"):
        raise _missed(context, list(check.facts["critical"]), list(check.facts["goals_missed"]))
    if check and check.facts["critical"]:
        names = ", ".join(check.facts["critical"])
        found = "".join(f"{BREAK}{sentence}" for sentence in check.facts.get("implausible", ()))
        raise CheckFailed(f"Critical checks failed: {names}. Nothing was published.{found}", f"{READ}: it lists every key.")


def _missed(context: RunContext, critical: list[str], names: list[str]) -> CheckFailed:
    entries = {entry["goal"]: entry for entry in acceptance_file.judged(context.folder)}
    failed = f"Critical checks failed: {', '.join(critical)}. " if critical else ""
    found = "".join(f"{BREAK}{acceptance_file.said(entries[name])}" for name in names)
    return CheckFailed(
        f"{failed}Goals were missed without a waiver: {', '.join(names)}. Nothing was published.{found}",
        "Have the old portal's rows corrected (`portal-migrate readiness` lists them, of a rehearsal without --acceptance), or have the owner sign a [[waiver]]"
        " of the goal in the file of decisions; then start again in a new run folder.",
    )


def _extract(context: RunContext) -> Step:
    options = context.options
    objects_uri = needed(options.objects, "--objects", "the root of the new object store")
    if options.tc is None and context.folder.settings.tc is not None:  # an address with a password is not completed from the settings
        raise Refused("This run began with --tc, but it is not given now.", "Give the same --tc.")
    brought = precopied(context.folder)
    left_out = NoShare() if "files" in options.without else None
    share = Share(options.files) if options.files is not None else None
    with sources_of(options, context.mappings) as sources:
        ahead = plan(sources, context.mappings, share)  # stops where sources and mappings do not match, before any data is read (K5)
        needs = [Need(context.folder.path, ahead.staged["extract"], "the stage files")]
        if bucket_of(objects_uri) is None:  # the free space of a bucket is unknown
            store = folder_of(objects_uri, "--objects")
            needs.append(Need(store, ahead.documents_bytes, "documents", there=lambda: bytes_below(store)))
        require_room(needs)
        objects = open_objects(objects_uri, context.folder.path / layout.JOURNAL)  # creates the folder: nothing is refused from here
        objects.clean()
        pool = context.pool.executor_for(sum(ahead.rows.values()))
        helpers = (
            Helpers(
                pool,
                objects_uri if bucket_of(objects_uri) else str(folder_of(objects_uri, "--objects").absolute()),
                options.adapter,
                options.adapter_sha256,
            )
            if pool is not None
            else None
        )
        try:
            step = extract(
                sources, share or left_out, objects, context.mappings, context.folder, context.reporter.progress, helpers, brought
            )
        except ShareMissing as error:
            raise share_left_out(options.target) or error from None
    step.facts["conditions"] = {portal: asdict(known) for portal, known in ahead.conditions.items()}
    step.facts["sentence"] = f"{sum(step.facts['read'].values()):,} rows read, {', '.join(sorted(set(step.facts['levels'].values())))}"
    if brought is not None:
        step.facts["sentence"] += f"; {step.facts['unchanged']:,} documents not read again: the rows are those of the precopy"
    return step


def _grace(context: RunContext) -> Grace:
    return context.options.grace or NO_GRACE


def _split(context: RunContext) -> Step:
    context.folder.refuse_unlisted_files("extract")
    step = split(context.folder, context.mappings, context.options.freeze, _grace(context), context.decisions)
    step.facts["sentence"] = f"{step.facts['accounts']:,} accounts, {step.facts['logins']:,} logins"
    return step


def _reattach(context: RunContext) -> Step:
    options, folder = context.options, context.folder
    folder.refuse_unlisted_files("split")
    objects = needed(options.objects, "--objects", "the root of the new object store")
    open_objects(objects, folder.path / layout.JOURNAL).clean()  # it stores bytes too (C7): a killed start may have left a partial object
    pool = context.pool.executor_for(rows_of(folder.files("extract")))
    step = reattach(
        folder,
        context.mappings,
        objects,
        options.freeze,
        pool,
        context.reporter.progress,
        options.files,
        context.pool.release_if_large,
        _grace(context),
    )
    clear_worker_cache()
    made = sum(file.rows for file in step.files if not file.path.startswith((layout.index("reattach"), layout.records("reattach"))))
    step.facts["sentence"] = f"{made:,} rows for the accounts"
    return step


def _check(context: RunContext) -> Step:
    import checks
    from etl.pipeline.staged_comparison import is_asked, verifiers_answer

    folder = context.folder
    folder.refuse_unlisted_files("reattach")
    pool = context.pool.executor_for(rows_of(folder.files("extract")))
    answers = checks.ask(
        folder, context.mappings, context.reporter.progress, pool=pool, limits=context.limits, processes=context.pool.processes
    )
    context.pool.shutdown()  # no later step needs them or their memory
    if not answers.critical_failures and is_asked(
        context.options, sum(file.rows for step in layout.MADE_BY for file in folder.files(step))
    ):
        answer = verifiers_answer(context.options, context.mappings, folder, context.reporter)
        if not answer.passed:
            refuse_changed(context)  # the difference may be what was written since: then the source has to stay unchanged
        answers = replace(answers, answers=(*answers.answers, answer))
    files = [
        folder.write_bytes(layout.ANSWERS, checks.answers_json(answers).encode()),
        folder.write_table(layout.FAILURES, checks.failures_table(answers)),
    ]
    critical = [answer.id for answer in answers.critical_failures]
    counts = {"asked": len(answers.answers), "passed": len(answers.passed), "warnings": len(answers.warnings), "critical": critical}
    sentence = f"{counts['asked']:,} checks asked, {counts['passed']:,} passed, {counts['warnings']:,} warnings, {len(critical):,} critical"
    implausible = [answer.sentence for answer in answers.critical_failures if answer.sentence]
    more: dict[str, Any] = {"implausible": implausible} if implausible else {}
    if context.acceptance.goals:
        goals = judged_goals(folder, context.mappings, context.acceptance, context.decisions)
        files.append(folder.write_bytes(layout.GOALS, as_json(goals)))
        more["goals_missed"] = missed(goals)
        known = [entry for entry in goals if entry["met"] is not None]
        sentence += f"; {sum(entry['met'] for entry in known):,} of {len(known):,} goals met"
    ahead = changes.foresee(folder, context.mappings, context.options.target) if not critical and not more.get("goals_missed") else {}
    return Step("", files, {**counts, **ahead, "sentence": sentence, **more})


def _load(context: RunContext) -> Step:
    options, folder = context.options, context.folder
    if "check" not in folder.steps:
        raise Refused(
            "The step check has not been done in this run.",
            "Run `portal-migrate check` (or `run`) first: unchecked rows are never published.",
        )
    refuse_failed_check(context)
    folder.verify(*layout.BEFORE_LOAD)  # all checks, before the first write
    refuse_undone(folder.refuse_altered_log(), list(layout.BEFORE_LOAD))
    target_url = needed(options.target, "--target", "the URL of the new store")
    approval = None if options.rehearse else require_approval(folder, options.approval)

    foreseen, unforeseen = folder.steps["check"].facts.get("changes"), list[str]()

    def agree(done: list[Change]) -> None:
        unforeseen[:] = changes.others(foreseen, done)
        if approval is not None:
            changes.refuse_others(unforeseen)

    looked: dict[str, Any] = folder.steps["load"].facts.get("looked", {}) if "load" in folder.steps else {}

    objects_uri = needed(options.objects, "--objects", "the root of the new object store")
    objects = open_objects(objects_uri, folder.path / layout.JOURNAL)
    objects.clean()
    # The whole load is the unit: it checks first whether the run is published, so nothing is sent twice.
    for attempt in retry_policy():
        with attempt:
            target = open_target(target_url, folder.path / layout.LOAD)

            def ready(target: Target = target) -> None:
                looked.update(refuse_changed(context))
                objects.record_store(
                    target.identity(objects_uri), redacted_url(target_url)
                )  # from here no other store's rollback removes an object
                _refuse_missing_objects(context, objects)

            try:
                refuse_left_out(options, target_url)
                grace, decisions = _grace(context), context.decisions.sha256
                step = load(
                    folder,
                    context.mappings,
                    target,
                    options.freeze,
                    ready,
                    context.reporter.progress,
                    grace,
                    decisions,
                    agree,
                    lambda: _refuse_missing_objects(context, objects),
                )
                orphans = remove_orphans(folder, target, objects, target.identity(objects_uri))
            finally:
                context.publishing |= target.perhaps_committed
                target.close()
    for leftover in (folder.path / layout.LOAD).glob("staging.sqlite*"):
        leftover.unlink()
    step.facts["looked"] = looked
    folder.settings = replace(folder.settings, rolled_back=None)
    if step.facts["already"]:
        step.facts["sentence"] = f"{step.facts['run_id']} is already published: nothing changed"
    else:
        inserted, updated, removed = (sum(change[i] for change in step.facts["changes"]) for i in (1, 2, 3))
        step.facts["sentence"] = f"published {step.facts['run_id']}: {inserted:,} rows inserted, {updated:,} updated, {removed:,} removed"
    if unforeseen:
        step.facts["unforeseen"] = unforeseen
        step.facts["sentence"] += f"; differs from the forecast of the check: {'; '.join(unforeseen)}"
    if orphans[0] or orphans[1]:
        kept = f", {orphans[1]:,} kept because {', '.join(orphans[2])} may need them" if orphans[1] else ""
        step.facts["sentence"] += f"; {orphans[0]:,} unreferenced objects removed{kept}"
    if approval is not None:
        step.facts["approval"] = approval
        step.facts["sentence"] += f"; approved by {approval['approval']['approved_by']}"
    return step


def _refuse_missing_objects(context: RunContext, objects: Objects) -> None:
    """Raises where an object to which rows refer is missing, as after a rollback or in another store."""
    missing = missing_objects(context.folder, objects)
    if missing:
        stays = " What this run published stays in the new store." if "load" in context.folder.steps else ""
        context.folder.clear("extract")  # stores the objects; the same source gives the same stage files again
        altered = sum(objects.size(sha256) is not None for sha256 in missing)
        what = {0: "not in the object store", len(missing): "in the object store, but altered"}.get(
            altered, "not in the object store, or altered"
        )
        message = f"{len(missing):,} objects that rows refer to are {what} (the first: {missing[0]}).{stays}"
        raise MigrationError(message, "Run `portal-migrate run` again: the extract restarts and stores them.")


def refuse_changed(context: RunContext) -> dict[str, dict[str, Any]]:
    """Returns the evidence that the sources are unchanged since extract (K1); raises SourceChanged with the names of changed tables."""
    with sources_of(context.options, context.mappings) as sources:
        looked = looked_again(sources, context.mappings, context.folder)
    if changed := changed_of(looked):
        message = f"Changed since the extract: {', '.join(changed)}. Nothing was published."
        raise SourceChanged(message, "The portal is not frozen. Freeze it, then start again with a new run folder.")
    return looked


def _reconcile(context: RunContext) -> Step:
    from etl.pipeline.reconcile_step import evidence, goals_counted_again, recorded, verified

    result = verified(context.options, context.reporter, recorded(context.folder))
    with sources_of(context.options, context.mappings) as sources:
        looked = looked_again(sources, context.mappings, context.folder)
    return evidence(result, context.folder, looked, goals_counted_again(result, context.folder, context.options, context.mappings))


def _report(context: RunContext) -> Step:
    from etl.report.write import write_report

    return write_report(context.folder, context.mappings)


ACTIONS = {
    "extract": _extract,
    "split": _split,
    "reattach": _reattach,
    "check": _check,
    "load": _load,
    "reconcile": _reconcile,
    "report": _report,
}

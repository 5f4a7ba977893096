"""What each step does, given the run's context."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from etl.acceptance.judgement import as_json, judged_goals, missed
from etl.databases import shown
from etl.databases.registry import open_target
from etl.databases.target import Change, Target
from etl.domain.grace import NO_GRACE, Grace
from etl.errors import CheckFailed, MigrationError, Refused, SourceChanged
from etl.evidence.approval import approved
from etl.extract.freeze_guard import changed_of, looked_again
from etl.extract.precopied import precopied
from etl.extract.step import Helpers, ShareMissing, extract
from etl.load.step import MADE_BY, load, missing_objects, remove_orphans
from etl.objects import Objects
from etl.objects.journal import JOURNAL
from etl.objects.place import bucket_of, folder_of
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.options import needed
from etl.pipeline import changes
from etl.pipeline.context import Night
from etl.pipeline.left_out import NoShare, refuse_left_out, share_left_out
from etl.pipeline.preflight import plan
from etl.pipeline.sources import sources_of
from etl.pipeline.taking_back import ROLLED_BACK
from etl.runfolder import acceptance_file
from etl.runfolder.disk_space import Need, bytes_below, require_room
from etl.runfolder.event_log import refuse_undone
from etl.runfolder.folder import Step
from etl.runfolder.stage_file_io import rows_of
from etl.system.retries import again
from etl.system.visible import BREAK
from etl.transform.reattach import reattach
from etl.transform.split import split
from etl.transform.stage_file_task import forget

READ = "Read report/report.md of the run's folder (`portal-migrate report` writes it)"


def refuse_failed_check(night: Night) -> None:
    """Raises CheckFailed (3) where a critical check failed, or where a goal was missed that nobody waived."""
    check = night.folder.steps.get("check")
    if check and check.facts.get("goals_missed"):
        raise _missed(night, list(check.facts["critical"]), list(check.facts["goals_missed"]))
    if check and check.facts["critical"]:
        names = ", ".join(check.facts["critical"])
        found = "".join(f"{BREAK}{sentence}" for sentence in check.facts.get("implausible", ()))
        raise CheckFailed(f"Critical checks failed: {names}. Nothing was published.{found}", f"{READ}: it lists every key.")


def _missed(night: Night, critical: list[str], names: list[str]) -> CheckFailed:
    entries = {entry["goal"]: entry for entry in acceptance_file.judged(night.folder)}
    failed = f"Critical checks failed: {', '.join(critical)}. " if critical else ""
    found = "".join(f"{BREAK}{acceptance_file.said(entries[name])}" for name in names)
    return CheckFailed(
        f"{failed}Goals were missed without a waiver: {', '.join(names)}. Nothing was published.{found}",
        "Have the old portal's rows mended (`portal-migrate readiness` of a rehearsal lists them), or have the owner sign a [[waiver]]"
        " of the goal in the file of decisions; then start again in a new run folder.",
    )


def _extract(night: Night) -> Step:
    options = night.options
    objects_uri = needed(options.objects, "--objects", "the root of the new object store")
    if options.tc is None and night.folder.settings.get("tc", "none") != "none":  # one with a password is not filled in from the settings
        raise Refused("This run began with --tc, and none is given now.", "Give the same --tc.")
    brought = precopied(night.folder)
    objects = open_objects(objects_uri, night.folder.path / JOURNAL)
    objects.clean()
    left_out = NoShare() if "files" in options.without else None
    share = Share(options.files) if options.files is not None else None
    with sources_of(options) as sources:
        ahead = plan(sources, night.mappings, share)  # stops where sources and mappings do not fit: before any data is read (K5)
        needs = [Need(night.folder.path, ahead.staged["extract"], "the stage files")]
        if bucket_of(objects_uri) is None:  # how much room a bucket has nobody knows
            store = folder_of(objects_uri, "--objects")
            needs.append(Need(store, ahead.documents_bytes, "documents", there=lambda: bytes_below(store)))
        require_room(needs)
        pool = night.crew.helpers(sum(ahead.rows.values()))
        helpers = Helpers(pool, objects_uri, options.adapter) if pool is not None else None
        try:
            step = extract(sources, share or left_out, objects, night.mappings, night.folder, night.talk.tell, helpers, brought)
        except ShareMissing as error:
            raise share_left_out(options.target) or error from None
    step.facts["conditions"] = {portal: asdict(known) for portal, known in ahead.conditions.items()}
    step.facts["sentence"] = f"{sum(step.facts['read'].values()):,} rows read, {', '.join(sorted(set(step.facts['levels'].values())))}"
    if brought is not None:
        step.facts["sentence"] += f"; {step.facts['unchanged']:,} documents not read again: the rows are those of the precopy"
    return step


def _grace(night: Night) -> Grace:
    return night.options.grace or NO_GRACE


def _split(night: Night) -> Step:
    night.folder.refuse_strangers("extract")
    step = split(night.folder, night.mappings, night.options.freeze, _grace(night), night.decisions)
    step.facts["sentence"] = f"{step.facts['accounts']:,} accounts, {step.facts['logins']:,} logins"
    return step


def _reattach(night: Night) -> Step:
    options, folder = night.options, night.folder
    folder.refuse_strangers("split")
    objects = needed(options.objects, "--objects", "the root of the new object store")
    open_objects(objects, folder.path / JOURNAL).clean()  # it keeps bytes too (C7): a start that was killed may have left half an object
    pool = night.crew.helpers(rows_of(folder.files("extract")))
    step = reattach(folder, night.mappings, objects, options.freeze, pool, night.talk.tell, options.files, night.crew.rest, _grace(night))
    forget()
    made = sum(file.rows for file in step.files if not file.path.startswith(("reattach/where/", "reattach/record/")))
    step.facts["sentence"] = f"{made:,} rows for the accounts"
    return step


def _check(night: Night) -> Step:
    import checks
    from etl.pipeline.staged_comparison import is_asked, verifiers_answer

    folder = night.folder
    folder.refuse_strangers("reattach")
    pool = night.crew.helpers(rows_of(folder.files("extract")))
    answers = checks.ask(folder, night.mappings, night.talk.tell, pool=pool, limits=night.limits)
    night.crew.dismiss()  # nobody needs them any more, nor what they keep
    if not answers.critical_failures and is_asked(night.options, sum(file.rows for step in MADE_BY for file in folder.files(step))):
        answer = verifiers_answer(night.options, night.mappings, folder, night.talk)
        if not answer.passed:
            refuse_changed(night)  # what differs may be what was written to since: then it is the source that has to stand still
        answers = replace(answers, answers=(*answers.answers, answer))
    files = [
        folder.write_bytes("check/answers.json", checks.answers_json(answers).encode()),
        folder.write_table("check/failures.parquet", checks.failures_table(answers)),
    ]
    critical = [answer.id for answer in answers.critical_failures]
    counts = {"asked": len(answers.answers), "passed": len(answers.passed), "warnings": len(answers.warnings), "critical": critical}
    sentence = f"{counts['asked']:,} checks asked, {counts['passed']:,} passed, {counts['warnings']:,} warnings, {len(critical):,} critical"
    implausible = [answer.sentence for answer in answers.critical_failures if answer.sentence]
    more: dict[str, Any] = {"implausible": implausible} if implausible else {}
    if night.acceptance.goals:
        goals = judged_goals(folder, night.mappings, night.acceptance, night.decisions)
        files.append(folder.write_bytes(acceptance_file.JUDGED, as_json(goals)))
        more["goals_missed"] = missed(goals)
        known = [entry for entry in goals if entry["met"] is not None]
        sentence += f"; {sum(entry['met'] for entry in known):,} of {len(known):,} goals met"
    ahead = changes.foresee(folder, night.mappings, night.options.target) if not critical and not more.get("goals_missed") else {}
    return Step("", files, {**counts, **ahead, "sentence": sentence, **more})


def _load(night: Night) -> Step:
    options, folder = night.options, night.folder
    if "check" not in folder.steps:
        raise Refused(
            "The step check has not been done in this run.", "Run `portal-migrate check` (or `run`) first: nothing is published unchecked."
        )
    refuse_failed_check(night)
    folder.verify("extract", "split", "reattach", "check")  # all of it, before the first write
    refuse_undone(folder.refuse_altered_log(), ["extract", "split", "reattach", "check"])
    target_url = needed(options.target, "--target", "the URL of the new store")
    approval = None if options.rehearse else approved(folder, options.approval)

    foreseen, unforeseen = folder.steps["check"].facts.get("changes"), list[str]()

    def agree(done: list[Change]) -> None:
        unforeseen[:] = changes.others(foreseen, done)
        if approval is not None:
            changes.refuse_others(unforeseen)

    looked: dict[str, Any] = folder.steps["load"].facts.get("looked", {}) if "load" in folder.steps else {}

    objects_uri = needed(options.objects, "--objects", "the root of the new object store")
    objects = open_objects(objects_uri, folder.path / JOURNAL)
    objects.clean()
    _refuse_missing_objects(night, objects)
    # The whole load is the unit: it looks up first whether the run is published already, so nothing is ever sent twice.
    for attempt in again():
        with attempt:
            target = open_target(target_url, folder.path / "load")

            def ready(target: Target = target) -> None:
                looked.update(refuse_changed(night))
                objects.note(target.identity(objects_uri), shown(target_url))  # from now on no other store's rollback takes an object away
                _refuse_missing_objects(night, objects)
                night.publishing = True

            try:
                refuse_left_out(options, target_url)
                grace, decisions = _grace(night), night.decisions.sha256
                step = load(folder, night.mappings, target, options.freeze, ready, night.talk.tell, grace, decisions, agree)
                orphans = remove_orphans(folder, target, objects, target.identity(objects_uri))
            finally:
                target.close()
    for leftover in (folder.path / "load").glob("staging.sqlite*"):
        leftover.unlink()
    step.facts["looked"] = looked
    folder.settings = {name: value for name, value in folder.settings.items() if name != ROLLED_BACK}
    if step.facts["already"]:
        step.facts["sentence"] = f"{step.facts['run_id']} is published already: nothing changed"
    else:
        inserted, updated, removed = (sum(change[i] for change in step.facts["changes"]) for i in (1, 2, 3))
        step.facts["sentence"] = f"published {step.facts['run_id']}: {inserted:,} rows inserted, {updated:,} updated, {removed:,} removed"
    if unforeseen:
        step.facts["unforeseen"] = unforeseen
        step.facts["sentence"] += f"; not what the check foresaw: {'; '.join(unforeseen)}"
    if orphans[0] or orphans[1]:
        kept = f", {orphans[1]:,} kept: {', '.join(orphans[2])} may need them" if orphans[1] else ""
        step.facts["sentence"] += f"; {orphans[0]:,} objects removed that no row refers to{kept}"
    if approval is not None:
        step.facts["approval"] = approval
        step.facts["sentence"] += f"; approved by {approval['approval']['approved_by']}"
    return step


def _refuse_missing_objects(night: Night, objects: Objects) -> None:
    """Rows refer only to objects that are there: after a rollback, or in another store, they are not."""
    missing = missing_objects(night.folder, objects)
    if missing:
        night.folder.clear("extract")  # brings the objects; the same source gives the same stage files again
        altered = sum(objects.size(sha256) is not None for sha256 in missing)
        what = {0: "not in the object store", len(missing): "in the object store, but altered"}.get(
            altered, "not in the object store, or altered"
        )
        message = f"{len(missing):,} objects that rows refer to are {what} (the first: {missing[0]})."
        raise MigrationError(message, "Run `portal-migrate run` again: the extract starts again and brings them.")


def refuse_changed(night: Night) -> dict[str, dict[str, Any]]:
    """K1: how it is known that the sources are what was extracted; raises SourceChanged with the names of the tables where they are not."""
    with sources_of(night.options) as sources:
        looked = looked_again(sources, night.mappings, night.folder)
    if changed := changed_of(looked):
        message = f"Changed since the extract: {', '.join(changed)}. Nothing was published."
        raise SourceChanged(message, "The portal is not frozen. Freeze it, then start again with a new run folder.")
    return looked


def _reconcile(night: Night) -> Step:
    from etl.pipeline.reconcile_step import evidence, goals_counted_again, recorded, verified

    result = verified(night.options, night.talk, recorded(night.folder))
    with sources_of(night.options) as sources:
        looked = looked_again(sources, night.mappings, night.folder)
    return evidence(result, night.folder, looked, goals_counted_again(result, night.folder, night.options, night.mappings))


def _report(night: Night) -> Step:
    from etl.report import write_report

    files = write_report(night.folder, night.mappings)
    return Step("", files, {"sentence": f"written to {night.folder.path / 'report'}"})


ACTIONS = {
    "extract": _extract,
    "split": _split,
    "reattach": _reattach,
    "check": _check,
    "load": _load,
    "reconcile": _reconcile,
    "report": _report,
}

"""The steps in order: the table of contents of a migration."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from etl.databases import backend, place_of, shown, sqlite_url
from etl.databases.registry import open_target
from etl.databases.target import Change, Target
from etl.domain.decisions import NO_DECISIONS, Decisions
from etl.domain.grace import NO_GRACE, Grace
from etl.domain.grace import read as read_grace
from etl.errors import CheckFailed, DifferencesFound, MigrationError, Refused, SourceChanged, WrongUsage, note
from etl.evidence.approval import approved, approver, asked, settle_place
from etl.extract.freeze_guard import changed_of, looked_again
from etl.extract.step import Helpers, ShareMissing, extract
from etl.load.step import MADE_BY, load, missing_objects, rollback
from etl.objects import Objects
from etl.objects.journal import JOURNAL, journaled
from etl.objects.place import bucket_of, folder_of
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.options import Options, needed
from etl.pipeline.binding import bound_mappings
from etl.pipeline.left_out import NoShare, refuse_left_out, share_left_out
from etl.pipeline.preflight import Plan, plan, refuse_other_tables, rights
from etl.pipeline.publication import known, truthful
from etl.pipeline.roles import roles
from etl.pipeline.sources import sources_of
from etl.places import refuse_overlap
from etl.present.grammar import read_adapter
from etl.runfolder.decisions_file import NAME as DECISIONS
from etl.runfolder.decisions_file import settled as settled_decisions
from etl.runfolder.disk_space import Need, bytes_below, kept, loaded_bytes, require_room
from etl.runfolder.event_log import refuse_undone
from etl.runfolder.folder import SEAL, STEPS, WORKERS, RunFolder, Step, opened, rows_of, sealing, seen
from etl.system.confirm import confirm, refuse_unasked
from etl.system.memory import give_memory_back
from etl.system.progress import Talk
from etl.system.retries import again
from etl.system.visible import BREAK
from etl.system.worker_pool import Crew, refuse_password, secured
from etl.transform.reattach import reattach
from etl.transform.split import split
from etl.transform.stage_file_task import forget
from mappings.limits import Limits, adapter_digest, read_limits
from mappings.model import Mappings

_NONE = "none"
ROLLED_BACK = "rolled back"  # among the run's settings: which run and when, until it is published again
_READ = "Read report/report.md of the run's folder (`portal-migrate report` writes it)"
_FIXED_BY = {"extract": ("source", "tc", "files", "adapter"), "split": ("freeze", "grace", "decisions")}
_DEFAULTS = {"grace": str(NO_GRACE)}


@dataclass
class Night:
    """A run that is under way: what every step needs."""

    options: Options
    mappings: Mappings
    folder: RunFolder
    talk: Talk
    crew: Crew
    limits: Limits = field(default_factory=Limits)
    publishing: bool = False  # the transaction that publishes was begun
    decisions: Decisions = NO_DECISIONS
    alone: bool = False  # the command is this one step, and its answer is the step's sentence
    known_roles: dict[str, str] = field(default_factory=dict)

    def roles(self) -> dict[str, str]:
        """Under which role each database is worked with, for the log."""
        return roles(self.options, self.known_roles)


def rehearsal(options: Options) -> Options:
    """The same run against a throw-away store in the run's folder."""
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    place = options.run / "rehearsal"
    return replace(options, target=sqlite_url(place / "portal3.sqlite"), objects=str(place / "objects"))


def run_steps(
    options: Options, steps: tuple[str, ...], talk: Talk, leave: Callable[[Options, Path], list[str]] = lambda _options, _run: []
) -> dict[str, Any]:
    """Does these steps, one after the other; what is done already and unchanged is skipped. The report's facts come back.

    `leave`: what a rehearsal that has published leaves besides its report; it returns one sentence for each thing.

    Raises the error of the first step that cannot be done; differences and failed checks raise after the report was written.
    """
    if options.rehearse:
        options = rehearsal(options)
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    if options.scheduler is not None and sealing():
        message = f"{SEAL} and --scheduler do not go together: every process of the cluster would have to hold the key."
        raise WrongUsage(message, "Use --workers, or leave the run unsealed.")
    if options.scheduler is not None:
        secured(options.scheduler)
        for option, url in (("--source", options.source), ("--tc", options.tc)):
            refuse_password(option, url)
    if steps == ("report",):
        seen(options.run)  # of a run that was never begun there is nothing to tell, and no folder is made for it
    refuse_overlap(options)
    mappings = bound_mappings(options.mappings)
    limits = read_limits(options.adapter, mappings)
    if options.adapter is not None:
        read_adapter(options.adapter, mappings)  # its own errors, before anything is made
    with opened(options.run) as folder, Crew(options.workers, folder.path / WORKERS, options.scheduler) as crew:
        folder.refuse_purged("Start again in a new run folder.")
        settled = _settled(options, mappings, folder)
        decisions = settled_decisions(folder, options.decisions)
        settled = replace(settled, decisions=folder.path / DECISIONS if decisions.sha256 is not None else None)
        night = Night(settled, mappings, folder, talk, crew, limits, decisions=decisions, alone=len(steps) == 1 and steps != ("report",))
        refuse_overlap(night.options)  # with what the run began with
        failure: MigrationError | None = None
        if len(steps) > 1:
            _look_ahead(night)
        with talk.bars():
            for step in steps:
                if failure is not None and step not in ("report",):
                    continue
                try:
                    _do(night, step)
                except (CheckFailed, DifferencesFound) as error:
                    failure = error
                except MigrationError as error:
                    folder.record(step, f"refused: {error.code}", night.roles(), {})
                    said = truthful(error, step, folder, night.publishing)
                    if not isinstance(said, DifferencesFound):
                        _tell_early(night, step, said)
                        raise said from None
                    failure = said
                except Exception as error:
                    note(error, "publication", known(folder, night.publishing))
                    raise
        answer = _answer(night, steps, failure is not None)
        if options.rehearse and "load" in folder.steps:
            for sentence in leave(night.options, folder.path):
                talk.say(f"rehearsal: {sentence}")
        if failure is not None:
            failure.data = answer
            raise failure
        return answer


def _tell_early(night: Night, step: str, error: MigrationError) -> None:
    """A page of CI says why the run ended, where the folder can still be written to."""
    from etl.report import write_early

    if step != "report" and "load" not in night.folder.steps:  # the report of a published run stays
        with suppress(OSError, MigrationError):
            write_early(night.folder, step, error)


def _look_ahead(night: Night) -> None:
    """What would end the night only hours later is refused at its start: rights that are missing, a target that is not the contract's."""
    for option, found in rights(night.options, night.mappings).items():
        for sentence in found.excess:
            night.talk.say(f"{option}: role {found.role} {sentence}: more than it needs (runbooks/roles.md)")
    if night.options.target is not None:
        for sentence in refuse_other_tables(night.options.target, night.mappings):
            night.talk.say(f"--target: {sentence}: not of the contract, and no obstacle")
        refuse_left_out(night.options, night.options.target)


def _answer(night: Night, steps: tuple[str, ...], failed: bool) -> dict[str, Any]:
    """What the command says: of a whole run and of `report` the report's facts, of one step what came of it and which step comes next."""
    if steps[-1] == "report":
        from etl.report.facts import facts

        return facts(night.folder, night.mappings)
    (step,) = steps
    done = night.folder.steps.get(step)
    answer: dict[str, Any] = {"step": step, "facts": done.facts if done else {}}
    if failed:
        return answer
    if step == "check":
        answer["approval"] = asked(night.folder)
    return {**answer, "next": next((name for name in STEPS if name not in night.folder.steps), None)}


def _settled(options: Options, mappings: Mappings, folder: RunFolder) -> Options:
    """The options, those not given filled in from the run's start; refuses others than the run began with (exit 7)."""
    given = {
        "source": shown(options.source) if options.source else None, "tc": shown(options.tc) if options.tc else None,
        "target": shown(options.target) if options.target else None, "files": options.files, "objects": options.objects,
        "freeze": f"{options.freeze[0]} to {options.freeze[1]}" if options.freeze else None, "mappings": mappings.digest,
        "grace": str(options.grace) if options.grace is not None else None,
        "approver": approver(options.approver) if options.approver is not None else None,
        "adapter": adapter_digest(options.adapter) if options.adapter is not None else None,
    }  # fmt: skip
    refuse_no_adapter(options, folder)
    if given["approver"] is not None and "approver" not in folder.settings and "load" in folder.steps:
        raise Refused(
            "This run has published without an approver: it is too late for one.", "Leave out --approver, or use a new run folder."
        )
    given |= {f"without {name}": "yes" for name in sorted(options.without)}
    if options.grace is not None and options.freeze is None and folder.settings.get("freeze", _NONE) == _NONE:
        raise WrongUsage("--grace-before, --grace-after and --grace-add need a freeze.", "Give --freeze-from and --freeze-to too.")
    folder.settle({name: value for name, value in given.items() if value is not None})
    known = folder.settings
    freeze = options.freeze
    if freeze is None and known.get("freeze", _NONE) != _NONE:
        first, _, last = known["freeze"].partition(" to ")
        freeze = (date.fromisoformat(first), date.fromisoformat(last))

    grace = options.grace or (read_grace(known["grace"]) if "grace" in known else NO_GRACE)

    def filled(name: str, value: str | None) -> str | None:
        stored = known.get(name)
        return value if value is not None or stored is None or stored == _NONE or "***" in stored else stored

    return replace(
        options, source=filled("source", options.source), tc=filled("tc", options.tc), target=filled("target", options.target),
        files=filled("files", options.files), objects=filled("objects", options.objects), freeze=freeze,
        without=frozenset(name for name in ("tc", "files", "decisions", "freeze") if f"without {name}" in known),
        grace=grace,
    )  # fmt: skip


def refuse_no_adapter(options: Options, folder: RunFolder) -> None:
    """Refuses to go on without the adapter that the run began with: its path is not in the settings, its digest is."""
    if options.adapter is None and folder.settings.get("adapter", _NONE) != _NONE:
        raise Refused("This run began with an adapter, and none is given now.", "Give the same folder: --adapter DIR.")


def _do(night: Night, step: str) -> None:
    """One step, unless it is done and what it was made of is unchanged."""
    folder = night.folder
    if step in ("check", "load") and not night.options.rehearse:
        settle_place(folder, night.options.target, night.options.objects)
    inputs = _inputs(night, step)
    if step in folder.steps and folder.steps[step].inputs == inputs and step in ("extract", "split", "reattach", "check"):
        night.talk.say(f"{step}: done before, unchanged")
        _refuse_failed_check(night)
        return
    before = folder.settings
    if step in STEPS[:4]:
        folder.clear(step)
        # What a step did without, later starts must do without.
        folder.settle({name: folder.settings.get(name, _DEFAULTS.get(name, _NONE)) for name in _FIXED_BY.get(step, ())})
    began, clock = datetime.now(UTC), time.monotonic()
    _require_room(night, step)
    try:
        done = _ACTIONS[step](night)
    except ShareMissing:
        folder.settings = before  # the advice is to give what was left out: in this same folder
        folder.save()
        raise
    except BrokenProcessPool:
        message = "A worker process was killed from outside; often memory does not suffice."
        raise MigrationError(message, "Give fewer --workers, then run the same command again: it goes on.") from None
    done.inputs = inputs
    done.facts.update({"started": began.isoformat(timespec="seconds"), "seconds": round(time.monotonic() - clock, 3)})
    folder.steps[step] = done
    about = {"inputs": inputs, **({"approval": done.facts["approval"]} if "approval" in done.facts else {})}
    folder.record(step, str(done.facts.get("sentence", "done")), night.roles(), about)
    tell = night.talk.say_beside if night.alone else night.talk.say
    tell(f"{step}: {done.facts.get('sentence', 'done')} ({done.facts['seconds']:.1f} s)")
    night.crew.rest()
    give_memory_back()
    if step in ("check", "reconcile"):
        _refuse_failed_check(night)
        _refuse_differences(night, step)


def _require_room(night: Night, step: str) -> None:
    """Raises NoSpace where the disks have no room for what the step is going to write; extract asks itself, when it has counted."""
    if step in night.folder.steps or "extract" not in night.folder.steps:  # done before: it writes no more than lies there
        return
    rows = rows_of(night.folder.files("extract"))
    needs = [kept(night.folder, step)]
    target = night.options.target
    if step == "load" and target is not None and backend(target) == "sqlite":  # how much room a server has only the server knows
        store = Path(str(place_of(target)[1])).parent
        needs += [Need(night.folder.path, loaded_bytes(rows), "staging"), Need(store, loaded_bytes(rows), "the new store")]
    require_room(needs)


def _inputs(night: Night, step: str) -> str:
    """The digest of all that the step is made of."""
    before = [name for name in STEPS[: STEPS.index(step)] if name in night.folder.steps and name in STEPS[:4]]
    freeze = f"{night.options.freeze}|{night.options.grace}|{night.decisions.sha256}" if step != "extract" else ""
    import hashlib

    return hashlib.sha256(f"{night.mappings.digest}|{freeze}|{night.folder.digest(*before)}".encode()).hexdigest()


def _refuse_failed_check(night: Night) -> None:
    check = night.folder.steps.get("check")
    if check and check.facts["critical"]:
        names = ", ".join(check.facts["critical"])
        found = "".join(f"{BREAK}{sentence}" for sentence in check.facts.get("implausible", ()))
        raise CheckFailed(f"Critical checks failed: {names}. Nothing was published.{found}", f"{_READ}: it lists every key.")


def _refuse_differences(night: Night, step: str) -> None:
    facts = night.folder.steps[step].facts
    if step == "reconcile":
        from etl.pipeline.reconcile_step import failure

        error = failure(facts, f"{_READ}, or run `portal-migrate reconcile --output json`.")
        if error is not None:
            raise error


def _extract(night: Night) -> Step:
    options = night.options
    objects_uri = needed(options.objects, "--objects", "the root of the new object store")
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
            step = extract(sources, share or left_out, objects, night.mappings, night.folder, night.talk.tell, helpers)
        except ShareMissing as error:
            raise share_left_out(options.target) or error from None
    step.facts["sentence"] = f"{sum(step.facts['read'].values()):,} rows read, {', '.join(sorted(set(step.facts['levels'].values())))}"
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
    return Step("", files, {**counts, "sentence": sentence, **({"implausible": implausible} if implausible else {})})


def _load(night: Night) -> Step:
    options, folder = night.options, night.folder
    if "check" not in folder.steps:
        raise Refused(
            "The step check has not been done in this run.", "Run `portal-migrate check` (or `run`) first: nothing is published unchecked."
        )
    _refuse_failed_check(night)
    folder.verify("extract", "split", "reattach", "check")  # all of it, before the first write
    refuse_undone(folder.refuse_altered_log(), ["extract", "split", "reattach", "check"])
    target_url = needed(options.target, "--target", "the URL of the new store")
    approval = None if options.rehearse else approved(folder, options.approval)

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
                step = load(folder, night.mappings, target, options.freeze, ready, night.talk.tell, _grace(night), night.decisions.sha256)
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
    from etl.pipeline.reconcile_step import evidence, recorded, verified

    result = verified(night.options, night.talk, recorded(night.folder))
    with sources_of(night.options) as sources:
        looked = looked_again(sources, night.mappings, night.folder)
    return evidence(result, night.folder, looked)


def _report(night: Night) -> Step:
    from etl.report import write_report

    files = write_report(night.folder, night.mappings)
    return Step("", files, {"sentence": f"written to {night.folder.path / 'report'}"})


_ACTIONS = {
    "extract": _extract, "split": _split, "reattach": _reattach, "check": _check, "load": _load, "reconcile": _reconcile, "report": _report,
}  # fmt: skip


def planned(options: Options) -> Plan:
    """What would happen; nothing is changed."""
    refuse_overlap(options)
    mappings = bound_mappings(options.mappings)
    if options.adapter is not None:
        adapter_digest(options.adapter)
        read_limits(options.adapter, mappings)
    found = rights(options, mappings)
    beside = refuse_other_tables(options.target, mappings) if options.target is not None else []
    share = Share(options.files) if options.files is not None else None
    with sources_of(options) as sources:
        return replace(plan(sources, mappings, share, whole=True), rights=found, beside=beside)


def take_back(options: Options, talk: Talk, yes: bool) -> dict[str, Any]:
    """Takes back exactly what the run published; the store is then as it was before. `yes`: nobody is asked."""
    from etl.pipeline.reconcile_step import report_anew

    mappings = bound_mappings(options.mappings)
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    seen(options.run)  # where there is no run there is nothing to take back, and no folder is made
    refuse_unasked("rollback", yes)
    with opened(options.run) as folder, ExitStack() as stack:
        folder.refuse_purged(
            "What a rollback needs is gone with the stage files: restore the new store from its backup (runbooks/rollback.md)."
        )
        options = _settled(options, mappings, folder)
        if ROLLED_BACK in folder.settings and "load" not in folder.steps:
            raise Refused(
                f"The run was rolled back already: {folder.settings[ROLLED_BACK]}. There is nothing to take back.",
                "Give `portal-migrate run` with the same options to publish it again.",
            )

        def preview(changes: list[Change]) -> None:
            for change in changes:
                if change.removed or change.updated:
                    talk.say(f"rollback: {change.table}: {change.removed:,} rows to remove, {change.updated:,} to restore")
            removed, restored = sum(change.removed for change in changes), sum(change.updated for change in changes)
            confirm(f"Remove {removed:,} rows and restore {restored:,}?", yes)
            stack.enter_context(talk.bars())  # not before: a bar would be drawn over the question

        target = open_target(needed(options.target, "--target", "the URL of the new store"), folder.path / "load")
        objects_uri = needed(options.objects, "--objects", "the root of the new object store")
        objects: Objects = open_objects(objects_uri, folder.path / JOURNAL)
        objects.clean()
        try:
            taken = asdict(rollback(folder, mappings, target, objects, target.identity(objects_uri), talk.tell, preview))
            gone = any(objects.size(sha256) is None for sha256 in journaled(folder.path / JOURNAL))
            when = datetime.now(UTC).isoformat(timespec="seconds")
            folder.settings = {**folder.settings, ROLLED_BACK: f"{taken['run_id']} at {when}"}
            folder.clear("extract" if gone else "load")  # a new start brings the objects again
            folder.record("rollback", "taken back", roles(options), taken)
            report_anew(folder, mappings, roles(options))
            del folder.steps["report"]  # it says what became of the run; the next one has a report to write
            folder.save()
            return taken
        finally:
            target.close()

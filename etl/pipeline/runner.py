"""The steps in order: the table of contents of a migration."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.databases import backend, place_of, sqlite_url
from etl.errors import CheckFailed, DifferencesFound, MigrationError, WrongUsage, note
from etl.evidence.approval import asked, settle_place
from etl.extract.step import ShareMissing
from etl.objects.share import Share
from etl.options import Options
from etl.pipeline import changes
from etl.pipeline.binding import bound_mappings
from etl.pipeline.context import DEFAULTS, NOT_GIVEN, Night, settled_options
from etl.pipeline.left_out import refuse_left_out
from etl.pipeline.preflight import Plan, plan, refuse_other_tables, rights
from etl.pipeline.publication import known, truthful
from etl.pipeline.signed_files import planned_goals, read_signed, settled_signed
from etl.pipeline.sources import sources_of
from etl.pipeline.step_actions import ACTIONS, READ, refuse_failed_check
from etl.pipeline.waiting_decisions import template
from etl.places import refuse_overlap
from etl.present.grammar import read_adapter
from etl.runfolder.acceptance_file import judged
from etl.runfolder.decisions_file import NAME as DECISIONS
from etl.runfolder.disk_space import Need, kept, loaded_bytes, require_room
from etl.runfolder.folder import SEAL, STEPS, WORKERS, opened, sealing, seen
from etl.runfolder.stage_file_io import rows_of
from etl.system.memory import give_memory_back
from etl.system.progress import Talk
from etl.system.worker_pool import Crew, refuse_password, secured
from mappings.limits import adapter_digest, read_limits

_FIXED_BY = {"extract": ("source", "tc", "files", "adapter"), "split": ("freeze", "grace", "decisions", "acceptance")}


def rehearsal(options: Options) -> Options:
    """The same run against a throw-away store: that of --target (a schema of its own, `rehearsal_schema`), else a file in the run's folder."""
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    place = options.run / "rehearsal"
    return replace(options, target=options.target or sqlite_url(place / "portal3.sqlite"), objects=str(place / "objects"))


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
        settled = settled_options(options, mappings, folder)
        signed = settled_signed(folder, options, mappings)
        settled = replace(settled, decisions=folder.path / DECISIONS if signed.decisions.sha256 is not None else None)
        alone = len(steps) == 1 and steps != ("report",)
        night = Night(settled, mappings, folder, talk, crew, limits, decisions=signed.decisions, acceptance=signed.acceptance, alone=alone)
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
    if step == "check":
        answer["goals"] = judged(night.folder)
    if failed:
        return answer
    if step == "check":
        answer["approval"] = asked(night.folder)
        answer |= {name: answer["facts"].get(name) for name in ("changes", "changes_unknown")}
    return {**answer, "next": next((name for name in STEPS if name not in night.folder.steps), None)}


def _do(night: Night, step: str) -> None:
    """One step, unless it is done and what it was made of is unchanged."""
    folder = night.folder
    if step in ("check", "load") and not night.options.rehearse:
        settle_place(folder, night.options.target, night.options.objects)
    inputs = _inputs(night, step)
    if step in folder.steps and folder.steps[step].inputs == inputs and step in ("extract", "split", "reattach", "check"):
        night.talk.say(f"{step}: done before, unchanged")
        if step == "check":
            changes.renew(folder, night.mappings, night.options.target)
            _say_changes(night)
        refuse_failed_check(night)
        return
    before = folder.settings
    if step in STEPS[:4]:
        folder.clear(step)
        # What a step did without, later starts must do without.
        folder.settle({name: folder.settings.get(name, DEFAULTS.get(name, NOT_GIVEN)) for name in _FIXED_BY.get(step, ())})
    began, clock = datetime.now(UTC), time.monotonic()
    _require_room(night, step)
    try:
        done = ACTIONS[step](night)
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
    if step == "check":
        _say_changes(night)
    if step in ("check", "reconcile"):
        refuse_failed_check(night)
        _refuse_differences(night, step)


def _say_changes(night: Night) -> None:
    facts = night.folder.steps["check"].facts
    if "load" not in night.folder.steps and "changes" in facts:
        night.talk.say(f"check: {changes.sentence(facts)}")


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
    freeze += f"|{night.acceptance.sha256}" if step == "check" and night.acceptance.sha256 is not None else ""
    import hashlib

    return hashlib.sha256(f"{night.mappings.digest}|{freeze}|{night.folder.digest(*before)}".encode()).hexdigest()


def _refuse_differences(night: Night, step: str) -> None:
    facts = night.folder.steps[step].facts
    if step == "reconcile":
        from etl.pipeline.reconcile_step import failure

        error = failure(facts, f"{READ}, or run `portal-migrate reconcile --output json`.")
        if error is not None:
            raise error


def planned(options: Options) -> Plan:
    """What would happen; nothing is changed."""
    refuse_overlap(options)
    mappings = bound_mappings(options.mappings)
    if options.adapter is not None:
        adapter_digest(options.adapter)
        read_limits(options.adapter, mappings)
    signed = read_signed(options, mappings)
    found = rights(options, mappings)
    beside = refuse_other_tables(options.target, mappings) if options.target is not None else []
    share = Share(options.files) if options.files is not None else None
    with sources_of(options) as sources:
        ahead = plan(sources, mappings, share, whole=True)
        waiting = template(sources, mappings, signed.decisions)
    goals = planned_goals(signed, mappings)
    return replace(ahead, rights=found, beside=beside, decisions_template=waiting, goals=goals)

"""The command `reconcile`: needs no run folder; with one, its answer becomes part of the run's evidence."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.acceptance.recount import recounted
from etl.databases import backend, place_of, shown
from etl.databases.registry import reading
from etl.errors import DifferencesFound, MigrationError, Refused
from etl.extract.freeze_guard import changed_of, looked_again, written_to
from etl.options import Options, needed
from etl.pipeline.roles import roles
from etl.pipeline.sources import sources_of
from etl.pipeline.taking_back import report_anew
from etl.reconcile import Reconciliation, Recorded, reconcile
from etl.runfolder import acceptance_file
from etl.runfolder.disk_space import kept, require_room
from etl.runfolder.folder import RunFolder, Step, opened, seen
from etl.system.progress import Talk
from mappings.limits import adapter_digest
from mappings.model import Mappings
from mappings.read import read_mappings

NONE = "none"  # in a run's settings: this was not given, and later starts must do without


def verified(options: Options, talk: Talk, record: Recorded | None = None) -> Reconciliation:
    """The verifier's answer for these stores; `record`: what the run's folder knows of `migration_run`."""
    source = needed(options.source, "--source", "the URL of the Portal 2.0 database")
    target = needed(options.target, "--target", "the URL of the new store")
    objects = needed(options.objects, "--objects", "the root of the new object store")
    for url in filter(None, (source, options.tc, target)):
        backend(url)  # what is no URL is wrong usage; the verifier itself takes it for granted
    if options.files is not None and "://" not in options.files and not Path(options.files).is_dir():
        raise MigrationError(f"--files: there is no folder {options.files}.", "Give the root of the old file share.")
    if "://" not in objects and Path(objects).exists() and not Path(objects).is_dir():
        raise MigrationError(f"--objects: {objects} is not a folder.", "Give the root of the new object store.")
    given = options.grace
    grace = (given.before, given.after, given.add) if given is not None else None
    return reconcile(
        source,
        options.tc,
        options.files,
        target,
        objects,
        options.freeze,
        talk.tell,
        options.mappings,
        options.adapter,
        grace,
        record,
        options.decisions,
    )


def reconciled(options: Options, talk: Talk) -> dict[str, Any]:
    """The verifier's answer: every difference as {table, kind, legacy_key, account_number, column}, their number, the mappings compared with.

    With --run it becomes part of the run's evidence, and the run's report is written anew. Raises DifferencesFound (exit 4) with the same data
    where old and new are not equal, where not everything could be looked at, or where an old portal was written to since the run read it.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    mappings = read_mappings(options.mappings)
    used = compared_with(mappings)
    talk.say(f"reconcile: compares with the {'installed' if used['installed'] else 'given'} mappings, SHA-256 {used['sha256']}")
    if not used["installed"]:
        talk.say(
            "reconcile: these are not the installed mappings: hold their digest against the run's report before you rely on the answer"
        )
    record = None
    if options.run is not None:
        folder = seen(options.run)
        folder.refuse_altered_log()
        refuse_other_inputs(options, mappings, folder)
        require_room([kept(folder, "reconcile")])
        record = recorded(folder)
    with talk.bars():
        result = verified(options, talk, record)
    data = {**summary(result), "mappings": used, "differences": result.differences.to_dicts()}
    facts: dict[str, Any] = {"answer": result.answer, "total": data["total"], "looked": {}}
    if options.run is not None:
        with opened(options.run) as folder, sources_of(options) as sources:
            again = goals_counted_again(result, folder, options, mappings)
            step = evidence(result, folder, looked_again(sources, mappings, folder), again)
            step.facts.update({"started": began.isoformat(timespec="seconds"), "seconds": round(time.monotonic() - clock, 3)})
            folder.steps["reconcile"] = step
            folder.record("reconcile", step.facts["sentence"], roles(options), {"mappings": mappings.digest})
            report_anew(folder, mappings, roles(options))
        data["changed_since_extract"] = changed_of(step.facts["looked"])
        facts = step.facts
    error = failure(
        facts, left_out(options, result) or "Look at the listed keys with `portal-migrate trace`; then mend and load again, or roll back."
    )
    if error is not None:
        error.data = data
        raise error
    return data


def left_out(options: Options, result: Reconciliation) -> str:
    """What to give before anything is mended or rolled back: stores that this comparison lacked, and that the differences speak of; else empty."""
    found = result.differences
    lacking = []
    if options.tc is None and "TC" in found["legacy_portal"]:
        lacking.append("--tc: the new store has rows of Trade Compliance")
    if options.files is None and not found.filter((found["table"] == "migration_exception") & (found["column"] == "C6")).is_empty():
        lacking.append("--files: without the old file share its documents count as missing")
    return f"Give {'; and '.join(lacking)}. Then run the same command again; nothing is to be mended before." if lacking else ""


def compared_with(mappings: Mappings) -> dict[str, Any]:
    """Which mappings decided what the new store has to hold: their digest, and whether they are the installed ones."""
    return {"sha256": mappings.digest, "installed": mappings.digest == read_mappings().digest}


def failure(facts: Mapping[str, Any], next_step: str) -> DifferencesFound | None:
    """How a comparison ends that is not all good (exit 4): it differs, it could not look at everything, or an old portal was written to since."""
    written = written_to(facts["looked"])
    match facts["answer"]:
        case "different":
            message = f"Reconciliation found {facts['total']:,} differences."
        case "not_checked":
            message = "Reconciliation could not look at everything."
        case _ if written:
            message = "Old and new are equal, but an old portal is not what was extracted."
            next_step = (
                "Find out who wrote to it, and whether old and new were changed alike: what is equal now may not be what was migrated."
            )
        case _:
            return None
    return DifferencesFound(message + written, next_step)


def refuse_other_inputs(options: Options, mappings: Mappings, folder: RunFolder) -> None:
    """Refuses (7) to make an answer about other stores, mappings or dates part of this run's evidence; another role in the same database is welcome."""
    if "load" not in folder.steps:
        raise Refused("This run has published nothing yet: there is nothing to compare.", "Finish the run, or leave out --run.")
    for name, value in (("source", options.source), ("tc", options.tc), ("target", options.target)):
        known = folder.settings.get(name)
        if value is not None and known is not None and (known == NONE or place_of(value) != place_of(known)):
            raise _other(name, known, shown(value))
    known = folder.settings.get("adapter", "none")
    given = adapter_digest(options.adapter) if options.adapter is not None else "none"
    if given != known:
        raise Refused(f"This run has adapter = {known}, now it is {given}.", "Give the folder that the run had: --adapter DIR.")
    for name, value in (("files", options.files), ("objects", options.objects)):
        known = folder.settings.get(name)
        if value is not None and known is not None and value != known and Path(value).resolve() != Path(known).resolve():
            raise _other(name, known, value)
    for name, value in (("tc", options.tc), ("files", options.files)):
        if value is None and folder.settings.get(name, NONE) != NONE:
            raise _other(name, folder.settings[name], "not given")
    freeze = f"{options.freeze[0]} to {options.freeze[1]}" if options.freeze else None
    for name, value in (
        ("mappings", mappings.digest),
        ("freeze", freeze),
        ("grace", str(options.grace) if options.grace is not None else None),
    ):
        known = folder.settings.get(name)
        if value is not None and known is not None and value != known:
            raise _other(name, known, value)


def recorded(folder: RunFolder) -> Recorded | None:
    """What `migration_run` has to say of this run and of those before it, as its publish left it; None of a run that kept no record."""
    rows = folder.steps["load"].facts.get("record")
    return None if rows is None else Recorded(folder.steps["load"].facts["run_id"], tuple(dict(row) for row in rows))


def _other(name: str, known: str, given: str) -> Refused:
    return Refused(
        f"This run has {name} = {known}, now it is {given}.", "Give the run's own stores, or leave out --run: then nothing is kept."
    )


def summary(result: Reconciliation) -> dict[str, Any]:
    """What was compared, without the differences themselves: answer, total, tables, sources, objects, profiles and logins of K10."""
    tables = [{"table": name, **asdict(count)} for name, count in result.tables.items()]
    sources = [
        {"portal": portal, "table": table, "read": tally.read, "loaded": tally.loaded, "held": dict(tally.held), "retired": tally.retired}
        for (portal, table), tally in result.sources.items()
    ]
    return {
        "answer": result.answer,
        "total": result.differences.height,
        "run_id": result.run_id,
        "tables": tables,
        "sources": sources,
        "objects": asdict(result.objects),
        "profiles_checked": result.profiles_checked,
        "logins_checked": result.logins_checked,
        "not_ruled_out": {portal: list(sentences) for portal, sentences in result.not_ruled_out.items()},
    }


def goals_counted_again(result: Reconciliation, folder: RunFolder, options: Options, mappings: Mappings) -> list[dict[str, Any]]:
    """The run's goals counted once more, in the new store itself; none where it has none, or where old and new are not equal: that says more."""
    entries = acceptance_file.judged(folder)
    if not entries or result.answer != "equal":
        return []
    read = {table: tally.read for (_, table), tally in result.sources.items()}
    with reading(needed(options.target, "--target", "the URL of the new store")) as store:
        return recounted(entries, store, read, mappings)


def evidence(result: Reconciliation, folder: RunFolder, looked: dict[str, dict[str, Any]], goals: list[dict[str, Any]]) -> Step:
    """The verifier's answer as the step's files and facts; `looked`: what became of the sources since this run read them (K1).

    `goals`: as they were counted again.
    """
    folder.clear("reconcile")
    files = [
        folder.write_table("reconcile/differences.parquet", result.differences.to_arrow()),
        folder.write_bytes("reconcile/result.json", json.dumps(summary(result), sort_keys=True).encode()),
    ]
    if goals:
        files.append(folder.write_bytes("reconcile/goals.json", json.dumps(goals, sort_keys=True).encode()))
    total = result.differences.height
    sentence = {"equal": "old and new are equal", "different": f"{total:,} differences", "not_checked": "not everything could be checked"}[
        result.answer
    ]
    if written := written_to(looked):
        sentence += "." + written.rstrip(".")
    return Step("", files, {"answer": result.answer, "total": total, "sentence": sentence, "looked": looked})

"""The command `reconcile`: needs no run folder; with one, its result becomes part of the run's evidence."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.acceptance.recount import recounted
from etl.databases import backend, database_identity, redacted_url
from etl.databases.registry import reading
from etl.errors import DifferencesFound, MigrationError, Refused
from etl.extract.freeze_guard import changed_of, looked_again, written_to
from etl.options import Options, needed
from etl.pipeline.roles import roles
from etl.pipeline.rollback import write_report_again
from etl.pipeline.sources import sources_of
from etl.reconcile import Reconciliation, Recorded, reconcile
from etl.runfolder import acceptance_file, layout
from etl.runfolder.disk_space import need_of_step, require_room
from etl.runfolder.folder import RunFolder, Step, open_locked, open_readonly
from etl.runfolder.settings import RunSettings
from etl.system.memory import limit_free_memory
from etl.system.progress import ProgressReporter
from mappings.limits import adapter_digest
from mappings.model import Mappings
from mappings.read import read_mappings


def verified(options: Options, reporter: ProgressReporter, record: Recorded | None = None) -> Reconciliation:
    """Returns the verifier's answer for these stores; `record`: the content of `migration_run` by the run folder."""
    source = needed(options.source, "--source", "the URL of the Portal 2.0 database")
    target = needed(options.target, "--target", "the URL of the new store")
    objects = needed(options.objects, "--objects", "the root of the new object store")
    for url in filter(None, (source, options.tc, target)):
        backend(url)  # an invalid URL is wrong usage; the verifier expects a valid one
    if options.files is not None and "://" not in options.files and not Path(options.files).is_dir():
        raise MigrationError(f"--files: {options.files} is not an existing folder.", "Give the root of the old file share.")
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
        reporter.progress,
        options.mappings,
        options.adapter,
        grace,
        record,
        options.decisions,
    )


def reconciled(options: Options, reporter: ProgressReporter) -> dict[str, Any]:
    """Returns every difference as {table, kind, legacy_key, account_number, column}, their number, and the mappings of the comparison.

    With --run the answer becomes part of the run's evidence, and the run's report is written again. Raises DifferencesFound (exit 4) with the same
    data where old and new differ, where something could not be compared, or where an old portal was written to after the run read it.
    """
    limit_free_memory()
    began, clock = datetime.now(UTC), time.monotonic()
    mappings = read_mappings(options.mappings)
    used = compared_with(mappings)
    reporter.info(f"reconcile: compares with the {'installed' if used['installed'] else 'given'} mappings, SHA-256 {used['sha256']}")
    if not used["installed"]:
        reporter.info(
            "reconcile: these are not the installed mappings: compare their digest with the run's report before you rely on the result"
        )
    record = None
    if options.run is not None:
        folder = open_readonly(options.run)
        folder.refuse_altered_log()
        refuse_other_inputs(options, mappings, folder)
        require_room([need_of_step(folder, "reconcile")])
        record = recorded(folder)
    with reporter.bars():
        result = verified(options, reporter, record)
    data = {**summary(result), "mappings": used, "differences": result.differences.to_dicts()}
    facts: dict[str, Any] = {"answer": result.answer, "total": data["total"], "looked": {}}
    if options.run is not None:
        with open_locked(options.run) as folder, sources_of(options) as sources:
            again = goals_counted_again(result, folder, options, mappings)
            step = evidence(result, folder, looked_again(sources, mappings, folder), again)
            step.facts.update({"started": began.isoformat(timespec="seconds"), "seconds": round(time.monotonic() - clock, 3)})
            written = folder.steps["report"].facts if "report" in folder.steps else None
            folder.steps["reconcile"] = step
            folder.record("reconcile", step.facts["sentence"], roles(options), {"mappings": mappings.digest})
            write_report_again(folder, mappings, roles(options), written)
        data["changed_since_extract"] = changed_of(step.facts["looked"])
        facts = step.facts
    error = failure(
        facts,
        nothing_published(data)
        or left_out(options, result)
        or "Inspect the listed keys with `portal-migrate trace`; then correct the cause and load again, or roll back.",
    )
    if error is not None:
        error.data = data
        raise error
    return data


def nothing_published(data: Mapping[str, Any]) -> str:
    """Returns the next step where the new store has no published run, as after a rollback; else empty."""
    if data["run_id"]:
        return ""
    return "Nothing is published in this new store. Give --target the store that was published, or publish with `portal-migrate run`."


def left_out(options: Options, result: Reconciliation) -> str:
    """Returns the options to add before any correction or rollback: inputs that this comparison lacked and that explain differences; else empty."""
    found = result.differences
    lacking = []
    if options.tc is None and "TC" in found["legacy_portal"]:
        lacking.append("--tc: the new store has rows of Trade Compliance")
    if options.files is None and not found.filter((found["table"] == "migration_exception") & (found["column"] == "C6")).is_empty():
        lacking.append("--files: without the old file share its documents count as missing")
    return f"Give {'; and '.join(lacking)}. Then run the same command again; nothing has to be corrected first." if lacking else ""


def compared_with(mappings: Mappings) -> dict[str, Any]:
    """Returns the mappings of the comparison: their digest, and whether they are the installed ones."""
    return {"sha256": mappings.digest, "installed": mappings.digest == read_mappings().digest}


def failure(facts: Mapping[str, Any], next_step: str) -> DifferencesFound | None:
    """Returns the error (exit 4) of a comparison that found differences, could not check everything, or found an old portal changed; otherwise None."""
    written = written_to(facts["looked"])
    match facts["answer"]:
        case "different":
            message = f"Reconciliation found {facts['total']:,} differences."
        case "not_checked":
            message = "Reconciliation could not check everything."
        case _ if written:
            message = "Old and new are equal, but an old portal changed after the extract."
            next_step = "Find out who wrote to it, and whether old and new were changed in the same way: rows that are equal now may differ from those that were migrated."
        case _:
            return None
    return DifferencesFound(message + written, next_step)


def refuse_other_inputs(options: Options, mappings: Mappings, folder: RunFolder) -> None:
    """Raises Refused (exit 7) where the answer is about other stores, mappings or dates than the run's; another role in the same database is accepted."""
    folder.refuse_rolled_back("There is nothing to compare.", "Publish it again with `portal-migrate run`, or leave out --run.")
    if "load" not in folder.steps:
        raise Refused("This run has not published anything yet: there is nothing to compare.", "Finish the run, or leave out --run.")
    before = folder.settings.as_json()
    for name, value in (("source", options.source), ("tc", options.tc), ("target", options.target)):
        known = before.get(name)
        if (
            value is not None
            and known is not None
            and (name in folder.settings.absent or database_identity(value) != database_identity(known))
        ):
            raise _other(name, known, redacted_url(value))
    given = adapter_digest(options.adapter) if options.adapter is not None else None
    if given != folder.settings.adapter:
        message = f"This run has adapter = {folder.settings.adapter or 'none'}, now it is {given or 'none'}."
        raise Refused(message, "Give the folder that the run had: --adapter DIR.")
    for name, value in (("files", options.files), ("objects", options.objects)):
        known = before.get(name)
        if value is not None and known is not None and value != known and Path(value).resolve() != Path(known).resolve():
            raise _other(name, known, value)
    for name, value, known in (("tc", options.tc, folder.settings.tc), ("files", options.files, folder.settings.files)):
        if value is None and known is not None:
            raise _other(name, known, "not given")
    for name, value in RunSettings(mappings=mappings.digest, freeze=options.freeze, grace=options.grace).as_json().items():
        if before.get(name, value) != value:
            raise _other(name, before[name], value)


def recorded(folder: RunFolder) -> Recorded | None:
    """Returns the expected content of `migration_run` for this run and the earlier ones after its publish; None for a run without a record."""
    rows = folder.steps["load"].facts.get("record")
    return None if rows is None else Recorded(folder.steps["load"].facts["run_id"], tuple(dict(row) for row in rows))


def _other(name: str, known: str, given: str) -> Refused:
    return Refused(
        f"This run has {name} = {known}; now it is {given}.", "Give the run's own stores, or leave out --run: then nothing is kept."
    )


def summary(result: Reconciliation) -> dict[str, Any]:
    """Returns the result without its differences: answer, total, tables, sources, objects, profiles and logins of K10."""
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
    """Returns the run's goals, counted again in the new store; empty without goals, or where old and new differ, which decides the result already."""
    entries = acceptance_file.judged(folder)
    if not entries or result.answer != "equal":
        return []
    read = {table: tally.read for (_, table), tally in result.sources.items()}
    with reading(needed(options.target, "--target", "the URL of the new store")) as store:
        return recounted(entries, store, read, mappings)


def evidence(result: Reconciliation, folder: RunFolder, looked: dict[str, dict[str, Any]], goals: list[dict[str, Any]]) -> Step:
    """Returns the verifier's answer as the step's files and facts.

    `looked`: by source, whether it changed since this run read it (K1). `goals`: the goals as counted again.
    """
    folder.clear("reconcile")
    files = [
        folder.write_table(layout.DIFFERENCES, result.differences.to_arrow()),
        folder.write_bytes(layout.RESULT, json.dumps(summary(result), sort_keys=True).encode()),
    ]
    if goals:
        files.append(folder.write_bytes(layout.GOALS_AGAIN, json.dumps(goals, sort_keys=True).encode()))
    total = result.differences.height
    sentence = {"equal": "old and new are equal", "different": f"{total:,} differences", "not_checked": "not everything could be checked"}[
        result.answer
    ]
    if written := written_to(looked):
        sentence += "." + written.rstrip(".")
    return Step("", files, {"answer": result.answer, "total": total, "sentence": sentence, "looked": looked})

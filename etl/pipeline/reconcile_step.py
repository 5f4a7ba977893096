"""The command `reconcile`: needs no run folder; with one, its answer becomes part of the run's evidence."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.databases import backend, place_of, shown
from etl.errors import DifferencesFound, MigrationError, Refused
from etl.extract.freeze_guard import changed_of, looked_again, written_to
from etl.options import Options, needed
from etl.pipeline.roles import roles
from etl.pipeline.sources import sources_of
from etl.reconcile import Reconciliation, reconcile
from etl.runfolder.disk_space import kept, require_room
from etl.runfolder.event_log import record
from etl.runfolder.folder import RunFolder, Step, opened, seen
from etl.system.progress import Talk
from mappings.limits import adapter_digest, mappings_sha256
from mappings.read import read_mappings


def verified(options: Options, talk: Talk) -> Reconciliation:
    """The verifier's answer for these stores."""
    source = needed(options.source, "--source", "the URL of the Portal 2.0 database")
    target = needed(options.target, "--target", "the URL of the new store")
    objects = needed(options.objects, "--objects", "the root of the new object store")
    for url in filter(None, (source, options.tc, target)):
        backend(url)  # what is no URL is wrong usage; the verifier itself takes it for granted
    if options.files is not None and "://" not in options.files and not Path(options.files).is_dir():
        raise MigrationError(f"--files: there is no folder {options.files}.", "Give the root of the old file share.")
    if "://" not in objects and Path(objects).exists() and not Path(objects).is_dir():
        raise MigrationError(f"--objects: {objects} is no folder.", "Give the root of the new object store.")
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
        options.decisions,
        made_with(read_mappings(options.mappings).digest, options.adapter),
    )


def reconciled(options: Options, talk: Talk) -> dict[str, Any]:
    """The verifier's answer: every difference as {table, kind, legacy_key, account_number, column}, and their number.

    Raises DifferencesFound (exit 4) with the same data where old and new are not equal, or not everything could be looked at.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    if options.run is not None:
        folder = seen(options.run)
        refuse_other_stores(options, folder)
        require_room([kept(folder, "reconcile")])
    with talk.bars():
        result = verified(options, talk)
    data = {**summary(result), "differences": result.differences.to_dicts()}
    written = ""
    if options.run is not None:
        with opened(options.run) as folder, sources_of(options) as sources:
            step = evidence(result, folder, looked_again(sources, read_mappings(options.mappings), folder))
            step.facts.update({"started": began.isoformat(timespec="seconds"), "seconds": round(time.monotonic() - clock, 3)})
            folder.steps["reconcile"] = step
            folder.save()
            record(folder.path, "reconcile", step.facts["sentence"], folder.settings, roles(options), {})
        data["changed_since_extract"] = changed_of(step.facts["looked"])
        written = written_to(step.facts["looked"])
    if result.answer != "equal":
        raise _with_data(result.answer, data, written)
    if written:
        talk.say(f"reconcile:{written}")
    return data


def made_with(mappings: str, adapter: Path | None) -> str:
    """The digest that `migration_run` records of these mappings and this adapter."""
    return mappings_sha256(mappings, adapter_digest(adapter) if adapter is not None else None)


def refuse_other_stores(options: Options, folder: RunFolder) -> None:
    """Refuses to make the answer about other stores part of this run's evidence; another role in the same database is welcome."""
    if "load" not in folder.steps:
        raise Refused("This run has published nothing yet: there is nothing to compare.", "Finish the run, or leave out --run.")
    for name, value in (("source", options.source), ("tc", options.tc), ("target", options.target)):
        known = folder.settings.get(name)
        if value is not None and known is not None and place_of(value) != place_of(known):
            raise _other(name, known, shown(value))
    known = folder.settings.get("adapter", "none")
    given = adapter_digest(options.adapter) if options.adapter is not None else "none"
    if given != known:
        raise Refused(f"This run has adapter = {known}, now it is {given}.", "Give the folder that the run had: --adapter DIR.")
    for name, value in (("files", options.files), ("objects", options.objects)):
        known = folder.settings.get(name)
        if value is not None and known is not None and value != known and Path(value).resolve() != Path(known).resolve():
            raise _other(name, known, value)


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
        "answer": result.answer, "total": result.differences.height, "run_id": result.run_id, "tables": tables, "sources": sources,
        "objects": asdict(result.objects), "profiles_checked": result.profiles_checked, "logins_checked": result.logins_checked,
    }  # fmt: skip


def evidence(result: Reconciliation, folder: RunFolder, looked: dict[str, dict[str, Any]]) -> Step:
    """The verifier's answer as the step's files and facts; `looked`: what became of the sources since this run read them (K1)."""
    folder.clear("reconcile")
    files = [
        folder.write_table("reconcile/differences.parquet", result.differences.to_arrow()),
        folder.write_bytes("reconcile/result.json", json.dumps(summary(result), sort_keys=True).encode()),
    ]
    total = result.differences.height
    sentence = {"equal": "old and new are equal", "different": f"{total:,} differences", "not_checked": "not everything could be checked"}[
        result.answer
    ] + written_to(looked).rstrip(".")
    return Step("", files, {"answer": result.answer, "total": total, "sentence": sentence, "looked": looked})


def _with_data(answer: str, data: dict[str, Any], written: str) -> DifferencesFound:
    message = (
        f"Reconciliation found {data['total']:,} differences." if answer == "different" else "Reconciliation could not look at everything."
    )
    error = DifferencesFound(
        message + written, "Look at the listed keys with `portal-migrate trace`; then mend and load again, or roll back."
    )
    error.data = data
    return error

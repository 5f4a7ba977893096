"""The command `reconcile`: needs no run folder; with one, its answer becomes part of the run's evidence."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from etl.errors import DifferencesFound
from etl.events import record
from etl.options import Options, needed
from etl.reconcile import Reconciliation, reconcile
from etl.roles import roles
from etl.run import RunFolder, Step, opened
from etl.talk import Talk


def verified(options: Options, talk: Talk) -> Reconciliation:
    """The verifier's answer for these stores."""
    return reconcile(
        needed(options.source, "--source", "the URL of the Portal 2.0 database"), options.tc, options.files,
        needed(options.target, "--target", "the URL of the new store"),
        needed(options.objects, "--objects", "the root of the new object store"), options.freeze, talk.tell, options.mappings,
    )  # fmt: skip


def reconciled(options: Options, talk: Talk) -> dict[str, Any]:
    """The verifier's answer: every difference as {table, kind, legacy_key, account_number, column}, and their number.

    Raises DifferencesFound (exit 4) with the same data where old and new are not equal, or not everything could be looked at.
    """
    began, clock = datetime.now(UTC), time.monotonic()
    with talk.bars():
        result = verified(options, talk)
    if options.run is not None:
        with opened(options.run) as folder:
            step = evidence(result, folder)
            step.facts.update({"started": began.isoformat(timespec="seconds"), "seconds": round(time.monotonic() - clock, 3)})
            folder.steps["reconcile"] = step
            folder.save()
            record(folder.path, "reconcile", step.facts["sentence"], folder.settings, roles(options), {})
    data = {**summary(result), "differences": result.differences.to_dicts()}
    if result.answer != "equal":
        raise _with_data(result.answer, data)
    return data


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


def evidence(result: Reconciliation, folder: RunFolder) -> Step:
    """The verifier's answer as the step's files and facts."""
    folder.clear("reconcile")
    files = [
        folder.write_table("reconcile/differences.parquet", result.differences.to_arrow()),
        folder.write_bytes("reconcile/result.json", json.dumps(summary(result), sort_keys=True).encode()),
    ]
    total = result.differences.height
    sentence = {"equal": "old and new are equal", "different": f"{total:,} differences", "not_checked": "not everything could be checked"}[
        result.answer
    ]
    return Step("", files, {"answer": result.answer, "total": total, "sentence": sentence})


def _with_data(answer: str, data: dict[str, Any]) -> DifferencesFound:
    message = (
        f"Reconciliation found {data['total']:,} differences." if answer == "different" else "Reconciliation could not look at everything."
    )
    error = DifferencesFound(message, "Look at the listed keys with `portal-migrate trace`; then mend and load again, or roll back.")
    error.data = data
    return error

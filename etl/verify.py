"""The command `reconcile`: needs no run folder; with one, its answer becomes part of the run's evidence."""

from __future__ import annotations

from typing import Any

from etl.errors import DifferencesFound
from etl.pipeline import Options, needed, reconciled as reconciled_step
from etl.run import opened
from etl.talk import Talk


def reconciled(options: Options, talk: Talk) -> dict[str, Any]:
    """The verifier's answer: every difference as {table, kind, legacy_key, account_number, column}, and their number.

    Raises DifferencesFound (exit 4) with the same data where old and new are not equal, or not everything could be looked at.
    """
    from etl.reconcile import reconcile

    with talk.bars():
        result = reconcile(
            needed(options.source, "--source", "the URL of the Portal 2.0 database"), options.tc, options.files,
            needed(options.target, "--target", "the URL of the new store"),
            needed(options.objects, "--objects", "the root of the new object store"), options.freeze, talk.tell,
        )  # fmt: skip
    if options.run is not None:
        with opened(options.run) as folder:
            step = reconciled_step(result, folder)
            folder.steps["reconcile"] = step
            folder.save()
    data = {**result.summary(), "differences": result.differences.to_dicts(), "total": result.differences.height}
    if result.answer != "equal":
        raise _with_data(result.answer, data)
    return data


def _with_data(answer: str, data: dict[str, Any]) -> DifferencesFound:
    message = f"Reconciliation found {data['total']:,} differences." if answer == "different" else "Reconciliation could not look at everything."
    error = DifferencesFound(message, "Look at the listed keys with `portal-migrate trace`; then mend and load again, or roll back.")
    error.data = data
    return error

"""The comparison before publishing: the staged rows with the rows expected from the old portals and the rules."""

from datetime import date, datetime
from pathlib import Path

import numpy as np

from etl.reconcile.compare.actual import Store
from etl.reconcile.compare.difference import differences
from etl.reconcile.compare.hashing import Hashes
from etl.reconcile.compare.recorded_runs import Runs
from etl.reconcile.compare.tables import actual_numbers
from etl.reconcile.databases.staged import Rows, StagedRows
from etl.reconcile.engine.decisions import read_decided
from etl.reconcile.engine.frames import Database
from etl.reconcile.engine.spec import read_spec
from etl.reconcile.objects.store import ObjectCount
from etl.reconcile.present.words import adapter_files
from etl.reconcile.result import Reconciliation
from etl.reconcile.verifier import OF_THE_RUN, Actual, Progress, compared, compute, expected_side, old_portals


def reconcile_staged(
    source: str,
    tc: str | None,
    files: str | None,
    rows: Rows,
    run_id: str,
    began: datetime,
    freeze: tuple[date, date] | None = None,
    progress: Progress | None = None,
    mappings: Path | None = None,
    adapter: Path | None = None,
    grace: tuple[int, int, int] | None = None,
    decisions: Path | None = None,
) -> Reconciliation:
    """Returns every difference between these rows and the rows expected from the old portals and the rules.

    The objects' bytes, the view and the store itself are not checked. `rows`: of each target table but `migration_run`, as they will be
    loaded; `began`: when the run began to read (D11). Raises ReconcileError if a source cannot be used, Hidden if it hides rows (K9).
    """
    tell = progress or (lambda what, done, total: None)
    spec = read_spec(mappings)
    databases: list[Database] = []
    try:
        sources = old_portals(spec, source, tc, databases, adapter_files(adapter) if adapter is not None else None)
        padded = any(database.pads for database in databases)
        store = Store(spec, StagedRows(spec.target, rows), padded)
        side = expected_side(spec, sources, files, freeze, began, padded, grace, read_decided(decisions))
        compute(side, tell)
        actual = Actual(_numbers(store, side.columns), [], ObjectCount(), differences([]))
        runs = Runs(frozenset({run_id}), run_id, began, freeze, differences([]), 1)
        return compared(side, actual, store, runs, tell)
    finally:
        for database in databases:
            database.close()


def _numbers(store: Store, columns: dict[str, tuple[str, ...]]) -> dict[str, Hashes]:
    found: dict[str, Hashes] = {}
    tables = store.order()
    for n, table in enumerate(tables):
        if table not in OF_THE_RUN:
            parts = [numbers for _, numbers in actual_numbers(store, table, columns[table])]
            found[table] = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)
        store.forget(known for known in tables if store.referring(known) <= set(tables[: n + 1]))
    return found

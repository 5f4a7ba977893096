"""The verifier, independent of the loader: recomputes from the old portals what the new store must contain, and compares everything."""

from etl.reconcile.before_publishing import reconcile_staged
from etl.reconcile.compare.recorded_runs import Recorded
from etl.reconcile.result import Reconciliation
from etl.reconcile.verifier import reconcile

__all__ = ["Reconciliation", "Recorded", "reconcile", "reconcile_staged"]

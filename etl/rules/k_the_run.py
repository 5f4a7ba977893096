"""Chapter K: rules of the run as a whole. They are implemented in the steps of the run, not row by row:

K1 `etl/extract/freeze_guard.py`; K2, K3, K4 `etl/pipeline/runner.py`, `etl/domain/ids.py` and each database's `target.py`; K5 `etl/extract/source_contract.py`;
K8 `etl/load/step.py`; K9 `conditions` of each database's `source.py`; K10 `etl/reconcile/compare/audit.py`.
"""

from __future__ import annotations

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "K1": (),
    "K2": (),
    "K3": (),
    "K4": (),
    "K5": (),
    "K8": (),
    "K9": (),
    "K10": (),
}

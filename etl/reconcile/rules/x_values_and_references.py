"""Chapter X: unreadable values, references to missing rows, texts that the target cannot store.

They hold for every table: X1 in `etl/reconcile/engine/ordinary.py`, X2 and E8 in `etl/reconcile/engine/source.py`, `cells.py` and `ledger.py`.
"""

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "E8": ("*",),
    "X1": ("*",),
    "X2": ("*",),
}

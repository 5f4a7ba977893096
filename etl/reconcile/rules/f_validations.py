"""Validations (chapter F)."""

import polars as pl

from etl.reconcile.engine.ordinary import Note
from etl.reconcile.engine.world import ExpectedState, Ints

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "F1": (),
    "F2": ("P2.validation",),
}


def note_validation(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags validations of a whole profile with several accounts (F2)."""
    of_profile = (rows["entity_id"].is_null() & rows["security_model_id"].is_null()).to_numpy()
    world.flag("F2", "P2", "validation", rows, of_profile & (world.scopes.size(scope) > 1))


# By source table: what flags its loaded rows.
NOTE: dict[str, Note] = {
    "validation": note_validation,
}

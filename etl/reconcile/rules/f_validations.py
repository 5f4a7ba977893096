"""Validations (chapter F)."""

import polars as pl

from etl.reconcile.engine.world import Ints, World


def note_validation(world: World, rows: pl.DataFrame, scope: Ints) -> None:
    """F2: a validation of a profile that has several accounts."""
    of_profile = (rows["entity_id"].is_null() & rows["security_model_id"].is_null()).to_numpy()
    world.flag("F2", "P2", "validation", rows, of_profile & (world.scopes.size(scope) > 1))

"""The catalogues, carried over as they are, and the business types that they lack (A12; fine print 4, 5)."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from etl.reconcile.engine.ledger import LOADED
from etl.reconcile.engine.ordinary import Note, RowRule, Rulebook, of_rows, recorded
from etl.reconcile.engine.scopes import indexed
from etl.reconcile.engine.source import KEY
from etl.reconcile.engine.spec import Value
from etl.reconcile.engine.world import ExpectedRows, ExpectedState, Ints

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "A12": ("P2.model_entity", "P2.question_applicability", "P2.agreement_version"),
}

# In an order in which each finds what it refers to.
TYPED = ("business_type", "profile_question", "question_applicability", "agreement_version")


def decide_catalogues(world: ExpectedState, rulebook: Rulebook) -> None:
    """Fills `world.known.catalogues` with the loaded rows of each catalogue, records every row in the ledger, and flags entities of unknown type (A12)."""
    source = world.sources["P2"]
    for table in TYPED:
        rows = source.whole(table, world.ledger)
        _, reason = recorded(world, rulebook, world.spec.mappings["P2", table], rows)
        key = source.table(table).key
        if len(key) == 1:
            world.index["P2", table] = indexed(rows[key[0]], reason == LOADED)
        world.known.catalogues[table] = rows.filter(pl.Series(reason == LOADED))
    _lacking(world, "model_entity", world.accounts, world.accounts["#type"])


def catalogue_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """Yields the expected rows of the four typed catalogues, unchanged."""
    for table in TYPED:
        rows = world.known.catalogues[table]
        yield from of_rows(world, rulebook, world.spec.mappings["P2", table], rows, np.full(len(rows), -1))


def added_types(world: ExpectedState) -> ExpectedRows:
    """Returns one inactive `business_type` row for each code that the data has and the catalogue lacks; its name is the code (A12)."""
    codes = pl.Series("business_type_cd", sorted(world.added_types), dtype=pl.String)
    inactive = pl.Series("active", [False]).new_from_index(0, len(codes))
    return ExpectedRows("business_type", "P2", "business_type", pl.DataFrame([codes, codes.alias("name"), inactive, codes.alias(KEY)]))


def type_code(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the business type code unchanged; A12 adds missing codes to the catalogue."""
    return rows[value.source[0]]


def note_applicability(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags rows of `question_applicability` whose business type is not in the catalogue (A12)."""
    _lacking(world, "question_applicability", rows, rows["business_type_cd"])


def note_version(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags rows of `agreement_version` whose business type is not in the catalogue (A12)."""
    _lacking(world, "agreement_version", rows, rows["business_type_cd"])


def _lacking(world: ExpectedState, table: str, rows: pl.DataFrame, codes: pl.Series) -> None:
    types = world.index["P2", "business_type"]
    lacking = codes.is_not_null().to_numpy() & ~types.is_loaded(types.find(codes))
    world.flag("A12", "P2", table, rows, lacking)
    world.added_types.update(codes.filter(pl.Series(lacking)).to_list())


# By (source table, target column), or by number for any column that the rule fills: the same on every copy of a row.
ROW: dict[tuple[str, str] | str, RowRule] = {
    ("question_applicability", "business_type_cd"): type_code,
    ("agreement_version", "business_type_cd"): type_code,
}

# By source table: what flags its loaded rows.
NOTE: dict[str, Note] = {
    "question_applicability": note_applicability,
    "agreement_version": note_version,
}

"""Chapter A: which profiles, models and entities become accounts, under which number and type."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl

from etl.placement.account_index import AccountIndex, make_account_index
from etl.placement.row_placement import Bools, Ints, RowPlacement, int_values_and_mask
from mappings.model import Mappings

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "A1": (),
    "A2": (),
    "A3": (),
    "A4": (),
    "A5": (),
    "A11": ("P2.model_entity",),
    "A16": ("P2.model_entity",),
    "A18": ("P2.company_profile",),
}


def folded(text: str | None) -> str:
    """Returns the text trimmed and case-folded, as rules compare names; '' for None (fine print 1)."""
    return (text or "").strip().casefold()


def existing(rows: RowPlacement, column: str) -> AccountIndex:
    """Returns an index of the keys with whether each row is held, without copies."""
    values, present = int_values_and_mask(rows.frame, column)
    none = np.zeros(0, np.int64)
    return make_account_index(values[present], (rows.reason > 0)[present], none, none.astype(np.int32))


def hold_by_structure(profile: RowPlacement, model: RowPlacement, entity: RowPlacement) -> None:
    """Holds rows whose parent is missing or held, then models without an entity and profiles without an account (A1, A4, A5; fine print 24)."""
    _hold_orphans(model, "company_profile_id", existing(profile, "company_profile_id"))
    models = existing(model, "security_model_id")
    _hold_orphans(entity, "security_model_id", models)
    entity_model, _ = int_values_and_mask(entity.frame, "security_model_id")
    alive_models = np.unique(entity_model[entity.reason == 0])
    model_id, _ = int_values_and_mask(model.frame, "security_model_id")
    model_profile, _ = int_values_and_mask(model.frame, "company_profile_id")
    has_entity = np.isin(model_id, alive_models)
    alive_profiles = np.unique(model_profile[(model.reason == 0) & has_entity])
    model.hold((model.reason == 0) & ~has_entity, "MODEL_WITHOUT_ENTITY")
    profile_id, _ = int_values_and_mask(profile.frame, "company_profile_id")
    profile.hold((profile.reason == 0) & ~np.isin(profile_id, alive_profiles), "PROFILE_WITHOUT_ENTITY")


def _hold_orphans(rows: RowPlacement, column: str, parents: AccountIndex) -> None:
    wanted, present = int_values_and_mask(rows.frame, column)
    position, exists = parents.find(wanted)
    rows.hold(~present, "NO_OWNER")  # an old table may allow NULL where the contract does not
    rows.hold(present & ~exists, "BROKEN_REFERENCE")
    if len(parents.keys):
        rows.hold(present & exists & parents.held[position], "PARENT_HELD")


def account_rows(profile: RowPlacement, model: RowPlacement, entity: RowPlacement) -> pl.DataFrame:
    """Returns one row per account in the order of entity ids.

    Columns: entity_id, model_id, profile_id; entity_row, model_row, profile_row (row indexes in the three frames). None is null.
    """
    loaded = entity.loaded
    entity_id, _ = int_values_and_mask(entity.frame, "entity_id")
    order = loaded[np.argsort(entity_id[loaded], kind="stable")]
    model_id, _ = int_values_and_mask(entity.frame, "security_model_id")
    model_row = _row_of(model, "security_model_id", model_id[order])
    profile_id, _ = int_values_and_mask(model.frame, "company_profile_id")
    profile_row = _row_of(profile, "company_profile_id", profile_id[model_row])
    return pl.DataFrame(
        {
            "entity_id": entity_id[order],
            "model_id": model_id[order],
            "profile_id": profile_id[model_row],
            "entity_row": order,
            "model_row": model_row,
            "profile_row": profile_row,
        },
        schema=dict.fromkeys(("entity_id", "model_id", "profile_id", "entity_row", "model_row", "profile_row"), pl.Int64),
    )


def _row_of(rows: RowPlacement, column: str, wanted: Ints) -> Ints:
    values, present = int_values_and_mask(rows.frame, column)
    positions = np.flatnonzero(present)
    order = positions[np.argsort(values[positions], kind="stable")]
    return order[np.searchsorted(values[order], wanted)] if len(order) else np.zeros(0, np.int64)


def index_of_accounts(rows: RowPlacement, column: str, of_account: Ints, known: Bools | None = None) -> AccountIndex:
    """Returns the index of a structure table's rows: an account belongs to the row whose key equals its value in `of_account`.

    `known`: which accounts have a value (None: all).
    """
    values, present = int_values_and_mask(rows.frame, column)
    order = np.argsort(values[present], kind="stable")
    sorted_values = values[present][order]
    position = np.searchsorted(sorted_values, of_account)
    position[position == len(sorted_values)] = 0
    same = sorted_values[position] == of_account if len(sorted_values) else np.zeros(len(of_account), bool)
    found = np.flatnonzero(same if known is None else same & known)
    held = (rows.reason > 0)[present]
    return make_account_index(values[present], held, order[position[found]], found.astype(np.int32))


def types_after_split(entity: RowPlacement, accounts: pl.DataFrame, mappings: Mappings) -> pl.Series:
    """Returns the business type of each account after the split of HWY by border; flags highway carriers whose border is unknown (A11)."""
    split = {row["border_crossed_cd"]: row["business_type_cd"] for row in mappings.codes["highway_split"]}
    rows = accounts["entity_row"]
    types = entity.frame["business_type_cd"].gather(rows)
    border = entity.frame["border_crossed_cd"].gather(rows).replace_strict(split, default=None, return_dtype=pl.String)
    highway = types == "HWY"
    unknown = np.zeros(entity.frame.height, bool)
    unknown[rows.filter(highway & border.is_null()).to_numpy()] = True
    entity.flag("A11", unknown, "highway carrier without a known border stays HWY")
    return pl.select(pl.when(highway & border.is_not_null()).then(border).otherwise(types).alias("business_type_cd")).to_series()


def numbers(entity: RowPlacement, accounts: pl.DataFrame) -> tuple[list[str], Bools]:
    """Returns (account number of each account, entity rows that lost a duplicate number to a lower id) (A16; fine print 7, 20, 45, 48)."""
    rows = accounts["entity_row"].to_list()
    own = entity.frame["account_number"].gather(rows).to_list()
    ids = accounts["entity_id"].to_list()
    taken = {number for number in own if number is not None and number.strip()}
    seen: set[str] = set()
    result = []
    lost = np.zeros(entity.frame.height, bool)
    for entity_id, number, row in zip(ids, own, rows, strict=True):
        if number is None or not number.strip() or number in seen:
            lost[row] = number is not None and number in seen
            number = f"M{entity_id:09d}" if entity_id >= 0 else f"M-{-entity_id:09d}"
            while number in taken:
                number += "X"
        seen.add(number)
        result.append(number)
    return result, lost


def hold_long_numbers(entity: RowPlacement, accounts: pl.DataFrame, numbers: list[str], longest: int) -> bool:
    """Holds entities whose generated number is longer than its column as UNREADABLE_VALUE; returns whether there are any (fine print 44)."""
    long = [row for row, number in zip(accounts["entity_row"].to_list(), numbers, strict=True) if len(number) > longest]
    mask = np.zeros(entity.frame.height, bool)
    mask[long] = True
    entity.hold(mask, "UNREADABLE_VALUE")
    return bool(long)


def flag_equal_names(profile: RowPlacement) -> None:
    """Flags profiles whose names are equal after trimming and case-folding; they are never merged (A18)."""
    names = [None if name is None else folded(name) for name in profile.frame["company_name"].to_list()]
    count = Counter(name for name in names if name is not None)
    equal = np.array([name is not None and count[name] > 1 for name in names], bool)
    profile.flag("A18", equal, "another profile has the same name after trimming and case-folding")

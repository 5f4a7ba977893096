"""Chapter H: the accounts of an identifier, its normal form, and the completeness of an account's identifiers."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl

from etl.domain.identifier_values import is_personal, normal
from etl.placement.account_directory import AccountDirectory
from etl.placement.routing import follow
from etl.placement.row_placement import RowPlacement
from etl.placement.target_rows import Computed, Rule, TargetRows
from mappings.model import Form, Mappings, Route

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "H1": (),
    "H2": (),
    "H3": ("P2.model_entity",),
    "H4": (),
    "H6": (),
    "H7": ("P2.entity_identifier",),
}

_ROUTES = (Route("entity_id", "model_entity"), Route("company_profile_id", "company_profile"))


def place_identifiers(identifier: RowPlacement, spine: AccountDirectory, longest: int) -> None:
    """Places identifiers on the entity's account, else on the profile's accounts whose type may carry them (H1, H2).

    Holds rows as NO_ELIGIBLE_ACCOUNT, or as UNREADABLE_VALUE if the normal form exceeds `longest` characters (fine print 44).
    """
    # Fine print 44: a normal form that outgrew its column is an unreadable value in a mandatory column.
    grown = np.array([value is not None and len(normal(value)) > longest for value in identifier.frame["identifier_value"].to_list()], bool)
    identifier.hold(grown, "UNREADABLE_VALUE")
    row, account, decided = follow(identifier, _ROUTES, spine)
    carriers: dict[str, set[str]] = defaultdict(set)
    for entry in spine.mappings.codes["identifier_carrier"]:
        carriers[entry["identifier_type_cd"]].add(entry["business_type_cd"])
    pairs = pl.DataFrame(
        {
            "kind": identifier.frame["identifier_type_cd"].gather(row),
            "type": spine.accounts["business_type_cd"].gather(account.astype(np.int64)),
        }
    )
    allowed = pl.DataFrame(
        [(kind, kind_type) for kind, types in carriers.items() for kind_type in types], schema=["kind", "type"], orient="row"
    )
    anywhere = [kind for kind, types in carriers.items() if "*" in types]
    fits = pairs.join(allowed.with_columns(pl.lit(True).alias("fits")), on=["kind", "type"], how="left", maintain_order="left")["fits"]
    by_entity = decided[row] == 0
    good = by_entity | fits.fill_null(False).to_numpy() | pairs["kind"].is_in(anywhere).fill_null(False).to_numpy()
    some = np.zeros(identifier.frame.height, bool)
    some[row[good]] = True
    identifier.hold((identifier.reason == 0) & ~some, "NO_ELIGIBLE_ACCOUNT")
    identifier.copy_to(row[good], account[good])


def complete(identifier: RowPlacement, types: pl.Series, mappings: Mappings) -> list[bool]:
    """Returns for each account whether its active identifiers include all that its type requires (H3)."""
    active = (identifier.frame["active_ind"] == "Y").fill_null(False).gather(identifier.row).to_numpy()
    kinds = identifier.frame["identifier_type_cd"].gather(identifier.row)
    has: dict[int, set[str]] = defaultdict(set)
    for account, kind, is_active in zip(identifier.account.tolist(), kinds.to_list(), active, strict=True):
        if is_active:
            has[account].add(kind)
    needed: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for entry in mappings.codes["identifier_required"]:
        needed[entry["business_type_cd"]][entry["group_no"]].add(entry["identifier_type_cd"])
    return [
        all(has[account] & group for group in needed[kind].values()) if kind in needed else True
        for account, kind in enumerate(types.to_list())
    ]


def flag_shared_identifiers(identifier: RowPlacement, spine: AccountDirectory) -> None:
    """Flags rows whose active number is on accounts of several profiles, compared by type and normal form (H7; fine print 57)."""
    unique = [entry["identifier_type_cd"] for entry in spine.mappings.codes["identifier_unique"]]
    copies = pl.DataFrame(
        {
            "row": identifier.row,
            "profile": spine.accounts["profile_id"].gather(identifier.account.astype(np.int64)),
            "kind": identifier.frame["identifier_type_cd"].gather(identifier.row),
            "active": identifier.frame["active_ind"].gather(identifier.row) == "Y",
            "norm": values_norm(identifier).gather(identifier.row),
        }
    ).filter(pl.col("active").fill_null(False) & pl.col("kind").is_in(unique) & (pl.col("norm") != ""))
    shared = copies.filter(pl.col("profile").n_unique().over("kind", "norm") > 1)
    mask = np.zeros(identifier.frame.height, bool)
    mask[shared["row"].to_numpy()] = True
    identifier.flag("H7", mask, "an account of another profile has the same active number")


def importer_numbers(identifier: RowPlacement) -> pl.DataFrame:
    """Returns every importer-of-record number on an account: account (position), value (normal form), active."""
    frame = identifier.frame.select(
        (pl.col("identifier_type_cd") == "IOR").alias("is_ior"), (pl.col("active_ind") == "Y").alias("active"), "identifier_value"
    )[identifier.row]
    values = pl.Series("value", [normal(value) for value in frame["identifier_value"].to_list()], dtype=pl.String)
    copies = frame.with_columns(values, pl.Series("account", identifier.account.astype(np.int64))).filter("is_ior")
    return copies.select("account", "value", "active").unique()


def values_norm(identifier: RowPlacement) -> pl.Series:
    """Returns the normal form for every source row; null stays null (H4)."""
    return pl.Series([normal(value) for value in identifier.frame["identifier_value"].to_list()], dtype=pl.String)


def entity_flags(entity: RowPlacement, accounts: pl.DataFrame, is_complete: list[bool]) -> None:
    """Flags the entities whose account lacks an identifier that its type requires (H3)."""
    lacking = np.zeros(entity.frame.height, bool)
    lacking[accounts["entity_row"].filter(~pl.Series(is_complete, dtype=pl.Boolean)).to_numpy()] = True
    entity.flag("H3", lacking, "an identifier that this business type needs is missing or inactive")


def value_norm(copies: TargetRows, form: Form) -> Computed:
    """Returns the normal form of the identifier for each target row; null stays null (H4)."""
    return pl.Series([normal(text) for text in copies.source_column(form.columns[0]).to_list()], dtype=pl.String)


def personal(copies: TargetRows, form: Form) -> Computed:
    """Returns whether the identifier is a natural person's, for each target row (H6)."""
    kind, value = (copies.source_column(column).to_list() for column in form.columns)
    return pl.Series([is_personal(*pair) for pair in zip(kind, value, strict=True)], dtype=pl.Boolean)


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "H4": value_norm,
    "H6": personal,
}

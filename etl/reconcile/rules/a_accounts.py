"""The accounts themselves and the groups they come from (A2, A7, A8, A10, A11, A16, A17, A21)."""

import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from etl.reconcile.compare.hashing import ACCOUNT
from etl.reconcile.engine.ordinary import RowRule, Rulebook, note_soft, of_rows, row_columns
from etl.reconcile.engine.scopes import indexed
from etl.reconcile.engine.source import BAD, KEY
from etl.reconcile.engine.spec import Value
from etl.reconcile.engine.world import ExpectedRows, ExpectedState
from etl.reconcile.rules.b_people import acting_officers, profiles_with_officer
from etl.reconcile.rules.d_agreements import basis
from etl.reconcile.rules.h_identifiers import complete

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "A6": (),
    "A7": (),
    "A8": (),
    "A10": (),
    "A17": (),
    "A21": (),
}

GREATEST = 2_147_483_647
_WHOLE = re.compile(r"[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+")


def account_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """One row an entity: its own columns, those of its model, those of its profile."""
    accounts = world.accounts
    by_table = {
        "model_entity": accounts,
        "security_model": _beside(accounts, world.known.loaded_models, "security_model_id"),
        "company_profile": _beside(accounts, world.known.loaded_profiles, "company_profile_id"),
    }
    columns: dict[str, pl.Series] = {KEY: accounts[KEY]}
    archived = pl.Series([False]).new_from_index(0, len(accounts))
    for table, rows in by_table.items():
        mapping = world.spec.mappings["P2", table]
        for into in mapping.into:
            if into.table == "entity_account":
                made = row_columns(world, rulebook, mapping, into, rows)
                if "archived" in made.columns:
                    archived = archived | made["archived"]
                columns |= {column.name: column for column in made if column.name != KEY}
    columns["archived"] = archived.alias("archived")  # A8: of the model or of the profile
    columns["trade_visible"] = columns["trade_visible"] & ~archived
    world.flag("B19", "P2", "model_entity", accounts, (columns["trade_visible"] & ~acting_officers(world)).to_numpy())
    note_soft(world, rulebook, world.spec.mappings["P2", "model_entity"], accounts)
    yield ExpectedRows(
        "entity_account",
        "P2",
        "model_entity",
        pl.DataFrame(list(columns.values())),
        None,
        pl.DataFrame([accounts["entity_id"].alias(ACCOUNT)]),
    )


def group_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """A10: a group for each organisation, loaded profile and loaded model, and their members."""
    for table, key in (("company_profile", "company_profile_id"), ("security_model", "security_model_id")):
        rows = world.known.loaded_profiles if table == "company_profile" else world.known.loaded_models
        index = world.index["P2", table]
        yield from of_rows(world, rulebook, world.spec.mappings["P2", table], rows, index.scope_of(index.find(rows[key])))
    organisations = world.known.organizations.filter(~pl.col(BAD))
    profiles = _beside(world.accounts, world.known.loaded_profiles, "company_profile_id")
    place = indexed(organisations["trade_org_id"], np.ones(len(organisations), np.bool_), np.arange(len(organisations)))
    owner = place.scope_of(place.find(profiles["trade_org_id"]))
    member = np.flatnonzero(owner >= 0)
    scope = world.scopes.add(owner[member], member, len(organisations))
    yield from of_rows(world, rulebook, world.spec.mappings["P2", "trade_organization"], organisations, scope)


def number(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    return rows["#number"]


def business_type(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    return rows["#type"]


def agreement_basis(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    return basis(world)


def identifiers_complete(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    return complete(world)


def needs_officer(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """B10: no officer among the profile's contacts that are not removed."""
    return ~rows["company_profile_id"].is_in(profiles_with_officer(world).implode())


def acting_officer(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    return acting_officers(world)


def status_visible(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """A7."""
    hidden = [row["status_cd"] for row in world.spec.codes["status"] if row["trade_visible"] == "false"]
    return ~rows["status_cd"].is_in(hidden)


def archived(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """A8."""
    return rows["deleted_ind"].eq_missing(pl.Series(["Y"]))


def employee_count(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """A21; fine print 19."""
    return pl.Series([_whole_number(text) for text in rows[value.source[0]].to_list()], dtype=pl.Int64)


def _whole_number(text: str | None) -> int | None:
    if text is None or _WHOLE.fullmatch(text) is None:
        return None
    found = int(text.replace(",", ""))
    return found if found <= GREATEST else None


def _beside(accounts: pl.DataFrame, rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """For each account the row of its model or profile."""
    return accounts.select(key).join(rows, on=key, how="left", maintain_order="left")


# By (source table, target column), or by number for any column that the rule fills: the same on every copy of a row.
ROW: dict[tuple[str, str] | str, RowRule] = {
    "A21": employee_count,
    ("model_entity", "account_number"): number,
    ("model_entity", "business_type_cd"): business_type,
    ("model_entity", "agreement_basis_cd"): agreement_basis,
    ("model_entity", "needs_officer"): needs_officer,
    ("model_entity", "acting_officer"): acting_officer,
    ("model_entity", "identifiers_complete"): identifiers_complete,
    ("model_entity", "trade_visible"): status_visible,
    ("company_profile", "archived"): archived,
    ("security_model", "archived"): archived,
}

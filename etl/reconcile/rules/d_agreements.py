"""Signatures: the legal act once, the accounts that it covers, and what is odd about it (chapter D)."""

import numpy as np
import polars as pl

from etl.reconcile.engine.ledger import LOADED
from etl.reconcile.engine.ordinary import Copies, CopyRule, Note, OwnerRule, route
from etl.reconcile.engine.world import ExpectedState, Ints
from etl.reconcile.rules.h_identifiers import chosen_accounts

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "D1": (),
    "D2": ("P2.agreement_signature",),
    "D4": ("P2.agreement_signature",),
    "D5": (),
    "D11": ("P2.agreement_signature",),
    "D12": ("P2.agreement_signature",),
}

DIRECT, INHERITED, PRE_DATES = "DIRECT", "INHERITED", "PRE_DATES_ACCOUNT"


def signed_for(world: ExpectedState, frame: pl.DataFrame) -> tuple[Ints, Ints]:
    """Returns (scope, hold reason) of each signature: the accounts of the entity, model or profile that it names (D1).

    A version for one business type covers only accounts of that type, if there are any (D12).
    """
    scope, reason = route(world, "P2", world.spec.mappings["P2", "agreement_signature"].owner, frame)
    kind = _type_of_version(world, frame)
    chosen = (frame["entity_id"].is_null() & kind.is_not_null()).to_numpy() & (reason == LOADED)
    narrowed, none = chosen_accounts(world, scope, chosen, kind, {code: {code} for code in kind.drop_nulls().unique()})
    return np.where(none, scope, narrowed), reason


def coverage(world: ExpectedState, copies: Copies) -> pl.Series:
    """Returns DIRECT (signed for the entity), INHERITED, or PRE_DATES_ACCOUNT (signed before the account was created) for each copy (D1, D2)."""
    direct = copies.of("entity_id").is_not_null()
    early = copies.of_account(world, "created_at") > copies.of("signed_at")
    return pl.select(pl.when(early).then(pl.lit(PRE_DATES)).when(direct).then(pl.lit(DIRECT)).otherwise(pl.lit(INHERITED))).to_series()


def note_signature(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags signatures under D2, D4, D11 and D12, and records the accounts that a voluntary agreement covers (D5)."""
    copies = Copies(rows, *world.scopes.expand(scope))
    early = np.zeros(len(rows), np.bool_)
    early[copies.take[(copies.of_account(world, "created_at") > copies.of("signed_at")).to_numpy()]] = True
    world.flag("D2", "P2", "agreement_signature", rows, early)

    contacts = world.known.every_contact.drop_nulls(["user_id", "company_profile_id"])
    outsiders = contacts.group_by("user_id", "company_profile_id").agg(
        (pl.col("contact_type_cd") == "CONSULTANT").fill_null(False).all().alias("#only")
    )
    signer = rows.select(pl.col("signer_user_id").alias("user_id"), "company_profile_id")
    only = signer.join(outsiders, on=["user_id", "company_profile_id"], how="left", maintain_order="left")["#only"].fill_null(False)
    world.flag("D4", "P2", "agreement_signature", rows, only.to_numpy())

    versions = world.known.catalogues["agreement_version"].select(
        "agreement_version_id", "agreement_cd", "effective_dt", "business_type_cd"
    )
    known = rows.select("agreement_version_id", "signed_at").join(versions, on="agreement_version_id", how="left", maintain_order="left")
    # Day against day: the last days that PostgreSQL supports, and infinity, do not fit into 64 bits.
    signed, effective = known["signed_at"].to_physical(), known["effective_dt"].to_physical().cast(pl.Int64)
    odd = ((signed < 2**63 - 1) & (signed // 86_400_000_000 < effective)).fill_null(False)
    if world.began is not None:
        odd |= known["signed_at"] > world.began
    world.flag("D11", "P2", "agreement_signature", rows, odd.to_numpy())

    voluntary = (known["agreement_cd"] == "VOLUNTARY").fill_null(False).to_numpy()
    world.covered.update(copies.account[voluntary[copies.take]].tolist())

    typed = (known["business_type_cd"].is_not_null() & rows["entity_id"].is_null()).to_numpy()
    fitting = np.zeros(len(rows), np.bool_)
    fitting[copies.take[(copies.of_account(world, "#type") == known["business_type_cd"][copies.take]).fill_null(False).to_numpy()]] = True
    world.flag("D12", "P2", "agreement_signature", rows, typed & ~fitting)


def basis(world: ExpectedState) -> pl.Series:
    """Returns SIGNED, CONTINUED_MEMBERSHIP or NONE for each account, as `agreement_basis_cd` (D5)."""
    continued = [row["status_cd"] for row in world.spec.codes["status"] if row["continued_membership"] == "true"]
    signed = pl.Series([account in world.covered for account in range(len(world.accounts))], dtype=pl.Boolean)
    member = world.accounts["status_cd"].is_in(continued)
    return (
        pl.select(pl.when(signed).then(pl.lit("SIGNED")).when(member).then(pl.lit("CONTINUED_MEMBERSHIP")).otherwise(pl.lit("NONE")))
        .to_series()
        .alias("agreement_basis_cd")
    )


def _type_of_version(world: ExpectedState, frame: pl.DataFrame) -> pl.Series:
    versions = world.known.catalogues["agreement_version"].select("agreement_version_id", "business_type_cd")
    return frame.select("agreement_version_id").join(versions, on="agreement_version_id", how="left", maintain_order="left")[
        "business_type_cd"
    ]


# By (source table, target column): another value on each copy.
COPY: dict[tuple[str, str], CopyRule] = {
    ("agreement_signature", "coverage_cd"): coverage,
}

# By source table: what flags its loaded rows.
NOTE: dict[str, Note] = {
    "agreement_signature": note_signature,
}

# Rules that find the accounts of rows.
OWNER: dict[str, OwnerRule] = {
    "D12": signed_for,
}

"""Chapter D: which accounts a signature covers. The act itself is stored once, never copied, never re-dated."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from etl.domain.typed_values import INFINITE_MOMENT
from etl.placement.account_directory import AccountDirectory
from etl.placement.routing import follow, hold_unmet_needs
from etl.placement.row_placement import Bools, RowPlacement

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "D1": (),
    "D2": ("P2.agreement_signature",),
    "D4": ("P2.agreement_signature",),
    "D5": (),
    "D11": ("P2.agreement_signature",),
    "D12": ("P2.agreement_signature",),
}

_ENTITY = 0  # the first of the routes of agreement_signature.toml


def place_signatures(signature: RowPlacement, version: RowPlacement, spine: AccountDirectory) -> pl.Series:
    """Places each signature on its accounts and returns the coverage code of every copy (D1, D2, D12)."""
    hold_unmet_needs(signature, spine)
    row, account, decided = follow(signature, signature.mapping.owner, spine)
    made_for = _by_version(signature, version, "business_type_cd").gather(row)
    other_type = (made_for.is_not_null() & (made_for != spine.accounts["business_type_cd"].gather(account.astype(np.int64)))).to_numpy()
    other_type &= decided[row] != _ENTITY
    some_fits = np.zeros(signature.frame.height, bool)
    some_fits[row[~other_type]] = True
    has_copies = np.zeros(signature.frame.height, bool)
    has_copies[row] = True
    signature.flag("D12", has_copies & ~some_fits, "the version is for one business type and no account has it: all accounts are covered")
    keep = ~other_type | ~some_fits[row]
    signature.copy_to(row[keep], account[keep])
    signed_at = signature.frame["signed_at"].gather(signature.row)
    created_at = spine.accounts["created_at"].gather(signature.account.astype(np.int64))
    early = (created_at > signed_at).fill_null(False).to_numpy()
    pre_dates = np.zeros(signature.frame.height, bool)
    pre_dates[signature.row[early]] = True
    signature.flag("D2", pre_dates, "signed before an account that it covers was created")
    direct = decided[signature.row] == _ENTITY
    return pl.Series(np.where(early, "PRE_DATES_ACCOUNT", np.where(direct, "DIRECT", "INHERITED")), dtype=pl.String)


def _by_version(signature: RowPlacement, version: RowPlacement, column: str) -> pl.Series:
    """Returns the column's value of each signature's agreement version; null if the version is not loaded."""
    known = version.frame.filter(pl.Series(version.reason == 0)).select("agreement_version_id", column)
    return signature.frame.select("agreement_version_id").join(known, on="agreement_version_id", how="left", maintain_order="left")[column]


def flag_odd_signatures(signature: RowPlacement, version: RowPlacement, consultants: pl.DataFrame, began: str) -> None:
    """Flags signatures by consultants only (D4), of the future, or from before their version took effect (D11)."""
    signed_at = signature.frame["signed_at"]
    started = datetime.fromisoformat(began)
    too_early = _before(signed_at, _by_version(signature, version, "effective_dt"))
    wrong_time = ((signed_at > started).fill_null(False) | too_early.fill_null(False)).to_numpy()
    signature.flag("D11", wrong_time, "signed after the extract began, or before its version took effect")
    signature.flag("D4", _by_consultants_only(signature, consultants), "the signer's contacts on this profile are consultants only")


def _before(moments: pl.Series, days: pl.Series) -> pl.Series:
    """Returns whether each moment is before its day; compared by days, because PostgreSQL's last days exceed 64 bits in microseconds."""
    ticks = moments.to_physical()
    return (ticks != INFINITE_MOMENT[1]) & (ticks // 86_400_000_000 < days.to_physical().cast(pl.Int64))


def consultants_only(contact: pl.DataFrame) -> pl.DataFrame:
    """Returns user_id, company_profile_id of users whose contacts on that profile, removed ones too, are only consultants (fine print 15)."""
    return (
        contact.filter(pl.col("user_id").is_not_null() & pl.col("company_profile_id").is_not_null())
        .group_by("user_id", "company_profile_id")
        .agg((pl.col("contact_type_cd") == "CONSULTANT").fill_null(False).all().alias("only"))
        .filter("only")
        .select("user_id", "company_profile_id")
        .sort("user_id", "company_profile_id")
    )


def _by_consultants_only(signature: RowPlacement, consultants: pl.DataFrame) -> Bools:
    """Returns whether the signer has only consultant contacts on the profile that the row names (D4)."""
    joined = signature.frame.select("signer_user_id", "company_profile_id").join(
        consultants.with_columns(pl.lit(True).alias("only")),
        left_on=["signer_user_id", "company_profile_id"],
        right_on=["user_id", "company_profile_id"],
        how="left",
        maintain_order="left",
    )
    return joined["only"].fill_null(False).to_numpy()


def agreement_basis(signature: RowPlacement, version: RowPlacement, spine: AccountDirectory) -> pl.Series:
    """Returns SIGNED, CONTINUED_MEMBERSHIP or NONE for every account (D5)."""
    voluntary = (_by_version(signature, version, "agreement_cd") == "VOLUNTARY").fill_null(False).to_numpy()
    signed = np.zeros(spine.accounts.height, bool)
    signed[signature.account[voluntary[signature.row]]] = True
    continued = [row["status_cd"] for row in spine.mappings.codes["status"] if row["continued_membership"] == "true"]
    member = spine.accounts["status_cd"].is_in(continued).to_numpy()
    return pl.Series(np.where(signed, "SIGNED", np.where(member, "CONTINUED_MEMBERSHIP", "NONE")), dtype=pl.String)

"""Chapter I: which importer's account a Trade Compliance account belongs to."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl

from etl.domain.emails import email_key
from etl.domain.identifier_values import normal
from etl.domain.ids import as_arrow
from etl.placement.account_directory import AccountDirectory, login_ids
from etl.placement.row_placement import RowPlacement, int_values_and_mask
from etl.placement.target_rows import Computed, Rule, TargetRows, ids_of
from mappings.model import Form

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "I1": ("TC.tc_account",),
    "I4": ("TC.tc_ior",),
    "I9": ("TC.tc_contact",),
}


def place_tc_accounts(
    tc_account: RowPlacement, tc_ior: RowPlacement, numbers: pl.DataFrame, spine: AccountDirectory, decided: dict[int, int] | None = None
) -> None:
    """Places each Trade Compliance account on its importer's account; holds it as TC_AMBIGUOUS or TC_NO_IMPORTER if there is not exactly one (I1).

    `numbers`: importer-of-record numbers on accounts (account, value in normal form, active) (fine print 35). `decided`: by row, the account
    position that a decision assigned (L1), which takes precedence.
    """
    active: dict[str, set[int]] = defaultdict(set)
    for account, value in numbers.filter(pl.col("active") & (pl.col("value") != "")).select("account", "value").iter_rows():
        active[value].add(account)
    own = _active_numbers(tc_ior)
    importers = np.flatnonzero((spine.accounts["business_type_cd"] == "IMP").fill_null(False).to_numpy())
    importer_of: dict[int, list[int]] = defaultdict(list)
    profile_ids = spine.accounts["profile_id"].to_numpy()
    for position in importers.tolist():
        importer_of[int(profile_ids[position])].append(position)
    everyone = set(importers.tolist())
    profile_id, named = int_values_and_mask(tc_account.frame, "company_profile_id")
    _, exists = spine.where["P2", "company_profile"].find(profile_id)
    found_row, found_account = [], []
    decided = decided or {}
    for row in tc_account.loaded.tolist():
        if row in decided:
            found_row.append(row)
            found_account.append(decided[row])
            continue
        by_name = bool(named[row] and exists[row])
        candidates = importer_of.get(int(profile_id[row]), []) if by_name else everyone
        match = _match(tc_account.frame["tc_account_id"][row], candidates, own, active, by_name)
        if isinstance(match, str):
            mask = np.zeros(tc_account.frame.height, bool)
            mask[row] = True
            tc_account.hold(mask, match)
        else:
            found_row.append(row)
            found_account.append(match)
    open_ = np.ones(tc_account.frame.height, bool)
    open_[list(decided)] = False
    tc_account.flag("L1", ~open_, "decided by a person: the account of the entity that the decision names")
    tc_account.flag("I1", named & ~exists & open_, "the named profile does not exist: matched among all importers")
    tc_account.copy_to(np.array(found_row, np.int64), np.array(found_account, np.int32))


def _match(tc_id: int, candidates: list[int] | set[int], own: dict[int, set[str]], active: dict[str, set[int]], by_name: bool) -> int | str:
    """Returns the account's position, or the hold reason if none can be determined."""
    if by_name and len(candidates) == 1:
        return next(iter(candidates))
    allowed = candidates if isinstance(candidates, set) else set(candidates)
    common: dict[int, int] = defaultdict(int)
    for value in own.get(tc_id, ()):
        for account in active.get(value, set()) & allowed:
            common[account] += 1
    if not common:
        return "TC_NO_IMPORTER"
    most = max(common.values())
    best = [account for account, count in common.items() if count == most]
    return best[0] if len(best) == 1 else "TC_AMBIGUOUS"


def _active_numbers(tc_ior: RowPlacement) -> dict[int, set[str]]:
    own: dict[int, set[str]] = defaultdict(set)
    readable = tc_ior.frame.filter(pl.Series(tc_ior.reason == 0) & (pl.col("active_ind") == "Y"))
    for tc_id, value in readable.select("tc_account_id", "ior_value").iter_rows():
        if normal(value):
            own[tc_id].add(normal(value))
    return own


def flag_unknown_numbers(tc_ior: RowPlacement, numbers: pl.DataFrame) -> None:
    """Flags numbers of a Trade Compliance account that its importer's account lacks, active or not; they stay in `tc_ior` (I4)."""
    known = set(numbers.select("account", "value").iter_rows())
    values = tc_ior.frame["ior_value"].gather(tc_ior.row).to_list()
    lacking = np.zeros(tc_ior.frame.height, bool)
    for row, account, value in zip(tc_ior.row.tolist(), tc_ior.account.tolist(), values, strict=True):
        lacking[row] = (account, normal(value)) not in known
    tc_ior.flag("I4", lacking, "the importer's account has no such importer-of-record number")


def uploader_login(copies: TargetRows, form: Form) -> Computed:
    """Returns the id of the login with the uploader's e-mail key; null without one (I9)."""
    known = copies.spine.email_keys
    keys = [key if key in known else None for key in map(email_key, copies.source_column(form.columns[0]).to_list())]
    return as_arrow(*login_ids(pl.Series(keys, dtype=pl.String)))


def notification_document(copies: TargetRows, form: Form) -> Computed:
    """Returns the id of the document as recorded, whichever Trade Compliance account it belongs to (fine print 38)."""
    values, _ = copies.ints(form.columns[0])
    where = copies.spine.where["TC", "tc_document"]
    position, _ = where.find(values)
    accounts = where.accounts[where.start[position]]
    return as_arrow(ids_of(copies.spine.tag_of("document", "TC"), values, accounts, copies.spine))


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "document.uploaded_by_login_id": uploader_login,
    "tc_anl_document.document_id": notification_document,
}

"""Chapter C: which accounts a document belongs to, which links it keeps, and the state of its bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from etl.domain.ids import as_arrow, once_ids
from etl.placement.account_directory import AccountDirectory
from etl.placement.account_index import AccountIndex, make_account_index
from etl.placement.row_placement import NO_ACCOUNT, Bools, Ints, Positions, RowPlacement, int_values_and_mask
from etl.placement.target_rows import Computed, Rule, TargetRows, account_ids, ids_of
from mappings.model import Form

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "C1": (),
    "C2": (),
    "C3": (),
    "C11": ("P2.document",),
    "C12": (),
    "C15": (),
    "C20": (),
}


@dataclass(frozen=True)
class DocumentPlacement:
    """The placement of all documents and links, and the further inputs of the target rows of `document` and `document_link`.

    `inherited[i]`: document i came to its accounts by its profile; `previous[i]`: the row of its earlier version, -1 where it has none to keep.
    """

    document: RowPlacement
    link: RowPlacement
    inherited: Bools
    previous: Ints


@dataclass(frozen=True)
class _Targets:
    """For each link: whether its target is there to link to, the profile it belongs to, and its copies (link row, account position)."""

    good: Bools
    profile: Ints
    row: Ints
    account: Positions


def place_documents_and_links(
    document: RowPlacement, link: RowPlacement, model_profiles: pl.DataFrame, spine: AccountDirectory
) -> DocumentPlacement:
    """Returns the placement of every document and every link; holds and flags rows by C1, C2, C3 and C11."""
    document_id, present = int_values_and_mask(document.frame, "document_id")
    known = make_account_index(document_id[present], (document.reason > 0)[present], np.zeros(0, np.int64), np.zeros(0, np.int32))
    row_of_position = np.flatnonzero(present)[np.argsort(document_id[present], kind="stable")]
    wanted, _ = int_values_and_mask(link.frame, "document_id")
    position, exists = known.find(wanted)
    of_document = row_of_position[position] if len(row_of_position) else position
    link.hold(~exists, "BROKEN_REFERENCE")
    if len(known.keys):
        link.hold(exists & known.held[position], "PARENT_HELD")
    targets = _targets(link, spine)
    good = targets.good & exists & (link.reason == 0)
    own, has_own = _own_profiles(document, link, of_document, good, targets.profile, model_profiles)
    cross = good & has_own[of_document] & (own[of_document] != targets.profile) if len(own) else good
    link.hold(cross, "CROSS_PROFILE")
    good &= ~cross
    _place_documents(document, of_document, good, targets, spine)
    inherited = _inherit(document, spine)
    link.hold(exists & (document.reason[of_document] > 0) if len(own) else exists, "PARENT_HELD")
    keep = good[targets.row] & (link.reason == 0)[targets.row]
    link.copy_to(targets.row[keep], targets.account[keep])
    return DocumentPlacement(document, link, inherited, _previous(document, row_of_position, known))


def _targets(link: RowPlacement, spine: AccountDirectory) -> _Targets:
    """Returns the look-up of every link's target; holds the links whose target is missing or held (C2, fine print 18)."""
    count = link.frame.height
    wanted, _ = int_values_and_mask(link.frame, "target_id")
    code = link.frame["target_cd"].fill_null("")
    good, listed = np.zeros(count, bool), np.zeros(count, bool)
    profile = np.zeros(count, np.int64)
    account_profile = spine.accounts["profile_id"].to_numpy()
    rows, accounts = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for entry in spine.mappings.codes["link_target"]:
        of_kind = np.flatnonzero((code == entry["target_cd"]).to_numpy())
        where = spine.where["P2", entry["source_table"]]
        position, exists = where.find(wanted[of_kind])
        listed[of_kind] = exists
        held = exists & where.held[position] if len(where.keys) else exists
        mask = np.zeros(count, bool)
        mask[of_kind[held]] = True
        link.hold(mask, "PARENT_HELD")
        fine = exists & ~held
        index, found = where.copies(position[fine])
        rows.append(of_kind[fine][index])
        accounts.append(found)
        good[of_kind[fine]] = True
        profile[of_kind[fine][index]] = account_profile[found]
    link.hold(~listed, "BROKEN_REFERENCE")
    return _Targets(good, profile, np.concatenate(rows), np.concatenate(accounts))


def _own_profiles(
    document: RowPlacement, link: RowPlacement, of_document: Ints, good: Bools, target_profile: Ints, model_profiles: pl.DataFrame
) -> tuple[Ints, Bools]:
    """Returns (the profile of each document, which documents have one): of its model if that exists, else its profile, else of its first good link (C3)."""
    by_model = document.frame.select("security_model_id").join(
        model_profiles.rename({"company_profile_id": "by_model"}), on="security_model_id", how="left", maintain_order="left"
    )["by_model"]
    first = (
        link.frame.select("target_cd", "target_id")
        .with_columns(pl.Series("document", of_document), pl.Series("profile", target_profile))
        .filter(pl.Series(good))
        .sort("document", "target_cd", "target_id")
        .unique("document", keep="first")
    )
    by_link = pl.DataFrame({"document": np.arange(document.frame.height)}).join(first, on="document", how="left", maintain_order="left")[
        "profile"
    ]
    own = pl.select(pl.coalesce(by_model, document.frame["company_profile_id"], by_link)).to_series()
    return own.fill_null(0).to_numpy().astype(np.int64), own.is_not_null().to_numpy()


def _place_documents(document: RowPlacement, of_document: Ints, good: Bools, targets: _Targets, spine: AccountDirectory) -> None:
    """Places documents on T, the accounts of their model and of all their good link targets (C1, first half)."""
    model_id, has_model = int_values_and_mask(document.frame, "security_model_id")
    models = spine.where["P2", "security_model"]
    rows = np.flatnonzero(models.loaded(model_id, has_model))
    index, by_model = models.copies(models.find(model_id[rows])[0])
    by_link = good[targets.row]
    pairs = (
        pl.DataFrame(
            {
                "row": np.concatenate((rows[index], of_document[targets.row[by_link]])),
                "account": np.concatenate((by_model, targets.account[by_link])),
            },
            schema={"row": pl.Int64, "account": pl.Int32},
        )
        .unique()
        .sort("row", "account")
    )
    document.copy_to(pairs["row"].to_numpy(), pairs["account"].to_numpy())


def _inherit(document: RowPlacement, spine: AccountDirectory) -> Bools:
    """Places documents without an account in T by their profile, holds those that find none, and returns which inherit (C1, second half)."""
    count = document.frame.height
    has_copies = np.zeros(count, bool)
    has_copies[document.row] = True
    left = ~has_copies & (document.reason == 0)
    profile_id, has_profile = int_values_and_mask(document.frame, "company_profile_id")
    profiles = spine.where["P2", "company_profile"]
    usable = profiles.loaded(profile_id, has_profile)
    heirs = np.flatnonzero(left & usable)
    index, accounts = profiles.copies(profiles.find(profile_id[heirs])[0])
    profile_exists = profiles.find(profile_id)[1] & has_profile
    document.hold(left & has_profile & ~profile_exists, "BROKEN_REFERENCE")
    document.hold(left & has_profile & profile_exists & ~usable, "PARENT_HELD")
    public = left & ~has_profile & (document.frame["library_cd"] == "PUBLIC").fill_null(False).to_numpy()
    model_id, has_model = int_values_and_mask(document.frame, "security_model_id")
    model_exists = spine.where["P2", "security_model"].find(model_id)[1] & has_model
    orphan = left & ~has_profile & ~public
    document.hold(orphan & has_model & ~model_exists, "BROKEN_REFERENCE")
    document.hold(orphan & model_exists, "PARENT_HELD")
    document.hold(orphan & ~has_model, "NO_OWNER")
    document.flag("X1", has_model & ~model_exists & ~public, "its model does not exist: security_model_id")
    unowned = np.flatnonzero(public)
    row = np.concatenate((document.row, heirs[index], unowned))
    account = np.concatenate((document.account, accounts, np.full(len(unowned), NO_ACCOUNT, np.int32)))
    order = np.lexsort((account, row))
    document.copy_to(row[order], account[order])
    inherited = np.zeros(count, bool)
    inherited[heirs] = True
    return inherited


def _previous(document: RowPlacement, row_of_position: Ints, known: AccountIndex) -> Ints:
    """Returns the row of each earlier version, -1 if none is kept; flags missing ones and cycles (C11)."""
    wanted, present = int_values_and_mask(document.frame, "previous_document_id")
    position, exists = known.find(wanted)
    following = np.where(present & exists, row_of_position[position] if len(row_of_position) else position, -1)
    cycle = on_cycle(following)
    document.flag("C11", present & (~exists | cycle), "the earlier version does not exist, or the versions form a cycle")
    return np.where(cycle, -1, following)


def on_cycle(following: Ints) -> Bools:
    """Returns which places lie on a cycle of `following` (-1: no next); held rows count too (fine print 32).

    After at least as many steps as there are places, only places on a cycle are reached, and every place of a cycle is.
    """
    step = np.append(following, -1)  # the last place is the end, which -1 points to
    for _ in range(max(1, len(following).bit_length())):
        step = step[step]
    reached = np.zeros(len(step), bool)
    reached[step[step >= 0]] = True
    return reached[:-1]


def document_columns(placement: DocumentPlacement, row: Ints, account: Positions, spine: AccountDirectory) -> dict[str, Computed]:
    """Returns the columns previous_document_id (null without one in the account) and inherited of `document` for these copies (C1, C11)."""
    document_id, _ = int_values_and_mask(placement.document.frame, "document_id")
    previous = placement.previous[row]
    width = spine.accounts.height + 1
    pairs = np.sort(placement.document.row * width + placement.document.account + 1)
    wanted = previous * width + account + 1
    position = np.searchsorted(pairs, wanted)
    position[position == len(pairs)] = 0
    there = (previous >= 0) & (pairs[position] == wanted) if len(pairs) else previous >= 0
    ids = ids_of(spine.tag_of("document", "P2"), document_id[previous], account, spine)
    return {"previous_document_id": as_arrow(ids, there), "inherited": pl.Series(placement.inherited[row])}


def link_targets(link: RowPlacement, spine: AccountDirectory) -> pa.Array:
    """Returns the id of each link's target within the link's account (C2)."""
    target, _ = int_values_and_mask(link.frame, "target_id")
    target = target[link.row]
    code = link.frame["target_cd"].gather(link.row)
    ids = np.zeros((len(link.row), 16), np.uint8)
    for entry in spine.mappings.codes["link_target"]:
        chosen = np.flatnonzero((code == entry["target_cd"]).to_numpy())
        into = {block.table: block.per for block in spine.mappings.tables["P2", entry["source_table"]].into}
        table_tag = spine.tag_of(entry["target_table"], "P2")
        if entry["target_table"] == "entity_account":
            ids[chosen] = _rows(account_ids(link.account[chosen], spine))
        elif into[entry["target_table"]] == "once":
            ids[chosen] = once_ids(table_tag, target[chosen])
        else:
            ids[chosen] = ids_of(table_tag, target[chosen], link.account[chosen], spine)
    return as_arrow(ids)


def _rows(ids: pa.Array) -> npt.NDArray[np.uint8]:
    return np.frombuffer(ids.buffers()[1], np.uint8).reshape(-1, 16)


def internal(copies: TargetRows, form: Form) -> Computed:
    """Returns true for INTERNAL findings, and for comments unless they are marked N (C15; fine print 36)."""
    values = copies.source_column(form.columns[0])
    if form.columns[0] == "internal_ind":
        return (values != "N").fill_null(True)
    return (values == "INTERNAL").fill_null(False)


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "C15": internal,
}

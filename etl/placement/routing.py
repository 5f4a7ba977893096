"""Places rows on accounts by their references (rules, "How rows find their accounts")."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.placement.account_directory import AccountDirectory
from etl.placement.row_placement import Ints, Positions, RowPlacement, int_values_and_mask, start
from mappings.model import Route, TableMapping


def place_by_routes(mapping: TableMapping, frame: pl.DataFrame, spine: AccountDirectory) -> RowPlacement:
    """Returns the rows placed on the accounts of their routes; rows without an account are held as BROKEN_REFERENCE, PARENT_HELD or NO_OWNER.

    A row of a table without routes belongs to no account and is stored once.
    """
    rows = start(mapping, frame)
    hold_unmet_needs(rows, spine)
    if mapping.owner:
        rows.copy_to(*follow(rows, mapping.owner, spine)[:2])
    return rows


def follow(rows: RowPlacement, routes: tuple[Route, ...], spine: AccountDirectory) -> tuple[Ints, Positions, Ints]:
    """Returns (row, account position) of every copy, and for each row the number of the deciding route (-1: none); holds rows without an account.

    The first reference that is not null decides, even if it is broken: routes are listed from the narrowest scope to the widest.
    """
    count = rows.frame.height
    decided = np.full(count, -1, np.int64)
    found_rows, found_accounts = [], []
    for number, route in enumerate(routes):
        wanted, present = int_values_and_mask(rows.frame, route.column)
        candidates = np.flatnonzero(present & (decided < 0))
        decided[candidates] = number
        where = spine.where[rows.mapping.portal, route.table]
        position, exists = where.find(wanted[candidates])
        _hold(rows, candidates[~exists], "BROKEN_REFERENCE")
        held = exists & where.held[position] if len(where.keys) else exists
        _hold(rows, candidates[held], "PARENT_HELD")
        good = exists & ~held
        index, accounts = where.copies(position[good])
        found_rows.append(candidates[good][index])
        found_accounts.append(accounts)
    _hold(rows, np.flatnonzero(decided < 0), "NO_OWNER")
    row, account = np.concatenate(found_rows), np.concatenate(found_accounts)
    if len(routes) > 1:
        order = np.argsort(row, kind="stable")
        row, account = row[order], account[order]
    return row, account, decided


def hold_unmet_needs(rows: RowPlacement, spine: AccountDirectory) -> None:
    """Holds rows whose further hard references name a missing row (BROKEN_REFERENCE) or a held one (PARENT_HELD)."""
    for route in rows.mapping.needs:
        wanted, present = int_values_and_mask(rows.frame, route.column)
        where = spine.where[rows.mapping.portal, route.table]
        position, exists = where.find(wanted)
        rows.hold(present & ~exists, "BROKEN_REFERENCE")
        if len(where.keys):
            rows.hold(present & exists & where.held[position], "PARENT_HELD")


def _hold(rows: RowPlacement, chosen: Ints, reason: str) -> None:
    mask = np.zeros(rows.frame.height, bool)
    mask[chosen] = True
    rows.hold(mask, reason)

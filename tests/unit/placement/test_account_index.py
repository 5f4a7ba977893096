"""The index of where a table's rows went: whole, or put together of pieces, it is the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etl.placement.account_index import AccountIndex, join_indexes, make_account_index


def made(rows: list[tuple[int, bool, list[int]]]) -> AccountIndex:
    """The index of rows with these (key, held, accounts)."""
    row = np.array([position for position, (_, _, accounts) in enumerate(rows) for _ in accounts], np.int64)
    accounts = np.array([account for _, _, accounts in rows for account in accounts], np.int32)
    return make_account_index(np.array([key for key, _, _ in rows], np.int64), np.array([held for _, held, _ in rows], bool), row, accounts)


def same(one: AccountIndex, other: AccountIndex) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) and getattr(one, name).dtype == getattr(other, name).dtype
        for name in ("keys", "held", "start", "accounts")
    )


ROWS = st.lists(
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.booleans(), st.lists(st.integers(0, 9), unique=True, max_size=3)),
    unique_by=lambda row: row[0],
    min_size=1,
    max_size=12,
)


@given(rows=ROWS, cuts=st.lists(st.integers(0, 12), max_size=3), in_order=st.booleans())
def test_any_cut_of_the_rows_gives_the_same_index_whether_its_keys_are_in_order_or_not(
    rows: list[tuple[int, bool, list[int]]], cuts: list[int], in_order: bool
) -> None:
    if in_order:
        rows = sorted(rows)
    bounds = [0, *sorted(cuts), len(rows)]
    parts = [made(rows[first:last]) for first, last in pairwise(bounds) if rows[first:last]]
    assert same(join_indexes(parts), made(rows))

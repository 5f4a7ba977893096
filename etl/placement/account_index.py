"""The placement index of one source table: for each key, whether the row was loaded or held, and the accounts with a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int32]


@dataclass(frozen=True)
class AccountIndex:
    """Sorted keys; row i was held where held[i]; its accounts are accounts[start[i]:start[i + 1]] (positions in the list of accounts)."""

    keys: Ints
    held: Bools
    start: Ints
    accounts: Positions

    def find(self, wanted: Ints) -> tuple[Ints, Bools]:
        """Returns (place of each wanted key, whether it exists); the place of a missing key is undefined."""
        if not len(self.keys):
            return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
        position = np.searchsorted(self.keys, wanted)
        position[position == len(self.keys)] = 0
        return position, np.asarray(self.keys[position] == wanted)

    def loaded(self, wanted: Ints, present: Bools) -> Bools:
        """Returns for each wanted key whether it refers to a loaded row; `present` marks the keys that are not null."""
        position, found = self.find(wanted)
        if not len(self.keys):
            return found
        return np.asarray(found & present & ~self.held[position])

    def copies(self, position: Ints) -> tuple[Ints, Positions]:
        """Returns (index into `position`, account position) for every copy of the rows at those places, in order."""
        first, count = self.start[position], self.start[position + 1] - self.start[position]
        index = np.repeat(np.arange(len(position)), count)
        within = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
        return index, self.accounts[np.repeat(first, count) + within]

    def to_arrow(self) -> pa.Table:
        """Returns the index as a table: key (int64), held, accounts (list of positions)."""
        accounts = pa.LargeListArray.from_arrays(_arrow(self.start), _arrow(self.accounts))
        return pa.table({"key": _arrow(self.keys), "held": _arrow(self.held), "accounts": accounts})


EMPTY_INDEX = AccountIndex(np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(1, np.int64), np.zeros(0, np.int32))


def from_arrow(table: pa.Table) -> AccountIndex:
    """Returns the index from a table that `to_arrow` made."""
    table = table.combine_chunks()
    if not table.num_rows:
        return EMPTY_INDEX
    accounts = table["accounts"].chunk(0)
    return AccountIndex(_numpy(table["key"].chunk(0)), _numpy(table["held"].chunk(0)), _numpy(accounts.offsets), _numpy(accounts.values))


def _arrow(array: npt.NDArray[Any]) -> pa.Array:
    # Through polars: pyarrow would import pandas to convert a numpy array.
    return pl.Series(np.ascontiguousarray(array)).to_arrow()


def _numpy(array: pa.Array) -> npt.NDArray[Any]:
    return pl.Series(array).to_numpy()


def make_account_index(keys: Ints, held: Bools, row: Ints, accounts: Positions) -> AccountIndex:
    """Returns the index of rows with these unique keys, in any order, whose copies are the pairs (row index, account position)."""
    order = np.argsort(keys, kind="stable")
    rank = np.empty(len(keys), np.int64)
    rank[order] = np.arange(len(keys))
    by_rank = np.lexsort((accounts, rank[row]))
    count = np.bincount(rank[row], minlength=len(keys)) if len(row) else np.zeros(len(keys), np.int64)
    start = np.concatenate(([0], np.cumsum(count))).astype(np.int64)
    return AccountIndex(keys[order], held[order], start, accounts[by_rank].astype(np.int32))


def join_indexes(parts: list[AccountIndex]) -> AccountIndex:
    """Returns one index for the parts of a table, whose keys are disjoint; takes them out of the list, so that a large table is not held twice."""
    if len(parts) == 1:
        return parts.pop()
    columns = [part.keys for part in parts], [part.held for part in parts], [part.accounts for part in parts]
    starts = [part.start for part in parts]
    parts.clear()
    lengths, copies = ([0, *np.cumsum([len(column) for column in some])] for some in (columns[0], columns[2]))
    keys, held, accounts = (_joined(column) for column in columns)
    if bool((keys[1:] > keys[:-1]).all()):  # stage files in key order: nothing to sort
        for number, part in enumerate(starts):
            starts[number] = (part if number == len(starts) - 1 else part[:-1]) + copies[number]
        return AccountIndex(keys, held, _joined(starts), accounts)
    row = np.concatenate([np.repeat(np.arange(len(part) - 1), np.diff(part)) + lengths[i] for i, part in enumerate(starts)])
    return make_account_index(keys, held, row, accounts)


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    whole = np.concatenate(parts)
    parts.clear()
    return whole

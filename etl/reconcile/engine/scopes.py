"""Which accounts a row belongs to: numbered lists of accounts, and where a source row's number is found by its key."""

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)

MISSING, UNSET = -1, -2  # of a position: no such row; no reference at all


class Scopes:
    """Lists of accounts, each with a number. An account is its place in the sorted list of entity ids."""

    def __init__(self) -> None:
        self._start = np.zeros(0, np.int64)
        self._length = np.zeros(0, np.int64)
        self._accounts = np.zeros(0, np.int64)

    def add(self, owner: Ints, account: Ints, owners: int) -> Ints:
        """Returns the numbers of `owners` new lists; list n holds the accounts beside n in `owner`, ascending."""
        order = np.lexsort((account, owner))
        length = np.bincount(owner, minlength=owners).astype(np.int64)
        start = np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int64) + len(self._accounts)
        first = len(self._start)
        self._start = np.concatenate([self._start, start[:owners]])
        self._length = np.concatenate([self._length, length])
        self._accounts = np.concatenate([self._accounts, account[order]])
        return np.arange(first, first + owners, dtype=np.int64)

    def size(self, scope: Ints) -> Ints:
        """Returns the number of accounts of each list; 0 for a negative number."""
        return np.where(scope >= 0, self._length[np.maximum(scope, 0)], 0) if len(self._length) else np.zeros(len(scope), np.int64)

    def first(self, scope: Ints) -> Ints:
        """Returns the first account of each list; -1 if it is empty."""
        at = np.where(self.size(scope) > 0, self._start[scope], 0) if len(self._start) else np.zeros(len(scope), np.int64)
        return np.where(self.size(scope) > 0, self._accounts[at] if len(self._accounts) else -1, -1)

    def expand(self, scope: Ints) -> tuple[Ints, Ints]:
        """Returns (index into `scope`, account): one entry for each account of each row's list."""
        length = self.size(scope)
        row = np.repeat(np.arange(len(scope), dtype=np.int64), length)
        if not len(row):
            return row, row
        within = np.arange(len(row), dtype=np.int64) - np.repeat(np.cumsum(length) - length, length)
        return row, self._accounts[self._start[scope[row]] + within]


@dataclass(frozen=True)
class Index:
    """The rows of a source table that other rows refer to: by key whether they are loaded, their scope, and further numbers."""

    key: Ints  # sorted; of a text key its hash
    loaded: Mask
    scope: npt.NDArray[np.int32]  # -1: of no account
    extra: dict[str, Ints] = field(default_factory=dict)

    def find(self, reference: pl.Series) -> Ints:
        """Returns the place of the row that each reference names; MISSING if there is none, UNSET for null."""
        wanted = as_key(reference)
        if not len(self.key):
            found = position = np.zeros(len(wanted), np.int64)
        else:
            position = np.searchsorted(self.key, wanted)
            position[position == len(self.key)] = 0
            found = self.key[position] == wanted
        return np.where(reference.is_null().to_numpy(), UNSET, np.where(found, position, MISSING)).astype(np.int64)

    def is_loaded(self, position: Ints) -> Mask:
        """Returns whether the row at each place exists and is loaded."""
        return (position >= 0) & self.loaded[np.maximum(position, 0)] if len(self.loaded) else np.zeros(len(position), np.bool_)

    def scope_of(self, position: Ints) -> Ints:
        """Returns the scope of the row at each place; -1 if it is missing or held."""
        good = self.is_loaded(position)
        return (
            np.where(good, self.scope[np.maximum(position, 0)], -1).astype(np.int64)
            if len(self.scope)
            else np.full(len(position), -1, np.int64)
        )

    def of(self, name: str, position: Ints, otherwise: int = -1) -> Ints:
        """Returns the number `name` of the row at each place, held rows included; `otherwise` for a missing row."""
        return (
            np.where(position >= 0, self.extra[name][np.maximum(position, 0)], otherwise)
            if len(self.key)
            else np.full(len(position), otherwise, np.int64)
        )


def as_key(reference: pl.Series) -> Ints:
    """Returns keys as integers; a text as its hash, null as 0."""
    if reference.dtype == pl.String:
        return reference.hash(0).to_numpy().view(np.int64)
    return reference.fill_null(0).to_numpy()


class Indexing:
    """Collects the rows of an index batch by batch.

    It keeps copies: a column of a batch that came by the Arrow C interface keeps all columns of the batch in memory, the texts too.
    """

    def __init__(self) -> None:
        self._keys: list[Ints] = []
        self._loaded: list[Mask] = []
        self._scopes: list[npt.NDArray[np.int32]] = []
        self._extra: dict[str, list[Ints]] = {}

    def add(self, key: pl.Series, loaded: Mask, scope: Ints | None = None, **extra: Ints) -> None:
        """Adds rows; those with a null key are left out, because nothing can refer to them."""
        present = key.is_not_null().to_numpy()
        scopes = np.full(len(key), -1, np.int32) if scope is None else np.where(loaded, scope, -1).astype(np.int32)
        self._keys.append(as_key(key)[present])
        self._loaded.append(loaded[present])
        self._scopes.append(scopes[present])
        for name, values in extra.items():
            self._extra.setdefault(name, []).append(values[present])

    def index(self) -> Index:
        """Returns the index, sorted by key, and releases the collected batches, one column after the other."""
        keys, loaded = _taken(self._keys, np.zeros(0, np.int64)), _taken(self._loaded, np.zeros(0, np.bool_))
        scopes = _taken(self._scopes, np.zeros(0, np.int32))
        extra = {name: _taken(parts, parts[0][:0]) for name, parts in self._extra.items()}
        if (keys[1:] >= keys[:-1]).all():
            return Index(keys, loaded, scopes, extra)
        order = np.argsort(keys, kind="stable")
        return Index(keys[order], loaded[order], scopes[order], {name: values[order] for name, values in extra.items()})


def _taken(parts: list[npt.NDArray[T]], none: npt.NDArray[T]) -> npt.NDArray[T]:
    whole = np.concatenate([none, *parts])
    parts.clear()
    return whole


def indexed(key: pl.Series, loaded: Mask, scope: Ints | None = None, **extra: Ints) -> Index:
    """Returns the index of a whole table; `scope` -1 and held rows belong to no account."""
    found = Indexing()
    found.add(key, loaded, scope, **extra)
    return found.index()

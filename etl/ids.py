"""The ids of the new store: the same row gets the same id in every run, on every machine, months later.

The recipe (documented in `runbooks/ids.md`, recomputed in plain PostgreSQL by a test). A UUID of version 8, 32 hexadecimal digits:

    AAAAAAAAAAAA 8 TTT K RRRRRRRRRRRRRRR
    account      | tag | the source row's key, 15 digits
                 version

* account: the entity id, 12 digits; zeros where the row is stored once and belongs to no account
* tag: the first 3 digits of SHA-256 of `target table|portal|source table`: rows of two source tables never meet in one target table
* K: 8 = key and account, 9 = key alone, a = hashed
* hashed, where a key or an account does not fit (negative, larger, or no whole number): the account's and the key's digits are the first
  27 digits of SHA-256 of the key's text, with `|account` behind it in a row per account

A login depends on its e-mail key alone (tag of `login`, hashed). A link between two accounts (SVI) hashes `key|account|account`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint8]  # shape (n, 16)

MAX_KEY = (1 << 60) - 1
MAX_ACCOUNT = (1 << 48) - 1


@lru_cache
def tag(target: str, portal: str = "", source: str = "") -> str:
    """Three hexadecimal digits that keep apart the rows which different source tables give to one target table."""
    return hashlib.sha256((f"{target}|{portal}|{source}" if source else target).encode()).hexdigest()[:3]


def account_row_ids(mark: str, keys: Ints, accounts: Ints) -> Ids:
    """Ids of rows per account, one per (key, account)."""
    return _packed(mark, keys, accounts, kind=8, text=lambda i: f"{keys[i]}|{accounts[i]}")


def once_ids(mark: str, keys: Ints) -> Ids:
    """Ids of rows that are stored once, one per key."""
    return _packed(mark, keys, np.zeros(len(keys), np.int64), kind=9, text=lambda i: f"{keys[i]}")


def hashed_ids(mark: str, texts: Sequence[str]) -> Ids:
    """Ids of rows whose key is a text: logins, links between two accounts."""
    joined = b"".join(_hashed(mark, text) for text in texts)
    return np.frombuffer(joined, np.uint8).reshape(-1, 16)


def _packed(mark: str, keys: Ints, accounts: Ints, kind: int, text: object) -> Ids:
    halves = np.empty((len(keys), 2), dtype=">u8")
    halves[:, 0] = (accounts.astype(np.uint64) << np.uint64(16)) | np.uint64(0x8000 | int(mark, 16))
    halves[:, 1] = keys.astype(np.uint64) | np.uint64(kind << 60)
    ids = halves.view(np.uint8).reshape(-1, 16)
    odd = np.flatnonzero((keys < 0) | (keys > MAX_KEY) | (accounts < 0) | (accounts > MAX_ACCOUNT))
    for i in odd:  # few: old keys beyond 60 bits or below zero
        ids[i] = np.frombuffer(_hashed(mark, text(i)), np.uint8)  # type: ignore[operator]  # a callable; numpy's int index confuses the checker
    return ids


def _hashed(mark: str, text: str) -> bytes:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return bytes.fromhex(f"{digest[:12]}8{mark}a{digest[12:27]}")


def as_arrow(ids: Ids, valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """The ids as 16-byte values; null where `valid` is false."""
    nulls = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.binary(16), len(ids), [nulls, pa.py_buffer(np.ascontiguousarray(ids))])


_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_PLACES = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def as_text(ids: pa.Array) -> pa.Array:
    """16-byte ids as 36 characters, lower case, as SQLite stores them; null stays null."""
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    count = len(ids)
    raw = np.frombuffer(ids.buffers()[1] or b"", np.uint8)[ids.offset * 16 : (ids.offset + count) * 16].reshape(-1, 16)
    texts = np.full((count, 36), ord("-"), np.uint8)
    digits = np.empty((count, 32), np.uint8)
    digits[:, 0::2], digits[:, 1::2] = _HEX[raw >> 4], _HEX[raw & 15]
    texts[:, _PLACES] = digits
    offsets = np.arange(0, 36 * (count + 1), 36, dtype=np.int64)
    array = pa.Array.from_buffers(pa.large_string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(texts)])
    if ids.null_count:
        array = pa.compute.if_else(ids.is_valid(), array, pa.scalar(None, pa.large_string()))
    return array

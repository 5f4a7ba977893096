"""The ids of the new store, whole columns at once: the same row gets the same id in every run and on every machine.

`etl/domain/id_recipe.py` and `runbooks/ids.md` describe the recipe; a test recomputes it in plain PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.domain.id_recipe import MAX_ACCOUNT, MAX_KEY, hashed_digits

Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint8]  # shape (n, 16)


def account_row_ids(tag: str, keys: Ints, accounts: Ints) -> Ids:
    """Returns the ids (rows x 16 bytes) of rows per account, one per (key, account)."""
    return _packed(tag, keys, accounts, kind=8, text=lambda i: f"{keys[i]}|{accounts[i]}")


def once_ids(tag: str, keys: Ints) -> Ids:
    """Returns the ids (rows x 16 bytes) of rows that are stored once, one per key."""
    return _packed(tag, keys, np.zeros(len(keys), np.int64), kind=9, text=lambda i: f"{keys[i]}")


def hashed_ids(tag: str, texts: Sequence[str]) -> Ids:
    """Returns the ids (rows x 16 bytes) of rows with a text as key: logins, links between two accounts."""
    joined = b"".join(_hashed(tag, text) for text in texts)
    return np.frombuffer(joined, np.uint8).reshape(-1, 16)


def _packed(tag: str, keys: Ints, accounts: Ints, kind: int, text: object) -> Ids:
    halves = np.empty((len(keys), 2), dtype=">u8")
    halves[:, 0] = (accounts.astype(np.uint64) << np.uint64(16)) | np.uint64(0x8000 | int(tag, 16))
    halves[:, 1] = keys.astype(np.uint64) | np.uint64(kind << 60)
    ids = halves.view(np.uint8).reshape(-1, 16)
    odd = np.flatnonzero((keys < 0) | (keys > MAX_KEY) | (accounts < 0) | (accounts > MAX_ACCOUNT))
    for i in odd:  # few: old keys beyond 60 bits or below zero
        ids[i] = np.frombuffer(_hashed(tag, text(i)), np.uint8)  # type: ignore[operator]  # a callable; numpy's int index confuses the checker
    return ids


def _hashed(tag: str, text: str) -> bytes:
    return bytes.fromhex(hashed_digits(tag, text))


def as_arrow(ids: Ids, valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Returns the ids as 16-byte values; null where `valid` is false."""
    nulls = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.binary(16), len(ids), [nulls, pa.py_buffer(np.ascontiguousarray(ids))])


_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_PLACES = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def as_text(ids: pa.Array) -> pa.Array:
    """Returns 16-byte ids as 36 characters in lower case, as SQLite stores them; null stays null."""
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
        array = pc.if_else(ids.is_valid(), array, pa.scalar(None, pa.large_string()))
    return array

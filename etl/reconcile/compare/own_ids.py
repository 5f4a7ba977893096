"""Whether a row's own id is the one that the recipe gives (runbooks/ids.md): computed here again from old key and account, whole columns at once."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from etl.reconcile.compare.hashing import ACCOUNT, own_id
from etl.reconcile.engine.spec import Spec

Halves = npt.NDArray[np.uint64]  # (rows, 2)
Mask = npt.NDArray[np.bool_]
_LINK = ("monitor_account_id", "monitored_account_id")
_LARGEST_KEY, _LARGEST_ACCOUNT = (1 << 60) - 1, (1 << 48) - 1
_DIGITS = np.array([position for position in range(36) if position not in (8, 13, 18, 23)])
_NIBBLES = np.zeros(256, np.uint8)
_NIBBLES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16, dtype=np.uint8)


def wrong_ids(spec: Spec, table: str, ids: pl.Series, resolved: Mapping[str, pl.Series]) -> Mask | None:
    """Returns the rows whose id is not the one that the recipe gives for their key and account; None for tables without a recipe.

    `resolved`: the row's other columns, references as fingerprints, accounts as entity ids. Ids that are not canonical count as correct here.
    """
    recipes = [(portal, source) for portal, source in _makers(spec, table) if _may_be(portal, resolved)]
    key = resolved.get("legacy_entity_id" if table == "entity_account" else "legacy_key")
    found, readable = _halves(ids)
    if table == "login" and "email_key" in resolved:
        other: Mask = (found != _hashed(_tag(table), resolved["email_key"].to_list())).any(axis=1)
        return readable & other
    if not recipes or key is None:
        return None
    wrong = readable.copy()
    for portal, source in recipes:
        tag = _tag(f"{table}|{portal}|{source}")
        if all(column in resolved for column in _LINK):
            ends = zip(key.to_list(), *(resolved[column].to_list() for column in _LINK), strict=True)
            wanted = _hashed(tag, ["|".join(map(str, ones)) for ones in ends])
        else:
            wanted = _packed(tag, key, resolved.get(ACCOUNT))
        mine = _of_portal(portal, resolved, len(ids))
        wrong &= ~mine | (found != wanted).any(axis=1)
    return wrong


def _makers(spec: Spec, table: str) -> list[tuple[str, str]]:
    """Returns the source tables whose rows become rows of this table with ids made from their keys."""
    key = own_id(spec.target[table])
    return [
        (mapping.portal, mapping.table)
        for mapping in spec.mappings.values()
        for into in mapping.into
        if into.table == table and key in into.columns and into.columns[str(key)].form in ("self", "account")
    ]


def _may_be(portal: str, resolved: Mapping[str, pl.Series]) -> bool:
    return "legacy_portal_cd" not in resolved or bool((resolved["legacy_portal_cd"] == portal).any())


def _of_portal(portal: str, resolved: Mapping[str, pl.Series], rows: int) -> Mask:
    if "legacy_portal_cd" not in resolved:
        return np.ones(rows, np.bool_)
    return np.asarray((resolved["legacy_portal_cd"] == portal).fill_null(False).to_numpy(), np.bool_)


def _packed(tag: int, keys: pl.Series, accounts: pl.Series | None) -> Halves:
    number = keys.cast(pl.Int64, strict=False)
    owner = accounts if accounts is not None else pl.Series([None], dtype=pl.Int64).new_from_index(0, len(keys))
    alone = owner.is_null().to_numpy()
    key, of = number.fill_null(-1).to_numpy(), owner.fill_null(0).to_numpy()
    found = np.empty((len(keys), 2), np.uint64)
    found[:, 0] = of.astype(np.uint64) << np.uint64(16) | np.uint64(0x8000 | tag)
    found[:, 1] = key.astype(np.uint64) | np.where(alone, np.uint64(9 << 60), np.uint64(8 << 60))
    odd = np.flatnonzero((key < 0) | (key > _LARGEST_KEY) | (of < 0) | (of > _LARGEST_ACCOUNT))
    if len(odd):  # few: keys that do not fit
        names, owners = keys.gather(odd).to_list(), owner.gather(odd).to_list()
        found[odd] = _hashed(tag, [str(name) if own is None else f"{name}|{own}" for name, own in zip(names, owners, strict=True)])
    return found


def _hashed(tag: int, texts: list[str | None]) -> Halves:
    found = np.empty((len(texts), 2), np.uint64)
    for position, text in enumerate(texts):
        digest = hashlib.sha256((text or "").encode()).digest()
        found[position, 0] = int.from_bytes(digest[:6], "big") << 16 | 0x8000 | tag
        found[position, 1] = 0xA << 60 | int.from_bytes(digest[6:14], "big") >> 4
    return found


@lru_cache
def _tag(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:3], 16)


def _halves(ids: pl.Series) -> tuple[Halves, Mask]:
    """Returns the ids as two 64-bit numbers each, and which of them are canonical."""
    if ids.dtype == pl.String:
        good = (ids.str.len_bytes() == 36).fill_null(False)
        texts = _bytes_of(pl.select(pl.when(good).then(ids).otherwise(pl.lit("0" * 36))).to_series(), 36)
        nibbles = _NIBBLES[texts[:, _DIGITS]]
        raw: npt.NDArray[np.uint8] = nibbles[:, 0::2] << np.uint8(4) | nibbles[:, 1::2]
    else:
        good = (ids.bin.size() == 16).fill_null(False)
        raw = _bytes_of(pl.select(pl.when(good).then(ids).otherwise(pl.lit(b"\0" * 16))).to_series(), 16)
    return np.ascontiguousarray(raw).view(">u8").astype(np.uint64), np.asarray(good.to_numpy(), np.bool_)


def _bytes_of(values: pl.Series, width: int) -> npt.NDArray[np.uint8]:
    """Values of one width as a row of bytes each."""
    array = values.to_arrow().cast(pa.large_binary())
    _, offsets, data = array.buffers()
    first = int(np.frombuffer(offsets, np.int64)[array.offset]) if len(array) else 0
    return np.frombuffer(data or b"", np.uint8)[first : first + width * len(array)].reshape(-1, width)

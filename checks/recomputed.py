"""E-mails, identifiers and ids computed a second time: no check calls the code that it checks."""

from __future__ import annotations

import hashlib
import re

import polars as pl

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_SOCIAL_SECURITY = "999-99-9999"
_TAX_NUMBER = "AAAA999999XXX"  # of a natural person
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_ACCOUNT_BITS, _KEY_BITS = 48, 60


def email_key_of(typed: str | None) -> str | None:
    """Returns the e-mail trimmed and case-folded (B2, B15); None where it is not a valid e-mail."""
    trimmed = (typed or "").strip()
    return trimmed.casefold() if _EMAIL.fullmatch(trimmed) else None


def normal_form_of(value: str | None) -> str:
    """Returns the value in capitals without all characters except A to Z and digits (H4)."""
    return "".join(letter for letter in (value or "").upper() if letter in _LETTERS)


def is_personal_number(kind: str | None, value: str | None) -> bool:
    """Returns whether the value has the form of a social security number (any type), or of a natural person's RFC (type RFC) (H6)."""
    trimmed = (value or "").strip()
    return _shape_of(trimmed) == _SOCIAL_SECURITY or (kind == "RFC" and _is_tax_number(trimmed.upper()))


def _shape_of(text: str) -> str:
    """Returns the text with 9 for every digit, A for every letter of an RFC (including Ñ and &)."""
    return "".join("9" if letter in "0123456789" else "A" if letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZÑ&" else letter for letter in text)


def _is_tax_number(text: str) -> bool:
    shape = _shape_of(text)
    return len(shape) == len(_TAX_NUMBER) and shape.startswith(_TAX_NUMBER[:10]) and set(shape[10:]) <= {"A", "9"}


def ids_of(name: str, keys: pl.Series, accounts: pl.Series) -> pl.Series:
    """Returns the ids (runbooks/ids.md) of rows with these integer keys on these accounts (null: without one), as signed 128-bit numbers.

    `name`: target table, portal and source table, joined by `|`.
    """
    tag = int(hashlib.sha256(name.encode()).hexdigest()[:3], 16)
    rows = pl.DataFrame([keys.alias("key"), accounts.alias("account")])
    key, account = pl.col("key").cast(pl.Int128), pl.col("account").cast(pl.Int128).fill_null(0)
    kind = pl.when(pl.col("account").is_null()).then(9).otherwise(8).cast(pl.Int128)
    whole = account * (1 << 80) + pl.lit((8 << 12) + tag, dtype=pl.Int128) * (1 << 64) + kind * (1 << _KEY_BITS) + key
    fits = pl.col("key").is_between(0, (1 << _KEY_BITS) - 1) & pl.col("account").fill_null(0).is_between(0, (1 << _ACCOUNT_BITS - 1) - 1)
    found = rows.select(pl.when(fits).then(whole)).to_series()
    odd = found.is_null().arg_true()
    if len(odd):  # few: a key or account outside of its digits gets a hashed id
        told = rows[odd].select("key", "account").iter_rows()
        found[odd] = pl.Series([_of_large(tag, key, account) for key, account in told], dtype=pl.Int128)
    return found


def _of_large(tag: int, key: int | None, account: int | None) -> int | None:
    """Returns the id of a row whose key or account is negative or has too many digits."""
    if key is None:
        return None
    owner = account or 0
    if 0 <= key < 1 << _KEY_BITS and 0 <= owner < 1 << _ACCOUNT_BITS:
        digits = f"{owner:012x}8{tag:03x}{9 if account is None else 8}{key:015x}"
    else:
        digest = hashlib.sha256((str(key) if account is None else f"{key}|{account}").encode()).hexdigest()
        digits = f"{digest[:12]}8{tag:03x}a{digest[12:27]}"
    return int.from_bytes(bytes.fromhex(digits), "big", signed=True)

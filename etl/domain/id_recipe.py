"""The recipe of the new store's ids for one row at a time, without any library: what a look-up needs. `etl/domain/ids.py` makes whole columns by it.

A UUID of version 8, 32 hexadecimal digits:

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
from functools import lru_cache

MAX_KEY = (1 << 60) - 1
MAX_ACCOUNT = (1 << 48) - 1


@lru_cache
def tag(target: str, portal: str = "", source: str = "") -> str:
    """Returns the three hexadecimal digits that separate rows of different source tables in one target table."""
    return hashlib.sha256((f"{target}|{portal}|{source}" if source else target).encode()).hexdigest()[:3]


def hashed_digits(table_tag: str, text: str) -> str:
    """Returns the 32 digits of an id whose key does not fit into 15 digits."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{digest[:12]}8{table_tag}a{digest[12:27]}"


def row_id(table_tag: str, key: int, account: int | None = None) -> str:
    """Returns the id, as text, of the row made from this key on this account (an entity id; None: a row that is stored once)."""
    owner = account or 0
    if not (0 <= key <= MAX_KEY and 0 <= owner <= MAX_ACCOUNT):
        return as_text(hashed_digits(table_tag, str(key) if account is None else f"{key}|{account}"))
    return as_text(f"{owner:012x}8{table_tag}{9 if account is None else 8}{key:015x}")


def as_text(digits: str) -> str:
    """Returns 32 hexadecimal digits as the text of a UUID."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def first_and_last(account: int) -> tuple[str, str]:
    """Returns the lowest and the highest id of this account's rows, hashed ids excepted; the number must fit into 12 hexadecimal digits."""
    digits = f"{account:012x}"
    return as_text(digits + "0" * 20), as_text(digits + "f" * 20)

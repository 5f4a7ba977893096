"""Rules H4, H6: the normal form of an identifier, and whether it identifies a natural person."""

from __future__ import annotations

import re

_SOCIAL_SECURITY = re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}")
_NOT_NORMAL = re.compile(r"[^A-Z0-9]")


def normal(value: str | None) -> str:
    """H4: the upper-cased value reduced to A-Z and 0-9 (fine print 29)."""
    return _NOT_NORMAL.sub("", (value or "").upper())


def is_personal(kind: str | None, value: str | None) -> bool:
    """H6: an importer-of-record number of the form of a social security number."""
    return kind == "IOR" and value is not None and _SOCIAL_SECURITY.fullmatch(value.strip()) is not None

"""Rules H4, H6: the normal form of an identifier, and whether it identifies a natural person."""

from __future__ import annotations

import re

_SOCIAL_SECURITY = re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}")
_PERSON_RFC = re.compile(r"[A-ZÑ&]{4}[0-9]{6}[A-Z0-9Ñ&]{3}")
_NOT_NORMAL = re.compile(r"[^A-Z0-9]")


def normal(value: str | None) -> str:
    """Returns the value in upper case, reduced to A-Z and 0-9; '' for None (H4; fine print 29)."""
    return _NOT_NORMAL.sub("", (value or "").upper())


def is_personal(kind: str | None, value: str | None) -> bool:
    """Returns whether the value has the form of a social security number (any type) or of a natural person's RFC (type RFC) (H6; fine print 29, 56)."""
    if value is None:
        return False
    trimmed = value.strip()
    return _SOCIAL_SECURITY.fullmatch(trimmed) is not None or (kind == "RFC" and _PERSON_RFC.fullmatch(trimmed.upper()) is not None)

"""Rules B2, B15: valid e-mail addresses, and the key under which two of them are equal."""

from __future__ import annotations


def email_key(text: str | None) -> str | None:
    """Returns the e-mail trimmed and case-folded; None unless it has exactly one @, text on both sides and no white space (B2, B15)."""
    if text is None:
        return None
    trimmed = text.strip()
    before, at, behind = trimmed.partition("@")
    if not at or not before or not behind or "@" in behind or len(trimmed.split()) > 1:
        return None
    return trimmed.casefold()

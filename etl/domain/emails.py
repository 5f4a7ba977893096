"""Rules B2, B15: what an e-mail address is, and when two of them are one person's."""

from __future__ import annotations


def email_key(text: str | None) -> str | None:
    """The e-mail trimmed and case-folded; None where it is none: exactly one @, something on both sides, no white space (B2, B15)."""
    if text is None:
        return None
    trimmed = text.strip()
    before, at, behind = trimmed.partition("@")
    if not at or not before or not behind or "@" in behind or len(trimmed.split()) > 1:
        return None
    return trimmed.casefold()

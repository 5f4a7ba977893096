"""E-mails as keys: when a text is one, and which are the same (B2, B15, I9; fine print 1, 44)."""

import polars as pl

LONGEST = 254  # login.email_key


def email_key(text: str | None) -> str | None:
    """Returns the e-mail trimmed and case-folded; None unless it has exactly one @, text on both sides and no white space (B2, B15)."""
    trimmed = (text or "").strip()
    before, at, behind = trimmed.partition("@")
    if not (before and at and behind) or "@" in behind or len(trimmed.split()) > 1:
        return None
    return trimmed.casefold()


def email_keys(texts: pl.Series) -> pl.Series:
    """Returns the e-mail key of each text as `email_key`; null if it is null or not valid."""
    return pl.Series("email_key", [email_key(text) for text in texts.to_list()], dtype=pl.String)


def folded(texts: pl.Series) -> pl.Series:
    """Returns the texts trimmed and case-folded; null becomes '' (fine print 1)."""
    return pl.Series([(text or "").strip().casefold() for text in texts.to_list()], dtype=pl.String)

"""Rule H6: masks numbers with the form of a social security number or of a natural person's tax number (RFC) in everything that is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Digits of any script, and the usual separators between them: hyphens and dashes, blanks, dots, slashes.
_BETWEEN = r"[-\u2010-\u2015\u2212\s._/]"
_LOOKS_PERSONAL = re.compile(rf"(?<!\d)\d{{3}}{_BETWEEN}\d{{2}}{_BETWEEN}\d{{4}}(?!\d)")
_NINE_DIGITS = re.compile(r"(?<!\d)\d{9}(?!\d)")
_MANY_DIGITS = re.compile(r"(?:\d\D*){7}")
_LETTER = "A-Za-zÑñ&"
_PERSON_RFC = re.compile(rf"(?<![{_LETTER}0-9])[{_LETTER}]{{4}}[0-9]{{6}}[{_LETTER}0-9]{{3}}(?![{_LETTER}0-9])")
SUSPECT = r"\d{3}[^0-9|]\d{2}[^0-9|]\d{4}|[^0-9]{4}[0-9]{6}"  # selects the few texts that `masked` must process
_EMAIL = re.compile(r"(?<![^\s|@])[^\s|@]+(?:@[^\s|@]*)+")
HIDDEN = "***-**-****"


def masked(text: str) -> str:
    """Returns the text with every number masked that has the form of a social security or natural person's tax number (H6)."""
    return _PERSON_RFC.sub("****", _LOOKS_PERSONAL.sub(HIDDEN, text))


def masked_key(key: str, texts: Iterable[int]) -> str:
    """Returns the key with such numbers masked; in the parts listed in `texts`, nine digits without separators are masked too (H6)."""
    parts = masked(key).split("|")
    for position in texts:
        if position < len(parts):
            parts[position] = _NINE_DIGITS.sub(HIDDEN, parts[position])
    return "|".join(parts)


def recorded_key(parts: Iterable[tuple[str, bool]]) -> str:
    """Returns a key that may remain after `purge`: the parts, (text, whether it is a number), without texts of seven digits or more."""
    return "|".join(masked(part) if is_number or not _MANY_DIGITS.search(part) else "***" for part, is_number in parts)


def without_names(text: str) -> str:
    """Returns a person's text with such numbers and every e-mail masked (H6)."""
    return _EMAIL.sub("***@***", masked(text))

"""Rule H6: nothing that is shown holds what looks like a social security number or a natural person's tax number (RFC)."""

from __future__ import annotations

import re

_SOCIAL_SECURITY = re.compile(r"(?<![0-9])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9])")
_LETTER = "A-Za-zÑñ&"
_PERSON_RFC = re.compile(rf"(?<![{_LETTER}0-9])[{_LETTER}]{{4}}[0-9]{{6}}[{_LETTER}0-9]{{3}}(?![{_LETTER}0-9])")
SUSPECT = r"[0-9]{3}-[0-9]{2}-[0-9]{4}|[^0-9][0-9]{6}"  # finds the few texts that `masked` has to look at


def masked(text: str) -> str:
    """H6: the text with everything masked that looks like one of them, under whatever type it stands: what is shown is not typed."""
    return _PERSON_RFC.sub("****", _SOCIAL_SECURITY.sub("***-**-****", text))

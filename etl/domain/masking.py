"""Rule H6: nothing that is shown holds what looks like a social security number."""

from __future__ import annotations

import re

_LOOKS_PERSONAL = re.compile(r"(?<![0-9])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9])")


def masked(text: str) -> str:
    """H6: the text with everything that looks like a social security number masked, for anything that is shown."""
    return _LOOKS_PERSONAL.sub("***-**-****", text)

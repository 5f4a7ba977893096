"""The patterns of dates and moments in the adapter (`DD-MON-YY HH24:MI:SS`), as parts; no other expressions are allowed."""

from __future__ import annotations

import re

EPOCHS = ("epoch_s", "epoch_ms")
_DATE_PARTS = ("YYYY", "YY", "MON", "MM", "DD")
_TIME_PARTS = ("HH24", "HH12", "AM", "MI", "SS", "FF")
# By part: the regular expression of its text, ASCII digits only.
PARTS = {
    "YYYY": "[0-9]{4}",
    "YY": "[0-9]{2}",
    "MM": "[0-9]{2}",
    "MON": "[A-Za-z]{3}",
    "DD": "[0-9]{2}",
    "HH24": "[0-9]{2}",
    "HH12": "[0-9]{2}",
    "AM": "[AaPp][Mm]",
    "MI": "[0-9]{2}",
    "SS": "[0-9]{2}",
    "FF": "[0-9]{1,6}",
}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def taken_apart(form: str, moment: bool) -> list[tuple[str, str]]:
    """Returns (part, '') for each part of the pattern, ('', text) for each literal text between them."""
    parts = (*_DATE_PARTS, *_TIME_PARTS) if moment else _DATE_PARTS
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(form):
        part = next((one for one in parts if form.startswith(one, position)), "")
        if part:
            found.append((part, ""))
        elif found and not found[-1][0]:
            found[-1] = ("", found[-1][1] + form[position])
        else:
            found.append(("", form[position]))
        position += len(part) or 1
    return found


def wrong_pattern(form: str, moment: bool) -> tuple[str, str] | None:
    """Returns (found, expected) where the pattern cannot mean a day or a moment; else None."""
    if moment and form in EPOCHS:
        return None
    parts = [part for part, _ in taken_apart(form, moment) if part]
    if doubled := sorted({part for part in parts if parts.count(part) > 1}):
        return f"{', '.join(doubled)} twice in {form!r}", "each part once"
    years, months = [p for p in parts if p in ("YYYY", "YY")], [p for p in parts if p in ("MM", "MON")]
    if len(years) != 1 or len(months) != 1 or "DD" not in parts:
        return repr(form), "a year (YYYY or YY), a month (MM or MON) and a day (DD)" + (", or epoch_s, epoch_ms" if moment else "")
    if moment:
        hours = [p for p in parts if p in ("HH24", "HH12")]
        if len(hours) > 1 or ("HH12" in parts) != ("AM" in parts):
            return repr(form), "HH24, or HH12 with AM"
        for part, needs in (("MI", ("HH24", "HH12")), ("SS", ("MI",)), ("FF", ("SS",))):
            if part in parts and not any(one in parts for one in needs):
                return f"{part} without {needs[0]}", "a time of day from its hour on"
    return None


def expression(form: str, moment: bool) -> str:
    """Returns the regular expression of the whole text, with a group named after each part."""
    return "^" + "".join(f"(?P<{part}>{PARTS[part]})" if part else re.escape(text) for part, text in taken_apart(form, moment)) + "$"

"""The forms in the adapter's files: allowed and required words of each, and their values."""

from __future__ import annotations

import zoneinfo
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from etl.present.model import Form, FormKind
from etl.present.patterns import wrong_pattern
from etl.present.problem import nearest, printable

# By form: its other words, with the types of their values; those in _NEEDED are required.
_FORMS: dict[FormKind, dict[str, type]] = {
    "text": {},
    "integer": {},
    "flag": {"yes": list, "no": list},
    "code": {"by": str},
    "date": {"form": str, "pivot": int},
    "moment": {"form": str, "zone": str, "pivot": int},
    "number": {"mark": str},
    "join": {"with": str},
    "part": {"split": str, "take": int, "trim": bool},
    "trim": {},
    "path": {"from": str, "slash": str},
    "bytes": {"form": str},
    "constant": {},
    "absent": {},
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "flag": ("yes", "no"),
    "code": ("by",),
    "date": ("form",),
    "moment": ("form",),
    "part": ("split", "take"),
    "path": ("from",),
    "bytes": ("form",),
}
_SEVERAL = ("number", "join")
_NAMES: dict[type, str] = {str: "a text", int: "an integer", bool: "true or false", list: "a list of texts"}


class Wrong(Protocol):
    """Receives an error within a form: the dotted place in it, what was found, what was expected."""

    def __call__(self, location: str, found: str, expected: str, rank: int = 1) -> None: ...


def form_of(value: Any, wrong: Wrong) -> Form | None:
    """Returns the form for this value; None where it is not valid, after `wrong` received each reason."""
    if isinstance(value, str):
        if value:
            return Form("plain", (value,))
        wrong("", "an empty text", "the name of a physical column")
        return None
    if not isinstance(value, dict):
        wrong("", kind_word(value), "a physical column's name or one of the forms")
        return None
    # `trim` is a form, and also a word of the form `part`.
    kinds = [word for word in value if word in _FORMS and not (word == "trim" and "part" in value)]
    if len(kinds) != 1:
        known = ", ".join(_FORMS)
        word = next(iter(value), "")
        found = f"the words {', '.join(map(printable, value))}" if value else "an empty table"
        wrong("", found, f"one of the forms {known}{nearest(word, _FORMS)}")
        return None
    kind: Any = kinds[0]
    return _checked(kind, value, wrong)


def _checked(kind: FormKind, value: dict[str, Any], told: Wrong) -> Form | None:
    problems = 0

    def wrong(location: str, found: str, expected: str, rank: int = 1) -> None:
        nonlocal problems
        problems += 1
        told(location, found, expected, rank)

    allowed = _FORMS[kind]
    for word, one in value.items():
        if word == kind:
            continue
        if word not in allowed:
            listed = ", ".join(allowed) or "no other words"
            wrong(word, "an unknown word", f"for {kind}: {listed}{nearest(word, allowed)}", rank=0)
        elif type(one) is not allowed[word]:
            wrong(word, kind_word(one), _NAMES[allowed[word]])
    for word in _NEEDED.get(kind, ()):
        if word not in value:
            wrong(word, "nothing", f"{_NAMES[allowed[word]]}: {kind} needs it")
    first = value[kind]
    if kind == "constant":
        if isinstance(first, bool) or not isinstance(first, (str, int, date, datetime)):
            wrong("constant", kind_word(first), "a text, an integer, a date or a moment")
    elif kind == "absent":
        if not isinstance(first, str) or not first.strip():
            wrong("absent", kind_word(first), "the reason, a non-empty text")
    elif not (isinstance(first, str) and first) and not (
        kind in _SEVERAL and isinstance(first, list) and first and all(isinstance(one, str) and one for one in first)
    ):
        several = " or a list of them" if kind in _SEVERAL else ""
        wrong(kind, kind_word(first), f"a physical column{several}")
    if problems:
        return None
    _values(kind, value, wrong)
    if problems:
        return None
    columns = () if kind in ("constant", "absent") else (first,) if isinstance(first, str) else tuple(first)
    return Form(
        kind,
        columns,
        value.get("by", ""),
        tuple(value.get("yes", ())),
        tuple(value.get("no", ())),
        value.get("form", ""),
        value.get("pivot"),
        value.get("zone", "UTC"),
        value.get("mark"),
        value.get("with", value.get("split", " ")),
        value.get("take", 1),
        value.get("trim", False) is True,
        value.get("from", ""),
        value.get("slash", "\\"),
        first if kind == "constant" else None,
        str(first) if kind == "absent" else "",
    )


def _values(kind: FormKind, value: dict[str, Any], wrong: Wrong) -> None:
    """Reports values of a form that contradict each other."""
    match kind:
        case "flag":
            for word in ("yes", "no"):
                if not value[word] or not all(isinstance(one, str) for one in value[word]):
                    wrong(word, kind_word(value[word]), "a non-empty list of texts")
                    return
            if both := sorted(set(value["yes"]) & set(value["no"])):
                wrong("yes", f"{', '.join(map(repr, both))} in both lists", "each word in one of them")
        case "date" | "moment":
            if found := wrong_pattern(value["form"], kind == "moment"):
                wrong("form", *found)
            elif ("pivot" in value) != ("YY" in value["form"].replace("YYYY", "")):
                needs = "pivot, the first year of the century window for YY" if "pivot" not in value else "YY in the form, or no pivot"
                wrong("pivot", "nothing" if "pivot" not in value else "a form without YY", needs)
            elif not 1 <= value.get("pivot", 1950) <= 9900:
                wrong("pivot", str(value["pivot"]), "a year from 1 to 9900")
            if "zone" in value:
                try:
                    zoneinfo.ZoneInfo(value["zone"])
                except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                    known = zoneinfo.available_timezones()
                    wrong("zone", repr(value["zone"]), f"the name of an IANA time zone{nearest(value['zone'], known)}")
        case "join":
            if "\0" in value.get("with", ""):
                wrong("with", "a text with U+0000", "a text that a database can hold")
        case "part":
            if not value["split"]:
                wrong("split", "an empty text", "a text to split at")
            if value["take"] < 1:
                wrong("take", str(value["take"]), "a place from 1")
        case "path":
            if "slash" in value and not value["slash"]:
                wrong("slash", "an empty text", "the separator that replaces /")
        case "bytes":
            if value["form"] not in ("base64", "hex"):
                wrong("form", repr(value["form"]), "base64 or hex")


def names_in(value: object) -> tuple[str, ...]:
    """Returns the texts of an invalid form: physical columns among them count as used, so that they are not reported too."""
    some = list(value.values()) if isinstance(value, dict) else [value]
    return tuple(one for part in some for one in (part if isinstance(part, list) else [part]) if isinstance(one, str))


def kind_word(value: object) -> str:
    """Returns the kind of a value, for a sentence; never a long text."""
    if isinstance(value, str):
        return f"the text {printable(value)!r}" if value else "an empty text"
    if isinstance(value, bool):
        return "true" if value else "false"
    return {int: "an integer", Decimal: "a number with a fraction", list: "a list", dict: "a TOML table"}.get(
        type(value), type(value).__name__
    )

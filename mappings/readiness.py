"""The open points of work lists, read strictly from `readiness.toml`."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mappings.errors import MappingError
from mappings.toml_text import loads

WEIGHTS = ("critical", "attention", "info")
WHO = ("partner", "specialist", "migration")
# The blanks of each point's sentence.
BLANKS = {
    "NOBODY_CAN_OPEN": {"company", "cause"},
    "NO_ACTING_OFFICER": {"company", "cause"},
    "LOGIN_WIDENED": {"key", "more"},
    "TC_WAITING": {"key", "cause"},
    "IDENTIFIERS_MISSING": {"company", "missing"},
    "IDENTIFIER_SHARED": {"type"},
    "PRIMARY_UNUSABLE": {"company"},
    "NO_EMAIL": {"key"},
    "MAIL_BOUNCES": {"key"},
    "DOCUMENT_BROKEN": {"file", "cause"},
    "AGREEMENT_MISSING": {"company", "basis"},
    "HELD_ROOT": {"table", "key", "cause", "followers"},
    "EMAIL_DIFFERS": {"key"},
    "TWIN": {"cause"},
}
_WORDS = ("code", "weight", "who", "by", "sentence", "action")


@dataclass(frozen=True)
class PointKind:
    """One kind of open point: weight, who can correct it, deadline, and its two texts."""

    code: str
    weight: str
    who: str
    by: str
    sentence: str
    action: str

    def filled(self, **blanks: str) -> str:
        """Returns the sentence with its blanks filled in."""
        return self.sentence.format(**blanks)


def read_points(home: Path) -> dict[str, PointKind]:
    """Returns the kinds by code, in the file's order; raises MappingError with every unknown word, missing kind and wrong value."""
    file = home / "readiness.toml"
    try:
        given = loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise MappingError(file.name, "file", str(error), "a TOML file in UTF-8") from None
    problems = [_Problem(word, "an unknown word", "[[point]]") for word in given if word != "point"]
    kinds: dict[str, PointKind] = {}
    for number, entry in enumerate(given.get("point", []), 1):
        found = _problems(f"point {number}", entry)
        problems += found
        if not found:
            if entry["code"] in kinds:
                problems.append(_Problem(f"point {number}.code", f"{entry['code']} a second time", "each code once"))
            kinds[entry["code"]] = PointKind(**entry)
    problems += [
        _Problem("point", f"no {code}", f"one for each of {', '.join(BLANKS)}") for code in BLANKS if code not in kinds and not problems
    ]
    if problems:
        first, *others = problems
        more = "".join(f"\n{file.name}: {one.location}: found {one.found}, expected {one.expected}" for one in others)
        raise MappingError(file.name, first.location, first.found, first.expected + more)
    return kinds


class _Problem(NamedTuple):
    location: str
    found: str
    expected: str


def _problems(location: str, entry: object) -> list[_Problem]:
    if not isinstance(entry, dict):
        return [_Problem(location, "another type", "a table")]
    found = [_Problem(f"{location}.{word}", "an unknown word", f"one of {', '.join(_WORDS)}") for word in entry if word not in _WORDS]
    found += [
        _Problem(f"{location}.{word}", "nothing, or not a text", "a text")
        for word in _WORDS
        if not isinstance(entry.get(word), str) or not entry[word]
    ]
    if found:
        return found
    for word, allowed in (("code", tuple(BLANKS)), ("weight", WEIGHTS), ("who", WHO)):
        if entry[word] not in allowed:
            found.append(_Problem(f"{location}.{word}", repr(entry[word]), f"one of {', '.join(allowed)}"))
    allowed_blanks = BLANKS.get(entry["code"], set())
    try:
        blanks = {name for _, name, _, _ in string.Formatter().parse(entry["sentence"]) if name is not None}
    except ValueError as error:
        return [*found, _Problem(f"{location}.sentence", str(error), "words in braces that can be filled in")]
    found += [
        _Problem(f"{location}.sentence", f"{{{name}}}", f"some of {', '.join(sorted(allowed_blanks))}")
        for name in sorted(blanks - allowed_blanks)
    ]
    return found

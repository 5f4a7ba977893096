"""The kinds of goals of an acceptance file, read strictly from `acceptance.toml`."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mappings.errors import MappingErrors
from mappings.toml_text import NotToml, read_toml, shown_value

FILE = "acceptance.toml"
# The words of limits: (the compared number, the direction).
LIMITS = {
    "share_at_most": ("share", "most"),
    "count_at_most": ("count", "most"),
    "minutes_at_most": ("minutes", "most"),
    "share_at_least": ("share", "least"),
    "count_at_least": ("count", "least"),
}
# What the program measures: for each kind its subject, and its possible limits.
_MEASURED: dict[str, tuple[str, tuple[str, ...]]] = {
    "held": ("table", ("share_at_most",)),
    "exceptions": ("rule", ("count_at_most",)),
    "points": ("weight", ("count_at_most",)),
    "openable": ("", ("share_at_least", "count_at_least")),
    "documents": ("", ("share_at_least",)),
    "time": ("", ("minutes_at_most",)),
}
_WORDS: dict[str, type] = {"word": str, "about": str, "limits": list, "judged": str, "subject": str}


@dataclass(frozen=True)
class GoalKind:
    """One kind of goal. `about`: the word that names its subject, "" for none; `judged`: at the step check, or with the verdict."""

    word: str
    about: str
    limits: tuple[str, ...]
    judged: str
    subject: str


def read_goal_kinds(files: Mapping[str, bytes]) -> dict[str, GoalKind]:
    """Returns the kinds by word, in the file's order; raises MappingErrors with every unknown word, missing kind and wrong value."""
    if FILE not in files:
        raise MappingErrors([(FILE, "file", "nothing", "a file that can be read")])
    try:
        given, _ = read_toml(files[FILE])
    except NotToml as error:
        raise MappingErrors([(FILE, f"line {error.line}", error.problem, "TOML in UTF-8")]) from None
    wrong = [(FILE, word, "an unknown word", "[[kind]]") for word in given if word != "kind"]
    entries = given.get("kind", [])
    kinds: dict[str, GoalKind] = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], 1):
        problems = [(FILE, f"kind {number}{location}", found, expected) for location, found, expected in _problems(entry)]
        wrong += problems
        if not problems:
            if entry["word"] in kinds:
                wrong.append((FILE, f"kind {number}.word", f"{entry['word']} a second time", "each word once"))
            kinds[entry["word"]] = GoalKind(**{**entry, "limits": tuple(entry["limits"])})
    if not wrong:
        wrong += [(FILE, "kind", f"no {word}", f"one for each of {', '.join(_MEASURED)}") for word in _MEASURED if word not in kinds]
    if wrong:
        raise MappingErrors(wrong)
    return kinds


def _problems(entry: Any) -> Iterator[tuple[str, str, str]]:
    """Yields (place, found, expected) for every error in one kind."""
    if not isinstance(entry, dict):
        yield "", shown_value(entry), "a table [[kind]]"
        return
    yield from ((f".{word}", "an unknown word", f"one of {', '.join(_WORDS)}") for word in entry if word not in _WORDS)
    wrong = [word for word, form in _WORDS.items() if not isinstance(entry.get(word), form)]
    yield from ((f".{word}", shown_value(entry.get(word)), "a list of texts" if word == "limits" else "a text") for word in wrong)
    if wrong:
        return
    if entry["word"] not in _MEASURED:
        yield ".word", repr(entry["word"]), f"one of {', '.join(_MEASURED)}"
        return
    about, limits = _MEASURED[entry["word"]]
    if entry["about"] != about:
        yield ".about", repr(entry["about"]), repr(about)
    if not entry["limits"] or any(limit not in limits for limit in entry["limits"]):
        yield ".limits", ", ".join(map(str, entry["limits"])) or "nothing", f"some of {', '.join(limits)}"
    if entry["judged"] != ("verdict" if entry["word"] == "time" else "check"):
        yield ".judged", repr(entry["judged"]), "verdict for time, check for all others: it is known then"
    try:
        blanks = {name for _, name, _, _ in string.Formatter().parse(entry["subject"]) if name is not None}
    except ValueError as error:
        yield ".subject", str(error), "words in braces that can be filled in"
        return
    if not entry["subject"].strip() or blanks - ({"of"} if about else set()):
        yield ".subject", repr(entry["subject"]), "a text in which {of} alone is filled in" if about else "a text without words in braces"

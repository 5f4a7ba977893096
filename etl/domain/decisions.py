"""Chapter L: what people decided, read from a TOML file. Every refusal names the decision, with file and line, and what to write instead."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from etl.domain.emails import email_key
from etl.domain.masking import without_names
from etl.domain.signed_words import SIGNED, faults, signed_content
from etl.errors import MigrationError
from mappings.toml_text import NotToml, WordLines, read_toml

DecisionKind = Literal["tc_account", "user", "waiver"]
RULE_OF: dict[DecisionKind, str] = {"tc_account": "L1", "user": "L2", "waiver": "L5"}
_WORDS: dict[DecisionKind, dict[str, type]] = {
    "tc_account": {"tc_account_id": int, "entity_id": int},
    "user": {"user_id": int, "user_name": str},
    "waiver": {"goal": str},
}
_KINDS = ", ".join(f"[[{kind}]]" for kind in _WORDS)


class DecisionError(MigrationError):
    """A decision that cannot be applied (exit code 1); nothing was published."""

    code = "DECISION"

    def __init__(self, problems: list[str]) -> None:
        heading = "The decisions cannot be applied; nothing was published:\n  "
        super().__init__(heading + "\n  ".join(problems), "Correct the file, then run the command again in a new run folder.")


@dataclass(frozen=True)
class Decision:
    """One decision. `key`: whom it is about (an id as text, or a goal); `value`: the entity's id or the user's name; `location`: file and line."""

    kind: DecisionKind
    key: str
    value: int | str | None
    by: str
    on: date
    reason: str
    location: str

    @property
    def rule(self) -> str:
        """The number of the rule behind this kind of decision (L1, L2, L5)."""
        return RULE_OF[self.kind]

    def refused(self, why: str) -> str:
        """Returns the message, with file and line, of a decision that cannot be applied."""
        return f"{self.location}: {self.kind} {self.key}: {why}"


@dataclass(frozen=True)
class Decisions:
    """All decisions of a file; `sha256`: of its bytes, None without a file."""

    every: tuple[Decision, ...] = ()
    sha256: str | None = None

    def of(self, kind: DecisionKind) -> tuple[Decision, ...]:
        """Returns the decisions of one kind, in the order of the file."""
        return tuple(decision for decision in self.every if decision.kind == kind)


NO_DECISIONS = Decisions()


def content_of(path: Path) -> bytes:
    """Returns the file's bytes; raises WrongUsage (2) if it cannot be opened or is not a regular file (reading a pipe could block)."""
    return signed_content(path, "--decisions", "the decisions")


def parsed(content: bytes, name: str) -> Decisions:
    """Returns the decisions in these bytes; raises DecisionError (1) with all of its errors. `name`: the file's name in messages."""
    decisions, problems = judged(content, name)
    if problems:
        raise DecisionError(problems)
    return decisions


def judged(content: bytes, name: str) -> tuple[Decisions, list[str]]:
    """Returns (the decisions in these bytes, a sentence for every error in them)."""
    try:
        words, text = read_toml(content)
    except NotToml as error:
        return NO_DECISIONS, [error.said(name)]
    problems: list[str] = []
    found: list[Decision] = []
    word_lines = WordLines(text)
    for word, tables in words.items():
        location = f"{name}, line {word_lines.line(word)}"
        if word not in _WORDS:
            problems.append(f"{location}: {word} is not a kind of decision; write one of {_KINDS}")
            continue
        kind: DecisionKind = word
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            problems.append(f"{location}: {word} is not a list of tables; write [[{word}]] above each")
            continue
        for number, table in enumerate(tables):
            lines = {part: f"{name}, line {word_lines.line(word, number, part)}" for part in ("", *table)}
            decision = _decision(kind, table, lines, problems)
            if decision is not None:
                found.append(decision)
    problems += _doubles(found)
    return Decisions(tuple(found), hashlib.sha256(content).hexdigest()), [without_names(problem) for problem in problems]


def _decision(kind: DecisionKind, table: dict[str, Any], lines: Mapping[str, str], problems: list[str]) -> Decision | None:
    """Returns the decision, None after `problems` received each reason against it. `lines`: by word its file and line, "": the heading's."""
    wanted = {**_WORDS[kind], **SIGNED}
    wrong = [(word, f"{word} is not a word of [[{kind}]]; it has {', '.join(wanted)}") for word in table if word not in wanted]
    wrong += faults(table, wanted)
    name = table.get("user_name")
    if kind == "user" and isinstance(name, str) and name.strip() and email_key(name) is None:
        text = "user_name is not an e-mail; write one with exactly one @, something on both sides of it and no white space (B15)"
        wrong.append(("user_name", text))
    key_word, *value_word = _WORDS[kind]
    key = table.get(key_word)
    about = f"{kind} {key}" if type(key) is int else kind  # the value is not shown: it may be a name
    problems += [f"{lines.get(word, lines[''])}: {about}: {fault}" for word, fault in wrong]
    if wrong:
        return None
    return Decision(kind, str(key), table[value_word[0]] if value_word else None, table["by"], table["on"], table["reason"], lines[""])


def _doubles(found: list[Decision]) -> list[str]:
    seen: dict[tuple[str, str], Decision] = {}
    problems = []
    for decision in found:
        first = seen.setdefault((decision.kind, decision.key), decision)
        if first is not decision:
            problems.append(decision.refused(f"is decided twice ({first.location}); keep one of them"))
    return problems

"""Chapter L: what people decided, read from a TOML file. Every refusal names the decision, with file and line, and what to write instead."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from etl.domain.emails import email_key
from etl.errors import MigrationError, WrongUsage

Kind = Literal["tc_account", "user", "waiver"]
RULE_OF: dict[Kind, str] = {"tc_account": "L1", "user": "L2", "waiver": "L5"}
_SIGNED: dict[str, type] = {"by": str, "on": date, "reason": str}
_WORDS: dict[Kind, dict[str, type]] = {
    "tc_account": {"tc_account_id": int, "entity_id": int},
    "user": {"user_id": int, "user_name": str},
    "waiver": {"goal": str},
}
_KINDS = ", ".join(f"[[{kind}]]" for kind in _WORDS)
_NAMES = {int: "a whole number, without quotes", str: "a non-empty text in quotes", date: "a date without quotes (2023-09-15)"}
_LARGEST = 2**63 - 1


class DecisionError(MigrationError):
    """A decision that cannot be applied (exit code 1); nothing was published."""

    code = "DECISION"

    def __init__(self, problems: list[str]) -> None:
        heading = "The decisions cannot be applied; nothing was published:\n  "
        super().__init__(heading + "\n  ".join(problems), "Correct the file, then run the command again in a new run folder.")


@dataclass(frozen=True)
class Decision:
    """One decision. `key`: whom it is about (an id as text, or a goal); `value`: the entity's id or the user's name; `place`: file and line."""

    kind: Kind
    key: str
    value: int | str | None
    by: str
    on: date
    reason: str
    place: str

    @property
    def rule(self) -> str:
        return RULE_OF[self.kind]

    def refused(self, why: str) -> str:
        """The message of a decision that cannot be applied, with its file and line."""
        return f"{self.place}: {self.kind} {self.key}: {why}"


@dataclass(frozen=True)
class Decisions:
    """All decisions of a file; `sha256`: of its bytes, None without a file."""

    every: tuple[Decision, ...] = ()
    sha256: str | None = None

    def of(self, kind: Kind) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.every if decision.kind == kind)


NO_DECISIONS = Decisions()


def read_decisions(path: Path) -> Decisions:
    """Returns the decisions of the file. Raises WrongUsage (2) if it cannot be opened, DecisionError (1) with all of its errors."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WrongUsage(f"--decisions: {path} cannot be read ({error.strerror}).", "Give the file with the decisions.") from None
    return parsed(content, path.name)


def parsed(content: bytes, name: str) -> Decisions:
    """The decisions of these bytes; `name`: what messages call the file."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DecisionError([f"{name}, line {line}: the file is not UTF-8; save it as UTF-8 without a byte order mark"]) from None
    try:
        words = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = "the file begins with a byte order mark; save it without one" if text.startswith("\ufeff") else f"is not TOML: {error}"
        raise DecisionError([f"{name}: {hint}"]) from None
    problems: list[str] = []
    found: list[Decision] = []
    for word, tables in words.items():
        if word not in _WORDS:
            problems.append(f"{name}, {_line_of(text, word)}: {word} is not a kind of decision; write one of {_KINDS}")
            continue
        kind: Kind = word
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            problems.append(f"{name}, {_line_of(text, word)}: {word} is not a list of tables; write [[{word}]] above each")
            continue
        lines = _headings(text, word)
        for number, table in enumerate(tables):
            place = f"{name}, line {lines[number]}" if len(lines) == len(tables) else f"{name}, {word} number {number + 1}"
            decision = _decision(kind, table, place, problems)
            if decision is not None:
                found.append(decision)
    problems += _doubles(found)
    if problems:
        raise DecisionError(problems)
    return Decisions(tuple(found), hashlib.sha256(content).hexdigest())


def _decision(kind: Kind, table: dict[str, Any], place: str, problems: list[str]) -> Decision | None:
    wanted = {**_WORDS[kind], **_SIGNED}
    faults = [f"{word} is not a word of [[{kind}]]; it has {', '.join(wanted)}" for word in table if word not in wanted]
    for word, form in wanted.items():
        value = table.get(word)
        if word not in table:
            faults.append(f"{word} is missing; write {word} = ... ({_NAMES[form]})")
        elif type(value) is not form:
            faults.append(f"{word} is of the wrong type; write {_NAMES[form]}")
        elif isinstance(value, str) and not value.strip():
            faults.append(f"{word} is empty; write {_NAMES[form]}")
        elif isinstance(value, str) and "\0" in value:
            faults.append(f"{word} contains the character U+0000; write it without")
        elif isinstance(value, int) and abs(value) > _LARGEST:
            faults.append(f"{word} is out of range for an id")
    name = table.get("user_name")
    if kind == "user" and isinstance(name, str) and name.strip() and email_key(name) is None:
        faults.append("user_name is not an e-mail; write one with exactly one @, text on both sides of it and no white space (B15)")
    key_word, *value_word = _WORDS[kind]
    key = table.get(key_word)
    about = f"{kind} {key}" if isinstance(key, int | str) and kind != "waiver" else kind
    problems += [f"{place}: {about}: {fault}" for fault in faults]
    if faults:
        return None
    return Decision(kind, str(key), table[value_word[0]] if value_word else None, table["by"], table["on"], table["reason"], place)


def _doubles(found: list[Decision]) -> list[str]:
    seen: dict[tuple[str, str], str] = {}
    problems = []
    for decision in found:
        first = seen.setdefault((decision.kind, decision.key), decision.place)
        if first != decision.place:
            problems.append(decision.refused(f"is decided twice ({first}); keep one of them"))
    return problems


def _headings(text: str, word: str) -> list[int]:
    """The lines on which a table of that name begins, those within texts of several lines left out."""
    lines, inside = [], ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not inside and re.match(rf"""\s*\[\[\s*["']?{re.escape(word)}["']?\s*\]\]""", line):
            lines.append(number)
        for mark in re.findall(r'"""|' + r"'''", line.partition("#")[0] if not inside else line):
            inside = "" if inside == mark else inside or mark
    return lines


def _line_of(text: str, word: str) -> str:
    found = re.search(rf"""^\s*\[*\s*["']?{re.escape(word)}\b""", text, re.MULTILINE)
    return f"line {text[: found.end()].count(chr(10)) + 1}" if found else "somewhere"

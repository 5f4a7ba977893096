"""The goals that the owners signed, read from a TOML file. Every refusal names the goal, with file and line, and what to write instead."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext
from pathlib import Path
from typing import Any

from etl.domain.decisions import Decisions
from etl.domain.masking import without_names
from etl.domain.signed_words import SIGNED, faults, signed_content
from etl.errors import MigrationError
from mappings.acceptance import LIMITS, GoalKind, read_goal_kinds
from mappings.model import Mappings
from mappings.readiness import WEIGHTS
from mappings.toml_text import NotToml, WordLines, read_toml, shown_value

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_FORMS = {
    "share": "a number from 0 to 1 (0.05 is five per cent)",
    "count": "a whole number from 0",
    "minutes": "a number of minutes above 0",
}
_MOST = 2**63 - 1


class AcceptanceError(MigrationError):
    """A goal, or a waiver of one, is not valid (exit 1); no data was read."""

    code = "ACCEPTANCE"

    def __init__(self, problems: list[str]) -> None:
        heading = "The goals are not valid; no data was read:\n  "
        super().__init__(heading + "\n  ".join(problems), "Correct the file as the message says, then run the command again.")


@dataclass(frozen=True)
class Goal:
    """One goal. `of`: the table, rule or weight that it is about, else ""; `limit_word`: a word of LIMITS; `limit`: as it was signed."""

    name: str
    kind: str
    of: str
    limit_word: str
    limit: Decimal | int
    by: str
    on: date
    reason: str
    location: str

    @property
    def unit(self) -> str:
        """The unit of the limit: share, count or minutes."""
        return LIMITS[self.limit_word][0]

    def met(self, actual: Decimal | int, total: int | None) -> bool:
        """Returns whether `actual` meets the limit; a share is `actual` of `total`. With a total of 0 every share is met."""
        bound = self.limit
        if self.unit == "share":  # exact: a product has 28 digits, and 0 for the least, unless the context says more
            digits = len(Decimal(self.limit).as_tuple().digits) + len(str(_MOST))
            with localcontext(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX):
                bound = self.limit * (total or 0)
        return actual <= bound if LIMITS[self.limit_word][1] == "most" else actual >= bound


@dataclass(frozen=True)
class Acceptance:
    """All goals of a file in its order; `sha256`: of its bytes, None where there is no file."""

    goals: tuple[Goal, ...] = ()
    sha256: str | None = None


NO_ACCEPTANCE = Acceptance()


@dataclass(frozen=True)
class Known:
    """What a goal may name: `kinds` by their word; `names` by what they are about: tables that are read, rules that flag, weights of points.

    `unread`: tables that this run does not read, with the reason.
    """

    kinds: Mapping[str, GoalKind]
    names: Mapping[str, Collection[str]]
    unread: Mapping[str, str]


def known_names(mappings: Mappings, with_tc: bool) -> Known:
    """Returns the names that a goal of a run with these mappings may use; without Trade Compliance its tables are not among them."""
    unread = {} if with_tc else {mapping.table: "--tc is not given; give it, or take the goal out" for mapping in mappings.of("TC")}
    names = {
        "table": sorted(mapping.table for mapping in mappings.tables.values() if mapping.table not in unread),
        "rule": [rule.number for rule in mappings.rules.values() if rule.flags],
        "weight": list(WEIGHTS),
    }
    return Known(read_goal_kinds(mappings.files), names, unread)


def content_of(path: Path) -> bytes:
    """Returns the file's bytes; raises WrongUsage (2) if it cannot be opened or is not a regular file (reading a pipe could block)."""
    return signed_content(path, "--acceptance", "the goals")


def read_goals(content: bytes, name: str, known: Known) -> tuple[Acceptance, list[str]]:
    """Returns (the goals in these bytes, a sentence for every error in them); `name`: the file's name in messages."""
    try:
        words, text = read_toml(content)
    except NotToml as error:
        return NO_ACCEPTANCE, [error.said(name)]
    problems: list[str] = []
    found: list[Goal] = []
    lines = WordLines(text)
    signer = {word: value for word, value in words.items() if word in SIGNED}
    top = f"{name}, line {{}}"
    problems += [f"{top.format(lines.line(word))}: {text}" for word, text in faults(signer, {word: SIGNED[word] for word in signer})]
    headings = ", ".join(f"[[{word}]]" for word in known.kinds)
    for word, tables in words.items():
        if word in SIGNED:
            continue
        if word not in known.kinds:
            near = _near(word, known.kinds)
            problems.append(f"{top.format(lines.line(word))}: {word} is not a kind of goal{near}; write one of {headings}")
            continue
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            problems.append(f"{top.format(lines.line(word))}: {word} is not a list of tables; write [[{word}]] above each goal")
            continue
        for number, table in enumerate(tables):
            location = top.format(lines.line(word, number) or lines.line(word))
            wrong = list(_faults(known.kinds[word], table, signer, known))
            label = f"{word} {table['goal']}" if _is_name(table.get("goal")) else word
            problems += [f"{top.format(lines.line(word, number, at) or '?')}: {label}: {fault}" for at, fault in wrong]
            if not wrong:
                found.append(_goal(known.kinds[word], table, signer, location))
    if not problems and not found:
        problems.append(f"{name}: has no goal; write at least one of {headings}, or leave out --acceptance")
    problems += _doubles(found)
    return Acceptance(tuple(found), hashlib.sha256(content).hexdigest()), [without_names(problem) for problem in problems]


def _faults(kind: GoalKind, table: Mapping[str, Any], signer: Mapping[str, Any], known: Known) -> Iterator[tuple[str, str]]:
    """Yields (word in whose line the error is, what is wrong and what to write instead)."""
    about = [kind.about] if kind.about else []
    allowed = ["goal", *about, *kind.limits, *SIGNED]
    for word in table:
        if word not in allowed:
            yield word, f"{word} is not a word of [[{kind.word}]]{_near(word, allowed)}; it has {', '.join(allowed)}"
    wrong = dict(faults(table, dict.fromkeys(("goal", *about), str)))
    yield from wrong.items()
    if "goal" not in wrong and not _is_name(table["goal"]):
        form = "a name of at most 80 letters, digits, points, hyphens and underscores that begins with a letter or digit"
        yield "goal", f"goal is {shown_value(table['goal'])}; write {form}"
    if about and kind.about not in wrong:
        yield from _dead(kind.about, table[kind.about], known)
    given = [word for word in kind.limits if word in table]
    if not given:
        yield "goal", f"a limit is missing; write {' or '.join(kind.limits)} = {_FORMS[LIMITS[kind.limits[0]][0]]}"
    if len(given) > 1:
        yield given[1], f"{' and '.join(given)} are both given; keep one of them"
    for word in given:
        unit = LIMITS[word][0]
        if not _is_limit(table[word], unit):
            yield word, f"{word} is {shown_value(table[word])}; write {_FORMS[unit]}"
    own = {word: form for word, form in SIGNED.items() if word in table or word not in signer}
    for word, fault in faults(table, own):
        yield word, f"{fault}{'' if word in table else ', here or above all goals'}"


def _dead(about: str, name: str, known: Known) -> Iterator[tuple[str, str]]:
    if name in known.unread and about == "table":
        yield about, f"table {name} is not read by this run: {known.unread[name]}"
    elif name not in known.names[about]:
        what = {"table": "a table of an old portal", "rule": "a rule that flags rows", "weight": "a weight of open points"}[about]
        few = len(known.names[about]) <= 5
        advice = f"write one of {', '.join(known.names[about])}" if few else f"write {what} (runbooks/acceptance.md)"
        yield about, f"{about} {shown_value(name)} is not {what}{_near(name, known.names[about])}; {advice}"


def _goal(kind: GoalKind, table: Mapping[str, Any], signer: Mapping[str, Any], location: str) -> Goal:
    (limit,) = (word for word in kind.limits if word in table)
    signed = {**signer, **{word: table[word] for word in SIGNED if word in table}}
    return Goal(table["goal"], kind.word, table.get(kind.about, ""), limit, table[limit], **signed, location=location)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_limit(value: Any, unit: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if unit == "count" else int | Decimal):
        return False
    if isinstance(value, Decimal) and not value.is_finite():
        return False
    return {"share": 0 <= value <= 1, "count": 0 <= value <= _MOST, "minutes": 0 < value <= _MOST}[unit]


def _near(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f" (perhaps {near[0]})" if near else ""


def _doubles(found: list[Goal]) -> list[str]:
    names: dict[str, Goal] = {}
    limits: dict[tuple[str, str, str], Goal] = {}
    problems = []
    for goal in found:
        first = names.setdefault(goal.name, goal)
        if first is not goal:
            problems.append(f"{goal.location}: {goal.kind} {goal.name}: this name occurs twice ({first.location}); give each goal its own")
        same = limits.setdefault((goal.kind, goal.of, goal.limit_word), goal)
        if same is not goal:
            about = f" of {goal.of}" if goal.of else ""
            problems.append(
                f"{goal.location}: {goal.kind} {goal.name}: {goal.limit_word}{about} is signed twice ({same.location}); keep one of them"
            )
    return problems


def dead_waivers(decisions: Decisions, acceptance: Acceptance) -> list[str]:
    """Returns a sentence for each waiver (L5) whose goal is not in the file; none if there is no file."""
    if acceptance.sha256 is None:
        return []
    names = [goal.name for goal in acceptance.goals]
    return [
        without_names(waiver.refused(f"is not a goal of the acceptance file{_near(waiver.key, names)}; write one of {', '.join(names)}"))
        for waiver in decisions.of("waiver")
        if waiver.key not in names
    ]

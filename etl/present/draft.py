"""A first adapter from a scan: the most likely physical table and column for each contract column, with the evidence."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import exp
from typing import Any

from etl.present.evidence import NEVER, Wanted, points, wanted
from etl.present.guesses import likeness
from etl.present.neighbours import Matching, matched
from mappings.model import Mappings, Portal, TableMapping
from mappings.schema import Column

SURE, OPEN = 0.75, 0.45  # a suggestion with at least SURE is likely right; below OPEN none is made


@dataclass(frozen=True)
class Match:
    """A suggestion for one contract column. `line`: its form in the adapter; `why`: the evidence; `second`: the second best score."""

    physical: str
    score: float
    line: str
    why: str
    second: float = 0.0


@dataclass
class TableDraft:
    """The suggestions for one contract table; `table` is empty where no physical table is similar."""

    mapping: TableMapping
    table: str = ""
    score: float = 0.0
    columns: dict[str, Match] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)  # by code list: legacy word -> contract word, "" where unknown


_SAYS = 0.5  # names that are less like the contract's than this, on the average of the best, say nothing
_NAME = 14.0  # points between two names that say the same and two that have nothing in common
_OTHER = 3.0  # points that other words cost at most
_SCALE = 3.0  # points that make a score of 0.5 one of 0.73
_CHOSEN = 1.0  # points for having been chosen among all columns of the table


def drafted(scan: Mapping[str, Any], portal: Portal, mappings: Mappings) -> list[TableDraft]:
    """Returns the draft of one portal: tables one to one, and columns one to one within them, assigned jointly."""
    tables = {name: about for name, about in scan["tables"].items() if not about["view"]}
    named = names_say(tables, portal, mappings)
    contract = {mapping.table: wanted(mapping, portal, mappings) for mapping in mappings.of(portal)}
    referred = Counter(one for about in tables.values() for says in about["columns"].values() for one in says.get("refers_to", ()))
    pairs = {
        (mapping.table, name): _pairs(mapping, contract[mapping.table], name, about, referred, named)
        for mapping in mappings.of(portal)
        for name, about in tables.items()
    }
    found = matched(contract, tables, pairs, lambda table, name: _by_name(table, name) if named else 0.0)
    drafts = []
    for mapping in mappings.of(portal):
        draft = TableDraft(mapping)
        drafts.append(draft)
        name = found.tables.get(mapping.table)
        if name is None:
            continue
        columns = _matches(mapping, name, tables[name], found, named)
        score = _score(found.sums[mapping.table, name] / len(mapping.shape.columns))
        if columns and score >= OPEN:
            draft.table, draft.score, draft.columns = name, score, columns
            _codes(draft, tables, mappings)
    return drafts


def names_say(tables: Mapping[str, Any], portal: Portal, mappings: Mappings) -> bool:
    """Returns whether the names are evidence: whether the best name for each contract table is similar to it."""
    best = [max((_named(mapping.table, name) for name in tables), default=0.0) for mapping in mappings.of(portal)]
    return sum(best) / len(best) >= _SAYS


def _pairs(
    mapping: TableMapping,
    columns: Mapping[str, Wanted],
    table: str,
    about: Mapping[str, Any],
    referred: Mapping[str, int],
    named: bool,
) -> dict[tuple[str, str], float]:
    """Returns the points of each contract column with each physical one, without what neighbours add."""
    found = {}
    for physical, says in about["columns"].items():
        key = about.get("primary_key", [])  # a scan of an earlier version has none
        declared = len(key) == 1
        says = {
            **says,
            "key_part": physical in about.get("key_of_several", ()),
            "primary": declared and key == [physical],
            "other_primary": declared and key != [physical],
        }
        for name, want in columns.items():
            never_read = mapping.retired.get(name, "").startswith("B17")
            if says.get("secret") or (never_read and named):
                value = 3.0 if never_read and says.get("secret") else NEVER
            else:
                value = points(want, says, _kind(want.column, says), about["rows"], referred[f"{table}.{physical}"])
            found[name, physical] = value + (_by_name(name, physical) if named and value > NEVER else 0.0)
    return found


def _by_name(name: str, physical: str) -> float:
    """Returns the points of two names. Other words speak less against two columns than the same words for them."""
    return max(_NAME * (_named(name, physical) - _SAYS), -_OTHER)


def _score(value: float) -> float:
    return 1 / (1 + exp(-(value + _CHOSEN) / _SCALE))


def _matches(mapping: TableMapping, table: str, about: Mapping[str, Any], found: Matching, named: bool) -> dict[str, Match]:
    """Returns the suggestions of one pair of tables; none for a column whose best one is more unlikely than likely."""
    values = found.points[mapping.table, table]
    matches = {}
    for name, physical in found.columns[mapping.table, table].items():
        others = [value for (of, other), value in values.items() if of == name and other != physical]
        score, second = _score(values[name, physical]), _score(max(others, default=NEVER))
        if score < OPEN:
            continue
        says = about["columns"][physical]
        line = _line(mapping, mapping.shape.by_name[name], physical, says)
        matches[name] = Match(physical, score, line, _why(name, physical, says, values[name, physical], named), second)
    return matches


def _why(name: str, physical: str, says: Mapping[str, Any], value: float, named: bool) -> str:
    if says.get("secret"):
        return "possibly a secret; B17: not read"
    said = [f"name {_named(name, physical):.2f}"] if named else []
    said += [f"type {says['type']}"]
    said += ["unique"] if says.get("unique") else []
    said += [f"looks like {', '.join(says['looks'])}"] if says.get("looks") else []
    said += [f"refers to {says['refers_to'][0]}"] if says.get("refers_to") else []
    return ", ".join([*said, f"{value:+.1f} points"])


@cache
def _named(column: str, name: str) -> float:
    return likeness(column, name)


def _kind(column: Column, found: Mapping[str, Any]) -> float:
    """Returns how well the physical kind and forms give the contract's type; 0 where they never do."""
    kind, forms = found["kind"], {word for form in found.get("forms", ()) for word in form}
    if kind == "text" and not found.get("distinct") and column.family in ("integer", "binary"):
        return 0.4  # nothing in it says the contrary
    match column.family:
        case "integer":
            return 1.0 if kind == "integer" else 0.8 if forms & {"integer", "uuid"} else 0.5 if kind == "any" else 0.0
        case "date":
            return 1.0 if kind == "date" else 0.9 if "date" in forms else 0.0
        case "timestamp":
            return 1.0 if kind == "moment" else 0.9 if "moment" in forms else 0.0
        case "binary":
            return 1.0 if kind == "bytes" else 0.7 if "bytes" in forms else 0.0
    if kind in ("bytes", "date", "moment"):
        return 0.0
    if column.name.endswith("_ind"):
        return 1.0 if "flag" in forms else 0.2 if not found.get("distinct") else 0.1
    if forms & {"date", "moment"}:
        return 0.2
    if column.name.endswith("_cd"):
        return 0.9 if found.get("distinct", 0) <= 60 else 0.3
    return 0.8 if kind == "text" else 0.4


def _line(mapping: TableMapping, column: Column, name: str, found: Mapping[str, Any]) -> str:
    """Returns the form as a TOML value."""
    forms = found.get("forms", ())
    quoted = quoted_text(name)
    of = {word: form for form in forms for word in form}
    match column.family:
        case "binary":
            return quoted if found["kind"] == "bytes" else f'{{ bytes = {quoted}, form = "base64" }}'
        case "integer":
            return quoted if found["kind"] == "integer" else f"{{ number = {quoted} }}" if "uuid" in of else f"{{ integer = {quoted} }}"
        case "date" | "timestamp":
            word = "date" if column.family == "date" else "moment"
            if found["kind"] == word:
                return quoted
            form = of[word]
            pivot = f", pivot = {form['pivot']}" if "pivot" in form else ""
            return f'{{ {word} = {quoted}, form = "{form[word]}"{pivot} }}'
    if column.name.endswith("_ind") and "flag" in of:
        form = of["flag"]
        if (form["yes"], form["no"]) == (["Y"], ["N"]):
            return quoted
        return f"{{ flag = {quoted}, yes = {_listed(form['yes'])}, no = {_listed(form['no'])} }}"
    if column.name.endswith("_cd") and found.get("values"):
        return f'{{ code = {quoted}, by = "{mapping.table}_{column.name}" }}'
    if "trim" in of:
        return f"{{ trim = {quoted} }}"
    return quoted if found["kind"] in ("text", "any", "bytes") else f"{{ text = {quoted} }}"


def quoted_text(text: str) -> str:
    """Returns the text as a TOML string: a name in the old portal may have quotes and line breaks."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(words: list[str]) -> str:
    return "[" + ", ".join(map(quoted_text, words)) + "]"


def _codes(draft: TableDraft, tables: Mapping[str, Any], mappings: Mappings) -> None:
    for column, match in draft.columns.items():
        if not match.line.startswith("{ code = "):
            continue
        values = tables[draft.table]["columns"][match.physical]["values"]
        known = {
            row["code"]: row["meaning"]
            for row in mappings.codes["code_list"]
            if (row["table"], row["column"]) == (draft.mapping.table, column)
        }
        draft.codes[f"{draft.mapping.table}_{column}"] = {word: _word(word, known) for word in values if word}


def _word(word: str, known: Mapping[str, str]) -> str:
    if word in known or not known:
        return word
    if word.isdigit():
        return ""
    scores = {code: max(likeness(code, word), likeness(meaning, word)) for code, meaning in known.items()}
    best = max(scores, key=lambda code: scores[code])
    return best if scores[best] >= SURE else ""

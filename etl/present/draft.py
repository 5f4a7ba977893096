"""A first adapter from a scan: the most likely physical table and column for each contract column, with the evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from etl.present.guesses import likeness
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


@dataclass(frozen=True)
class Weights:
    """The weight of each kind of evidence; the sum is 1."""

    name: float
    kind: float
    evidence: float
    place: float
    table: float


NAMED, OPAQUE = Weights(0.55, 0.2, 0.17, 0.08, 0.35), Weights(0.0, 0.4, 0.35, 0.25, 0.0)
_SAYS = 0.5  # names whose best similarity is lower on average carry no information


def weights_for(tables: Mapping[str, Any], portal: Portal, mappings: Mappings) -> Weights:
    """Returns the weights: names count where the best name for each contract table is similar."""
    best = [max((_named(mapping.table, name) for name in tables), default=0.0) for mapping in mappings.of(portal)]
    return NAMED if sum(best) / len(best) >= _SAYS else OPAQUE


def drafted(scan: Mapping[str, Any], portal: Portal, mappings: Mappings) -> list[TableDraft]:
    """Returns the draft of one portal: tables matched one to one by similarity, then columns within them."""
    tables = {name: about for name, about in scan["tables"].items() if not about["view"]}
    weights = weights_for(tables, portal, mappings)
    scores = []
    for mapping in mappings.of(portal):
        for name, about in tables.items():
            columns = _columns(mapping, about, mappings, weights)
            filled = sum(match.score for match in columns.values()) / len(mapping.shape.columns)
            unused = 1 - abs(len(about["columns"]) - len(mapping.shape.columns)) / max(len(about["columns"]), len(mapping.shape.columns))
            by_name = _named(mapping.table, name) * weights.table
            scores.append(((0.85 - weights.table) * filled + by_name + 0.15 * unused, mapping, name, columns))
    drafts = {mapping.table: TableDraft(mapping) for mapping in mappings.of(portal)}
    taken: set[str] = set()
    for score, mapping, name, columns in sorted(scores, key=lambda one: (-one[0], one[1].table, one[2])):
        draft = drafts[mapping.table]
        if draft.table or name in taken or score < OPEN:
            continue
        taken.add(name)
        draft.table, draft.score, draft.columns = name, score, columns
    for draft in drafts.values():
        _codes(draft, tables, mappings)
    return list(drafts.values())


def _columns(mapping: TableMapping, about: Mapping[str, Any], mappings: Mappings, weights: Weights) -> dict[str, Match]:
    """Returns the best physical column for each contract column, each used once."""
    pairs = []
    for place, column in enumerate(mapping.shape.columns):
        for other_place, (name, found) in enumerate(about["columns"].items()):
            # Exports usually keep the order of columns.
            near = 1 - abs(place / len(mapping.shape.columns) - other_place / len(about["columns"]))
            score, why = _likeness(mapping, column, name, found, near, mappings, weights)
            if score > 0:
                pairs.append((score, column, name, found, why))
    best: dict[str, list[float]] = {}
    for score, column, *_ in pairs:
        best.setdefault(column.name, []).append(score)
    matches: dict[str, Match] = {}
    used: set[str] = set()
    for score, column, name, found, why in sorted(pairs, key=lambda one: (-one[0], one[1].name, one[2])):
        if column.name in matches or name in used or score < OPEN:
            continue
        used.add(name)
        others = sorted(best[column.name], reverse=True)
        matches[column.name] = Match(name, score, _line(mapping, column, name, found), why, others[1] if len(others) > 1 else 0.0)
    return matches


def _likeness(
    mapping: TableMapping,
    column: Column,
    name: str,
    found: Mapping[str, Any],
    near: float,
    mappings: Mappings,
    weights: Weights,
) -> tuple[float, str]:
    """Returns (score, the evidence); 0 where the physical column's kind can never give the contract's type."""
    never = mapping.retired.get(column.name, "").startswith("B17")
    if found.get("secret"):
        return (0.9, "possibly a secret; B17: not read") if never else (0.0, "")
    if never:
        return 0.0, ""
    kind = _kind(column, found)
    if not kind:
        return 0.0, ""
    by_name = _named(column.name, name)
    evidence, said = _evidence(mapping, column, found, mappings)
    score = weights.name * by_name + weights.kind * kind + weights.evidence * evidence + weights.place * near
    return score, f"name {by_name:.2f}, kind {kind:.2f}{said}"


@cache
def _named(column: str, name: str) -> float:
    return likeness(column, name)


def _kind(column: Column, found: Mapping[str, Any]) -> float:
    """Returns how well the physical kind and forms give the contract's type; 0 where they never do."""
    kind, forms = found["kind"], {word for form in found.get("forms", ()) for word in form}
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


def _evidence(mapping: TableMapping, column: Column, found: Mapping[str, Any], mappings: Mappings) -> tuple[float, str]:
    points, said = 0.5, ""
    words = {row["code"] for row in mappings.codes["code_list"] if (row["table"], row["column"]) == (mapping.table, column.name)}
    values = set(found.get("values", {}))
    if words and values:
        shared = len(words & values) / len(values)
        points, said = max(points, 0.5 + shared / 2), f", {shared:.0%} of its words match the contract" if shared else ""
    if mapping.key == (column.name,):
        points, said = (1.0, f"{said}, unique") if found.get("unique") else (0.0, said)
    if column.not_null and found.get("nulls", 0) > 0.05:
        points -= 0.3
    if column.length is not None and (found.get("longest") or 0) > column.length and not column.name.endswith("_cd"):
        points -= 0.3
    elif column.length is not None and found.get("length") == column.length:
        points, said = min(1.0, points + 0.3), f"{said}, length {column.length}"
    return max(points, 0.0), said


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

"""The most likely physical name for a missing contract name, for the suggested line of an adapter."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cache

from etl.present.problem import toml_text
from mappings.model import Mappings, Portal
from mappings.read import FOLDERS
from mappings.schema import FAMILY_BY_TYPE


def suggested_lines(there: Mapping[str, Mapping[str, str]], portal: Portal, mappings: Mappings) -> list[str]:
    """Returns, for each missing contract table or column, the adapter's line with the most similar physical name that no mapping uses."""
    lines = []
    folder = FOLDERS[portal]
    strange = {name: columns for name, columns in there.items() if (portal, name) not in mappings.tables}
    for mapping in mappings.of(portal):
        known = mapping.shape.by_name
        if mapping.table not in there:
            scores = {name: _table_likeness(mapping.table, set(known), name, set(columns)) for name, columns in strange.items()}
            best = max(scores, key=lambda name: scores[name], default="")
            if best:
                lines.append(f"{folder}/{mapping.table}.toml: [[from]] table = {toml_text(best)}")
                lines += _column_lines(f"{folder}/{mapping.table}.toml", {n: c.sql_type for n, c in known.items()}, strange.pop(best))
        else:
            lines += _column_lines(f"{folder}/{mapping.table}.toml", {n: c.sql_type for n, c in known.items()}, there[mapping.table])
    return lines


def _column_lines(file: str, known: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    free = {name: declared for name, declared in there.items() if name not in known}
    lines = []
    for column, declared in known.items():
        if column in there or not free:
            continue
        best = max(free, key=lambda name: (_family(free[name]) == _family(declared), likeness(column, name)))
        free.pop(best)
        lines.append(f"{file}: [[from]] [from.columns] {column} = {toml_text(best)}")
    return lines


def _family(declared: str) -> str:
    return str(FAMILY_BY_TYPE.get(declared.upper().partition("(")[0], declared))


def _table_likeness(table: str, columns: set[str], other: str, others: set[str]) -> float:
    shared = len({c.casefold() for c in columns} & {c.casefold() for c in others})
    return 2 * shared / (len(columns) + len(others) or 1) + likeness(table, other)


def likeness(name: str, other: str) -> float:
    """Returns the similarity of two names, from 0 to 1, by their words, of which old systems keep the first letters or the consonants."""
    one, two = tokens(name), tokens(other)
    if not one or not two:
        return 0.0
    best = [max(_word_likeness(a, b) for b in two) for a in one] + [max(_word_likeness(b, a) for a in one) for b in two]
    return 0.8 * sum(best) / len(best) + 0.2 * difflib.SequenceMatcher(None, "".join(one), "".join(two)).ratio()


def tokens(name: str) -> list[str]:
    """Returns the words of a name in lower case: split at punctuation and before capitals."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]


@cache
def _word_likeness(one: str, two: str) -> float:
    if one == two:
        return 1.0
    short, long = sorted((one, two), key=len)
    if long.startswith(short):
        return 0.6 + 0.35 * len(short) / len(long)
    if long[0] == short[0] and _is_within(short, long):
        return 0.5 + 0.35 * len(short) / len(long)
    return 0.5 * difflib.SequenceMatcher(None, one, two).ratio()


def _is_within(short: str, long: str) -> bool:
    """Returns whether the short word's letters occur in the long one in that order: an abbreviation."""
    rest = iter(long)
    return all(letter in rest for letter in short)

"""How well a physical column of a scan fits a contract column, in points: above 0 speaks for it, below 0 against it. Names and order do not count here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mappings.model import Mappings, Portal, TableMapping
from mappings.schema import Column

NEVER = -100.0  # the physical kind can never give the contract's type
_FEW_NULLS = 0.1
_CODES = 60  # a code has at most so many words
# What the last words of a contract's column name say of the texts in it; the looks are those of the scan.
_LOOKS = {
    "email": "mail",
    "user_name": "mail",
    "phone": "phone",
    "fax": "phone",
    "sha256_hex": "digest",
    "sha256": "digest",
    "ip_address": "address",
    "website": "url",
    "mime_type": "mime",
    "object_path": "path",
    "file_name": "file",
    "criterion_no": "number",
}
_RARE_LOOKS = frozenset({"mail", "digest", "url", "mime", "path"})


@dataclass(frozen=True)
class Wanted:
    """The contract's requirements of one column. `targets`: the contract tables that it refers to; `codes`: its known words."""

    column: Column
    key: bool
    part_of_key: bool
    targets: tuple[str, ...]
    codes: frozenset[str]
    look: str
    index: int
    position: float  # 0 the first column, 1 the last
    late: float | None  # 0 the earliest of its table's dates and moments, 1 the latest; None for other columns


def wanted(mapping: TableMapping, portal: Portal, mappings: Mappings) -> dict[str, Wanted]:
    """Returns by column of a contract table the requirements of the physical one."""
    columns = mapping.shape.columns
    times = _in_time([column.name for column in columns if column.family in ("date", "timestamp")])
    last = max(len(columns) - 1, 1)
    return {
        column.name: Wanted(
            column,
            mapping.key == (column.name,),
            len(mapping.key) > 1 and column.name in mapping.key,
            targets(mapping, column.name, portal, mappings),
            frozenset(row["code"] for row in mappings.codes["code_list"] if (row["table"], row["column"]) == (mapping.table, column.name)),
            next((look for end, look in _LOOKS.items() if column.name.endswith(end)), ""),
            index,
            index / last,
            times.index(column.name) / (len(times) - 1) if len(times) > 1 and column.name in times else None,
        )
        for index, column in enumerate(columns)
    }


def _in_time(names: list[str]) -> list[str]:
    """Returns the names in the order of events: a contract names dates and moments in that order; what was created is earliest, what was modified latest."""
    return sorted(names, key=lambda name: (not name.startswith("created"), name.startswith("modified")))


def targets(mapping: TableMapping, column: str, portal: Portal, mappings: Mappings) -> tuple[str, ...]:
    """Returns the contract tables that a column refers to: the single keys that share most of its name's last words."""
    best: list[str] = []
    shared = 0
    for other in mappings.of(portal):
        if len(other.key) != 1 or (other is mapping and other.key == (column,)):
            continue
        words, own = column.split("_"), other.key[0].split("_")
        same = 0
        while same < min(len(words), len(own)) and words[-1 - same] == own[-1 - same]:
            same += 1
        if same < 2:  # all keys end with the same word
            continue
        if same > shared:
            best, shared = [], same
        if same == shared:
            best.append(other.table)
    return tuple(best)


def points(want: Wanted, found: Mapping[str, Any], kind: float, rows: int, referred: int) -> float:
    """Returns the points of one physical column. `kind`: how well its kind gives the type, 0 for never; `referred`: how many columns refer to it."""
    if not kind:
        return NEVER
    return (
        2 * (kind - 0.5)
        + _declared(want, found)
        + _nulls(want, found, rows)
        + _uniqueness(want, found, rows, referred)
        + _content(want, found, rows)
    )


def _declared(want: Wanted, found: Mapping[str, Any]) -> float:
    """Returns the points of declared types and lengths: many systems keep them under other names."""
    word = found["type"].upper().partition("(")[0].strip()
    if want.column.sql_type == found["type"].upper().replace(" ", ""):
        # A length that few columns have says more than a type that all have.
        return 2.0 if want.column.length is not None or want.column.family == "binary" else 1.0
    if found["kind"] == "fraction":
        return -3.0
    if want.column.family == "text":
        longest = found.get("longest") or 0
        if want.column.length is not None and longest > want.column.length and not want.column.name.endswith(("_cd", "_ind")):
            return -2.0
        coded = want.column.name.endswith(("_cd", "_ind"))
        return 0.0 if coded else -1.5 if (want.column.length is None) != (found.get("length") is None) else -1.0
    return -0.3 if found["kind"] == want.column.family or word == "BIGINT" else 0.0


def _nulls(want: Wanted, found: Mapping[str, Any], rows: int) -> float:
    if not rows or "nulls" not in found:
        return 0.0
    if want.column.not_null or want.key or want.part_of_key:
        return -3.0 if found["nulls"] > _FEW_NULLS else -0.5 if found["nulls"] else 0.3
    return 0.5 if found["nulls"] else -0.2


def _uniqueness(want: Wanted, found: Mapping[str, Any], rows: int, referred: int) -> float:
    if want.key and found.get("primary"):
        return 3.5  # the declared key, whatever else is unique today
    if rows < 3 or "unique" not in found:
        return 0.0
    if want.key and found.get("other_primary"):
        return -1.0 if found["unique"] else -3.0
    if want.key:
        return (2.0 + min(referred, 5) * 0.3) if found["unique"] and found.get("nulls", 0.0) <= _FEW_NULLS else -3.0
    if want.part_of_key:
        return -2.0 if found["unique"] else 1.0 if found.get("key_part") else 0.0
    if found["unique"] and want.column.family == "integer" and rows > 9 and found.get("nulls", 0.0) <= _FEW_NULLS:
        return -1.0
    return 0.0


def _content(want: Wanted, found: Mapping[str, Any], rows: int) -> float:
    distinct = found.get("distinct", 0)
    if not distinct:
        return 0.0
    forms = {word for form in found.get("forms", ()) for word in form}
    name, family, looks = want.column.name, want.column.family, set(found.get("looks", ()))
    total = 0.0
    if name.endswith("_ind"):
        return 2.0 if "flag" in forms else -3.0
    if "flag" in forms and distinct == 2:
        total -= 1.5
    if family == "timestamp":
        return total + (0.5 if found["kind"] == "integer" and name.startswith(("created", "modified")) else 0.0)
    if family == "integer":
        if "moment" in forms and rows > 9:
            total -= 1.5
        if "uuid" in forms and not name.endswith("_id"):
            total -= 3.0
        if "trim" in forms or found["kind"] == "text":
            total += -1.5 if name.endswith("_id") and "uuid" not in forms else 0.3
        if _leading_zeros(found):
            total -= 1.5  # a number has none, a code may
        if name.endswith("_year"):
            total += 2.0 if (found.get("longest") or 0) in (4, 6) and distinct <= _CODES else -2.0
        if name.endswith("_bytes"):
            total += 1.0 if (found.get("highest") or 0) > 1_000 and not found.get("refers_to") else -1.0
        return total
    if family != "text":
        return total
    if "uuid" in forms:
        total -= 3.0
    if name.endswith("_cd"):
        return total + _code(want, found, rows, looks)
    if "integer" in forms and (found.get("length") or 99) <= 4:
        total -= 1.5  # short numbers of few kinds are codes
    if want.look:
        total += 2.5 if want.look in looks else -1.5
    total -= 2.5 * len((looks & _RARE_LOOKS) - {want.look, "path"})
    if want.column.length is None:
        total += 1.0 if "words" in looks else -0.5
    elif (found.get("longest") or 0) > max(want.column.length, 20):
        total -= 1.0
    return total


def _code(want: Wanted, found: Mapping[str, Any], rows: int, looks: set[str]) -> float:
    distinct = found["distinct"]
    if distinct > _CODES or looks & {"words", "mail", "phone", "url", "path"}:
        return -3.0
    total = 0.5 if (found.get("longest") or 0) <= 30 else -1.0
    if found["unique"] and rows > 9 and not want.key:
        total -= 1.0
    if want.codes:
        shared = len(want.codes & {word.strip() for word in found.get("values", {})})
        total += min(2.0, shared)
        # Some unknown words occur everywhere; hardly ever are there many more words than the contract knows.
        if len(want.codes) <= distinct <= len(want.codes) + 1:
            total += 1.0
        elif distinct > len(want.codes) + 2:
            total -= 1.0
        else:
            total += 0.5 if distinct >= len(want.codes) / 2 else 0.0
    if any("integer" in form for form in found.get("forms", ())):
        total -= 0.0 if _leading_zeros(found) or (found.get("highest", 0) < 10 and not _padded(found)) else 1.5
    return total


def _leading_zeros(found: Mapping[str, Any]) -> bool:
    """Returns whether a text of digits is longer than its number."""
    lowest = found.get("lowest")
    return lowest is not None and found["kind"] == "text" and not _padded(found) and (found.get("shortest") or 0) > len(str(lowest))


def _padded(found: Mapping[str, Any]) -> bool:
    return any("trim" in form for form in found.get("forms", ()))

"""Chains of held rows: the parents of each, the number of followers of a root, and the company profile of a held row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from mappings.model import Mappings, Route, TableMapping

Row = tuple[str, str, str]  # portal, table, key
FOLLOWER = "PARENT_HELD"
# G1: the first that is set decides: entity, model, profile.
_SIDES = tuple(
    tuple(
        Route(f"{side}_{scope}_id", table)
        for scope, table in (("entity", "model_entity"), ("model", "security_model"), ("profile", "company_profile"))
    )
    for side in ("monitor", "monitored")
)
_DOCUMENT_SCOPES = (Route("security_model_id", "security_model"), Route("company_profile_id", "company_profile"))


@dataclass(frozen=True)
class HeldRows:
    """The rows of migration_holding, by (portal, table, key).

    `reasons`: why each is held. `values`: of the old row in the holding its references that are set, never shown. `only`: rows that were not loaded as well (X2 loads a row without
    its unreadable value, and holds it too).
    """

    mappings: Mappings
    reasons: Mapping[Row, str]
    values: Mapping[Row, Mapping[str, Any]]
    only: frozenset[Row]

    @cached_property
    def followers(self) -> Mapping[Row, int]:
        """Returns for each root (a held row with another reason than PARENT_HELD) the rows held because of it, at any depth.

        A row with two roots counts for each of them; a row with two chains to one root counts once.
        """
        counted: Counter[Row] = Counter()
        for row, reason in self.reasons.items():
            if reason == FOLLOWER:
                counted.update(self.roots(row))
        return {row: counted[row] for row, reason in self.reasons.items() if reason != FOLLOWER}

    def _roots(self, start: Row, known: dict[Row, frozenset[Row]]) -> frozenset[Row]:
        """Returns the roots above a row, without recursion: a chain of versions can be longer than Python's stack."""
        waiting = [start]
        while waiting:
            row = waiting[-1]
            if self.reasons[row] != FOLLOWER:
                known[row] = frozenset((row,))
            missing = [] if row in known else [parent for parent in self.parents(row) if parent not in known and parent not in waiting]
            if missing:
                waiting += missing
                continue
            if row not in known:
                known[row] = frozenset().union(*(known.get(parent, frozenset()) for parent in self.parents(row)))
            waiting.pop()
        return known[start]

    def parents(self, row: Row) -> tuple[Row, ...]:
        """Returns the held rows that hold this one: the first set reference of its route, and every other hard reference."""
        return tuple(dict.fromkeys(parent for _, parent in self.references(row) if parent in self.only and parent != row))

    def references(self, row: Row) -> tuple[tuple[str, Row], ...]:
        """Returns the references that decide where the row goes: (column, referenced row), of each group the first that is set."""
        found = dict.fromkeys(named for group in self._groups(row) if (named := self._first_set(row, group)) is not None)
        return tuple(found)

    def roots(self, row: Row) -> frozenset[Row]:
        """Returns the held rows at the top of this row's chains; the row itself where it has a cause besides its parents."""
        return self._roots(row, self._known)

    @cached_property
    def _known(self) -> dict[Row, frozenset[Row]]:
        return {}

    def _groups(self, row: Row) -> list[tuple[Route, ...]]:
        """Returns the references that can hold the row; of each group the first that is set decides."""
        known = self._groups_of.get(row[:2])
        if known is None:
            known = self._groups_of[row[:2]] = self._groups_by_table(row)
        return [*known, (self._link_target(row),)] if self.mappings.tables[_portal(row), row[1]].owner_rule == "C2" else known

    @cached_property
    def _groups_of(self) -> dict[tuple[str, ...], list[tuple[Route, ...]]]:
        return {}

    def _groups_by_table(self, row: Row) -> list[tuple[Route, ...]]:
        """Returns the references that are the same for all rows of the row's table."""
        mapping = self.mappings.tables[_portal(row), row[1]]
        needs: list[tuple[Route, ...]] = [(route,) for route in mapping.needs]
        match mapping.owner_rule:
            case "C1":  # held only where both references fail: each held one is a cause
                return [(scope,) for scope in _DOCUMENT_SCOPES]
            case "C2":
                return needs
            case "C7":
                return [(Route(mapping.key[0], _owner_of_content(mapping)),)]
            case "G1":
                return list(_SIDES)
        return [mapping.owner, *needs]

    def _link_target(self, row: Row) -> Route:
        code = self.values[row].get("target_cd")
        table = next((entry["source_table"] for entry in self.mappings.codes["link_target"] if entry["target_cd"] == code), "")
        return Route("target_id", table)

    def _first(self, row: Row, routes: Iterable[Route]) -> Row | None:
        """Returns the row that the first set reference names."""
        named = self._first_set(row, routes)
        return None if named is None else named[1]

    def _first_set(self, row: Row, routes: Iterable[Route]) -> tuple[str, Row] | None:
        for route in routes:
            value = self.values[row].get(route.column)
            if value is not None:
                return route.column, (row[0], route.table, str(value))
        return None

    def end(self, row: Row) -> Row | None:
        """Returns where the row's first set route ends: a row that is not held alone, or a held company profile; None where a reference is not set."""
        seen: set[Row] = set()
        while row in self.only and row not in seen and row[1] != "company_profile":
            seen.add(row)
            table = row[1]
            routes = [route for group in self._groups(row) for route in group] if table != "document" else list(_DOCUMENT_SCOPES)
            if table == "tc_account":
                routes = [Route("company_profile_id", "company_profile")]
            above = self._first(row, routes)
            if above is None:
                return None
            row = ("P2", *above[1:]) if table == "tc_account" else above
        return row


def _portal(row: Row) -> Any:
    return row[0]


def _owner_of_content(mapping: TableMapping) -> str:
    return mapping.table.removesuffix("_content")


def held_rows(mappings: Mappings, holding: pl.DataFrame, exceptions: pl.DataFrame) -> HeldRows:
    """Returns the held rows of the store. Where rule X2 flagged a row it was loaded as well; a row that is only held has no flag."""
    flagged = set(exceptions.filter(pl.col("rule_cd") == "X2").select("legacy_portal_cd", "legacy_table", "legacy_key").iter_rows())
    reasons, values = {}, {}
    references = _references(mappings)
    for portal, table, key, reason, text in holding.select(
        "legacy_portal_cd", "legacy_table", "legacy_key", "reason_cd", "row_json"
    ).iter_rows():
        reasons[portal, table, key] = reason
        old = json.loads(text)
        # Whole rows would be the largest part of a report's memory.
        values[portal, table, key] = {name: old[name] for name in references & old.keys() if old[name] is not None}
    only = frozenset(row for row, reason in reasons.items() if reason != "UNREADABLE_VALUE" or row not in flagged)
    return HeldRows(mappings, reasons, values, only)


def _references(mappings: Mappings) -> frozenset[str]:
    """Returns the names of all columns that may lead from a held row to another row."""
    routes = [route for mapping in mappings.tables.values() for route in (*mapping.owner, *mapping.needs)]
    named = {route.column for route in (*routes, *_DOCUMENT_SCOPES, *(route for side in _SIDES for route in side))}
    return frozenset({*named, *(mapping.key[0] for mapping in mappings.tables.values()), "target_cd", "target_id", "company_profile_id"})

"""Assigns physical tables to contract tables by columns, references and neighbours together, until the assignment is stable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp
from typing import Any

from etl.present.assignment import assigned
from etl.present.evidence import NEVER, Wanted

_ROUNDS = 5
_LIKELY = 10  # physical tables that are still looked at for a contract table after the first round
_WARMTH = 3.0  # points that make one table e times as likely as another
_MISSING, _LEFT = 1.5, 0.8  # points that a contract column without a physical one costs, and a physical one without a contract one
_REFERS, _ELSEWHERE, _NOWHERE = 3.0, 1.5, 1.0
_RANK = 0.9  # of several keys that have all values of a column, the smaller is likelier by this

Belief = Mapping[tuple[str, str], float]


@dataclass
class Matching:
    """`tables`: by contract table its physical one; `points`: by both, and by column pair, what speaks for it."""

    tables: dict[str, str] = field(default_factory=dict)
    sums: dict[tuple[str, str], float] = field(default_factory=dict)
    points: dict[tuple[str, str], dict[tuple[str, str], float]] = field(default_factory=dict)
    columns: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)


def matched(
    contract: Mapping[str, Mapping[str, Wanted]],
    tables: Mapping[str, Any],
    pairs: Mapping[tuple[str, str], Mapping[tuple[str, str], float]],
    alike: Callable[[str, str], float],
) -> Matching:
    """Returns the matching. `pairs`: the points of each pair of columns, by pair of tables; `alike`: the points of two tables' names."""
    result = Matching()
    belief: Belief = {}
    order = 0.0
    candidates = {table: list(tables) for table in contract}
    for turn in range(_ROUNDS):
        result = Matching()
        for table, columns in contract.items():
            for physical in candidates[table]:
                found = _with_references(columns, tables[physical], pairs[table, physical], belief, order)
                names, others = list(columns), list(tables[physical]["columns"])
                chosen = assigned([[found[name, other] + _MISSING + _LEFT for other in others] for name in names])
                result.points[table, physical] = found
                result.columns[table, physical] = {names[row]: others[column] for row, column in chosen.items()}
                total = sum(found[pair] for pair in result.columns[table, physical].items())
                total -= _MISSING * (len(names) - len(chosen)) + _LEFT * max(len(others) - len(chosen) - 1, 0)
                result.sums[table, physical] = total + alike(table, physical)
        if turn:
            for pair, more in _referring(contract, tables, candidates, belief).items():
                result.sums[pair] += more
        result.tables = _one_to_one(contract, tables, result.sums)
        belief = _belief(result)
        order = _order_kept(contract, tables, result)
        candidates = {
            table: sorted(candidates[table], key=lambda name, table=table: -result.sums[table, name])[:_LIKELY]  # type: ignore[misc]  # bound now
            for table in contract
        }
        for table, physical in result.tables.items():
            if physical not in candidates[table]:
                candidates[table].append(physical)
    return result


def _one_to_one(contract: Mapping[str, Any], tables: Mapping[str, Any], sums: Mapping[tuple[str, str], float]) -> dict[str, str]:
    names, others = list(contract), list(tables)
    base = min(sums.values(), default=0.0) - 1  # any table is better than none; what is too poor is left out later
    gains = [[sums[name, other] - base if (name, other) in sums else 0.0 for other in others] for name in names]
    return {names[row]: others[column] for row, column in assigned(gains).items()}


def _belief(result: Matching) -> Belief:
    """Returns how likely each pair of tables is, from 0 to 1: half by its points among the rivals of both sides, half by the best assignment."""
    best_of: dict[str, float] = {}
    best_for: dict[str, float] = {}
    for (table, physical), total in result.sums.items():
        best_of[table] = max(best_of.get(table, total), total)
        best_for[physical] = max(best_for.get(physical, total), total)
    mass_of: dict[str, float] = defaultdict(float)
    mass_for: dict[str, float] = defaultdict(float)
    for (table, physical), total in result.sums.items():
        mass_of[table] += exp((total - best_of[table]) / _WARMTH)
        mass_for[physical] += exp((total - best_for[physical]) / _WARMTH)
    return {
        (table, physical): 0.5 * (result.tables.get(table) == physical)
        + 0.5
        * (exp((total - best_of[table]) / _WARMTH) / mass_of[table] * exp((total - best_for[physical]) / _WARMTH) / mass_for[physical])
        ** 0.5
        for (table, physical), total in result.sums.items()
    }


def _with_references(
    columns: Mapping[str, Wanted],
    about: Mapping[str, Any],
    pairs: Mapping[tuple[str, str], float],
    belief: Belief,
    order: float,
) -> dict[tuple[str, str], float]:
    """Returns the points of the pairs of columns, with those of the references to likely tables."""
    last = max(len(about["columns"]) - 1, 1)
    found = {}
    for position, (other, says) in enumerate(about["columns"].items()):
        referred = [one.rsplit(".", 1)[0] for one in says.get("refers_to", ())]
        for name, want in columns.items():
            value = pairs[name, other]
            if value > NEVER:
                value += _reference(want, says, referred, belief)
                # Columns that were added stand at the end, or anywhere: the count from the start or the share of the way.
                value -= order * min(abs(want.position - position / last), abs(want.index - position) / len(columns))
                if want.late is not None:
                    # What has not happened yet is NULL: where dates cannot be compared, the later is the emptier.
                    late = says.get("late")
                    value += 0.5 - abs(want.late - says.get("nulls", 0.0)) if late is None else 1.0 - 2.0 * abs(want.late - late)
            found[name, other] = value
    return found


def _reference(want: Wanted, says: Mapping[str, Any], referred: list[str], belief: Belief) -> float:
    if not belief or says.get("distinct", 0) < 2:
        return 0.0
    if not want.targets:
        return -0.5 if referred and want.column.name.endswith("_id") and not want.key else 0.0
    if not referred:
        return 0.0 if want.key else -_NOWHERE
    best = max(
        (belief.get((target, table), 0.0) * _RANK**rank for target in want.targets for rank, table in enumerate(referred)), default=0.0
    )
    return _REFERS * best - _ELSEWHERE * (best < 0.2)


def _referring(
    contract: Mapping[str, Mapping[str, Wanted]], tables: Mapping[str, Any], candidates: Mapping[str, list[str]], belief: Belief
) -> dict[tuple[str, str], float]:
    """Returns for each pair of tables the points of the references to them."""
    into: dict[str, set[str]] = defaultdict(set)
    for name, about in tables.items():
        for says in about["columns"].values():
            for one in says.get("refers_to", ()):
                into[one.rsplit(".", 1)[0]].add(name)
    wanting: dict[str, set[str]] = defaultdict(set)
    for table, columns in contract.items():
        for want in columns.values():
            for target in want.targets[:1]:
                wanting[target].add(table)
    more = {}
    for table in contract:
        for physical in candidates[table]:
            total = 0.0
            for source in wanting[table] - {table}:
                total += 2 * sum(belief.get((source, name), 0.0) for name in into[physical]) - 1
            more[table, physical] = 0.5 * total
    return more


def _order_kept(contract: Mapping[str, Mapping[str, Wanted]], tables: Mapping[str, Any], result: Matching) -> float:
    """Returns the weight of a column's place: high where the columns matched so far are in the contract's order, 0 where they do not."""
    same = total = 0
    for table, physical in result.tables.items():
        positions = {name: position for position, name in enumerate(tables[physical]["columns"])}
        row = [positions[result.columns[table, physical][name]] for name in contract[table] if name in result.columns[table, physical]]
        total += max(len(row) - 1, 0)
        same += sum(one < two for one, two in pairwise(row))
    kept = 2 * same / total - 1 if total else 0.0
    return 6.0 * kept if kept > 0.4 else 0.0

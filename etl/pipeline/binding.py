"""Verifies before any data is read that mappings, rules, loader, verifier and checks are complete and consistent."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from etl.errors import Disagreement
from etl.placement.row_placement import REASONS
from etl.rules import registry
from mappings.errors import MappingError
from mappings.model import Mappings, TableMapping
from mappings.read import read_mappings

_THE_RUN = "K"  # rules about the behaviour of a run: the loader implements them, and the verifier proves only some of them


def bound_mappings(folder: Path, digest: str | None = None) -> Mappings:
    """Returns the mappings of a folder. Raises Disagreement with every inconsistency between mappings, rules, loader, verifier and checks."""
    mappings = read_mappings(folder, digest)
    found = _disagreements_of(folder, mappings.digest)
    if found:
        raise Disagreement(
            "Mappings, rules and program are inconsistent:\n  " + "\n  ".join(found),
            "Correct the mapping folder, or add the rule to the program (runbooks/extend.md); then run again. No data was read.",
        )
    return mappings


@lru_cache(maxsize=2)
def _disagreements_of(folder: Path, digest: str) -> tuple[str, ...]:
    return tuple(disagreements(read_mappings(folder, digest)))


def disagreements(mappings: Mappings) -> Iterator[str]:
    """Yields a sentence for every incompleteness and difference between mappings, rules, loader, verifier and checks."""
    from checks import bind, read_suites  # imported late: a look-up needs neither the checks nor the verifier
    from etl.reconcile.engine.ledger import REASONS as VERIFIER_REASONS
    from etl.reconcile.engine.spec import read_spec
    from etl.reconcile.rules import registry as verifier

    yield from _rules(mappings, verifier.RULES)
    yield from _flags(mappings, verifier.RULES)
    ranked = [reason.code for reason in mappings.reasons.values()]
    for side, reasons in (("the loader", REASONS), ("the verifier", VERIFIER_REASONS)):
        if list(reasons[1:]) != ranked:
            yield f"rules.toml, reason.rank: {side} ranks the hold reasons as {', '.join(reasons[1:])}; declared ranks: {', '.join(ranked)}"
    rulebook = verifier.rulebook()
    yield from _columns(mappings)
    for (portal, table), mapping in read_spec(mappings.home).mappings.items():
        for into in mapping.into:
            for column, value in into.columns.items():
                if not rulebook.knows(table, column, value):
                    yield f"{portal}.{table}: the verifier does not implement rule {value.of} for {into.table}.{column}"
        if mapping.owner_rule and mapping.owner_rule not in {*verifier.OWNERS, *rulebook.owner}:
            yield f"{portal}.{table}: the verifier does not implement owner_rule {mapping.owner_rule}"
    try:
        bind(read_suites(), mappings)
    except MappingError as error:
        yield f"checks/{error}"


def _rules(mappings: Mappings, verified: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Yields a sentence for every rule that one side does not implement or that rules.toml lacks."""
    for side, known in (("loader", registry.RULES), ("verifier", verified)):
        for number in known.keys() - mappings.rules.keys():
            yield f"rules.toml: the {side} implements rule {number}, which is not declared"
        for number in mappings.rules:
            if number not in known and not (side == "verifier" and number.startswith(_THE_RUN)):
                yield f"rules.toml: rule {number} is declared, but no module of the {side} implements it"
    for number in {*registry.FLAGS} - mappings.rules.keys():
        yield f"the loader flags rows under {number}, which is not declared in rules.toml"


def _flags(mappings: Mappings, verified: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Yields a sentence where rules.toml, loader, verifier and mappings differ about the tables whose rows a rule flags."""
    for number, rule in mappings.rules.items():
        tables, others = registry.RULES.get(number, ()), verified.get(number, ())
        if number in verified and set(tables) != set(others):
            yield f"rule {number}: the loader flags rows of {_list(tables)}, the verifier rows of {_list(others)}"
        if rule.flags != bool(tables):
            yield f"rules.toml: rule {number} has flags = {str(rule.flags).lower()}, but the loader flags rows of {_list(tables)}"
        if number in registry.FLAGS and not tables:
            yield f"rule {number}: a function flags rows under this rule, but its chapter lists no table"
        for mapping in mappings.tables.values():
            if f"{mapping.portal}.{mapping.table}" in tables and number not in mapping.rules:
                yield f"{mapping.file}: `rules` does not list {number}, which flags rows of this table"


def _list(tables: tuple[str, ...]) -> str:
    return ", ".join(sorted(tables)).replace("*", "any table") or "no table"


def _columns(mappings: Mappings) -> Iterator[str]:
    """Yields a sentence for every column of a rule without a function or step that fills it, and every function without a column."""
    targets = {f"{table.name}.{column}" for table in mappings.target.tables.values() for column in table.by_name}
    for name in registry.COLUMNS:
        if "." in name and name not in targets:
            yield f"the loader fills {name}, which schemas/portal3.sql does not declare"
        if "." not in name and name not in mappings.rules:
            yield f"the loader fills columns by rule {name}, which rules.toml does not declare"
    for mapping in mappings.tables.values():
        if mapping.owner_rule and mapping.owner_rule not in registry.OWNERS:
            yield f"{mapping.file}: owner_rule: the loader does not implement owner_rule {mapping.owner_rule}"
        yield from (f"{mapping.file}: the loader does not fill {location} by rule {rule}" for location, rule in _unfilled(mapping))


def _unfilled(mapping: TableMapping) -> Iterator[tuple[str, str]]:
    for into in mapping.into:
        for column, form in into.columns.items():
            location = f"{into.table}.{column}"
            known = location in registry.COLUMNS or form.rule in registry.COLUMNS or (mapping.table, location) in registry.MADE
            if form.kind == "rule" and not known:
                yield location, form.rule

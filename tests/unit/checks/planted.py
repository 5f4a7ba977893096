"""The registry of faults to plant, by the check that must find each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.checks.test_checks_stage import Stage

Fault = Callable[[Stage], set[str]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    """A fault for that check: plants it, and gives the keys that must come back."""

    def keep(plant: Fault) -> Fault:
        FAULTS[name] = plant
        return plant

    return keep


def value_of(stage: Stage, table: str, column: str, /, **values: Any) -> Any:
    """Returns the column's value in the first row of the table with these values."""
    return stage.rows(table)[stage.position(table, **values)][column]


def account_id_of(stage: Stage, entity: int) -> bytes:
    return bytes(value_of(stage, "entity_account", "account_id", legacy_entity_id=entity))


def changed(stage: Stage, table: str, position: int, /, **values: Any) -> set[str]:
    """Changes a row; what it is called now."""
    stage.change(table, position, **values)
    return {stage.name(table, position)}

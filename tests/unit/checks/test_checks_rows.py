"""Every question about one table's rows can fail: a wrong value is planted into one row, and exactly that row's key comes back."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from checks.expectations import Stack, ask_rows
from checks.frames import allowed, key_parts
from checks.kinds import EXPECTATIONS
from checks.model import Check
from checks.staged import Staged
from tests.unit.checks.test_checks_stage import CHECKS, LEFT_OPEN, MAPPINGS, SHAPES, STRANGER, WRITTEN_ONE_BY_ONE, Stage, sound, stage

__all__ = ["sound", "stage"]  # fixtures


def _bad_value(check: Check, column: str, row: dict[str, Any]) -> Any:
    family = SHAPES[check.table].by_name[column].family
    match check.kind:
        case "filled":
            return None
        case "one_of":
            if family == "boolean":
                return not allowed(check, MAPPINGS)[0]
            return "?" if family == "text" else -7
        case "matches":
            return next(text for text in ("", "no", "?!") if re.search(check.args["pattern"], text) is None)
        case "lacks":
            return next(
                text for text in ("123-45-6789", "ann@x.example", '{"password_hash": "x"}') if re.search(check.args["pattern"], text)
            )
        case "between":
            least = check.args.get("min")
            least = check.args["max"] + 2 if least is None else least
            if isinstance(least, date):
                return date(1, 1, 1) if family == "date" else datetime(9999, 12, 31, 23, 59, 59, 999999)
            return least - 1
    raise AssertionError(check.kind)


def _plant_value(stage: Stage, check: Check) -> set[str]:
    """A row that the check is about, with a wrong value; what it is called."""
    rows = stage.rows(check.table)
    position = next((position for position, row in enumerate(rows) if _is_about(check, row)), 0)
    forced = {name: _wanted(check, name, wanted) for name, wanted in check.args.get("when", {}).items()}
    if check.kind == "unique":
        row = {**rows[position], **forced}
        missing = {name: STRANGER for name in check.columns if row[name] is None}
        own = {name: STRANGER for name in SHAPES[check.table].key if name not in check.columns and isinstance(row[name], bytes)}
        stage.change(check.table, position, **forced, **missing)
        stage.copy(check.table, position, **own)
        last = max(
            number
            for number, other in enumerate(stage.rows(check.table))
            if all(other[name] == {**row, **missing, **own}[name] for name in own)
        )
        last = last if own else _last_equal(stage, check, position)
        return {stage.name(check.table, position), stage.name(check.table, last)}
    if check.kind == "in_order":
        first, second = check.columns
        later = datetime(2022, 2, 2) if SHAPES[check.table].by_name[first].family == "timestamp" else date(2022, 2, 2)
        stage.change(check.table, position, **forced, **{first: later, second: later - timedelta(days=1)})
        return {stage.name(check.table, position)}
    column = check.columns[-1]
    stage.change(check.table, position, **forced, **{_staged_name(check.table, column): _bad_value(check, column, rows[position])})
    called = stage.name(check.table, position)
    return {f"{called}: {column}" if len(check.columns) > 1 else called}


def _last_equal(stage: Stage, check: Check, position: int) -> int:
    rows = stage.rows(check.table)
    return max(number for number, row in enumerate(rows) if all(row[name] == rows[position][name] for name in check.columns))


def _staged_name(table: str, column: str) -> str:
    back = {"reason_cd": "reason", "rule_cd": "rule", "legacy_portal_cd": "portal", "legacy_table": "table", "legacy_key": "key"}
    return back.get(column, column) if table.startswith("migration_") else column


def _wanted(check: Check, column: str, wanted: Any) -> Any:
    if wanted == "missing":
        return None
    if wanted == "given":
        return STRANGER if SHAPES[check.table].by_name[column].family == "uuid" else "COMPANY_STATUS"
    return wanted[0]


def _is_about(check: Check, row: dict[str, Any]) -> bool:
    for column, wanted in check.args.get("when", {}).items():
        value = row[column]
        if not (value is None if wanted == "missing" else value is not None if wanted == "given" else value in wanted):
            return False
    return True


OF_ROWS = [name for name in sorted(WRITTEN_ONE_BY_ONE) if CHECKS[name].kind in EXPECTATIONS]


@pytest.mark.parametrize("name", OF_ROWS)
def test_a_wrong_value_in_one_row_fails_its_check_with_that_key(name: str, stage: Stage) -> None:
    planted = _plant_value(stage, CHECKS[name])
    answer = stage.answers(name)[name]
    assert set(answer.keys) == planted | LEFT_OPEN.get(name, set())
    assert answer.failed == len(answer.keys)
    assert not answer.passed


def test_a_key_that_repeats_in_another_stage_file_or_another_portion_is_found(stage: Stage) -> None:
    """Checks of a whole table compare rows across stage files, also with small batches."""
    assert len(list(stage.files("login"))) == 2  # of users, and of Trade Compliance contacts
    stage.change("login", len(stage.rows("login")) - 1, email_key="ann@x.example")
    check = CHECKS["unique.login.email_key"]
    found = ask_rows([check], Staged(stage.run, MAPPINGS), lambda table: None, together=1)[check.id]
    assert found.asked == 4
    assert set(found.keys) == {stage.name("login", stage.position("login", email_key="ann@x.example")), stage.name("login", 3)}

    keys = pl.DataFrame({"_row": [10, 11, 12, 13, 14], "email_key": ["a", "b", "a", "c", "b"]})
    stack = Stack()
    for question, part in key_parts(check, keys, taken=0, most=2):
        stack.add(question, part)
    stack.ask()
    assert {row for row, _ in stack.failed[check.id]} == {10, 11, 12, 14}


def test_keys_compared_in_parts_are_not_confused() -> None:
    """A table of little more than KEYS_TOGETHER rows has parts that are small enough to be checked together."""
    check = CHECKS["unique.login.email_key"]
    keys = pl.DataFrame({"_row": range(200), "email_key": [f"{number}@x.example" for number in range(200)]})
    stack = Stack()
    parts = list(key_parts(check, keys, taken=0, most=20))
    assert len(parts) == 10
    for question, part in parts:
        stack.add(question, part)
    stack.ask()
    assert not stack.failed[check.id]

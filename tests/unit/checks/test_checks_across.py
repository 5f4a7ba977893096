"""Each check across tables can fail: for each, one fault is planted into a sound run, and exactly the planted keys are reported."""

from __future__ import annotations

import pytest

from checks import carried, comparable, staged
from checks.kinds import KINDS
from tests.unit.checks import planted_accounts, planted_content, planted_rows  # noqa: F401  # they register their faults
from tests.unit.checks.planted import FAULTS
from tests.unit.checks.test_checks_rows import OF_ROWS
from tests.unit.checks.test_checks_stage import CHECKS, WRITTEN_ONE_BY_ONE, Stage, sound, stage

__all__ = ["sound", "stage"]  # fixtures


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_planted_fault_fails_its_check_with_exactly_its_keys(name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (comparable, carried):
        monkeypatch.setattr(module, "TOGETHER", 2)  # as a large table is asked about: share by share
    monkeypatch.setattr(staged, "_LARGE", 5)
    planted = FAULTS[name](stage)
    answer = stage.answers(name)[name]
    assert set(answer.keys) == planted
    assert not answer.passed


@pytest.mark.parametrize(
    ("parent", "name"),
    [("security_profile", "profile_response"), ("validation", "validation_finding"), ("profile_response", "response_comment")],
)
def test_rows_whose_parents_lost_their_old_keys_are_named(parent: str, name: str, stage: Stage) -> None:
    """Keys are compared as numbers if all of them are numbers; one that is not must not end the check."""
    stage.change(parent, 0, legacy_key="12x")
    answer = stage.answers(f"routed.P2.{name}")[f"routed.P2.{name}"]
    assert any(": on the account of entity 101" in key for key in answer.keys), answer.keys


def test_every_check_and_every_kind_has_a_planted_fault() -> None:
    tried = {*FAULTS, *OF_ROWS}
    assert WRITTEN_ONE_BY_ONE - tried == set()
    assert set(KINDS) - {CHECKS[name].kind for name in tried} == set()

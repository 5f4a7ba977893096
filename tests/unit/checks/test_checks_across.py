"""Each check across tables can fail: for each, one fault is planted into a sound run, and exactly the planted keys are reported."""

from __future__ import annotations

from datetime import datetime

import pytest

from checks import accounts, by_file, carried, comparable, staged
from checks.kinds import KINDS
from tests.unit.checks import planted_accounts, planted_content, planted_rows  # noqa: F401  # they register their faults
from tests.unit.checks.planted import FAULTS
from tests.unit.checks.test_checks_rows import OF_ROWS
from tests.unit.checks.test_checks_stage import CHECKS, WRITTEN_ONE_BY_ONE, Stage, sound, sound_in_many_files, stage, stage_in_many_files

__all__ = ["sound", "sound_in_many_files", "stage", "stage_in_many_files"]  # fixtures


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_planted_fault_fails_its_check_with_exactly_its_keys(name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    as_a_large_table(monkeypatch, 2)
    planted = FAULTS[name](stage)
    answer = stage.answers(name)[name]
    assert set(answer.keys) == planted
    assert not answer.passed


def as_a_large_table(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Tables are asked about as large ones are: so many rows at a time."""
    for module in (accounts, by_file, carried, comparable):
        monkeypatch.setattr(module, "TOGETHER", rows)
    monkeypatch.setattr(staged, "_LARGE", 5)


@pytest.mark.parametrize("name", sorted(name for name in FAULTS if CHECKS[name].kind in ("routed", "unchanged", "applicability")))
def test_a_fault_in_one_of_many_files_is_found_part_by_part(name: str, stage_in_many_files: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    as_a_large_table(monkeypatch, 1)
    planted = FAULTS[name](stage_in_many_files)
    assert set(stage_in_many_files.answers(name)[name].keys) == planted


@pytest.mark.parametrize("wrong", [False, True])
def test_new_rows_in_other_files_than_their_old_rows_are_compared(
    wrong: bool, stage_in_many_files: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps keep the number of a stage file; the checks find the old row in whatever part it is."""
    as_a_large_table(monkeypatch, 1)
    stage = stage_in_many_files
    rows = stage.rows("profile_response")
    assert len(list(stage.files("profile_response"))) > 2
    more = {"completion_cd": "ODD", "modified_at": datetime(1999, 1, 1)} if wrong else {}
    for position, row in enumerate([*rows[1:], rows[0]]):
        stage.change("profile_response", position, **{**row, **(more if position == 0 else {})})
    names = [f"{kind}.P2.profile_response" for kind in ("routed", "unchanged_codes", "unchanged_moments")]
    answers = stage.answers(*names)
    assert {answers[name].asked for name in names} == {len(rows)}
    assert [len(answers[name].keys) for name in names] == ([0, 1, 1] if wrong else [0, 0, 0])


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

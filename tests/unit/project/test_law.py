"""The rules, the fine print, the hold reasons' ranks and the references are data: complete, read by both sides alike, and bound before a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from etl.placement.row_placement import REASONS
from etl.reconcile.engine.ledger import REASONS as VERIFIERS_REASONS
from etl.reconcile.engine.spec import read_spec
from mappings.errors import MappingError
from mappings.read import HOME, read_mappings

MAPPINGS = read_mappings()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(HOME, tmp_path / "mappings")


def test_the_fine_print_is_complete_and_each_line_belongs_to_rules_that_exist() -> None:
    assert list(MAPPINGS.fine_print) == list(range(1, 71))
    assert all(line.text and set(line.rules) <= MAPPINGS.rules.keys() and line.rules for line in MAPPINGS.fine_print.values())


@pytest.mark.parametrize("reasons", [REASONS, VERIFIERS_REASONS], ids=["loader", "verifier"])
def test_fp2_fp23_both_sides_rank_the_hold_reasons_as_the_rules_do(reasons: tuple[str, ...]) -> None:
    assert list(reasons[1:]) == [reason.code for reason in MAPPINGS.reasons.values()]


def test_X2_both_sides_read_the_same_references_from_the_mapping_files() -> None:
    spec = read_spec()
    for key, mapping in MAPPINGS.tables.items():
        assert mapping.references - set(mapping.key) == spec.mappings[key].references - set(mapping.key), mapping.file


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("portal2/document.toml", 'soft = ["previous_document_id"]', "", "previous_document_id undeclared"),
        ("portal2/document.toml", "soft = [", "weak = [", "references.weak: found an unknown word"),
        ("portal2/security_model.toml", '"origin_model_id"]', '"company_profile_id", "origin_model_id"]', "found company_profile_id, expected hard"),
        ("portal2/security_model.toml", '"origin_model_id"]', '"orgin_model_id", "origin_model_id"]', "found orgin_model_id"),
        ("portal2/document.toml", 'soft = ["previous', 'soft = ["company_profile_id", "previous', "company_profile_id twice"),
        ("rules.toml", "rank    = 2", "rank    = 3", "each rank from 1 to 13 once"),
        ("rules.toml", 'number    = "A2"', 'number    = "A1"', "a number or code twice"),
        ("fine_print.toml", "number = 7", "number = 8", "a gap, a repetition or another order"),
        ("fine_print.toml", 'rules  = ["A18", "B2"', 'rules  = ["Z18", "B2"', "line 1.rules: found Z18"),
    ],
)  # fmt: skip
def test_a_law_that_contradicts_itself_is_refused(copy: Path, file: str, old: str, new: str, said: str) -> None:
    text = (copy / file).read_text(encoding="utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MappingError) as error:
        read_mappings(copy)
    assert said in str(error.value)

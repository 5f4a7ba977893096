"""The rules, the fine print, the hold reasons' ranks and the references are data: complete, read by both sides alike, and bound before a run."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from etl.pipeline import binding
from etl.placement.row_placement import REASONS
from etl.reconcile.engine.ledger import REASONS as VERIFIERS_REASONS
from etl.reconcile.engine.spec import read_spec
from etl.reconcile.rules import registry as verifier
from etl.rules import registry as loader
from mappings.errors import MappingError
from mappings.read import HOME, read_mappings
from tests.support.command import Workspace, command

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
        (
            "portal2/security_model.toml",
            '"origin_model_id"]',
            '"company_profile_id", "origin_model_id"]',
            "found company_profile_id, expected hard",
        ),
        ("portal2/security_model.toml", '"origin_model_id"]', '"orgin_model_id", "origin_model_id"]', "found orgin_model_id"),
        ("portal2/document.toml", 'soft = ["previous', 'soft = ["company_profile_id", "previous', "company_profile_id twice"),
        ("rules.toml", "rank    = 2", "rank    = 3", "each rank from 1 to 13 once"),
        ("rules.toml", 'number    = "A2"', 'number    = "A1"', "a number or code twice"),
        ("fine_print.toml", "number = 7", "number = 8", "a gap, a repetition or another order"),
        ("fine_print.toml", 'rules  = ["A18", "B2"', 'rules  = ["Z18", "B2"', "line 1.rules: found Z18"),
    ],
)
def test_contradictory_rules_are_refused(copy: Path, file: str, old: str, new: str, said: str) -> None:
    text = (copy / file).read_text(encoding="utf-8")
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MappingError) as error:
        read_mappings(copy)
    assert said in str(error.value)


# -- both sides -----------------------------------------------------------------------------------------------------------------------------


def test_the_chapters_of_both_sides_have_the_same_names_and_the_same_rules() -> None:
    """A reviewer lays the two files of one name side by side. K alone differs: the verifier proves of the run only what two databases can show."""
    sides = [{chapter.__name__.rpartition(".")[2]: chapter.RULES for chapter in side.CHAPTERS} for side in (loader, verifier)]
    assert sides[0].keys() == sides[1].keys()
    assert {name: sides[0][name] for name in sides[0] if name != "k_the_run"} == {
        name: sides[1][name] for name in sides[1] if name != "k_the_run"
    }
    for side, folder in ((loader, "rules"), (verifier, "reconcile/rules")):
        there = {file.stem for file in (HOME.parent / "etl" / folder).glob("[a-z]_*.py")}
        assert there == {chapter.__name__.rpartition(".")[2] for chapter in side.CHAPTERS}, folder
        numbers = [number for chapter in side.CHAPTERS for number in chapter.RULES]
        assert len(numbers) == len(set(numbers)), "each rule is in one module"
    assert loader.RULES.keys() == MAPPINGS.rules.keys()
    assert all(
        chapter.__name__.rpartition(".")[2][0] == number[0].lower() or number == "E8"
        for chapter in loader.CHAPTERS
        for number in chapter.RULES
    )


def test_rules_flag_rows_of_the_tables_that_their_chapters_name_and_of_no_others(cast: Workspace) -> None:
    """The world of the cast has a row for every rule: what is declared is what happens."""
    happened: dict[str, set[str]] = {}
    with closing(sqlite3.connect(cast.target)) as store:
        flags = store.execute("SELECT DISTINCT rule_cd, legacy_portal_cd || '.' || legacy_table FROM migration_exception").fetchall()
    for rule, table in flags:
        happened.setdefault(rule, set()).add(table)
    for rule, tables in happened.items():
        declared = set(loader.RULES[rule])
        assert tables <= declared or declared == {"*"}, rule
    decided = {"L1", "L2"}  # the cast is migrated without decisions: tests/unit/rules/test_rules_l.py
    unseen = {rule for rule, tables in loader.RULES.items() if tables} - happened.keys() - decided
    assert unseen == set()


# -- bound before a byte is read ------------------------------------------------------------------------------------------------------------


def _refused(workspace: Workspace, copy: Path, *words: str) -> str:
    taken = workspace.words(words[0], "--mappings", str(copy))
    done = command(
        *[word if word != "run" or position == 0 else "elsewhere" for position, word in enumerate(taken)], folder=workspace.folder
    )
    assert done.code == 1, done.err
    assert not (workspace.folder / "elsewhere" / "extract").exists()
    return done.err


def test_plan_and_run_report_all_disagreements_together_before_any_read(checked: Workspace, copy: Path) -> None:
    def change(file: str, old: str, new: str) -> None:
        text = (copy / file).read_text(encoding="utf-8")
        assert old in text
        (copy / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    (copy / "rules.toml").write_text(
        (copy / "rules.toml")
        .read_text(encoding="utf-8")
        .replace(
            '[[rule]]\nnumber    = "A2"',
            '[[rule]]\nnumber    = "C21"\nchapter   = "Documents"\nsituation = "S."\ndecision  = "D."\nseverity  = "info"\nflags     = true\n\n[[rule]]\nnumber    = "A2"',
        ),
        encoding="utf-8",
    )
    change("portal2/document.toml", '{ rule = "C8", from', '{ rule = "C21", from')  # no code fills it
    change("portal2/portal_task.toml", '{ rule = "E14", from = ["due_dt"] }', '{ rule = "C21" }')
    change("portal2/document.toml", '"C6", "C8"', '"C8"')  # its rows would lose the flag of C6
    change("rules.toml", "rank    = 2", "rank    = 20")
    change("rules.toml", "rank    = 3", "rank    = 2")
    change("rules.toml", "rank    = 20", "rank    = 3")
    for words in (("plan",), ("run",), ("extract",)):
        said = _refused(checked, copy, *words)
        assert "rule C21 is declared, but no module of the loader implements it" in said
        assert "rule C21 is declared, but no module of the verifier implements it" in said
        assert "portal2/portal_task.toml: the loader does not fill portal_task.due_dt_adjusted by rule C21" in said
        assert "P2.portal_task: the verifier does not implement rule C21 for portal_task.due_dt_adjusted" in said
        assert "portal2/document.toml: `rules` does not list C6, which flags rows of this table" in said
        assert said.count("ranks the hold reasons as") == 2


def test_several_errors_of_mapping_files_are_named_together(copy: Path) -> None:
    for file in ("document", "portal_task"):
        path = copy / "portal2" / f"{file}.toml"
        path.write_text(path.read_text(encoding="utf-8").replace("[[into]]", '[nonsense]\nx = "y"\n\n[[into]]', 1), encoding="utf-8")
    with pytest.raises(MappingError) as error:
        read_mappings(copy)
    assert [line.split(":")[0].strip() for line in str(error.value).splitlines() if "nonsense" in line] == [
        "portal2/document.toml",
        "portal2/portal_task.toml",
    ]


def test_the_installed_program_agrees_with_its_rules() -> None:
    assert list(binding.disagreements(MAPPINGS)) == []


def test_a_flag_under_another_rules_number_and_a_rule_of_one_side_alone_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loader.FLAGS, "A2", loader.FLAGS["C8"])  # A2 flags nothing
    monkeypatch.setitem(verifier.RULES, "F2", ("P2.validation", "P2.validation_visit"))
    monkeypatch.setitem(loader.COLUMNS, "document.no_such_column", loader.COLUMNS["A12"])
    found = list(binding.disagreements(MAPPINGS))
    assert "rule A2: a function flags rows under this rule, but its chapter lists no table" in found
    assert "rule F2: the loader flags rows of P2.validation, the verifier rows of P2.validation, P2.validation_visit" in found
    assert "the loader fills document.no_such_column, which schemas/portal3.sql does not declare" in found


# -- what a new rule costs ------------------------------------------------------------------------------------------------------------------

F3 = {
    "mappings/rules.toml": (
        '[[rule]]\nnumber    = "G1"',
        '[[rule]]\nnumber    = "F3"\nchapter   = "Validations"\nsituation = "Nobody leads a validation."\ndecision  = "It is marked and flagged."\n'
        'severity  = "info"\nflags     = true\n\n[[rule]]\nnumber    = "G1"',
    ),
    "mappings/schemas/portal3.sql": ("CREATE TABLE validation (", "CREATE TABLE validation (\n  without_lead BOOLEAN NOT NULL,"),
    "mappings/portal2/validation.toml": (
        '"F2"',
        '"F2", "F3"',
        "[into.columns]",
        '[into.columns]\nwithout_lead = { rule = "F3", from = ["lead_cbp_user_id"] }',
    ),
    "etl/rules/f_validations.py": (
        '    "F2": ("P2.validation",),',
        '    "F2": ("P2.validation",),\n    "F3": ("P2.validation",),',
        "FLAGS: dict[str, Flag] = {",
        """def flag_without_lead(rows, spine):
    return rows.frame["lead_cbp_user_id"].is_null().to_numpy(), "nobody leads the validation"


COLUMNS = {"F3": lambda copies, form: copies.source_column(form.columns[0]).is_null()}
FLAGS: dict[str, Flag] = {
    "F3": flag_without_lead,""",
    ),
    "etl/reconcile/rules/f_validations.py": (
        '    "F2": ("P2.validation",),',
        '    "F2": ("P2.validation",),\n    "F3": ("P2.validation",),',
        "# By source table: what flags",
        """def without_lead(world, rows, value):
    return rows[value.source[0]].is_null()


def note_both(world, rows, scope):
    note_validation(world, rows, scope)
    world.flag("F3", "P2", "validation", rows, rows["lead_cbp_user_id"].is_null().to_numpy())


ROW = {"F3": without_lead}
# By source table: what flags""",
        '"validation": note_validation',
        '"validation": note_both',
    ),
}


def test_a_rule_that_fills_a_column_and_flags_rows_costs_at_most_six_files(tmp_path: Path) -> None:
    """F3 is added to a copy of the project: the program takes it, both sides agree on every row, and its flags are there."""
    root, copy = HOME.parent, tmp_path / "project"
    for name in ("etl", "mappings", "checks", "sample_data"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    shutil.copy(root / "cli.py", copy)
    for file, changes in F3.items():
        text = (copy / file).read_text(encoding="utf-8")
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text, (file, old)
            text = text.replace(old, new, 1)
        (copy / file).write_text(text, encoding="utf-8")
    assert len(F3) <= 6
    words = [sys.executable, "-m", "cli", "demo", str(tmp_path / "demo")]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(copy)}, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "demo" / "portal3.sqlite")) as store:
        marked = store.execute("SELECT count(DISTINCT legacy_key) FROM validation WHERE without_lead").fetchone()
        flagged = store.execute("SELECT count(*) FROM migration_exception WHERE rule_cd = 'F3'").fetchone()
    assert marked == flagged
    assert marked[0] > 0

"""Running checks: every check runs, every failing key is listed, and results contain keys and counts only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import checks
from checks import asking, carried
from checks.expectations import Stack
from checks.frames import BETWEEN, Part, Question
from checks.model import Answer, Answers
from etl.errors import EvidenceAltered, MigrationError
from etl.system.worker_pool import worker_processes
from tests.support.legacy import MAPPINGS
from tests.unit.checks.test_checks_stage import CHECKS, SUITES, Stage, sound, stage

__all__ = ["sound", "stage"]  # fixtures

CANARY = "canary@secret.example"


def test_a_failing_check_stops_no_other_and_severity_tells_them_apart(stage: Stage) -> None:
    stage.change("entity_account", 0, tier_cd="9", trade_visible=False)
    stage.change("document", 0, version_no=0)
    answers = checks.ask(stage.run, MAPPINGS, lambda what, done, total: None)
    critical = {answer.id for answer in answers.critical_failures}
    assert {"accounts.visible_by_status", "accounts.same_statuses", "unchanged_codes.P2.model_entity"} <= critical
    assert {"accounts.tier_known", "documents.version"} <= {answer.id for answer in answers.warnings}
    assert len(answers.passed) + len(answers.critical_failures) + len(answers.warnings) == len(answers.answers) == len(CHECKS)
    assert [answer.id for answer in answers] == list(CHECKS)


def test_progress_is_reported_from_zero_to_all(stage: Stage) -> None:
    told: list[tuple[int, int]] = []
    checks.ask(stage.run, MAPPINGS, lambda what, done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] > 0


def test_results_as_json_have_no_times_and_failures_list_every_key() -> None:
    keys = tuple(str(number) for number in range(30))
    failed = Answer("a.b", "Is it?", "Because.", "critical", "document", 50, 30, keys, 1.25)
    passed = Answer("c.d", "Is it?", "Because.", "warning", "login", 7, 0, (), 0.5)
    answers = Answers((failed, passed), 2.0, 1.0)
    content = json.loads(checks.answers_json(answers))
    assert (content["asked"], content["passed"], content["critical"], content["warnings"]) == (2, 1, 1, 0)
    assert content["answers"][0]["failed"] == 30
    assert content["answers"][0]["first_keys"] == list(keys[:20])
    assert checks.answers_json(answers) == checks.answers_json(Answers((failed, passed), 9.0, 9.0))
    table = checks.failures_table(answers)
    assert table.column_names == ["check_id", "severity", "table", "key"]
    assert table["key"].to_pylist() == list(keys)
    assert checks.failures_table(Answers(())).schema == table.schema
    assert table.schema.types == [pa.large_string()] * 4


def test_the_same_rows_give_the_same_results(stage: Stage) -> None:
    stage.change("document", 0, version_no=0)
    one, other = (checks.answers_json(checks.ask(stage.run, MAPPINGS, lambda what, done, total: None)) for _ in range(2))
    assert one == other


def test_worker_processes_give_the_same_results(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.change("entity_account", 0, tier_cd="9", trade_visible=False)
    stage.run.save()
    monkeypatch.setattr(asking, "_ROWS_IN_A_PART", 20)
    alone = checks.ask(stage.run, MAPPINGS, lambda *_: None)
    assert alone.critical_failures
    with worker_processes(2, tmp_path / "workers") as pool:
        for processes in (2, 1, 3, None):
            told: list[tuple[int, int]] = []
            tell = lambda _, done, total, told=told: told.append((done, total))  # noqa: E731
            together = checks.ask(stage.run, MAPPINGS, tell, pool=pool, processes=processes)
            assert checks.answers_json(together) == checks.answers_json(alone)
            assert checks.failures_table(together).equals(checks.failures_table(alone))
            assert told == sorted(told)
            assert told[-1][0] == told[-1][1]


def test_social_security_numbers_are_masked_in_keys(stage: Stage) -> None:
    stage.change("tc_ior", 0, ior_value="123-45-6789")
    text = checks.answers_json(checks.ask(stage.run, MAPPINGS, lambda what, done, total: None))
    assert "***-**-****" in text
    assert "123-45-6789" not in text


def test_values_are_never_printed_not_even_by_great_expectations(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    """Wrong values in columns checked by pattern, length, set and uniqueness: results contain keys, counts and columns only."""
    position = stage.position("login", email_key="ann@x.example")
    stage.change("login", position, email_key=CANARY + " " * 300, status_cd=CANARY, first_name=CANARY * 5)
    stage.change("migration_exception", 0, detail=CANARY)
    stage.change("account_contact", 0, email=f"{CANARY} {CANARY}", contact_type_cd=CANARY)
    answers = checks.ask(stage.run, MAPPINGS, lambda what, done, total: None)
    assert {"logins.email_shape", "logins.status_known", "fits.login", "exceptions.no_email"} <= {a.id for a in answers if not a.passed}
    out = capfd.readouterr()
    said = checks.answers_json(answers) + str(checks.failures_table(answers).to_pylist()) + out.out + out.err
    assert "canary" not in said


def test_a_damaged_stage_file_is_refused(stage: Stage) -> None:
    _, _, file = next(stage.files("entity_account"))
    path = stage.run.path / file.path
    path.write_bytes(path.read_bytes()[: file.size // 2])
    with pytest.raises(EvidenceAltered):
        checks.ask(stage.run, MAPPINGS, lambda what, done, total: None)


def test_a_check_that_cannot_run_is_an_error() -> None:
    import polars as pl

    check = CHECKS["documents.version"]
    stack = Stack()
    stack.add(Question(BETWEEN, (("max_value", 1), ("min_value", 2)), "integer"), Part(check, "", (pl.Series([1]),)))
    with pytest.raises(MigrationError, match=r"could not be run: documents\.version"):
        stack.ask()


def test_results_do_not_depend_on_the_size_of_stage_files(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.change("profile_response", 1, completion_cd="?", superseded=False)
    whole = checks.answers_json(checks.ask(stage.run, MAPPINGS, lambda what, done, total: None))
    for step, number, file in sorted(stage.files("profile_response"), key=lambda found: -found[1]):
        rows = stage.run.read_table(file)
        parts = [stage.run.write_table(f"{file.path[:-13]}{position:05}.parquet", rows.slice(position, 1)) for position in range(file.rows)]
        stage.run.steps[step].files[number : number + 1] = parts
    assert len(list(stage.files("profile_response"))) > 3
    monkeypatch.setattr(carried, "TOGETHER", 1)  # each file is compared alone
    assert checks.answers_json(checks.ask(stage.run, MAPPINGS, lambda what, done, total: None)) == whole


def test_a_run_without_trade_compliance_is_checked(stage: Stage) -> None:
    """Nothing of Trade Compliance was read, held or loaded: those questions are about no rows."""
    for step in stage.run.steps.values():
        step.files = [file for file in step.files if "/TC." not in file.path]
    for table in ("migration_exception", "migration_holding"):
        for position in reversed([position for position, row in enumerate(stage.rows(table)) if row["portal"] == "TC"]):
            stage.drop(table, position)
    answers = {answer.id: answer for answer in checks.ask(stage.run, MAPPINGS, lambda what, done, total: None)}
    assert answers["conserved.TC.tc_account"].asked == 0
    assert answers["tc.on_importers"].passed
    assert answers["accounts.one_per_entity"].passed


_SILENCE = """
import socket, sys
def refuse(*args, **kwargs): raise AssertionError("the network was asked")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from pathlib import Path
import checks
assert "great_expectations" not in sys.modules and "pandas" not in sys.modules
from etl.runfolder.folder import open_locked
from mappings.read import read_mappings
with open_locked(Path(sys.argv[1])) as run:
    answers = checks.ask(run, read_mappings(), lambda what, done, total: None)
import os
assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
assert not [name for name in sys.modules if name.startswith(("scipy.stats.", "altair."))], "nothing that is asked here needs them"
sys.exit(len(answers.critical_failures))
"""


def test_great_expectations_is_imported_late_and_sends_no_telemetry(stage: Stage, tmp_path: Path) -> None:
    stage.run.save()
    stage.run.close()
    try:
        home = tmp_path / "home"
        home.mkdir()
        environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(Path(checks.__file__).parents[1])}
        environment.pop("GX_ANALYTICS_ENABLED", None)
        command = [sys.executable, "-c", _SILENCE, str(stage.run.path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert list(home.rglob("*great_expectations*")) == []
    finally:
        type(stage.run).__init__(stage.run, stage.run.path)


def test_only_one_module_imports_great_expectations_or_pandas() -> None:
    import ast

    for file in sorted(Path(checks.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            roots = {name.split(".")[0] for name in names}
            assert not roots & {"great_expectations", "pandas"} or file.name == "expectations.py", file.name
            assert "etl.pipeline" not in names, file.name


def test_another_folder_of_suites_can_be_used(stage: Stage, tmp_path: Path) -> None:
    lines = (
        "[[check]]",
        'id = "mine"',
        'question = "Is it?"',
        'why = "So."',
        'severity = "critical"',
        'table = "login"',
        'kind = "filled"',
    )
    (tmp_path / "mine.toml").write_text("\n".join((*lines, 'columns = ["fax"]')), encoding="utf-8")
    (answer,) = checks.ask(stage.run, MAPPINGS, lambda what, done, total: None, tmp_path)
    assert (answer.id, answer.asked, answer.failed) == ("mine", 4, 4)


def test_the_suites_are_those_of_the_package() -> None:
    assert SUITES.folder == checks.HOME
    assert len(SUITES.digest) == 64

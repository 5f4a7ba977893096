"""A rehearsal really loads into a throw-away store, compares, writes everything that the cut-over would leave, and ends with the right code."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

import bagit
import pytest

from sample_data.world import write_cast
from tests.support.command import FREEZE, Done, Workspace, changed, command, copied_mappings
from tests.support.legacy import Legacy

REPORT = {
    "report.html",
    "report.json",
    "report.md",
    "summary.md",
    "junit.xml",
    "exceptions.csv",
    "held.csv",
    "failures.csv",
    "differences.csv",
    "closed_accounts.csv",
    "rules.csv",
    "goals.csv",
    "companies.csv",
    "company_chapters.csv",
    "personal_data.csv",
    "columns.csv",
    "report.xlsx",
    "recheck.sql",
}


def rehearsed(workspace: Workspace, *more: str, **environment: str) -> Done:
    words = [word for option in ("--source", "--tc", "--files") for word in (option, workspace.stores[option])]
    return command("run", *words, "--rehearse", "--run", "run", *FREEZE, *more, folder=workspace.folder, **environment)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("rehearsal")
    write_cast(folder / "legacy")
    made = Workspace(folder)
    done = rehearsed(made, GITHUB_STEP_SUMMARY=str(folder / "job.md"))
    assert done.code == 0, done.err
    return made


def test_a_rehearsal_writes_every_output(workspace: Workspace) -> None:
    path = workspace.run / "rehearsal"
    assert {file.name for file in (workspace.run / "report").iterdir()} == REPORT
    assert (workspace.folder / "job.md").read_text(encoding="utf-8") == (workspace.run / "report" / "summary.md").read_text(
        encoding="utf-8"
    )
    letters = sorted(file.name for file in (path / "letters").iterdir())
    assert len(letters) > 50
    assert {"company-2.html", "company-2.md"} <= set(letters)
    assert {stat.S_IMODE(file.stat().st_mode) for file in (path / "letters").iterdir()} == {0o600}
    rows = list(csv.reader((path / "sample-audit.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert {row[0] for row in rows[1:]} == {str(number) for number in range(1, 51)}
    verify = command("evidence", "verify", "--bundle", str(path / "evidence"), "--public-key", str(path / "evidence.pem.public"))
    assert verify.code == 0, verify.err
    assert not (path / "evidence" / "evidence.pem").exists()


def test_the_temporary_store_can_be_queried_and_reconciled(workspace: Workspace) -> None:
    for words in (("trace", "P2", "document", "301"), ("trace", "--account", "10000301"), ("picker", "ines@meridian.example"), ("status",)):
        assert command(*words, "--run", "run", folder=workspace.folder).code == 0
    stores = [word for option in ("--source", "--tc", "--files") for word in (option, workspace.stores[option])]
    throw_away = ("--target", "sqlite:///run/rehearsal/portal3.sqlite", "--objects", "run/rehearsal/objects")
    assert command("reconcile", *stores, *throw_away, *FREEZE, folder=workspace.folder).out.strip() == "old and new are equal"


def test_packed_documents_are_a_valid_bag(workspace: Workspace, tmp_path: Path) -> None:
    words = ("--run", "run", "--bundle", str(tmp_path / "bundle"), "--key", str(tmp_path / "key"), "--documents")
    assert command("evidence", "pack", *words, folder=workspace.folder).code == 0
    bagit.Bag(str(tmp_path / "bundle" / "bag")).validate()


def test_a_repeated_rehearsal_overwrites_its_outputs(workspace: Workspace) -> None:
    done = rehearsed(workspace)
    assert done.code == 0, done.err
    told = [line for line in done.err.splitlines() if line.startswith("rehearsal: ")]
    assert len(told) == 3
    assert done.out.rstrip().splitlines()[-1].startswith("Published and equal.")


def test_purge_removes_personal_data_of_a_rehearsal(tmp_path: Path, workspace: Workspace) -> None:
    import subprocess

    subprocess.run(["cp", "-a", str(workspace.folder), str(tmp_path / "copy")], check=True)
    assert command("purge", "--run", "run", "--yes", folder=tmp_path / "copy").code == 0
    assert not (tmp_path / "copy" / "run" / "rehearsal").exists()


def test_a_rehearsal_whose_checks_fail_ends_with_3_and_leaves_a_report_and_nothing_else(tmp_path: Path) -> None:
    write_cast(tmp_path / "legacy")
    mappings = copied_mappings(tmp_path)
    changed(mappings / "portal2" / "validation_finding.toml", '{ rule = "C15", from = ["finding_kind_cd"] }', "{ constant = false }")
    workspace = Workspace(tmp_path)
    done = rehearsed(workspace, "--mappings", "mappings")
    assert done.code == 3, done.out + done.err
    assert {file.name for file in (workspace.run / "report").iterdir()} == REPORT
    assert json.loads((workspace.run / "report" / "report.json").read_bytes())["verdict"]["state"] == "critical_checks_failed"
    assert not (workspace.run / "rehearsal" / "portal3.sqlite").exists()
    assert not (workspace.run / "rehearsal" / "letters").exists()


def test_a_world_without_trade_compliance_and_one_without_any_row_are_rehearsed_too(tmp_path: Path) -> None:
    write_cast(tmp_path / "legacy")
    source = ("--source", "sqlite:///legacy/portal2.sqlite", "--files", "legacy/files")
    done = command("run", *source, "--rehearse", "--run", "run", *FREEZE, folder=tmp_path)
    assert done.code == 0, done.err
    empty = Legacy()
    empty.tables.clear()
    empty.write(tmp_path / "empty" / "legacy")
    done = rehearsed(Workspace(tmp_path / "empty"))
    assert done.code == 0, done.err
    assert "rehearsal: 0 letters in " in done.err

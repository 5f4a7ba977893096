"""How commands end: one envelope for every outcome, success, and wrong usage (exit codes 0 to 2)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.runfolder.layout import STEPS
from etl.system import worker_pool as processes
from tests.support.command import Workspace, command
from tests.support.legacy import Legacy
from tests.support.small_worlds import one_company_workspace


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Another one's lock on the file."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "words",
    [("status",), ("plan",), ("picker", "per@lindqvist.example"), ("trace", "P2", "document", "101"), ("trace", "--account", "10000101")],
    ids=" ".join,
)
def test_success_is_one_envelope_on_stdout_and_nothing_on_stderr(cast: Workspace, words: tuple[str, ...]) -> None:
    done = cast.json(*words)
    assert (done.code, done.err) == (0, "")
    assert {name: value for name, value in done.envelope.items() if name != "data"} == {
        "version": 1,
        "command": words[0],
        "status": "ok",
        "exit_code": 0,
        "errors": [],
    }
    assert done.data
    assert done.out.isascii()  # no control character of any name reaches a terminal


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("plan",), 2, "USAGE"),
        (("no-such-command",), 2, "USAGE"),
        (("plan", "--source", "sqlite:///nothing.sqlite"), 1, "FAILED"),
        (("status", "--run", "nowhere"), 1, "FAILED"),
        (("load", "--run", "new"), 7, "REFUSED"),
        (("plan", "--source", "sqlite:///x", "--mappings", "none"), 1, "MAPPING"),
    ],
)
def test_every_failure_is_an_envelope_with_its_code_and_says_what_to_do(
    tmp_path: Path, words: tuple[str, ...], code: int, kind: str
) -> None:
    done = command(*words, "--output", "json", folder=tmp_path)
    assert done.code == code
    envelope = done.envelope
    assert (envelope["version"], envelope["command"], envelope["status"], envelope["exit_code"]) == (1, words[0], "failed", code)
    (error,) = envelope["errors"]
    assert (set(error), error["code"]) == ({"code", "message", "next"}, kind)
    assert error["next"]
    human = command(*words, folder=tmp_path)
    assert (human.code, human.out) == (code, "")
    assert human.next.startswith("next: ")


def test_wrong_usage_is_an_envelope_wherever_json_was_requested(tmp_path: Path) -> None:
    assert command("plan", "--output=json", "--wrong", folder=tmp_path).envelope["exit_code"] == 2
    assert command("plan", "--wrong", folder=tmp_path, PORTAL_MIGRATE_OUTPUT="json").envelope["exit_code"] == 2


def test_v_adds_the_line_of_code_and_never_values(tmp_path: Path) -> None:
    quiet, loud = (command("plan", "--source", "sqlite:///nothing.sqlite", *more, folder=tmp_path) for more in ((), ("-v",)))
    assert ", line " not in quiet.err
    assert "sqlite/source.py, line " in loud.err
    assert loud.next == quiet.next


def test_run_prints_every_step_on_stderr_and_ends_with_verdict_and_report_path(published: Workspace) -> None:
    done = published.command("run")
    assert done.code == 0
    assert [line.split(":")[0] for line in done.err.splitlines()] == list(STEPS)
    assert done.out.rstrip().splitlines()[-1].startswith("Published and equal.")


def test_a_single_step_prints_its_result_and_the_next_step(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    assert workspace.command("extract").out.splitlines() == ["extract: 27 rows read, one read transaction (SQLite)", "next: split"]
    assert workspace.json("split").data["next"] == "reattach"
    assert command("reattach", "--run", "run", folder=workspace.folder).code == 0  # options that the run began with need not be given again


def test_plan_changes_nothing(cast: Workspace) -> None:
    before = {str(path): path.lstat().st_mtime_ns for path in cast.folder.rglob("*")}
    done = cast.command("plan")
    assert done.out.rstrip().splitlines()[-1] == "coverage 100% (362/362 columns)"
    assert {str(path): path.lstat().st_mtime_ns for path in cast.folder.rglob("*")} == before
    data = cast.json("plan").data
    assert data["total"] == sum(data["rows"].values()) == 956
    assert data["steps"] == list(STEPS)


def test_plan_without_trade_compliance_reads_portal_2_only(cast: Workspace) -> None:
    data = command("plan", "--source", cast.stores["--source"], "--output", "json", folder=cast.folder).data
    assert set(data["levels"]) == {"P2"}
    assert all(name.startswith("P2.") for name in data["rows"])


def test_status_names_finished_and_next_steps_also_during_a_run(cast: Workspace, checked: Workspace) -> None:
    assert cast.command("status").out.rstrip().splitlines()[-1] == "all steps are done"
    with _locked(checked.run / ".lock"):
        assert checked.command("status").out.rstrip().splitlines()[-1] == "next: load"
    assert [step["state"] for step in checked.json("status").data["steps"]] == [*["done"] * 4, *["not done"] * 3]


def test_a_run_without_trade_compliance_and_without_file_share(tmp_path: Path) -> None:
    Legacy().profile(1).model(11).entity(101).document(1, model=11).tc_account(1).write(tmp_path / "legacy")
    words = ("--source", "sqlite:///legacy/portal2.sqlite", "--target", "sqlite:///portal3.sqlite", "--objects", "objects", "--run", "run")
    done = command("run", *words, "--output", "json", folder=tmp_path)
    assert done.code == 0, done.err
    assert done.data["verdict"]["holds"] is True  # also with tables that have no row
    with Workspace(tmp_path).database("portal3.sqlite") as store:
        assert store.execute("SELECT content_state_cd FROM document").fetchall() == [("MISSING",)]
        assert store.execute("SELECT count(*) FROM tc_program").fetchone() == (0,)


def test_a_rehearsal_does_everything_and_leaves_only_its_run_folder(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    words = [word for option in ("--source", "--tc", "--files") for word in (option, workspace.stores[option])]
    done = command("run", *words, "--run", "run", "--rehearse", "--output", "json", folder=tmp_path)
    assert done.code == 0, done.err
    assert done.data["verdict"]["holds"] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["legacy", "run"]


def test_workers_give_the_same_stage_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "WORTH_WORKERS", 0)  # processes are started for few rows too
    files = []
    for workers in ("1", "2", "5"):
        workspace = one_company_workspace(tmp_path / workers)
        for step in ("extract", "split", "reattach"):
            assert workspace.command(step, "--workers", workers).code == 0
        steps = json.loads((workspace.run / "manifest.json").read_text(encoding="utf-8"))["run"]["steps"]
        files.append({name: step["files"] for name, step in steps.items()})
    assert files[0] == files[1] == files[2]


def test_sample_writes_a_world_and_refuses_to_mix_it_with_another(tmp_path: Path) -> None:
    words = (
        "sample",
        "--source",
        "sqlite:///p2.sqlite",
        "--tc",
        "sqlite:///tc.sqlite",
        "--files",
        "files",
        "--profiles",
        "3",
        "--seed",
        "7",
    )
    done = command(*words, "--output", "json", folder=tmp_path)
    assert done.data["total"] == sum(done.data["rows"].values()) > 100
    again = command(*words, folder=tmp_path)
    assert (again.code, again.next) == (1, "next: Give empty databases.")


def test_demo_refuses_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert command("demo", str(tmp_path)).code == 7
    done = command("demo", str(tmp_path / "mine.txt"))
    assert done.code == 7
    assert "is not a folder" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


RUN = ("run", "--run", "r")
WRONG = {
    "an option of another command": ("status", "--source", "sqlite:///x"),
    "a word too many": ("plan", "word"),
    "an unknown output": ("plan", "--output", "xml"),
    "a number that is none": (*RUN, "--workers", "two"),
    "the other half of a freeze": (*RUN, "--freeze-to", "2023-09-30"),
    "a day that is none": (*RUN, "--freeze-from", "2023-02-30", "--freeze-to", "2023-09-16"),
    "a day of another form": (*RUN, "--freeze-from", "20230916", "--freeze-to", "2023-09-30"),
    "a week": (*RUN, "--freeze-from", "2023-W37-6", "--freeze-to", "2023-09-30"),
    "a rehearsal with a target": (*RUN, "--rehearse", "--target", "sqlite:///x"),
    "a rehearsal with an object store": (*RUN, "--rehearse", "--objects", "x"),
    "no run to look at": ("status",),
    "no target": ("picker", "a@x.example"),
    "nobody": ("picker",),
    "row and account": ("trace", "P2", "document", "1", "--account", "2", "--target", "sqlite:///x"),
    "a source that is no URL": ("plan", "--source", "legacy/portal2.sqlite"),
    "nothing to reconcile": ("reconcile",),
    "nothing to roll back": ("rollback", "--target", "sqlite:///x", "--objects", "o"),
    "no profiles": ("sample", "--profiles", "0"),
    "a missing configuration": ("plan", "--config", "none.toml"),
    "half a command": ("freeze",),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_ends_with_2_names_the_correction_and_writes_nothing(tmp_path: Path, case: str) -> None:
    done = command(*WRONG[case], folder=tmp_path)
    assert (done.code, done.out) == (2, ""), done.err
    assert done.next.startswith("next: ") or case == "half a command"
    assert [path.name for path in tmp_path.iterdir()] == []

"""Every mistake of a command line in one answer; numbers are numbers; a run is continued only where its relative paths lead somewhere."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.command import ROOT, command
from tests.support.small_worlds import one_company_workspace


def test_all_mistakes_of_a_command_line_are_named_in_one_answer(tmp_path: Path) -> None:
    words = (
        "run",
        "--source",
        "nonsense",
        "--freeze-from",
        "2026-02-30",
        "--tc",
        "x",
        "--without-tc",
        "--files",
        "s3://a/b",
        "--output",
        "json",
    )
    done = command(*words, folder=tmp_path)
    assert (done.code, [error["code"] for error in done.envelope["errors"]]) == (2, ["USAGE"] * 8)
    named = ("--freeze-from", "--without-tc and --tc", "--source", "--tc", "--files", "--objects", "--target", "--run")
    assert all(option in error["message"] for option, error in zip(named, done.envelope["errors"], strict=True))
    assert all(error["next"].endswith(".") for error in done.envelope["errors"])
    for name, missing in (("extract", 3), ("precopy", 3), ("reconcile", 3), ("sample", 3), ("run", 4)):
        assert command(name, folder=tmp_path).err.count(" is missing.") == missing, name
    assert command("run", "--rehearse", folder=tmp_path).err.count(" is missing.") == 2
    done = command("run", "--grace-add", "-1", "--workers", "1.5", "--run", "", "--output", "json", folder=tmp_path, PORTAL_MIGRATE_TC="")
    said = [error["message"] for error in done.envelope["errors"]]
    assert len(said) == 4
    assert all(option in "".join(said) for option in ("PORTAL_MIGRATE_TC", "--grace-add", "--workers", "--run"))
    assert list(tmp_path.iterdir()) == []


def test_the_envelope_of_wrong_usage_names_the_command_in_full(tmp_path: Path) -> None:
    for words, name in (
        (("freeze", "check", "--seconds", "x"), "freeze check"),
        (("evidence", "verify", "--frob"), "evidence verify"),
        (("frob",), "frob"),
        ((), ""),
    ):
        done = command(*words, "--output", "json", folder=tmp_path)
        assert (done.code, done.envelope["command"]) == (2, name)


def test_E14_a_number_of_days_is_whole_and_in_ascii_digits(tmp_path: Path) -> None:
    for text in ("1_0", "٣", " 3", "1.5", "3e2", "0x3"):
        done = command("run", "--grace-add", text, folder=tmp_path)
        assert (done.code, "is not a whole number in the range" in done.err) == (2, True), text
    for line in ("grace_after = 3.7", "workers = true", 'grace-before = "1_0"'):
        (tmp_path / "migration.toml").write_text(line)
        done = command("run", "--config", "migration.toml", folder=tmp_path)
        assert (done.code, "is not a whole number in the range" in done.err) == (2, True), line
    for text in ("nan", "-1", "inf"):
        assert command("freeze", "check", "--seconds", text, "--source", "sqlite:///x.db", folder=tmp_path).code == 2
    assert command("company", "1_0", "--folder", "letters", folder=tmp_path).code == 2


def test_a_run_is_not_continued_from_a_folder_in_which_its_relative_paths_lead_nowhere(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    assert workspace.command("run").code == 0
    before = (tmp_path / "run" / "manifest.json").read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = command("run", "--run", str(tmp_path / "run"), folder=elsewhere)
    assert (done.code, "paths relative to another folder" in done.err) == (7, True), done.err
    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "run" / "manifest.json").read_bytes() == before
    assert command("run", "--run", "run", folder=tmp_path).code == 0


def test_a_signal_while_the_answer_is_written_ends_with_its_exit_code_and_no_traceback() -> None:
    """A reader that stops reading keeps the command in its last write; the signal was then an exception that nothing caught."""
    code = 'from etl.commands.command_result import answer; answer("status", {"output": "json", "verbose": False}, lambda: {"x": "x" * 9_000_000})'
    running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.read(1) == b"{"
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 143
    said = running.stderr.read()
    assert b"Interrupted while the answer was written." in said
    assert b"Traceback" not in said

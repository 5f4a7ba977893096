"""The command line: help texts, sources of options, and the results of the commands around a run.

How commands end, exit code by exit code: test_exit_codes.py. Wrong options: test_bad_input.py. `trace` on every row: test_lookups.py.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest

import cli
from tests.docs.handbook import every_command
from tests.support.command import FREEZE, ROOT, Workspace, command, process, started

GOLDEN = Path(__file__).parents[1] / "golden" / "help"


# -- help ----------------------------------------------------------------------------------------------------------------------------------


def every_help() -> list[tuple[str, ...]]:
    """The words before `--help`: none, every group, every command."""
    groups = [(name,) for name, entry in cli.commands.commands.items() if isinstance(entry, click.Group)]
    return [(), *groups, *(tuple(name.split(" ")) for name, _ in every_command())]


@pytest.mark.parametrize("words", every_help(), ids=" ".join)
def test_help_texts_equal_the_golden_ones(words: tuple[str, ...]) -> None:
    """GOLDEN=write updates the texts."""
    done = command(*words, "--help", COLUMNS="140")
    file = GOLDEN / f"{'-'.join(words) or 'portal-migrate'}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(done.out, encoding="utf-8")
    assert (done.code, done.err) == (0, "")
    assert done.out == file.read_text(encoding="utf-8")


def test_every_golden_help_text_has_its_command() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == {"-".join(words) or "portal-migrate" for words in every_help()}


def test_the_entry_point_works_as_a_process(tmp_path: Path) -> None:
    done = process("--version", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("portal-migrate, version ")


def test_without_a_command_help_is_printed_with_exit_code_2(tmp_path: Path) -> None:
    done = command(folder=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "Commands:" in done.err


def test_a_closed_stdout_is_not_a_failure(cast: Workspace) -> None:
    words = " ".join(cast.words("status", "--output", "json"))
    script = f"{sys.executable} -m cli {words} | true; exit ${{PIPESTATUS[0]}}"
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    done = subprocess.run(["bash", "-c", script], cwd=cast.folder, env=environment, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# -- where options come from -----------------------------------------------------------------------------------------------------------------


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "migration.toml").write_text('source = "sqlite:///of-the-file"\n', encoding="utf-8")
    config, environment = ("plan", "--config", "migration.toml"), {"PORTAL_MIGRATE_SOURCE": "sqlite:///of-the-environment"}
    assert "of-the-file" in command(*config, folder=tmp_path).err
    assert "of-the-file" in command("plan", folder=tmp_path, PORTAL_MIGRATE_CONFIG="migration.toml").err
    assert "of-the-environment" in command(*config, folder=tmp_path, **environment).err
    assert "of-the-line" in command(*config, "--source", "sqlite:///of-the-line", folder=tmp_path, **environment).err


def test_the_output_too_may_be_chosen_by_file_or_environment(cast: Workspace, tmp_path: Path) -> None:
    config = tmp_path / "migration.toml"
    config.write_text('output = "json"\n', encoding="utf-8")
    assert cast.command("status", "--config", str(config)).envelope["command"] == "status"
    assert cast.command("status", PORTAL_MIGRATE_OUTPUT="json").envelope["command"] == "status"
    assert not cast.command("status", "--output", "human", PORTAL_MIGRATE_OUTPUT="json").out.startswith("{")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("sorce = 'x'", "sorce is not an option of any command"), ("source = ", "is not a valid TOML file"), ("workers = 'many'", "workers")],
)
def test_a_configuration_file_is_read_strictly(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "migration.toml").write_text(text, encoding="utf-8")
    done = command("run", "--config", "migration.toml", folder=tmp_path)
    assert done.code == 2
    assert sentence in done.err


def test_one_configuration_serves_rehearsal_and_cutover(tmp_path: Path, checked: Workspace) -> None:
    """A rehearsal leaves the file's own target and object store alone."""
    stores = {**checked.stores, "--objects": "objects-of-the-cutover", "--run": "rehearsal"}
    text = "\n".join(f'{option.removeprefix("--")} = "{value}"' for option, value in stores.items())
    (checked.folder / "migration.toml").write_text(text, encoding="utf-8")
    done = command("run", "--rehearse", "--config", "migration.toml", *FREEZE, folder=checked.folder)
    assert done.code == 0, done.err
    assert not checked.target.exists()
    assert not (checked.folder / "objects-of-the-cutover").exists()
    assert (checked.folder / "rehearsal" / "rehearsal" / "portal3.sqlite").is_file()


# -- looking ---------------------------------------------------------------------------------------------------------------------------------


def test_status_is_a_table_of_all_steps(cast: Workspace) -> None:
    data = cast.json("status").data
    assert [(step["step"], step["state"]) for step in data["steps"]] == [
        (name, "done") for name in ("extract", "split", "reattach", "check", "load", "reconcile", "report")
    ]
    assert data["settings"]["freeze"] == "2023-09-16 to 2023-09-30"
    assert "all steps are done" in cast.command("status").out


def test_trace_leads_from_a_row_to_its_copies_and_back(cast: Workspace) -> None:
    forward = cast.json("trace", "P2", "model_entity", "101").data
    (account,) = {row["account_number"] for row in forward["rows"] if row["table"] == "entity_account"}
    back = cast.json("trace", "--account", account).data["rows"]
    assert ("P2", "model_entity", "101") in {(row["portal"], row["table"], row["key"]) for row in back}
    assert {row["portal"] for row in back} == {"P2", "TC"}
    text = cast.command("trace", "--account", account).out
    assert f"account {account}: Harbor & Pine Imports" in text


def test_trace_names_why_a_row_was_held(cast: Workspace) -> None:
    data = cast.json("trace", "P2", "company_profile", "4").data
    assert [(entry["reason_cd"], bool(entry["meaning"])) for entry in data["held"]] == [("PROFILE_WITHOUT_ENTITY", True)]
    assert data["rows"] == []


@pytest.mark.parametrize("words", [("P2", "document", "404404"), ("--account", "404404")])
def test_trace_of_a_missing_row_is_refused(cast: Workspace, words: tuple[str, ...]) -> None:
    done = cast.command("trace", *words)
    assert done.code == 1
    assert done.next.startswith("next: Check the ")


def test_picker_shows_accounts_and_the_old_profiles(cast: Workspace) -> None:
    with closing(sqlite3.connect(cast.target)) as store:
        email, login = store.execute("SELECT email_key, login_id FROM login JOIN account_picker USING (login_id) LIMIT 1").fetchone()
        expected = {row[0] for row in store.execute("SELECT account_number FROM account_picker WHERE login_id = ?", (login,))}
        profiles = {
            row[0]
            for row in store.execute(
                "SELECT a.legacy_profile_id FROM account_picker p JOIN entity_account a USING (account_id) WHERE p.login_id = ?", (login,)
            )
        }
    data = cast.json("picker", f" {email.upper()} ").data
    assert {row["account_number"] for row in data["after"]} == expected
    assert set(data["before"]) >= profiles
    assert cast.command("picker", "nobody@nowhere.example").code == 1


def test_plan_covers_every_column_and_names_what_is_retired(cast: Workspace) -> None:
    data = cast.json("plan").data
    assert (data["coverage"], data["mapped"]) == (f"100% ({data['columns']}/{data['columns']} columns)", data["columns"])
    assert list(data["retired"]) == ["P2.portal_user.password_hash"]
    assert data["total"] == sum(data["rows"].values()) > 800
    assert f"coverage {data['coverage']}" in cast.command("plan").out


# -- freeze ------------------------------------------------------------------------------------------------------------------------------------


def test_freeze_check_passes_without_writes_and_names_possible_writers(cast: Workspace) -> None:
    done = command("freeze", "check", "--seconds", "0", "--source", cast.stores["--source"], folder=cast.folder)
    assert done.code == 0
    assert "nothing changed within 0 seconds" in done.out
    assert "mode allows writing" in done.out


def test_freeze_check_detects_a_write(checked: Workspace) -> None:
    """It sleeps between its two readings; the writer writes in between."""
    words = ("freeze", "check", "--seconds", "2", "--source", checked.stores["--source"], "--output", "json")
    running = started(*words, folder=checked.folder)
    with closing(sqlite3.connect(checked.folder / "legacy" / "portal2.sqlite", timeout=0)) as source:
        while running.poll() is None:
            with contextlib.suppress(sqlite3.OperationalError), source:  # locked: it is looking
                source.execute("UPDATE business_type SET name = name || '.' WHERE business_type_cd = 'IMP'")
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(0.05)
    out, err = running.communicate()
    assert running.returncode == 5, out + err
    assert json.loads(out)["errors"][0]["message"].startswith("Not frozen: P2")


# -- what is left, and what is proved ------------------------------------------------------------------------------------------------------------


def test_purge_removes_all_source_data_and_closes_the_run(published: Workspace) -> None:
    with closing(sqlite3.connect(published.folder / "legacy" / "portal2.sqlite")) as source:
        source.text_factory = bytes
        queries = (
            "SELECT user_name FROM portal_user WHERE user_name LIKE '%@%'",
            "SELECT email FROM company_contact WHERE email LIKE '%@%'",
            "SELECT identifier_value FROM entity_identifier WHERE length(identifier_value) > 8",
            "SELECT file_name FROM document WHERE length(file_name) > 8",
            "SELECT response_text FROM profile_response WHERE length(response_text) > 12",
            "SELECT company_name FROM company_profile WHERE length(company_name) > 8",
        )
        personal = {bytes(row[0]).strip() for query in queries for row in source.execute(query)} - {
            b"unknown kind"
        }  # a sentence of ours too
    done = published.json("purge")
    assert done.code == 0
    left = {path.relative_to(published.run).as_posix(): path.read_bytes() for path in published.run.rglob("*") if path.is_file()}
    assert set(left) == set(done.data["left"]) >= {"manifest.json", "events.jsonl", "report/summary.md", "report/report.json"}
    assert {(name, value) for name, content in left.items() for value in personal if value in content} == set()
    for words in (("run",), ("rollback",), ("sample-audit", "--out", "audit.csv")):
        done = published.command(*words)
        assert (done.code, "This run was purged" in done.err, "altered" in done.err) == (7, True, False), done.err
    assert published.json("status").data["steps"][4]["state"] == "done"
    assert published.json("status").data["purged"]
    lines = published.command("status").out.splitlines()
    assert lines[-2:] == [
        "purged: the stage files were removed; the evidence of the run is kept",
        "next: portal-migrate evidence pack, or a new run folder",
    ]


def test_purge_before_publishing_is_refused_and_removes_nothing(checked: Workspace) -> None:
    before = sorted(checked.run.rglob("*.parquet"))
    assert checked.command("purge").code == 7
    assert sorted(checked.run.rglob("*.parquet")) == before


# -- for auditors and companies --------------------------------------------------------------------------------------------------------------------


def test_sample_audit_draws_the_same_rows_again_and_others_for_another_seed(cast: Workspace, tmp_path: Path) -> None:
    def drawn(seed: int, name: str) -> list[tuple[str, ...]]:
        done = cast.json("sample-audit", "--size", "20", "--seed", str(seed), "--out", str(tmp_path / name))
        assert (done.code, done.data["rows"]) == (0, 20)
        with (tmp_path / name).open(encoding="utf-8-sig", newline="") as file:
            return [(*row[:6], *row[7:10]) for row in csv.reader(file)]  # but for the values: each file has a key of its own

    assert drawn(3, "a.csv") == drawn(3, "b.csv") != drawn(4, "c.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["portal"], row["table"], row["key"]) for row in rows}.__len__() == 20
    assert {row["tick"] for row in rows} == {""}
    assert [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))] == []


def test_company_writes_one_letter_or_all_and_refuses_an_unknown_profile(cast: Workspace, tmp_path: Path) -> None:
    one = cast.json("company", "1", "--folder", str(tmp_path / "one")).data["files"]
    assert {path.name for path in (tmp_path / "one").iterdir()} == {*one, "letters.json"}
    assert all("Harbor" in (tmp_path / "one" / name).read_text(encoding="utf-8") for name in one)
    every = cast.json("company", "--folder", str(tmp_path / "all")).data["files"]
    assert set(one) < set(every)
    none = cast.command("company", "404404", "--folder", str(tmp_path / "none"))
    assert none.code == 1
    assert "404404" in none.err


# -- who can read it -------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_files_of_a_run_are_private_under_any_umask(tmp_path: Path, checked: Workspace) -> None:
    for folder in (checked.run, checked.folder / "objects"):
        shutil.rmtree(folder)
    for step in ("extract", "split", "reattach"):
        assert checked.command(step).code == 0
    paths = [path for folder in (checked.run, checked.folder / "objects") for path in (folder, *folder.rglob("*"))]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert {path: mode for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


def test_tab_completes_commands_and_options_as_the_readme_says() -> None:
    program = Path(sys.executable).with_name("portal-migrate")
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    for shell in ("bash", "zsh", "fish"):
        assert f"{shell}_source" in shown
        clean = {**os.environ, "_PORTAL_MIGRATE_COMPLETE": f"{shell}_source"}
        assert "portal-migrate" in subprocess.run([program], env=clean, capture_output=True, text=True, check=True).stdout
    words = {"COMP_WORDS": "portal-migrate run --freeze-f", "COMP_CWORD": "2", "_PORTAL_MIGRATE_COMPLETE": "bash_complete"}
    done = subprocess.run([program], env={**os.environ, **words}, capture_output=True, text=True, check=True)
    assert done.stdout == "plain,--freeze-from\n"

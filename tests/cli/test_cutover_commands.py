"""`init`, `doctor`, `runbook`: what is prepared before a cut-over, tried as it is written."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import psycopg
import pytest

from tests.support.command import ROOT, Workspace, command
from tests.support.terminal import Terminal

CONFIGURED = ("--source", "--tc", "--files", "--target", "--objects")


def written(workspace: Workspace, *more: str) -> Path:
    """migration.toml for the cut-over, as `init` writes it, in the folder `setup`."""
    words = [word for option in CONFIGURED for word in (option, workspace.stores[option])]
    done = cutover_command(
        workspace, "init", "--to", "setup", *words, "--run", "cutover", "--freeze-from", "2023-09-16", "--freeze-to", "2023-09-30", *more
    )
    assert done.code == 0, done.err
    return workspace.folder / "setup" / "migration.toml"


def cutover_command(workspace: Workspace, *words: str):
    return command(*words, folder=workspace.folder)


# -- init ----------------------------------------------------------------------------------------------------------------------------------


def test_init_writes_a_configuration_that_run_accepts(published: Workspace) -> None:
    file = written(published)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    words = tomllib.loads(file.read_text())
    assert words == {
        **{option[2:]: published.stores[option] for option in CONFIGURED},
        "run": "cutover",
        "freeze-from": "2023-09-16",
        "freeze-to": "2023-09-30",
    }
    assert {path.name for path in file.parent.iterdir()} == {"migration.toml", "acceptance.toml"}, "no SQL for SQLite"
    assert cutover_command(published, "plan", "--config", "setup/migration.toml").code == 0
    again = cutover_command(
        published, "init", "--to", "setup", "--source", "sqlite:///x", "--target", "sqlite:///y", "--objects", "o", "--run", "r"
    )
    assert (again.code, "already" in again.err) == (7, True)


def test_init_asks_at_a_terminal_for_what_is_not_given_and_an_empty_answer_leaves_an_option_out(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, ["init", "--to", "setup", "--run", "cutover"])
    for question, answer in (
        (b"Portal 2.0 database", b"sqlite:///portal2.sqlite"),
        (b"Trade Compliance database", b""),
        (b"old file share", b" files "),
        (b"The new store", b"sqlite:///portal3.sqlite"),
        (b"Object store", b"objects"),
        (b"First day", b"2023-09-16"),
        (b"Last day", b"2023-09-30"),
        (b"Public key", b""),
    ):
        terminal.type(answer + b"\n", after=question)
    assert terminal.end() == 0, terminal.seen
    assert b"Folder of the run" not in terminal.seen, "it was given"
    assert tomllib.loads((tmp_path / "setup" / "migration.toml").read_text()) == {
        "source": "sqlite:///portal2.sqlite",
        "files": "files",
        "target": "sqlite:///portal3.sqlite",
        "objects": "objects",
        "run": "cutover",
        "freeze-from": "2023-09-16",
        "freeze-to": "2023-09-30",
    }


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (b"\n", 2, b"--source is missing"),
        (b"\x04", 2, b"--source is missing"),
        (b"\x03", 130, b"Interrupted"),
        (b"ftp://x\n", 2, b"--source"),
    ],
)
def test_init_writes_nothing_after_a_missing_or_a_wrong_answer(tmp_path: Path, answer: bytes, code: int, said: bytes) -> None:
    terminal = Terminal(tmp_path, ["init", "--to", "setup", "--target", "sqlite:///new", "--objects", "objects", "--run", "cutover"])
    terminal.type(answer, after=b"Portal 2.0 database")
    if answer == b"ftp://x\n":
        for question in (b"Trade", b"share", b"First day", b"Last day", b"Public key"):
            terminal.type(b"\n", after=question)
    assert terminal.end() == code, terminal.seen
    assert said in terminal.seen, terminal.seen
    assert b"next: " in terminal.seen, terminal.seen
    assert b"Traceback" not in terminal.seen, terminal.seen
    assert not list(tmp_path.iterdir())


def test_init_refuses_all_values_that_run_refuses_in_one_answer_and_writes_nothing(tmp_path: Path) -> None:
    wrong = ("--source", "ftp://x", "--tc", "portal", "--target", "mysql://x", "--objects", "ftp://o", "--files", "http://share")
    done = command(
        "init", "--to", "setup", *wrong, "--run", "r", "--freeze-from", "2023-09-31", "--freeze-to", "2023-10-02", folder=tmp_path
    )
    assert done.code == 2
    for sentence in (
        "--source: no reader for ftp databases.",
        "--tc is not a valid database URL.",
        "--target: mysql databases cannot be written as a target.",
        "--files: http:// is not a supported kind of store.",
        "--objects: ftp:// is not a supported kind of store.",
        "--freeze-from: '2023-09-31' is not a valid date.",
    ):
        assert sentence in done.err, done.err
    assert not list(tmp_path.iterdir())


def test_init_accepts_a_folder_of_files_as_source_and_the_short_form_of_a_postgresql_url(tmp_path: Path) -> None:
    done = command(
        "init",
        "--to",
        "setup",
        "--source",
        "folder:old",
        "--target",
        "postgres://w@new/store",
        "--objects",
        "o",
        "--run",
        "r",
        folder=tmp_path,
    )
    assert done.code == 0, done.err
    assert tomllib.loads((tmp_path / "setup" / "migration.toml").read_text())["target"] == "postgresql://w@new/store"
    assert (tmp_path / "setup" / "roles.sql").is_file()


def test_init_writes_the_sql_with_the_given_names_and_without_passwords(tmp_path: Path) -> None:
    urls = (
        "--source",
        "postgresql://reader@old/ctpat",
        "--target",
        "postgresql://writer@new/store",
        "--objects",
        "objects",
        "--run",
        "run",
    )
    done = command(
        "init", "--to", "setup", *urls, "--reader", "reader", "--writer", "writer", "--store-schema", "accounts", folder=tmp_path
    )
    assert done.code == 0, done.err
    assert {path.name for path in (tmp_path / "setup").iterdir()} == {
        "migration.toml",
        "acceptance.toml",
        "roles.sql",
        "freeze.sql",
        "frozen.sql",
        "unfreeze.sql",
    }
    roles = (tmp_path / "setup" / "roles.sql").read_text()
    for name in ("\\connect ctpat", "\\connect store", "CREATE SCHEMA accounts", "CREATE ROLE reader LOGIN"):
        assert name in roles
    secret = command("init", "--to", "other", "--source", "postgresql://reader:Hunter2@old/ctpat", *urls[2:], folder=tmp_path)
    assert (secret.code, "Hunter2" in secret.err, (tmp_path / "other").exists()) == (2, False, False)
    assert command("init", "--to", "third", "--source", "sqlite:///x", folder=tmp_path).code == 2


# -- doctor --------------------------------------------------------------------------------------------------------------------------------


def test_doctor_says_that_the_cut_over_may_begin(published: Workspace) -> None:
    written(published)
    done = cutover_command(published, "doctor", "--config", "setup/migration.toml", "--output", "json")
    assert done.code == 0, done.err
    states = {(finding["state"], finding["what"]) for finding in done.data["findings"]}
    assert ("ok", "plan") in states
    assert ("warning", "options") in states, "no approver"
    assert ("warning", "freeze") in states, "the freeze of 2023 has ended"
    assert done.data["counted"]["no"] == 0


def test_doctor_reports_all_blocking_findings_together(published: Workspace) -> None:
    with published.database("legacy/portal2.sqlite") as source:
        source.execute("ALTER TABLE message ADD COLUMN surprise TEXT")
    done = cutover_command(published, "doctor", "--source", published.stores["--source"], "--output", "json")
    assert done.code == 7
    refused = [finding for finding in done.data["findings"] if finding["state"] == "no"]
    assert any("surprise" in finding["found"] for finding in refused)
    assert {finding["found"] for finding in refused} >= {"--target is not given", "--objects is not given", "--run is not given"}
    assert done.envelope["errors"][0]["code"] == "REFUSED"


def test_doctor_reads_the_approvers_key(published: Workspace) -> None:
    (published.folder / "no-key.pem").write_text("not a key")
    for name in ("missing.pem", "no-key.pem"):
        done = cutover_command(published, "doctor", "--source", published.stores["--source"], "--approver", name, "--output", "json")
        told = [finding for finding in done.data["findings"] if "--approver" in finding["found"]]
        assert [(finding["state"], bool(finding["step"])) for finding in told] == [("no", True)], (name, told)


def test_doctor_checks_the_servers_clock_connections_and_durability(postgres: str, tmp_path: Path) -> None:
    """The server of the tests: its clock is this machine's, and it has connections for a run of two workers, not for one of 200."""
    from etl.databases.postgresql.health import health

    found = health(postgres, "--target")
    assert abs(found.skew) < 5
    assert found.free > 6
    with psycopg.connect(postgres) as session:
        assert found.durable == all(
            session.execute(f"SHOW {name}".encode()).fetchone() == ("on",) for name in ("fsync", "full_page_writes")
        )
    done = command("doctor", "--source", postgres, "--workers", "200", "--output", "json", folder=tmp_path)
    assert done.code == 7
    assert any("connections are free" in finding["found"] and finding["state"] == "no" for finding in done.data["findings"])
    assert postgres.rpartition("@")[2] not in done.out or ":" not in postgres.partition("://")[2].partition("@")[0]


# -- runbook -------------------------------------------------------------------------------------------------------------------------------


def blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_runbook_perform_a_cut_over_unchanged(published: Workspace) -> None:
    """From the freeze to the evidence, and back: each command as a person would give it."""
    written(published, "--target", "sqlite:///fresh.sqlite", "--objects", "fresh-objects")
    done = cutover_command(published, "runbook", "--config", "setup/migration.toml", "--out", "book", "--output", "json")
    assert done.code == 0, done.err
    text = (published.folder / "book" / "runbook.md").read_text()
    assert stat.S_IMODE((published.folder / "book" / "runbook.md").stat().st_mode) == 0o600
    run = blocks(text)
    assert any("sql" in block or "chmod a-w" in block for block in run)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PORTAL_MIGRATE")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    for block in run:
        ended = subprocess.run(
            ["bash", "-eu", "-c", block], cwd=published.folder, env=environment, text=True, capture_output=True, check=False
        )
        assert ended.returncode == 0, (block, ended.stderr)
    assert "published and equal" in (published.folder / "cutover" / "report" / "report.md").read_text()
    assert (published.folder / "evidence").is_dir()


def test_the_runbook_names_people_times_expected_output_and_rollback(published: Workspace) -> None:
    written(published)
    assert cutover_command(published, "runbook", "--config", "setup/migration.toml", "--out", "book").code == 0
    text, page = ((published.folder / "book" / name).read_text() for name in ("runbook.md", "runbook.html"))
    for said in (
        "T-1:00",
        "T+0:00",
        "Who:",
        "See:",
        "Decide:",
        "Rollback:",
        "Tell:",
        "point of no return",
        "Signatures",
        "rollback",
        "from run",
    ):
        assert said in text, said
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "minutes (" in text


def test_the_runbook_of_a_server_names_no_password_and_the_freeze_of_each_database(postgres: str, tmp_path: Path) -> None:
    (tmp_path / "migration.toml").write_text(
        f'source = "{postgres}"\ntc = "{postgres}"\ntarget = "sqlite:///new.sqlite"\nobjects = "objects"\nrun = "run"\n', encoding="utf-8"
    )
    done = command("runbook", "--config", "migration.toml", "--out", "book", folder=tmp_path)
    assert done.code == 1, "the server's database has none of the portals' tables"
    assert "the table is missing" in done.err or "no mapping" in done.err or "gone" in done.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [(("--out", "book"), 2, "--config is missing"), (("--config", "none.toml", "--out", "book"), 2, "cannot be read")],
)
def test_a_runbook_without_a_configuration_is_wrong_usage(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = command("runbook", *words, folder=tmp_path)
    assert (done.code, said in done.err) == (code, True), done.err

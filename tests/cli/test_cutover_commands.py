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

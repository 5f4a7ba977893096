"""The last words of a command are true: whether something is published, what an error is about, and what helps."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from etl import errors
from etl.commands.command_result import answer
from etl.databases.postgresql.connection import state_of
from etl.pipeline.publication import known
from etl.runfolder.folder import open_readonly
from tests.faults.proxy import Fault, Proxy
from tests.support.command import ROOT, SIGNALS, Workspace, command
from tests.support.legacy import Legacy


def _workspace(folder: Path) -> Workspace:
    world = Legacy().user(5, user_name="a@x.example").profile(1).model(11).entity(101, type="IMP").contact(1, user=5)
    world.document(1, model=11).content(1, b"abc").write(folder / "legacy")
    return Workspace(folder)


def _said_of(error: BaseException, capsys: pytest.CaptureFixture[str]) -> str:
    """The last words of a command that ended with this error."""

    def action() -> dict[str, object]:
        raise error

    before = {number: signal.getsignal(number) for number in SIGNALS}
    with pytest.raises(SystemExit) as end:
        answer("status", {"output": "text", "verbose": False}, action)
    for number, handler in before.items():
        signal.signal(number, handler)
    assert end.value.code == 1
    return capsys.readouterr().err


def test_an_internal_error_names_the_table_and_whether_the_store_is_published(
    tmp_path: Path, postgres: str, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = _workspace(tmp_path)
    assert workspace.command("extract").code == 0
    with (
        psycopg.connect(postgres) as server,
        pytest.raises(psycopg.Error) as caught,
        errors.concerning("P2.outer"),
        errors.concerning("P2.inner"),
    ):
        server.execute("SELECT 'secret@value.example'::int")
    error = caught.value
    for publishing, words in (
        (False, "Nothing was published by this command."),
        (True, "It is unknown whether the store is published: the same command checks first"),
        (True, "The store is published (run-"),
    ):
        if "run-" in words:
            assert workspace.command("run").code == 0
        error.__dict__.pop("publication", None)
        errors.note(error, "publication", known(open_readonly(workspace.run), publishing))
        said = _said_of(error, capsys)
        assert words in said
        assert "InvalidTextRepresentation in " in said
        assert "SQLSTATE 22P02" in said
        assert ", at P2.inner" in said
        assert "secret" not in said


def test_a_reconcile_that_loses_its_server_ends_with_4(portals: dict[str, str], tmp_path: Path) -> None:
    p2, tc, _ = portals.values()
    files = ("--tc", tc, "--files", "files")
    assert command("sample", "--source", p2, *files, "--profiles", "2", folder=tmp_path).code == 0
    host, number = make_url(p2).query["host"], make_url(p2).port or 5432
    with Proxy(f"{host}/.s.PGSQL.{number}") as proxy:
        through = make_url(p2).set(host="127.0.0.1", port=proxy.port, query={"sslmode": "disable", "gssencmode": "disable"})
        stores = (
            "--source",
            through.render_as_string(hide_password=False),
            *files,
            "--target",
            "sqlite:///portal3.sqlite",
            "--objects",
            "objects",
        )
        run = ("run", *stores, "--run", "run")
        done = command(*run, folder=tmp_path)
        assert done.code == 0, done.err
        proxy.arm(Fault())
        assert command(*run, folder=tmp_path).code == 0  # published already: it compares and reports
        statements = proxy.counts["statement"]
        fault = proxy.arm(Fault("statement", statements, act=proxy.close))
        done = command(*run, folder=tmp_path)
    assert fault.fired
    assert done.code == 4, done.err
    assert "The store is published (run-" in done.err
    assert "It was not compared with the old portals." in done.err
    assert "Nothing has to be loaded again" in done.next
    assert (tmp_path / "run" / "report" / "junit.xml").exists()
    with Proxy(f"{host}/.s.PGSQL.{number}") as proxy:
        again = make_url(stores[1]).set(port=proxy.port).render_as_string(hide_password=False)
        done = command("reconcile", "--source", again, *stores[2:], folder=tmp_path)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("ERROR: canceling statement due to statement timeout", "57014"),
        ("SQLSTATE: 22021 x", "22021"),
        ("terminating connection due to", "57P01"),
        ("terminating connection due to idle-in-transaction timeout", "25P03"),
        ("nothing that is known", None),
    ],
)
def test_driver_errors_without_a_code_are_classified_by_their_text(text: str, state: str | None) -> None:
    assert state_of(OSError(text)) == state


@pytest.fixture
def portals(postgres: str) -> Iterator[dict[str, str]]:
    names = ("words_p2", "words_tc")
    with psycopg.connect(postgres, autocommit=True) as server:
        for name in names:
            server.execute(f"CREATE DATABASE {name}".encode())
        yield {name: make_url(postgres).set(database=name).render_as_string(hide_password=False) for name in (*names, "words_none")}
        for name in names:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_missing_and_swapped_databases_and_cancelled_statements_have_messages_of_their_own(portals: dict[str, str], tmp_path: Path) -> None:
    p2, tc, none = portals.values()
    for source, other in ((none, tc), (p2, none)):
        done = command("sample", "--source", source, "--tc", other, "--files", "files", folder=tmp_path)
        assert (done.code, "the database does not exist" in done.err) == (1, True), done.err
        assert "Internal error" not in done.err
    done = command("sample", "--source", "sqlite:///nowhere/p2.db", "--tc", tc, "--files", "files", folder=tmp_path)
    assert (done.code, f"--source: {tmp_path / 'nowhere'} is not an existing folder" in done.err) == (1, True)
    assert command("sample", "--source", p2, "--tc", tc, "--files", "files", "--profiles", "2", folder=tmp_path).code == 0
    done = command("plan", "--source", tc, "--tc", p2, folder=tmp_path)
    assert (done.code, "appear to be swapped" in done.err, len(done.err.splitlines()) < 6) == (1, True, True), done.err
    done = command("plan", "--source", tc, folder=tmp_path)
    assert (done.code, "appears to be the one for --tc" in done.err) == (1, True), done.err
    with psycopg.connect(p2, autocommit=True) as owner:
        owner.execute("ALTER TABLE company_profile ALTER deleted_ind TYPE BOOLEAN USING deleted_ind = 'Y'")
        done = command("plan", "--source", p2, "--tc", tc, folder=tmp_path)
        assert (done.code, "found type BOOLEAN" in done.err, "Map each new" in done.err) == (1, True, False), done.err
        assert "--adapter DIR" in done.err


def test_a_steps_sentence_is_printed_once_on_a_terminal(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path)
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "cli", *workspace.words("extract")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the other end is closed: the command has ended
        while part := os.read(ours, 1 << 16):
            shown += part
    os.close(ours)
    assert running.wait(60) == 0, shown
    assert shown.count(b"rows read") == 1, shown
    apart = workspace.command("split")  # two places: both say it
    assert (apart.out.count("accounts"), apart.err.count("accounts")) == (1, 1)


def test_an_altered_object_is_reported_as_altered(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path)
    for step in ("extract", "split", "reattach", "check"):
        assert workspace.command(step).code == 0
    (stored,) = [path for path in (tmp_path / "objects" / "sha256").rglob("*") if path.is_file()]
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes() + b"x")
    done = workspace.command("load")
    assert (done.code, "in the object store, but altered" in done.err) == (1, True), done.err
    shutil.rmtree(tmp_path / "objects")
    assert workspace.command("run").code == 0


def test_the_suggested_files_option_works_in_the_same_run(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101, type="IMP").document(1, model=11, object_path="a.txt")
    world.share("a.txt", b"abc").write(tmp_path / "legacy")
    workspace = Workspace(tmp_path)
    words = [word for word in workspace.words("run") if word not in ("--files", "legacy/files")]
    done = command(*words, folder=tmp_path)
    assert (done.code, "--files DIR" in done.next) == (1, True), done.err
    done = workspace.command("run")
    assert done.code == 0, done.err


def test_a_run_that_ends_early_writes_a_junit_file(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path)
    with workspace.database("legacy/portal2.sqlite") as portal:
        portal.execute("ALTER TABLE message ADD COLUMN colour TEXT")
    done = workspace.command("run", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(tmp_path / "summary"))
    assert done.code == 1
    assert "::error title=Migration ended in extract (exit 1)::" in done.err
    assert "P2.message.colour" in (tmp_path / "summary").read_text()
    junit = (workspace.run / "report" / "junit.xml").read_text()
    assert 'name="extract"' in junit
    assert "<error" in junit
    assert "P2.message.colour" in junit
    with workspace.database("legacy/portal2.sqlite") as portal:
        portal.execute("ALTER TABLE message DROP COLUMN colour")
    assert workspace.command("run").code == 0  # the same folder goes on
    assert "<error" not in (workspace.run / "report" / "junit.xml").read_text()


def test_a_reconcile_without_a_store_of_the_run_is_refused_first(cast: Workspace) -> None:
    """The advice must not be to load again or roll back: the store is correct."""
    stores = cast.stores
    given = [word for option in ("--source", "--target", "--objects") for word in (option, stores[option])]
    for more, wanted in (
        (("--files", stores["--files"]), "Give --tc: the new store has rows of Trade Compliance. Then"),
        (("--tc", stores["--tc"]), "Give --files: without"),
    ):
        done = command("reconcile", *given, *more, folder=cast.folder)
        assert (done.code, wanted in done.err, "roll back" in done.err) == (4, True, False), done.err

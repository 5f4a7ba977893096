"""Hostile files of an old portal, of a given folder or in a run's folder: each is refused by name, and nothing is written elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from etl.commands.command_result import answer
from etl.commands.scaffold import scaffold
from etl.databases.sqlite.source import SqliteSource
from etl.domain.canonical_json import canonical
from etl.errors import MigrationError, SourceChanged
from etl.objects.share import Share
from etl.options import Options
from etl.present import presented
from etl.reconcile.engine.given_folder import digest_of
from etl.reconcile.engine.spec import read_spec
from etl.reconcile.errors import SpecError
from etl.reconcile.objects.share import Moving, digest_at
from etl.reconcile.present.words import adapter_files, presentations
from etl.system.interruption import received
from mappings.errors import MappingErrors
from mappings.limits import adapter_digest, read_limits
from mappings.read import read_mappings
from tests.support.background import in_background
from tests.support.command import Workspace, command, copied_mappings, said
from tests.support.legacy import MAPPINGS
from tests.support.small_worlds import one_company_workspace

DEEP, LONG = "x = " + "[" * 5_000, f"x = {'9' * 6_000}"
# A name of 50,000 parts took minutes and all memory, a line of blanks 18 seconds, an exponent ended as an internal error.
PARTS, INLINE, BLANKS, EXPONENT = "a." * 50_000 + "a = 1", f"x = {{{'a.' * 50_000}a = 1}}", " " * 60_000 + "x", "x = 1e99999999999999999999"


@pytest.mark.parametrize(
    "text", [DEEP, LONG, PARTS, INLINE, BLANKS, EXPONENT], ids=["deep", "long", "parts", "inline", "blanks", "exponent"]
)
def test_no_malformed_text_file_causes_an_internal_error(text: str, tmp_path: Path) -> None:
    """Lists within lists, a number of thousands of digits, names of thousands of parts, in every TOML file that is handed over."""
    began = time.monotonic()
    source = ("--source", "sqlite:///old.sqlite")
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old:
        old.execute("CREATE TABLE message (x)")
    (tmp_path / "words.toml").write_text(text)
    (tmp_path / "adapter" / "portal2").mkdir(parents=True)
    (tmp_path / "adapter" / "portal2" / "message.toml").write_text(text)
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "limits.toml").write_text(text)
    stores = (*source, "--target", "sqlite:///t.sqlite", "--objects", "o")
    for words, code, named in (
        (("plan", *source, "--config", "words.toml"), 2, "words.toml"),
        (("run", *stores, "--run", "run", "--decisions", "words.toml"), 1, "words.toml"),
        (("plan", *source, "--adapter", "adapter"), 1, "portal2/message.toml"),
        (("plan", *source, "--adapter", "limits"), 1, "limits.toml"),
        (
            ("reconcile", *stores, "--decisions", "words.toml"),
            1,
            "t.sqlite" if text == EXPONENT else "words.toml",
        ),  # infinite there, and not used
    ):
        done = command(*words, folder=tmp_path)
        assert (done.code, named in done.err, "Internal error" in done.err) == (code, True, False), (words, done)
    assert time.monotonic() - began < 60  # a second on a quiet machine


def test_a_pipe_or_link_given_as_a_file_is_refused_and_not_followed(tmp_path: Path) -> None:
    """Previously a pipe blocked for ever, and the first line of a linked file was part of the message."""
    os.mkfifo(tmp_path / "pipe")
    done = command("run", "--source", "sqlite:///x", "--run", "run", "--objects", "o", "--decisions", "pipe", folder=tmp_path)
    assert (done.code, "pipe is not a file" in done.err) == (2, True), done
    (tmp_path / "secret").write_text("host:5432:db:user:Hunter2\n")
    for part in ("codes", "portal2"):
        (tmp_path / "adapter" / part).mkdir(parents=True)
    (tmp_path / "adapter" / "codes" / "status.csv").symlink_to(tmp_path / "secret")
    (tmp_path / "adapter" / "source.toml").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "adapter" / "portal2" / "message.toml")
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old:
        old.execute("CREATE TABLE message (x)")
    done = command("plan", "--source", "sqlite:///old.sqlite", "--adapter", "adapter", folder=tmp_path)
    assert done.code == 1, done
    assert "Hunter2" not in done.out + done.err
    assert done.err.count("a link, or not a file") == 3, done.err
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "limits.toml").symlink_to(tmp_path / "secret")
    done = command("plan", "--source", "sqlite:///old.sqlite", "--adapter", "limits", folder=tmp_path)
    assert (done.code, "limits.toml: file: found a link" in done.err, "Hunter2" in done.err) == (1, True, False), done


def test_a_pipe_in_place_of_a_file_of_the_run_or_of_the_goals_is_refused_without_blocking(published: Workspace) -> None:
    """`status`, `report` and `evidence pack` waited for a writer of the log, the verifier's result and the lock, for ever."""
    workspace, pack = published, ("evidence", "pack", "--bundle", "../bundle", "--key", "../k.pem")
    os.mkfifo(workspace.folder / "pipe")
    for name, words, code, named in (
        (".lock", ("status",), 0, ""),
        ("events.jsonl", pack, 6, "events.jsonl is missing from the run's folder, or not a file"),
        ("reconcile/result.json", ("report",), 6, "reconcile/result.json of the run's folder cannot be read"),
        ("report/report.json", pack, 6, "report/report.json of the run's folder cannot be read"),  # also where it is only missing
    ):
        path = workspace.run / name
        exact = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        done = command(*words, "--run", "run", folder=workspace.folder)
        assert (done.code, named in done.err) == (code, True), (name, done)
        path.unlink()
        path.write_bytes(exact)
    log = (workspace.run / "events.jsonl").read_bytes()
    (workspace.run / "events.jsonl").unlink()
    (workspace.run / "events.jsonl").mkdir()  # was an internal error
    done = command("report", "--run", "run", folder=workspace.folder)
    assert (done.code, "events.jsonl was cut" in done.err) == (6, True), done.err
    (workspace.run / "events.jsonl").rmdir()
    (workspace.run / "events.jsonl").write_bytes(log)
    (workspace.run / "report" / "junit.xml").unlink()
    done = command(*pack, "--run", "run", folder=workspace.folder)
    assert (done.code, "report/junit.xml" in done.err) == (6, True), done.err
    assert not (workspace.folder.parent / "bundle").exists()
    done = command("run", "--source", "sqlite:///x", "--run", "new", "--objects", "o", "--acceptance", "pipe", folder=workspace.folder)
    assert (done.code, "--acceptance: pipe is not a file" in done.err) == (2, True), done.err
    for place, reason in (("pipe", "not a regular file"), ("/dev/zero", "not a regular file"), ("long", "larger than")):
        with (workspace.folder / "long").open("wb") as file:
            file.truncate(1 << 30)
        done = command("status", "--run", "run", "--config", place, folder=workspace.folder)
        assert (done.code, f"{place} cannot be read ({reason}" in done.err) == (2, True), done.err
        done = command("status", "--run", "run", folder=workspace.folder, PORTAL_MIGRATE_SEAL=place)
        assert (done.code, f"{place} cannot be read ({reason}" in done.err) == (1, True), done.err
    reader, writer = os.pipe()  # what the shell makes of `--config <(command)`
    os.write(writer, b'run = "run"\n')
    os.close(writer)
    assert command("status", "--config", f"/dev/fd/{reader}", folder=workspace.folder).code == 0
    os.close(reader)


def test_folders_are_read_once_for_digest_and_use(tmp_path: Path) -> None:
    """The verifier parsed the mappings and read them again for their digest; the loader's workers read an adapter without checking its digest."""
    opened: list[str] = []
    counting = True

    def seen(event: str, words: tuple[object, ...]) -> None:
        if counting and event == "open" and str(tmp_path) in str(words[0]):
            opened.append(str(words[0]))

    mappings, adapter = copied_mappings(tmp_path), tmp_path / "adapter"
    (adapter / "portal2").mkdir(parents=True)
    (adapter / "limits.toml").write_text('[held]\nmessage = { share = 0.5, reason = "old" }\n')
    (adapter / "portal2" / "source.toml").write_text('[absent]\nmessage = "never there"\n')
    digest = adapter_digest(adapter)
    sys.addaudithook(seen)  # cannot be removed: the flag ends it
    spec = read_spec(mappings)
    verified = adapter_files(adapter)
    presentations(verified, spec.sources)
    files = [path for path in opened if Path(path).suffix]  # not the folders, which are listed
    counting = False
    assert len(files) == len({*files}) == len(read_mappings(mappings).files) + len(verified)
    assert spec.sha256 == read_mappings(mappings).digest
    assert digest_of(verified) == digest
    assert read_limits(adapter, MAPPINGS, digest).held["message"].share == 0.5
    (adapter / "limits.toml").write_text('[held]\nmessage = { share = 1.0, reason = "old" }\n')
    for use in (lambda: read_limits(adapter, MAPPINGS, digest), lambda: presented({}, adapter, MAPPINGS, digest)):
        with pytest.raises(MappingErrors, match="the folder changed while the run was under way"):
            use()
    os.mkfifo(adapter / "portal2" / "message.toml")
    with pytest.raises(SpecError, match=r"portal2/message\.toml' cannot be read \(not a regular file\)"):
        adapter_files(adapter)
    (mappings / "portal2" / "message.toml").write_text(DEEP)
    with pytest.raises(SpecError, match=r"portal2/message\.toml: cannot be read as TOML"):
        read_spec(mappings)


def test_inputs_are_never_written_to(published: Workspace) -> None:
    """Lists, comparisons, drafts, the explorer's state and the run itself: not into the old share, nor into an old portal that is a folder."""
    workspace = published
    (workspace.folder / "export").mkdir()
    (workspace.folder / "export" / "message.csv").write_text("A\n1\n")
    before = sorted(workspace.folder.joinpath("legacy").rglob("*"))
    export = ("--source", "folder:export", "--target", "sqlite:///t.sqlite")
    for words in (
        ("readiness", "--run", "run", "--out", "legacy/files/x"),
        ("compare", "run", "run", "--out", "legacy/files/x"),
        ("scaffold", "--source", "folder:export", "--to", "export/x"),
        ("explore", "--run", "run", "--state", "legacy/files/x"),
        ("run", *export, "--objects", "o", "--run", "export/run"),
        ("run", *export, "--objects", "export/o", "--run", "r"),
        ("plan", *export, "--objects", "export/o"),
    ):
        done = command(*words, folder=workspace.folder)
        assert (done.code, "Paths overlap" in done.err) == (7, True), (words, done)
    assert sorted(workspace.folder.joinpath("legacy").rglob("*")) == before
    assert [path.name for path in (workspace.folder / "export").iterdir()] == ["message.csv"]


def test_a_manifest_with_paths_outside_the_run_is_refused(published: Workspace) -> None:
    """Evidence is packed under these names: `report/../../x` was written outside the bundle."""
    (published.folder / "x").write_text("planted")
    manifest = published.run / "manifest.json"
    content = json.loads(manifest.read_bytes())
    exact = (published.folder / "x").read_bytes()
    content["run"]["steps"]["report"]["files"].append(["report/../../x", 0, len(exact), hashlib.sha256(exact).hexdigest()])
    content["sha256"] = hashlib.sha256(canonical(content["run"])).hexdigest()
    manifest.write_text(json.dumps(content))
    for words in (("evidence", "pack", "--bundle", "out/bundle", "--key", "k.pem"), ("report",), ("status",)):
        done = command(*words, "--run", "run", folder=published.folder)
        assert (done.code, "manifest.json" in done.err) == (6, True), (words, done)
    assert not (published.folder / "out").exists()


def test_a_file_of_the_share_that_keeps_growing_is_not_read_forever(tmp_path: Path) -> None:
    """A file that grows faster than it is read filled the disk: both readers stop at its initial size."""
    path = tmp_path / "f"
    path.write_bytes(b"x" * (4 << 20))
    chunks = Share(str(tmp_path)).chunks("f")
    assert chunks is not None
    read = len(next(chunks))
    os.truncate(path, 64 << 20)
    sizes = [read]
    with pytest.raises(SourceChanged, match="changed while it was being read"):
        sizes.extend(len(chunk) for chunk in chunks)
    assert sum(sizes) <= 6 << 20

    def grow(over: threading.Event) -> None:
        with path.open("ab") as file:
            while not over.is_set():
                file.write(b"x" * (1 << 20))
                if file.tell() > 512 << 20:
                    file.truncate(64 << 20)

    with in_background(grow), pytest.raises(Moving):
        digest_at(tmp_path, "f")


def test_hostile_names_of_a_scan_are_quoted_in_the_draft(tmp_path: Path) -> None:
    """A table's name with a line break wrote lines of its own into the adapter's draft and the work list."""
    evil = 'message\n[from.retired]\nbody = "gone"\n# \x7f"'
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old:
        quoted = evil.replace('"', '""')
        old.execute(f'CREATE TABLE "{quoted}" (message_id INTEGER PRIMARY KEY, thread_id INTEGER, body TEXT, "{quoted}" TEXT)')
        old.commit()
    scaffold(Options(source=f"sqlite:///{tmp_path / 'old.sqlite'}"), tmp_path / "draft", None)
    for file in (tmp_path / "draft").rglob("*.toml"):
        text = file.read_text()
        tomllib.loads(text)
        assert not any(line == "[from.retired]" for line in text.splitlines()[1:3]), text
        assert '\nbody = "gone"\n' not in text
    assert not [line for line in (tmp_path / "draft" / "worklist.md").read_text().splitlines() if line.startswith("body")]
    (tmp_path / "scan.json").write_text("[" * 100_000)
    with pytest.raises(MigrationError, match="not a readable scan"):
        scaffold(Options(), tmp_path / "draft", tmp_path / "scan.json")


def test_a_signal_ends_an_endless_statement_on_sqlite(tmp_path: Path) -> None:
    """A view that counts for ever: the handler waited for SQLite's own call, SIGTERM was without effect."""
    columns = MAPPINGS.sources["P2"].tables["message"].columns
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as old:
        listed = ", ".join(f"CAST(x AS {column.sql_type}) AS {column.name}" for column in columns)
        old.execute(f"CREATE VIEW message AS WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {listed} FROM n")
        old.commit()
    began = time.monotonic()
    source = SqliteSource(f"sqlite:///{tmp_path / 'old.sqlite'}", "Portal 2.0")
    watch = threading.Timer(30, source._connection.interrupt)
    watch.start()

    def action() -> dict[str, object]:
        threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return {"rows": source.count("message")}

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(SystemExit) as ended:
            answer("plan", {"output": "json", "verbose": False}, action)
        assert ended.value.code == 143
        assert time.monotonic() - began < 15
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        received.clear()
        watch.cancel()
        source.close()


def test_a_path_that_the_file_system_cannot_follow_is_wrong_usage_in_every_option(tmp_path: Path) -> None:
    """Symbolic links that lead back to themselves, and names beyond the file system's limit, were internal errors."""
    (tmp_path / "loop").symlink_to("loop")
    for text, why in (
        ("loop", "symbolic links that lead back"),
        ("loop/file", "symbolic links that lead back"),
        ("x" * 300, "is too long"),
    ):
        for name, option, value in (
            ("plan", "--source", f"sqlite:///{text}"),
            ("run", "--tc", f"folder:{text}"),
            ("run", "--target", f"sqlite:///{text}"),
            ("run", "--files", text),
            ("run", "--objects", f"file://{tmp_path}/{text}"),
            ("run", "--run", text),
            ("run", "--log", text),
            ("run", "--decisions", text),
            ("run", "--acceptance", text),
            ("plan", "--adapter", text),
            ("plan", "--mappings", text),
            ("readiness", "--bounces", text),
            ("company", "--folder", text),
        ):
            done = command(name, option, value, folder=tmp_path)
            assert (done.code, option in done.err, why in done.err) == (2, True, True), (name, option, value[:20], done)
        done = command("compare", text, "run", folder=tmp_path)
        assert (done.code, why in done.err) == (2, True), done
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a folder", "a device"])
def test_what_is_not_a_regular_file_is_refused_in_place_of_every_database_and_file_without_waiting(kind: str, tmp_path: Path) -> None:
    """A pipe that nobody writes to as SQLite source or store, and as each file that an option names."""
    strange = {"a pipe": "pipe", "a socket": "socket", "a folder": "folder", "a device": "/dev/zero"}[kind]
    os.mkfifo(tmp_path / "pipe")
    with closing(socket.socket(socket.AF_UNIX)) as bound, contextlib.chdir(tmp_path):
        bound.bind("socket")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "some").write_text("text")
    workspace = one_company_workspace(tmp_path / "world")
    at = strange if strange.startswith("/") else str(tmp_path / strange)
    for option, value in (
        ("--source", f"sqlite:///{at}"),
        ("--tc", f"sqlite:///{at}"),
        ("--target", f"sqlite:///{at}"),
        ("--config", at),
        ("--decisions", at),
        ("--acceptance", at),
        ("--approver", at),
        ("--log", at),
        ("--files", at),
        ("--objects", at),
    ):
        if kind == "a folder" and option in ("--files", "--objects"):
            continue  # a folder belongs there
        done = workspace.process("run", option, value)
        said(done, done.code)
        assert done.code in (1, 2, 7), (option, done)
    if kind != "a folder":
        for name in ("adapter", "mappings"):
            said(workspace.process("plan", f"--{name}", at), 1)
    done = workspace.process("readiness", "--bounces", at)
    said(done, done.code)
    done = workspace.process("scaffold", "--scan", at, "--to", str(tmp_path / "draft"))
    said(done, done.code)

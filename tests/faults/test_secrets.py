"""Rows 35 to 40 of faults.md: canaries in rows and passwords, which may only be in the data itself; modes and links. `scene.ended` checks all output."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from .calls import injecting, needs_strace
from .conftest import Reference
from .postgres import PASSWORD, Server
from .scene import STEPS, Content, Scene, canaries_in, ended, store_content
from .tally import SECRETS, tried

Scenes = Callable[[Scene], Scene]
# Where rows are kept on purpose: stage files, the lists of held rows, the objects, the new store.
_DATA = ("extract/", "split/", "reattach/", "check/failures.parquet", "reconcile/differences.parquet", "report/held.csv")


def test_files_of_a_run(reference: Reference) -> None:
    """Rows 35 to 37: manifest, events, answers of the checks, report: no canary in any of them."""
    with tried(SECRETS):
        found = canaries_in(reference.done().run_folder, lambda name: name.startswith(_DATA))
        assert not found, f"a secret is in {found}"


def _passwords(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and PASSWORD.encode() in path.read_bytes()]


@pytest.mark.parametrize("command", [*STEPS, "status", "plan", "rollback", "purge"])
def test_verbose(command: str, reference: Reference, scenes: Scenes) -> None:
    """Row 35: -v and JSON contain no secret, for any command."""
    scene = scenes(reference.before(command) if command in STEPS else reference.done())
    with tried(SECRETS):
        scene.run(command, "-v", code=0)
        if command in ("status", "plan", "report"):
            scene.run(command, "--output", "json", code=0)


def test_password_of_a_url(reference: Reference, postgres_store: Content, server: Server, scenes: Scenes) -> None:
    """Row 35: in the user's part or among the options, of a server that answers or not: it is not said, and in no file, not even a stage file."""
    scene = scenes(reference.before("load"))
    scene.target = server.fresh("secrets")
    with tried(SECRETS):
        scene.run("load", "-v", code=0)
        scene.run("report", "-v", code=0)
        assert not _passwords(scene.folder)
        assert store_content(scene.target, scene.folder) == postgres_store
    for url in (
        f"postgresql://nobody:{PASSWORD}@127.0.0.1:1/x",
        f"postgresql://nobody@127.0.0.1:1/x?password={PASSWORD}",
        f"postgresql://nobody@127.0.0.1:1/x?sslpassword={PASSWORD}&sslmode=verify-full",
        f"postgresql://nobody:{PASSWORD}@[::1/x",
        f"mysql://nobody:{PASSWORD}@127.0.0.1/x",
        f"postgresql://nobody:{PASSWORD}@127.0.0.1:notaport/x",
    ):
        for option in ("--target", "--source"):
            for command in ("load", "plan"):
                broken = scenes(reference.before("load"))
                broken.target = url if option == "--target" else broken.target
                broken.source = url if option == "--source" else broken.source
                with tried(SECRETS):
                    end = broken.run(command, "-v")
                    assert end.code != 0 or (command, option) == ("plan", "--target"), end
                    assert "Traceback" not in end.err, end
                    assert not _passwords(broken.folder)


def test_texts_of_the_servers_errors(reference: Reference, server: Server, scenes: Scenes) -> None:
    """Row 36: a server's message about a refused row contains the row: neither -v nor any file repeats it."""
    scene = scenes(reference.before("load"))
    scene.target = server.fresh("secrets")
    scene.run("load", code=0)
    scene.run("rollback", code=0)
    for table, column, statement in (
        ("message", "body", "ALTER TABLE message ADD CONSTRAINT theirs CHECK (body NOT LIKE '%canary%')"),
        ("login", "email_key", "ALTER TABLE login ADD CONSTRAINT theirs CHECK (email_key NOT LIKE '%canary%')"),
        ("account_identifier", "value_raw", "CREATE UNIQUE INDEX theirs ON account_identifier ((true))"),
    ):
        with server.connect("secrets") as connection:
            connection.execute(statement)
        with tried(SECRETS):
            end = scene.run("run", "-v")
            assert end.code in (1, 7), f"{table}.{column}: {end}"
            assert not canaries_in(scene.run_folder, lambda name: name.startswith(_DATA))
        with server.connect("secrets") as connection:
            connection.execute("DROP INDEX IF EXISTS theirs")
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS theirs")
        with server.connect("secrets") as connection:
            connection.execute(
                "CREATE OR REPLACE FUNCTION says() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no: %', NEW USING DETAIL = NEW::text; END $$"
            )
            connection.execute(f"CREATE TRIGGER says BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION says()")
        with tried(SECRETS):
            scene.run("load", "-v", code=7)  # refused at the start: it would see the rows
        with server.connect("secrets") as connection:
            connection.execute(f"DROP TRIGGER says ON {table}")
    with tried(SECRETS):
        scene.run("load", code=0)


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_modes(mask: int, reference: Reference, scenes: Scenes) -> None:
    """Row 39: under any umask folders are 0700 and files 0600: run folder, objects, store; and the staging of a load that was killed."""
    scene = scenes(reference.before("extract"))
    with tried(SECRETS):
        scene.run("run", preexec_fn=lambda: os.umask(mask), code=0)
        loose = _loose(scene)
        assert not loose, f"others may look into {loose[:5]}"
    killed = scenes(reference.before("load"))
    process = killed.start("load", preexec_fn=lambda: os.umask(mask))
    while process.poll() is None and not (killed.run_folder / "load" / "staging.sqlite").exists():
        pass
    process.kill()
    process.wait()
    with tried(SECRETS):
        assert not _loose(killed)


def _loose(scene: Scene) -> list[str]:
    places = [scene.run_folder, scene.objects, *scene.run_folder.rglob("*"), *scene.objects.rglob("*"), *scene.folder.glob("new.sqlite*")]
    return [
        f"{path.relative_to(scene.folder)} {stat.S_IMODE(path.lstat().st_mode):04o}"
        for path in places
        if stat.S_IMODE(path.lstat().st_mode) != (0o700 if path.is_dir() else 0o600)
    ]


def test_links(reference: Reference, scenes: Scenes, tmp_path: Path) -> None:
    """Row 40: the run's folder, a folder or a file in it is a link: refused, and what it leads to is as it was."""
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("staging.sqlite", "kept", "manifest.json"):
        (victim / name).write_text("not ours")

    def unharmed() -> bool:
        return sorted((p.name, p.read_text()) for p in victim.iterdir()) == [
            (name, "not ours") for name in ("kept", "manifest.json", "staging.sqlite")
        ]

    for step, name, codes in (
        ("extract", "", (7,)),
        ("load", "load", (6, 7)),
        ("load", "load/staging.sqlite", (0, 6, 7)),
        ("load", "events.jsonl", (1, 6, 7)),
        ("load", "manifest.json", (6, 7)),
        ("load", ".lock", (1, 6, 7)),
        ("load", "split", (6, 7)),
        ("report", "report", (6, 7)),
        ("reattach", "reattach", (6, 7)),
    ):
        scene = scenes(reference.before(step))
        path = scene.run_folder / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(victim / "kept" if name in ("load/staging.sqlite", "events.jsonl", ".lock") else victim)
        with tried(SECRETS):
            end = scene.run(step)
            assert end.code in codes, f"{name}: {end}"
            assert unharmed(), name
            assert "Traceback" not in end.err, end


def test_no_secret_in_the_process_list(reference: Reference, server: Server, scenes: Scenes) -> None:
    """Row 35: with its URLs in the environment, a command and its child processes show no password to other users."""
    scene = scenes(reference.before("load"))
    scene.environment = {"PORTAL_MIGRATE_TARGET": server.fresh("secrets")}
    options = [*scene.options("load")[:4], *scene.options("load")[6:]]
    argv = scene.argv("load")[:4] + options
    import subprocess

    process = subprocess.Popen(
        argv, cwd=scene.folder, env=scene.env(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    looked = 0  # at how many command lines of the session, while they were there to be read
    with tried(SECRETS):
        while process.poll() is None:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes() if os.getsid(int(path.parent.name)) == process.pid else b""
                except OSError:
                    continue
                assert PASSWORD.encode() not in words, words
                looked += b"load" in words
        assert process.returncode == 0
        assert looked


def test_escapes(reference: Reference, scenes: Scenes) -> None:
    """Row 38: names that are markup or terminal escapes come out as text: no ESC of the data in anything that is said or written for people."""
    import sqlite3

    scene = scenes(reference.before("extract"))
    with sqlite3.connect(scene.own_world() / "portal2.sqlite") as lite:
        hostile = "\x1b[2J\x1b]8;;http://x/\x07[bold red]x[/][link=file:///etc/passwd]<script>alert(1)</script>=cmd|' /C calc'!A0"
        assert lite.execute("UPDATE company_profile SET company_name = ?, dba_name = ?", (hostile, hostile)).rowcount
    lite.close()
    with tried(SECRETS):
        end = scene.run("run", "-v")
        assert end.code in (0, 3), end
        assert "\x1b" not in end.out + end.err
        for path in (scene.run_folder / "report").rglob("*"):
            if path.is_file():
                text = path.read_bytes() if path.suffix != ".xlsx" else _unpacked(path)
                assert b"\x1b" not in text, path
                assert b"<script>alert" not in text, path


def _unpacked(book: Path) -> bytes:
    with zipfile.ZipFile(book) as parts:
        return b"".join(parts.read(name) for name in parts.namelist())


def test_no_core_file(reference: Reference, scenes: Scenes) -> None:
    """SC-4: a process that crashes leaves no picture of its memory, even where the shell allows one."""
    scene = scenes(reference.before("load"))
    needs_strace()
    process = scene.start(
        "load",
        traced=injecting("rename", "signal=SEGV:when=1"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
    )
    with tried(SECRETS):
        assert ended(process).code == -signal.SIGSEGV
        left = sorted(path.name for path in scene.folder.iterdir() if "core" in path.name)
        assert not left
        scene.run("load", code=0)


def test_user_without_name_and_home(reference: Reference, scenes: Scenes) -> None:
    """In a container a user may have neither; and the run's log has who really did it, not whom the environment claims."""
    if os.geteuid():
        pytest.skip("only root can become such a user")
    scene = scenes(reference.before("check"))
    scene.launcher = ("-c", "import os, sys; os.setreuid(54321, 0); del os.environ['HOME']; sys.argv[0] = 'cli'; import cli; cli.main()")
    scene.environment = {"LOGNAME": "somebody", "USER": "somebody"}
    with tried(SECRETS):
        scene.run("check", code=0)
        assert json.loads((scene.run_folder / "events.jsonl").read_text().splitlines()[-1])["who"] != "somebody"

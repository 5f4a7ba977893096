"""Rows 21 and 22 of faults.md: no space at any point; a write or fsync that fails. An error, no partial changes, and resumable."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .calls import counted, injected, needs_strace, spread
from .conftest import Reference
from .postgres import Server
from .scene import PATIENCE, STEPS, Content, Scene, difference, said_secret, stage_content, staging_left, store_content
from .tally import SPACE, tried
from .test_kill_calls import nothing_or_all, same_as_reference

Scenes = Callable[[Scene], Scene]
STEPS_THAT_WRITE = ("extract", "split", "reattach", "load")


@pytest.mark.parametrize("step", STEPS_THAT_WRITE)
def test_file_size_limit(step: str, reference: Reference, scenes: Scenes) -> None:
    """RLIMIT_FSIZE at several sizes: exit 1 with a sentence, no partial changes, and the same command ends it without the limit."""
    for size in (100, 20_000, 300_000):
        scene = scenes(reference.before(step))
        before = store_content(scene.target, scene.folder)

        def limit(size: int = size) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        with tried(SPACE):
            end = scene.run(step, preexec_fn=limit)
            assert end.code in (0, 1), end
            assert end.code == 0 or ("next:" in end.err and "Traceback" not in end.err), end
            assert end.code == 1 or size > 100, end
            assert store_content(scene.target, scene.folder) in (before, reference.store)
            scene.run(step, code=0)
            same_as_reference(scene, step, reference)


@pytest.mark.parametrize("step", STEPS_THAT_WRITE)
def test_too_little_memory(step: str, reference: Reference, scenes: Scenes) -> None:
    """Row 34: the address space is exhausted during the step: there are no partial changes, and the same command completes the step."""
    scene = scenes(reference.before(step))
    before = store_content(scene.target, scene.folder)
    stopped = 0
    for megabytes in (400, 700, 1_000, 1_300, 1_600, 2_000):

        def limit(megabytes: int = megabytes) -> None:
            resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

        with tried(SPACE):
            # Not by `run`: where a library's own allocation fails, the end is as abrupt as a kill, and its words are the library's.
            process = scene.start(step, preexec_fn=limit)
            out, err = process.communicate(timeout=PATIENCE)
            stopped += process.returncode != 0
            assert not said_secret(out + err)
            assert store_content(scene.target, scene.folder) in (before, reference.store)
    assert stopped, "there was memory enough: nothing was tested"
    with tried(SPACE):
        scene.run(step, code=0)
        same_as_reference(scene, step, reference)


@contextmanager
def small_disk(path: Path, size: int, files: int = 0) -> Iterator[Callable[[int], None]]:
    """The folder on a disk of its own of so many bytes and, where given, files and folders; what comes back makes it larger."""
    aside = path.with_name(path.name + ".aside")
    if path.exists():
        path.rename(aside)
    path.mkdir(mode=0o700)
    options = f"size={size},nr_inodes={files}"  # 0: any number
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no disk of its own can be mounted here")
    try:
        if aside.exists():
            shutil.copytree(aside, path, dirs_exist_ok=True, symlinks=True)

        def larger(size: int) -> None:
            more = f"remount,size={size}" + (",nr_inodes=100000" if files else "")
            subprocess.run(["mount", "-o", more, str(path)], check=True)

        yield larger
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
        shutil.rmtree(aside, ignore_errors=True)


def used(path: Path) -> int:
    """Bytes that the files take on a disk of 4 KB pages; folders take none of a tmpfs."""
    return sum(-4096 * (-entry.stat().st_size // 4096) for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else 0


def entries(path: Path) -> int:
    """Files and folders, itself included."""
    return 1 + sum(1 for _ in path.rglob("*")) if path.is_dir() else 1


@pytest.mark.parametrize("step", [*STEPS, "extract into objects", "load into the store"])
def test_insufficient_space_is_detected_before_the_run(step: str, reference: Reference, scenes: Scenes) -> None:
    """Before each step: a disk without enough space is reported, nothing is written, and with space the same command completes."""
    step, _, where = step.partition(" into ")
    scene = scenes(reference.before(step))
    where = where.removeprefix("the ") or "run"
    if where == "store":
        scene.target = "sqlite:///store/new.sqlite"
    path = scene.folder / where
    before = store_content(scene.target, scene.folder)
    with small_disk(path, used(path) + 64_000) as larger, tried(SPACE):
        there = stage_content(scene.run_folder, [step])
        end = scene.run(step, code=1)
        assert "Not enough disk space" in end.err, end
        assert str(where) in end.err, end
        assert store_content(scene.target, scene.folder) == before
        assert stage_content(scene.run_folder, [step]) == there
        assert not there or step == "report"  # reconcile writes the report of its judgement
        larger(256 << 20)
        scene.run(step, code=0)
        if where != "store":
            same_as_reference(scene, step, reference)


@pytest.mark.parametrize(
    ("step", "where"),
    [("extract", "run"), ("extract", "objects"), ("split", "run"), ("reattach", "run"), ("check", "run"), ("load", "run")],
)
def test_full_disk(step: str, where: str, reference: Reference, scenes: Scenes) -> None:
    """The run's folder or the object store on a disk that runs out of space or of files during the step: exit 1, then the same command."""
    following = reference.before(STEPS[STEPS.index(step) + 1])
    before = entries(reference.before(step).folder / where)
    made = entries(following.folder / where) - before
    for more in sorted({1, max(1, made // 2)}):
        scene = scenes(reference.before(step))
        content = store_content(scene.target, scene.folder)
        with small_disk(scene.folder / where, 512 << 20, before + more) as larger, tried(SPACE):
            end = scene.run(step)
            assert end.code == 1, end
            assert "Traceback" not in end.err, end
            assert "space" in end.err.lower(), end
            assert store_content(scene.target, scene.folder) == content
            larger(512 << 20)
            scene.run(step, code=0)
            same_as_reference(scene, step, reference)


def test_full_disk_of_the_store(reference: Reference, scenes: Scenes) -> None:
    """The disk of the new store becomes full during the transaction: there was space when the load began."""
    scene = scenes(reference.before("load"))
    scene.target = "sqlite:///store/new.sqlite"
    with small_disk(scene.folder / "store", 512 << 20, 2) as larger, tried(SPACE):  # the folder and the store, not its journal
        end = scene.run("load", code=1)
        assert "Traceback" not in end.err, end
        assert store_content(scene.target, scene.folder) == {}
        larger(512 << 20)
        scene.run("load", code=0)
        assert not difference(store_content(scene.target, scene.folder), reference.store)
        assert sorted(entry.name for entry in (scene.folder / "store").iterdir()) == ["new.sqlite"]


_FAILS = {
    "fsync": "EIO",
    "fdatasync": "EIO",
    "syncfs": "EIO",
    "rename": "EIO",
    "renameat": "EIO",
    "write": "ENOSPC",
    "pwrite64": "ENOSPC",
    "mkdir": "ENOSPC",
    "mkdirat": "ENOSPC",
    "ftruncate": "EIO",
}


@pytest.mark.parametrize("step", STEPS_THAT_WRITE)
def test_some_calls_fail(step: str, reference: Reference, scenes: Scenes) -> None:
    _fail(step, 1, reference, scenes)


@pytest.mark.full
@pytest.mark.parametrize("step", STEPS_THAT_WRITE)
def test_every_call_fails(step: str, reference: Reference, scenes: Scenes) -> None:
    _fail(step, 40, reference, scenes)


def _fail(step: str, many: int, reference: Reference, scenes: Scenes) -> None:
    """The n-th such call fails: never exit 0 with less than everything, no partial changes; the same command ends it."""
    needs_strace()
    numbers = counted(scenes(reference.before(step)), step, ["rename", "fsync", "mkdir", "truncate"])
    for call, error in _FAILS.items():
        which = spread(numbers.get(call, []), many) if call not in ("write", "pwrite64") else spread(range(1, 60), many)
        for number in which:
            scene = scenes(reference.before(step))
            before = store_content(scene.target, scene.folder)
            with tried(SPACE):
                end = injected(scene, step, call, f"error={error}:when={number}")
                assert end.code in (0, 1), end
                assert "Traceback" not in end.err, end
                assert end.code == 0 or not call.startswith("mkdir") or "No space is left" in end.err, end
                if end.code == 0:  # SQLite takes a failed fsync of a folder for none, and a mkdir may be of a folder that is there
                    same_as_reference(scene, step, reference)
                assert store_content(scene.target, scene.folder) in (before, reference.store)
                scene.run(step, code=0)
                same_as_reference(scene, step, reference)


def test_log_cannot_be_written(reference: Reference, scenes: Scenes) -> None:
    """AU-5: where the run's log cannot be written the run stops."""
    scene = scenes(reference.before("split"))
    log = scene.run_folder / "events.jsonl"
    needs_strace()
    with tried(SPACE):
        end = injected(scene, "split", "write", "error=ENOSPC", path=log)
        assert end.code == 1, end
        assert "Traceback" not in end.err, end
        scene.run("split", code=0)
        same_as_reference(scene, "split", reference)
    assert os.path.getsize(log) > 0  # noqa: PTH202
    nothing_or_all(scene, {}, reference)


@contextmanager
def small_tablespace(server: Server, path: Path, space: int) -> Iterator[Callable[[int], None]]:
    """An empty database `full_disk` on a disk of its own with this many bytes of space; yields a function that enlarges the disk."""
    if os.geteuid() != 0:
        pytest.skip("no disk of its own can be mounted here")
    with small_disk(path, 64 << 20) as larger:
        shutil.chown(path, Path(server.host).owner())
        with server.connect() as connection:
            connection.execute("DROP DATABASE IF EXISTS full_disk WITH (FORCE)")
            connection.execute(f"CREATE TABLESPACE small LOCATION '{path}'")
            connection.execute("CREATE DATABASE full_disk TEMPLATE template0 TABLESPACE small")
            connection.execute("CHECKPOINT")
        try:
            larger(used(path) + space)
            yield larger
        finally:
            with server.connect() as connection:
                connection.execute("DROP DATABASE full_disk WITH (FORCE)")
                connection.execute("DROP TABLESPACE small")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_full_disk_of_a_server(share: float, reference: Reference, server: Server, postgres_store: Content, scenes: Scenes) -> None:
    """The disk of a PostgreSQL server has space for a part of the store: exit 1 with a message, nothing is published; with space the same command completes."""
    scene = scenes(reference.before("load"))
    scene.target = server.url("full_disk")
    with server.connect() as connection:
        (takes,) = connection.execute("SELECT pg_database_size('undisturbed') - pg_database_size('template0')").fetchone()
    path = Path(tempfile.mkdtemp(prefix="tablespace-"))  # not the tests' own folder: the server's user does not get in there
    path.chmod(0o755)
    try:
        with small_tablespace(server, path / "disk", int(takes * share)) as larger, tried(SPACE):
            end = scene.run("load", "--output", "json", code=1)
            assert "SQLSTATE 53100" in end.out, end
            assert "disk is full" in end.out, end
            assert '"NO_SPACE"' in end.out, end
            assert store_content(scene.target, scene.folder) == {}
            larger(256 << 20)
            scene.run("load", code=0)
            assert staging_left(scene.target) == []
            assert not difference(store_content(scene.target, scene.folder), postgres_store)
    finally:
        shutil.rmtree(path, ignore_errors=True)

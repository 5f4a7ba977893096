"""Rows 21 and 22 of faults.md: no room, in the middle of anything; a write or fsync that fails. Loud, nothing half done, and resumable."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .calls import counted, injected, needs_strace, spread
from .conftest import Reference
from .scene import PATIENCE, STEPS, Scene, difference, said_secret, store_content
from .tally import SPACE, tried
from .test_kill_calls import nothing_or_all, same_as_reference

Scenes = Callable[[Scene], Scene]
STEPS_THAT_WRITE = ("extract", "split", "reattach", "load")


@pytest.mark.parametrize("step", STEPS_THAT_WRITE)
def test_file_size_limit(step: str, reference: Reference, scenes: Scenes) -> None:
    """RLIMIT_FSIZE at several sizes: exit 1 with a sentence, nothing half done, and the same command ends it without the limit."""
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
    """Row 34: an address space that ends somewhere in the step: whatever ends it then, nothing is half done, and the same command ends it."""
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
def small_disk(place: Path, size: int) -> Iterator[Callable[[int], None]]:
    """The folder on a disk of its own of so many bytes; what comes back makes it larger."""
    aside = place.with_name(place.name + ".aside")
    if place.exists():
        place.rename(aside)
    place.mkdir(mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no disk of its own can be mounted here")
    try:
        if aside.exists():
            shutil.copytree(aside, place, dirs_exist_ok=True, symlinks=True)

        def larger(size: int) -> None:
            subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)

        yield larger
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        shutil.rmtree(aside, ignore_errors=True)


def used(place: Path) -> int:
    """Bytes that the files take on a disk of 4 KB pages; folders take none of a tmpfs."""
    return sum(-4096 * (-entry.stat().st_size // 4096) for entry in place.rglob("*") if entry.is_file()) if place.is_dir() else 0


@pytest.mark.parametrize(
    ("step", "where"), [("extract", "run"), ("extract", "objects"), ("split", "run"), ("reattach", "run"), ("load", "run")]
)
def test_full_disk(step: str, where: str, reference: Reference, scenes: Scenes) -> None:
    """The run's folder or the object store on a disk that fills up: exit 1, then the same command with room."""
    following = reference.before(STEPS[STEPS.index(step) + 1])
    written = used(following.folder / where) - used(reference.before(step).folder / where)
    for room in (4_096, max(8_192, written // 2)):
        scene = scenes(reference.before(step))
        place = scene.folder / where
        before = store_content(scene.target, scene.folder)
        with small_disk(place, used(place) + room) as larger, tried(SPACE):
            end = scene.run(step)
            assert end.code == 1, end
            assert "Traceback" not in end.err, end
            assert "space" in end.err.lower() or "room" in end.err.lower(), end
            assert store_content(scene.target, scene.folder) == before
            larger(64 << 20)
            scene.run(step, code=0)
            same_as_reference(scene, step, reference)


def test_full_disk_of_the_store(reference: Reference, scenes: Scenes) -> None:
    """The new store's own disk fills up in mid transaction."""
    for room in (16_384, 600_000):
        scene = scenes(reference.before("load"))
        scene.target = "sqlite:///store/new.sqlite"
        with small_disk(scene.folder / "store", room) as larger, tried(SPACE):
            end = scene.run("load", code=1)
            assert "Traceback" not in end.err, end
            assert store_content(scene.target, scene.folder) == {}
            larger(64 << 20)
            scene.run("load", code=0)
            assert not difference(store_content(scene.target, scene.folder), reference.store)
            assert sorted(entry.name for entry in (scene.folder / "store").iterdir()) == ["new.sqlite"]


_FAILS = {
    "fsync": "EIO",
    "fdatasync": "EIO",
    "syncfs": "EIO",
    "rename": "EIO",
    "write": "ENOSPC",
    "pwrite64": "ENOSPC",
    "mkdir": "ENOSPC",
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
    """The n-th such call fails: never exit 0 with less than everything, nothing half done; the same command ends it."""
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

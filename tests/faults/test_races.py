"""Row 40 of faults.md: a folder of the run and a link to another folder are swapped continuously while a command runs."""

from __future__ import annotations

import ctypes
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from .conftest import Reference
from .scene import Scene, ended
from .tally import SECRETS, tried
from .test_two_runs import tree

Scenes = Callable[[Scene], Scene]
_AT_FDCWD, _EXCHANGE = -100, 2
_GOES = 5  # of each command


class Swapper:
    """Swaps two names repeatedly until it is stopped; `swaps` counts."""

    def __init__(self, one: Path, other: Path) -> None:
        self._names = (str(one).encode(), str(other).encode())
        self._rename = ctypes.CDLL(None, use_errno=True).renameat2
        self.swaps = 0
        self._on = False

    def swap(self) -> bool:
        done = self._rename(_AT_FDCWD, self._names[0], _AT_FDCWD, self._names[1], _EXCHANGE) == 0
        self.swaps += done
        return bool(done)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._on = True
        thread = threading.Thread(target=self._go_on)
        thread.start()
        try:
            yield
        finally:
            self._on = False
            thread.join()

    def _go_on(self) -> None:
        while self._on:
            if not self.swap():
                time.sleep(0.0005)  # the folder is not there at this moment


def has_open(process: int, file: Path) -> bool:
    """Whether the process has the file open."""
    with suppress(OSError):
        return any(str(entry.readlink()) == str(file) for entry in Path(f"/proc/{process}/fd").iterdir())
    return False


def modes(folder: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mode for path in (folder, *folder.rglob("*"))}


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "renameat2"), reason="two names cannot be exchanged here")
@pytest.mark.parametrize(
    ("command", "within"),
    [("extract", ""), ("split", ""), ("split", "entity_account"), ("reattach", ""), ("purge", ""), ("purge", "report")],
)
def test_a_folder_and_a_link_swapped_continuously(command: str, within: str, reference: Reference, scenes: Scenes, tmp_path: Path) -> None:
    """Nothing outside is written, removed or made private, though it has the very names, while it lasts and by the next start.

    The folder holds what a killed start may have left, so that the command removes as well as writes.
    """
    folder = command if command != "purge" else "split"
    name = within if command == "purge" and within else f"{folder}/{within}".rstrip("/")
    swaps = 0
    for _ in range(_GOES):
        scene = scenes(reference.before(command) if command != "purge" else reference.done())
        shutil.copytree(reference.done().run_folder / folder, scene.run_folder / folder, dirs_exist_ok=True)
        outside = tmp_path / "outside"
        shutil.copytree(scene.run_folder / name, outside, dirs_exist_ok=True)
        outside.chmod(0o755)
        link = scene.folder / "aside"
        link.symlink_to(outside)
        before = tree(outside), modes(outside)
        swapper = Swapper(scene.run_folder / name, link)
        running = scene.start(command)
        while running.poll() is None and not has_open(running.pid, scene.run_folder / ".lock"):
            time.sleep(0.001)  # a link that is there from the start is another test
        with tried(SECRETS), swapper.at_work():
            end = ended(running)
            assert "Traceback" not in end.err, end
            assert (tree(outside), modes(outside)) == before, end
        swaps += swapper.swaps
        path = scene.run_folder / name
        if path.is_symlink():
            path.unlink()
        if link.is_dir() and not link.is_symlink() and not path.exists():  # the folder is where it belongs again
            link.rename(path)
        with tried(SECRETS):
            assert scene.run(command).code in (0, 6)  # 6: the files of the folder that was moved away are missing
            assert (tree(outside), modes(outside)) == before
        shutil.rmtree(outside)
    assert swaps > 1000, "it was never swapped while the command was at work"

"""A command at a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.command import ROOT

_PATIENCE = 120.0  # seconds; many tests may share the machine


class Terminal:
    """`portal-migrate` with these words in a terminal, every byte of which is kept in `seen`."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self.seen = b""
        self._read_to = 0
        self._master, slave = pty.openpty()
        given = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cli", *words],
            cwd=folder,
            env=given,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: _controlling(0),
        )
        os.close(slave)

    def type(self, answer: bytes, after: bytes) -> None:
        """Types the answer once these bytes appear behind those of the last answer."""
        self._until(lambda: after in self.seen[self._read_to :])
        self._read_to = len(self.seen)
        os.write(self._master, answer)

    def end(self) -> int:
        """Waits for the end of the command and returns its exit code."""
        self._until(lambda: self._process.poll() is not None)
        while self._read():
            pass
        os.close(self._master)
        return self._process.wait()

    def _until(self, met: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE
        while not met():
            assert time.monotonic() < end, self.seen
            assert self._read() or self._process.poll() is None or met(), self.seen

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 0.2)[0]:
            return False
        try:
            part = os.read(self._master, 65_536)
        except OSError:  # nobody has the terminal open any more
            return False
        self.seen += part
        return bool(part)


def _controlling(descriptor: int) -> None:
    """The terminal becomes the process's own: what is typed as Ctrl-C is a signal to it."""
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)

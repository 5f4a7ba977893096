"""`rollback` and `purge` at a real terminal require a confirmation."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from tests.support.command import ROOT, Workspace

_PATIENCE = 120.0  # seconds; many tests may share the machine


class Terminal:
    """A command at a terminal of its own, whose every byte is kept."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        words = [word for word in workspace.words(name) if word != "--yes"]
        self.seen = b""
        self._master, slave = pty.openpty()
        given = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cli", *words],
            cwd=workspace.folder,
            env=given,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: _controlling(0),
        )
        os.close(slave)

    def answers(self, question: str, answer: bytes) -> int:
        """Types the answer after the prompt; returns the exit code."""
        self._until(lambda: question.encode() in self.seen and b"[y/N] " in self.seen)
        os.write(self._master, answer)
        self._until(lambda: self._process.poll() is not None)
        self._read()
        os.close(self._master)
        return self._process.wait()

    def _until(self, met: object) -> None:
        end = time.monotonic() + _PATIENCE
        while not met():  # type: ignore[operator]
            assert time.monotonic() < end, self.seen
            assert self._read() or self._process.poll() is None or met(), self.seen  # type: ignore[operator]

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


@pytest.mark.parametrize(
    ("name", "question"), [("rollback", "rows and restore "), ("purge", "Remove all files that are not evidence from ")]
)
def test_rollback_and_purge_require_a_confirmation_at_a_terminal(name: str, question: str, published: Workspace) -> None:
    workspace = published

    def state() -> tuple[dict[str, bytes], set[str]]:
        run = {str(path.relative_to(workspace.run)) for path in workspace.run.rglob("*") if path.is_file()}
        return workspace.content(), run - {"lock", "progress.json"}

    before = state()
    for answer, code, said in (
        (b"n\n", 1, "Not confirmed. Nothing was changed."),
        (b"\n", 1, "Not confirmed."),
        (b"yessir\n", 1, "Not confirmed."),
        (b"\x04", 1, "Not confirmed."),
        (b"\x03", 130, "Interrupted"),
    ):
        terminal = Terminal(workspace, name)
        assert terminal.answers(question, answer) == code, terminal.seen
        shown = terminal.seen.decode()
        assert said in shown, shown
        assert "Traceback" not in shown, shown
        assert "next: " in shown, shown
        assert state() == before, answer
    terminal = Terminal(workspace, name)
    assert terminal.answers(question, b"YES\n") == 0, terminal.seen
    shown = terminal.seen.decode()
    if name == "rollback":
        assert shown.index("rollback: entity_account: ") < shown.index("[y/N]")  # what it will do is said before
    after = state()
    assert after != before
    assert ("split" in {path.split("/")[0] for path in after[1]}) is (name == "rollback")

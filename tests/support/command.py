"""The command line as a person or a script meets it: started for real, or in this process where only the answer counts."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cli

ROOT = Path(cli.__file__).resolve().parent
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FREEZE = ("--freeze-from", "2023-09-16", "--freeze-to", "2023-09-30")


@dataclass(frozen=True)
class Done:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        """Returns the one JSON object on stdout."""
        return dict(json.loads(self.out))

    @property
    def data(self) -> dict[str, Any]:
        """Returns `data` of the JSON object on stdout."""
        return dict(self.envelope["data"])

    @property
    def next(self) -> str:
        """Returns the last line of a failure: the next step."""
        return self.err.rstrip().splitlines()[-1]


def command(*words: str, folder: Path | None = None, **environment: str) -> Done:
    """Runs the entry point in this process, as if started in that folder with those environment variables."""
    out, err = io.StringIO(), io.StringIO()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.chdir(folder or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["portal-migrate", *words])
        for name in [name for name in os.environ if name.startswith("PORTAL_MIGRATE")]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return Done(code, out.getvalue(), err.getvalue())


def started(*words: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """Starts the command as a separate process; the caller waits for it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_MIGRATE")}
    return subprocess.Popen(
        [sys.executable, "-m", "cli", *words],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )


def process(*words: str, folder: Path, **environment: str) -> Done:
    """Runs the command as a separate process to its end."""
    running = started(*words, folder=folder, **environment)
    out, err = running.communicate(timeout=120)
    return Done(running.returncode, out, err)


@dataclass(frozen=True)
class Workspace:
    """A migration whose paths are all in one folder: legacy/, portal3.sqlite, objects/, run/."""

    folder: Path

    @property
    def stores(self) -> dict[str, str]:
        """Returns the migration's databases and folders by option."""
        return {
            "--source": "sqlite:///legacy/portal2.sqlite",
            "--tc": "sqlite:///legacy/tc.sqlite",
            "--files": "legacy/files",
            "--target": "sqlite:///portal3.sqlite",
            "--objects": "objects",
        }

    def words(self, name: str, *more: str) -> tuple[str, ...]:
        """Returns the command with its options, and more (the last of an option counts)."""
        taken = {option for parameter in _parameters(name) for option in parameter}
        stores = [word for option, value in self.stores.items() if option in taken for word in (option, value)]
        run = ("--run", "run") if "--run" in taken and name != "reconcile" else ()
        freeze = FREEZE if "--freeze-from" in taken else ()
        return (name, *stores, *run, *freeze, *(["--yes"] if "--yes" in taken else []), *more)

    def command(self, name: str, *more: str, **environment: str) -> Done:
        """Runs the command on this migration in this process."""
        return command(*self.words(name, *more), folder=self.folder, **environment)

    def process(self, name: str, *more: str, **environment: str) -> Done:
        """Runs the command on this migration as a separate process, to its end."""
        return process(*self.words(name, *more), folder=self.folder, **environment)

    def json(self, name: str, *more: str) -> Done:
        """Runs the command with `--output json`."""
        return self.command(name, *more, "--output", "json")

    @contextlib.contextmanager
    def database(self, name: str) -> Iterator[sqlite3.Connection]:
        """Yields a database of the migration by its file name, opened for writing; committed at the end."""
        with closing(sqlite3.connect(self.folder / name)) as connection, connection:
            yield connection

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def target(self) -> Path:
        return self.folder / "portal3.sqlite"

    def content(self) -> dict[str, bytes]:
        """Returns every file of the target and the object store."""
        files = [self.target, *sorted(path for path in (self.folder / "objects").rglob("*") if path.is_file())]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files if path.is_file()}


def _parameters(name: str) -> list[list[str]]:
    return [list(parameter.opts) for parameter in cli.commands.commands[name].params]


def copied_mappings(folder: Path) -> Path:
    """Returns a copy of the mappings that a test may change."""
    return Path(shutil.copytree(ROOT / "mappings", folder / "mappings", ignore=shutil.ignore_patterns("__pycache__", "*.py")))


def changed(file: Path, before: str, after: str) -> None:
    """Replaces a text that the file contains."""
    text = file.read_text(encoding="utf-8")
    assert before in text, f"{before!r} is not in {file.name}"
    file.write_text(text.replace(before, after, 1), encoding="utf-8")


def said(done: Done, code: int, *parts: str) -> None:
    """Asserts the exit code, these parts of the message, and that the next step follows."""
    assert done.code == code, done.out + done.err
    assert [part for part in parts if part not in done.err] == [], done.err
    assert done.next.startswith("next: "), done.err
    assert "Internal error" not in done.err

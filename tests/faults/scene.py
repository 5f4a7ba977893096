"""A scene: a folder in which the real command is started with relative options, so that a prepared run can be copied and resumed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import forks
from .forks import Started
from .stops import Stops

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("extract", "split", "reattach", "check", "load", "reconcile", "report")
FREEZE = ("--freeze-from", "2023-09-16", "--freeze-to", "2023-09-30")
SQLITE = "sqlite:///new.sqlite"
PATIENCE = 90  # seconds without work after which a command counts as hung
KILLED = -signal.SIGKILL
# Variables that are read when they are needed, long after the interpreter's start.
_READ_LATE = ("PORTAL_MIGRATE_", "PG")
_STREAMS = {"stdin", "stdout", "stderr"}

# Secrets in the world's rows and in the passwords of URLs that must never be seen elsewhere.
CANARIES = (
    "078-05-1120",
    "078051120",
    "canary-text-7f3a",
    "canary-name-51c9",
    "canary.person",
    "canary-mail.example",
    "canary-password-9d2e",
)
_CANARY = re.compile("|".join(map(re.escape, CANARIES)), re.IGNORECASE)


@dataclass
class Ended:
    """How a command ended."""

    argv: Sequence[str]
    code: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        return f"exit {self.code} after {self.seconds:.1f} s: {' '.join(self.argv[3:5])}\n{self.out[-1500:]}\n{self.err[-3000:]}"


@dataclass
class Scene:
    """`target`: URL of the new store; `really`: a new interpreter for every command, where a fork of one that has imported it would do (`forks.py`)."""

    folder: Path
    target: str = SQLITE
    source: str = "sqlite:///world/portal2.sqlite"
    tc: str = "sqlite:///world/tc.sqlite"
    launcher: tuple[str, ...] = ("-m", "cli")
    environment: dict[str, str] = field(default_factory=dict)
    really: bool = False

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    @property
    def objects(self) -> Path:
        return self.folder / "objects"

    @property
    def store(self) -> Path:
        return self.folder / "new.sqlite"

    def argv(self, command: str, *more: str) -> list[str]:
        """The command line: the same one for every start of the run."""
        return [sys.executable, *self.launcher, *command.split(" "), *self.options(command), *more]

    def options(self, command: str) -> list[str]:
        stores = ["--source", self.source, "--tc", self.tc, "--target", self.target, "--files", "world/files", "--objects", "objects"]
        match command:
            case "rollback":
                return [*stores[4:6], *stores[8:], "--run", "run", "--yes"]
            case "purge":
                return ["--run", "run", "--yes"]
            case "status":
                return ["--run", "run"]
            case "freeze check":
                return stores[:4]
            case "plan":
                return stores
        if command in STEPS[:4]:  # no store is needed yet: the same prepared run can be published into any kind
            return [*stores[:4], *stores[6:], "--run", "run", *FREEZE]
        return [*stores, "--run", "run", *FREEZE]

    def env(self) -> dict[str, str]:
        """Nothing of ours but what a command needs; its home and its temporary folder lie in the scene, where they can be looked through."""
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "USER", "LOGNAME")}
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        ours = {
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**kept, **ours, **self.environment}

    @property
    def forked(self) -> bool:
        """Whether a plain start of a command is a fork: not where something acts while an interpreter starts."""
        harmless = all(name.startswith(_READ_LATE) for name in self.environment)
        return not self.really and harmless and self.launcher == ("-m", "cli") and not forks.why_not()

    def start(
        self,
        command: str,
        *more: str,
        before: Sequence[str] = (),
        traced: Sequence[str] = (),
        stops: Stops | None = None,
        **how: Any,
    ) -> Started:
        """The command as a process of its own session. `before`: a program that starts it; `traced`: words for a strace that watches it."""
        settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **how}
        argv = self.argv(command, *more)
        if self.forked and not before and settings.keys() == _STREAMS and (not traced or forks.can_trace()):
            return forks.fork(argv, argv[3:], self.folder, self.env(), traced, stops, **settings)
        assert stops is None, "only a forked command stops at its calls"
        before = ["strace", *traced] if traced else before
        return subprocess.Popen([*before, *argv], cwd=self.folder, env=self.env(), start_new_session=True, text=True, **settings)

    def run(self, command: str, *more: str, code: int | None = None, **how: Any) -> Ended:
        """The command, waited for; no secret in what it said. `code`: the exit code that it has to have; `how`: as for `start`."""
        began = time.monotonic()
        return ended(self.start(command, *more, **how), began, code)

    def copy(self, folder: Path) -> Scene:
        """The same scene elsewhere: run folder, objects and store are copies, the world is shared."""
        shutil.copytree(self.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("home", "tmp"))
        return Scene(folder, self.target, self.source, self.tc, self.launcher, dict(self.environment), self.really)

    def own_world(self) -> Path:
        """The world's folder, its two databases made the scene's own so that a test may write to them; the share stays where it is."""
        world = self.folder / "world"
        if world.is_symlink():
            shared = world.resolve()
            world.unlink()
            world.mkdir()
            for name in ("portal2.sqlite", "tc.sqlite"):
                shutil.copyfile(shared / name, world / name)
            (world / "files").symlink_to(shared / "files")
        return world


def has_open(process: Started, file: Path | str) -> bool:
    """Whether the command has the file open: the process itself, or its child where strace has started it."""
    found = [str(process.pid)]
    for task in Path(f"/proc/{process.pid}/task").glob("*/children"):
        with suppress(OSError):
            found += task.read_text().split()
    for number in found:
        with suppress(OSError):
            if any(str(entry.readlink()) == str(file) for entry in Path(f"/proc/{number}/fd").iterdir()):
                return True
    return False


def ended(process: Started, began: float | None = None, code: int | None = None, alone: bool = True) -> Ended:
    """Waits for the process; fails if it hangs, prints a secret, or ends with another code. `alone`: its remaining child processes are ended."""
    began = time.monotonic() if began is None else began
    worked = -1.0
    while True:
        try:
            out, err = process.communicate(timeout=PATIENCE)
            break
        except subprocess.TimeoutExpired:
            now = _worked(process.pid)
            if now > worked + 0.5 and time.monotonic() - began < 10 * PATIENCE:  # a crowded machine: slow is not hung
                worked = now
                continue
            kill_group(process)
            out, err = process.communicate()
            raise AssertionError(f"hung for {PATIENCE} s: {process.args!r}\n{out}\n{err}") from None
    if alone:
        kill_group(process)
    words: Any = process.args
    answer = Ended(
        [str(word) for word in (words if isinstance(words, list) else [words])],
        process.wait(),
        out or "",
        err or "",
        time.monotonic() - began,
    )
    found = said_secret(answer.out + answer.err)
    assert not found, f"{found} was said:\n{answer}"
    assert "Internal error" not in answer.err, answer  # a fault from outside is named as what it is
    assert code is None or answer.code == code, f"expected exit {code}\n{answer}"
    return answer


def said_secret(words: str) -> str:
    """Returns the canary in this text; empty if there is none."""
    found = _CANARY.search(words)
    return found.group(0) if found else ""


def kill_group(process: Started) -> None:
    """Ends what the command may have left of its own process group: it was started as the leader of one."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def left_behind(process: Started, patience: float = 10) -> list[int]:
    """The processes that the ended command left in its group and that are still there after so many seconds."""
    until = time.monotonic() + patience
    while found := _alive_in_group(process.pid):
        if time.monotonic() > until:
            break
        time.sleep(0.05)  # they may be about to end
    return found


def _worked(group: int) -> float:
    """The seconds of processor time that the processes of this group have used so far."""
    ticks = 0
    for process in _alive_in_group(group):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _alive_in_group(group: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state not in "ZX":
            found.append(int(path.parent.name))
    return found


# -- what is compared ------------------------------------------------------------------------------------------------------------------

_TIMES = ("started_at", "finished_at")  # of migration_run: when, not what
Content = dict[str, str]  # name of a table, of the schema, of a view -> digest of its rows


_STAGED = r"migration\_stage\_\_%"


def store_content(target: str, folder: Path) -> Content:
    """The digest of every table of a new store, of whatever kind; empty where it has no tables."""
    return sqlite_content(folder / target.removeprefix("sqlite:///")) if target.startswith("sqlite") else postgres_content(target)


def sqlite_content(file: Path) -> Content:
    """Read from a copy: a reader that opens the store after a kill must not recover it."""
    if not file.exists():
        return {}
    aside = file.with_name(f"{file.name}.look")
    try:
        for suffix in ("", "-journal", "-wal"):
            if file.with_name(file.name + suffix).exists():
                shutil.copyfile(file.with_name(file.name + suffix), aside.with_name(aside.name + suffix))
        connection = sqlite3.connect(aside)
        connection.text_factory = bytes
        content: Content = {}
        for kind, name, sql in connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        ).fetchall():
            content[f"{kind.decode()} {name.decode()}"] = hashlib.sha256(sql).hexdigest()
            if kind == b"table":
                listed = [row[0].decode() for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name.decode(),))]
                columns = ", ".join(
                    f"quote({_q(column)})" for column in listed if (name, column) not in {(b"migration_run", t) for t in _TIMES}
                )
                content[name.decode()] = _digest(
                    b"\x1f".join(row) for row in connection.execute(f"SELECT {columns} FROM {_q(name.decode())}")
                )
        connection.close()
        return content
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            aside.with_name(aside.name + suffix).unlink(missing_ok=True)


def staging_left(url: str) -> list[str]:
    """Returns the staging tables in a PostgreSQL store: a killed load may leave some; any other end, and a later load, leaves none."""
    import psycopg

    with psycopg.connect(url) as connection:
        return [
            str(row[0]) for row in connection.execute("SELECT relname FROM pg_class WHERE relname LIKE %s AND relkind = 'r'", (_STAGED,))
        ]


def postgres_content(url: str) -> Content:
    """Without staging tables, which are not read."""
    import psycopg

    content: Content = {}
    with psycopg.connect(url) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        constraints = connection.execute(
            "SELECT conrelid::regclass::text || ' ' || conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND conrelid NOT IN (SELECT oid FROM pg_class WHERE relname LIKE %s)",
            (_STAGED,),
        )
        content["constraints"] = _digest(row[0].encode() for row in constraints)
        shapes = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE %s",
            (_STAGED,),
        ).fetchall()
        content["columns"] = _digest(repr(row).encode() for row in shapes)
        for table in sorted({row[0] for row in shapes}):
            names = [column for name, column, _ in shapes if name == table and not (table == "migration_run" and column in _TIMES)]
            listed = ", ".join(_q(name) for name in sorted(names))
            with connection.cursor() as cursor, cursor.copy(f"COPY (SELECT {listed} FROM {_q(table)}) TO STDOUT") as copy:
                content[table] = _digest(bytes(row) for row in copy)
    return content if len(content) > 2 else {}


def object_content(folder: Path) -> dict[str, str]:
    """Every object by its key, and the digest of its bytes; incomplete files do not count, because nothing refers to them."""
    found = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and not path.name.startswith("."):
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def stage_content(run: Path, steps: Sequence[str]) -> dict[str, str]:
    """Every stage file of these steps, and the digest of its bytes; hidden files too."""
    found = {}
    for step in steps:
        for path in sorted((run / step).rglob("*")) if (run / step).is_dir() else ():
            if path.is_file():
                found[path.relative_to(run).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def difference(found: dict[str, str], expected: dict[str, str]) -> str:
    """What differs, in words; empty where nothing does."""
    names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    words = [f"{name}: {'missing' if name not in found else 'extra' if name not in expected else 'other'}" for name in names[:8]]
    return "; ".join(words) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _digest(rows: Any) -> str:
    digest = hashlib.sha256()
    for row in sorted(rows):
        digest.update(len(row).to_bytes(8, "big") + row)
    return digest.hexdigest()


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# -- secrets ---------------------------------------------------------------------------------------------------------------------------


def canaries_in(folder: Path, but: Callable[[str], bool] = lambda name: False) -> list[str]:
    """The files below the folder that hold a secret, as it is or as UTF-16; `but`: those, by their path in the folder, that may."""
    wanted = [word.encode() for word in CANARIES] + [word.encode("utf-16-le") for word in CANARIES]
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and not but(name) and any(word in path.read_bytes().lower() for word in wanted):
            found.append(name)
    return found

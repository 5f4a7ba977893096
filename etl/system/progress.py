"""Progress reports to stderr: bars only on a terminal, elsewhere a plain line every ten seconds. Never personal data."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from etl.errors import DISK_FULL, WrongUsage
from etl.system.notices import Notices
from etl.system.progress_note import write_note
from etl.system.terminal import Screen
from etl.system.visible import lines

EVERY = 10.0  # seconds between two lines without a terminal
_NOTED = 1.0  # seconds between two notes


class Speed(ProgressColumn):
    """Shows the recent speed in units per second."""

    def render(self, task: Task) -> Text:
        """Returns the speed of the task as text."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {task.fields.get('unit', 'rows')}/s")


def _opened_log(log: Path) -> int:
    """Returns a descriptor at the end of the log; raises OSError where it is not a regular file, or a pipe that nobody reads."""
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return descriptor


@dataclass
class ProgressReporter:
    """Reports progress (`progress`) and facts (`info`).

    `verbose`: -v. `clock`: monotonic seconds. `log`: a file that gets every sentence too (0600), with its time. `note`: the file with the current
    step while bars are shown. `notices`: the receivers of notices of each step's end.
    """

    verbose: bool = False
    console: Console = field(default_factory=lambda: Screen(stderr=True, highlight=False, markup=False, soft_wrap=True))
    _bars: Progress | None = None
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _last: float = 0.0
    _now: tuple[str, int, int, str] = ("", 0, 0, "")
    _speaking: threading.Lock = field(default_factory=threading.Lock)
    log: Path | None = None
    note: Path | None = None
    notices: Notices = field(default_factory=Notices)
    _noted: float = 0.0
    _step: tuple[str, str] = ("", "")
    _begun: str = ""  # the step; the first word of the report if none has begun
    _told: bool = False  # inside `bars`: the run folder belongs to this command

    def __post_init__(self) -> None:
        self._last = self.clock()
        if self.log is not None:
            try:
                os.close(_opened_log(self.log))
            except OSError as error:
                if error.errno in DISK_FULL:
                    raise
                raise WrongUsage(f"--log: {self.log} cannot be written ({error.strerror}).", "Give a file in a writable folder.") from None

    def info(self, sentence: str) -> None:
        """Reports a sentence on stderr and in the log file."""
        with suppress(OSError):  # stderr is closed: the work continues, and its exit code says how it ended
            self.console.print(sentence, markup=False)
        self._write_log(sentence)

    def info_beside(self, sentence: str) -> None:
        """Reports a fact that the command's answer contains too: omitted where both go to one terminal."""
        if self.console.is_terminal and sys.stdout.isatty():
            self._write_log(sentence)
        else:
            self.info(sentence)

    def _write_log(self, sentence: str) -> None:
        """Appends the sentence; a log that cannot be written does not stop the command."""
        if self.log is None:
            return
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        with suppress(OSError), os.fdopen(_opened_log(self.log), "ab") as file:
            file.write("".join(f"{moment} {line}\n" for line in lines(sentence).splitlines()).encode("utf-8", "backslashreplace"))

    def _write_note(self, what: str, done: int, total: int, unit: str) -> None:
        """Notes the current step beside the run, for `status`, at most once a second; never through a link."""
        step = self._begun or what.split(" ")[0].rstrip(":")
        if step != self._step[0]:
            self._step, self._noted = (step, datetime.now(UTC).isoformat(timespec="seconds")), -_NOTED
        if self.note is None or self.clock() - self._noted < _NOTED:
            return
        self._noted = self.clock()
        write_note(self.note, {"step": step, "since": self._step[1], "what": what, "done": done, "total": total, "unit": unit})

    def begins(self, step: str) -> None:
        """Notes the start of the step, before it has anything to count."""
        if self._told:
            self._begun = step
            self._write_note(step, 0, 0, "rows")

    def progress(self, what: str, done: int, total: int, unit: str = "rows") -> None:
        """Reports that `done` of `total` units of a step are done."""
        if self._told:
            self._write_note(what, done, max(done, total), unit)
        if self._bars is not None:
            step = what.split(" ")[0].rstrip(":")
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(step, total=total, unit=unit)
            self._bars.update(self._tasks[step], description=what, completed=done, total=max(done, total))
        else:
            self._now = (what, done, max(done, total), unit)  # a table that grew since it was counted: at most 100%
            self.line_if_due()

    def line_if_due(self) -> None:
        """Writes a plain line where the last one is ten seconds old, also without new progress."""
        with self._speaking:
            what, done, total, unit = self._now
            if not what or self.clock() - self._last < EVERY:
                return
            self._last = self.clock()
        share = f" of {total:,} {unit} ({100 * done // total}%)" if total else f" {unit}" if done else ""
        self.info(f"{what}: {done:,}{share}" if share else f"{what}: at work")

    @contextmanager
    def bars(self) -> Iterator[None]:
        """Shows progress bars while the block runs, on a terminal; elsewhere plain lines, also without progress. Removes the note at the end."""
        self._told = True
        try:
            with self._shown():
                yield
        finally:
            self._told, self._begun = False, ""
            if self.note is not None:
                with suppress(OSError):
                    self.note.unlink(missing_ok=True)

    @contextmanager
    def _shown(self) -> Iterator[None]:
        self._last, self._now = self.clock(), ("", 0, 0, "")
        if not self.console.is_terminal:
            over = threading.Event()

            def remind() -> None:
                while not over.wait(EVERY / 10):
                    self.line_if_due()

            reminder = threading.Thread(target=remind, daemon=True)
            reminder.start()
            try:
                yield
            finally:
                over.set()
                reminder.join()
                self._now = ("", 0, 0, "")
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            Speed(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True, get_time=self.clock) as bars:
            self._bars = bars
            try:
                yield
            finally:
                self._bars = None
                self._tasks.clear()

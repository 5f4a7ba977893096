"""What is said while work goes on: to stderr, bars only on a terminal, elsewhere a plain line every ten seconds. Never personal data."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

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

from etl.system.terminal import Screen

EVERY = 10.0  # seconds between two lines where there is no terminal


class Speed(ProgressColumn):
    """Rows, or whatever is counted, in a second, of late."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {task.fields.get('unit', 'rows')}/s")


@dataclass
class Talk:
    """`tell(what, done, total)` reports progress; `say(sentence)` a fact. `verbose`: -v; `clock`: seconds that only grow."""

    verbose: bool = False
    console: Console = field(default_factory=lambda: Screen(stderr=True, highlight=False, markup=False, soft_wrap=True))
    _bars: Progress | None = None
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _last: float = 0.0
    _now: tuple[str, int, int, str] = ("", 0, 0, "")
    _speaking: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def say(self, sentence: str) -> None:
        with suppress(OSError):  # nobody listens any more: the work goes on, its exit code says how it ended
            self.console.print(sentence, markup=False)

    def detail(self, sentence: str) -> None:
        """Said only with -v."""
        if self.verbose:
            self.say(sentence)

    def tell(self, what: str, done: int, total: int, unit: str = "rows") -> None:
        if self._bars is not None:
            step = what.split(" ")[0]
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(step, total=total, unit=unit)
            self._bars.update(self._tasks[step], description=what, completed=done, total=max(done, total))
        else:
            self._now = (what, done, max(done, total), unit)  # a table that grew since it was counted: never above 100%
            self.line_if_due()

    def line_if_due(self) -> None:
        """A plain line where ten seconds have passed since the last one, also when nothing new was told."""
        with self._speaking:
            what, done, total, unit = self._now
            if not what or self.clock() - self._last < EVERY:
                return
            self._last = self.clock()
        share = f" of {total:,} {unit} ({100 * done // total}%)" if total else f" {unit}" if done else ""
        self.say(f"{what}: {done:,}{share}" if share else f"{what}: at work")

    @contextmanager
    def bars(self) -> Iterator[None]:
        """Progress bars while the block runs, on a terminal; elsewhere the plain lines, in long silences too."""
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
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Speed(), TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=self.console, transient=True, get_time=self.clock) as bars:
            self._bars = bars
            try:
                yield
            finally:
                self._bars = None
                self._tasks.clear()

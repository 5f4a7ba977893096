"""What is said while work goes on: to stderr, bars only on a terminal, elsewhere a plain line every ten seconds. Never personal data."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

EVERY = 10.0  # seconds between two lines where there is no terminal


class Screen(Console):
    """A console that says so where nobody listens any more: rich would end the process with 1 in the middle of its work."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


@dataclass
class Talk:
    """`tell(what, done, total)` reports progress; `say(sentence)` a fact. `verbose`: -v."""

    verbose: bool = False
    console: Console = field(default_factory=lambda: Screen(stderr=True, highlight=False, markup=False, soft_wrap=True))
    _bars: Progress | None = None
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    def say(self, sentence: str) -> None:
        with suppress(OSError):  # nobody listens any more: the work goes on, its exit code says how it ended
            self.console.print(sentence, markup=False)

    def detail(self, sentence: str) -> None:
        """Said only with -v."""
        if self.verbose:
            self.say(sentence)

    def tell(self, what: str, done: int, total: int) -> None:
        if self._bars is not None:
            step = what.split(" ")[0]
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(step, total=total)
            self._bars.update(self._tasks[step], description=what, completed=min(done, total), total=total)
        elif time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            share = f" ({100 * min(done, total) // total}%)" if total else ""
            self.say(f"{what}: {min(done, total):,} of {total:,} rows{share}")

    @contextmanager
    def bars(self) -> Iterator[None]:
        """Progress bars while the block runs, on a terminal."""
        self._last = time.monotonic()
        if not self.console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True) as bars:
            self._bars = bars
            try:
                yield
            finally:
                self._bars = None
                self._tasks.clear()

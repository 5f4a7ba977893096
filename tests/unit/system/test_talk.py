"""Progress: bars on a terminal, a plain line every ten seconds elsewhere; exact counts, never above 100%."""

from __future__ import annotations

import io
import re
import threading
import time

import pytest

from etl.system import progress as module
from etl.system.progress import Talk
from etl.system.terminal import Screen


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def talking(clock: Clock, terminal: bool) -> tuple[Talk, io.StringIO]:
    out = io.StringIO()
    console = Screen(file=out, force_terminal=terminal, highlight=False, markup=False, soft_wrap=True, width=200, _environ={})
    return Talk(console=console, clock=clock), out


def test_elsewhere_a_plain_line_every_ten_seconds(clock: Clock) -> None:
    talk, out = talking(clock, terminal=False)
    for second in range(1, 101):
        clock.now += 1
        talk.tell("extract P2.message", 1_000 * second, 100_000)
    lines = out.getvalue().splitlines()
    assert lines == [f"extract P2.message: {done:,} of 100,000 rows ({done // 1000}%)" for done in range(10_000, 100_001, 10_000)]


def test_a_count_is_never_more_than_everything(clock: Clock) -> None:
    talk, out = talking(clock, terminal=False)
    for done, total in ((99, 100), (130, 100), (0, 0), (7, 0)):
        clock.now += 10
        talk.tell("load", done, total)
    assert out.getvalue().splitlines() == [
        "load: 99 of 100 rows (99%)",
        "load: 130 of 130 rows (100%)",
        "load: at work",
        "load: 7 of 7 rows (100%)",
    ]


def test_a_long_silence_is_broken_by_the_last_count(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.05)
    talk, out = talking(clock, terminal=False)
    talk.clock = time.monotonic
    with talk.bars():
        talk.tell("load", 5, 10)
        for _ in range(200):
            if out.getvalue().count("load: 5 of 10 rows (50%)") >= 3:
                break
            time.sleep(0.02)
    assert out.getvalue().count("load: 5 of 10 rows (50%)") >= 3
    said = out.getvalue()
    time.sleep(0.2)
    assert out.getvalue() == said  # it ends with the work
    assert threading.active_count() < 20


def test_on_a_terminal_a_bar_with_speed_and_time_left(clock: Clock) -> None:
    talk, out = talking(clock, terminal=True)
    with talk.bars():
        for second in range(1, 11):
            clock.now += 1
            talk.tell("extract P2.message", 100 * second, 4_000)
        assert talk._bars is not None
        talk._bars.refresh()
        last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).splitlines()[-1]
        assert "extract P2.message" in last
        assert "1000/4000" in last
        assert "100 rows/s" in last
        assert last.endswith("0:00:30")
        talk.tell("extract P2.message", 5_000, 4_000)
        (task,) = talk._bars.tasks
        assert (task.completed, task.total, task.percentage) == (5_000, 5_000, 100)

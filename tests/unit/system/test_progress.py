"""Progress: bars on a terminal, a plain line every ten seconds elsewhere; exact counts, never above 100%."""

from __future__ import annotations

import io
import os
import re
import threading
import time
from pathlib import Path

import pytest

from etl.errors import WrongUsage
from etl.runfolder.layout import LOCK, PROGRESS
from etl.system import progress as module
from etl.system.locks import only
from etl.system.progress import ProgressReporter
from etl.system.progress_note import at_work
from etl.system.terminal import Screen


class Clock:
    """A clock that advances on request."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def talking(clock: Clock, terminal: bool) -> tuple[ProgressReporter, io.StringIO]:
    out = io.StringIO()
    console = Screen(file=out, force_terminal=terminal, highlight=False, markup=False, soft_wrap=True, width=200, _environ={})
    return ProgressReporter(console=console, clock=clock), out


def test_without_a_terminal_a_plain_line_is_printed_every_ten_seconds(clock: Clock) -> None:
    talk, out = talking(clock, terminal=False)
    for second in range(1, 101):
        clock.now += 1
        talk.progress("extract P2.message", 1_000 * second, 100_000)
    lines = out.getvalue().splitlines()
    assert lines == [f"extract P2.message: {done:,} of 100,000 rows ({done // 1000}%)" for done in range(10_000, 100_001, 10_000)]


def test_a_count_never_exceeds_the_total(clock: Clock) -> None:
    talk, out = talking(clock, terminal=False)
    for done, total in ((99, 100), (130, 100), (0, 0), (7, 0)):
        clock.now += 10
        talk.progress("load", done, total)
    assert out.getvalue().splitlines() == [
        "load: 99 of 100 rows (99%)",
        "load: 130 of 130 rows (100%)",
        "load: at work",
        "load: 7 of 7 rows (100%)",
    ]


def test_the_last_count_is_printed_after_a_long_pause(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.05)
    talk, out = talking(clock, terminal=False)
    talk.clock = time.monotonic
    with talk.bars():
        talk.progress("load", 5, 10)
        for _ in range(200):
            if out.getvalue().count("load: 5 of 10 rows (50%)") >= 3:
                break
            time.sleep(0.02)
    assert out.getvalue().count("load: 5 of 10 rows (50%)") >= 3
    said = out.getvalue()
    time.sleep(0.2)
    assert out.getvalue() == said  # it ends with the work
    assert threading.active_count() < 20


def test_on_a_terminal_a_bar_shows_speed_and_time_left(clock: Clock) -> None:
    talk, out = talking(clock, terminal=True)
    with talk.bars():
        for second in range(1, 11):
            clock.now += 1
            talk.progress("extract P2.message", 100 * second, 4_000)
        assert talk._bars is not None
        talk._bars.refresh()
        last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).splitlines()[-1]
        assert "extract P2.message" in last
        assert "1000/4000" in last
        assert "100 rows/s" in last
        assert last.endswith("0:00:30")
        talk.progress("extract P2.message", 5_000, 4_000)
        (task,) = talk._bars.tasks
        assert (task.completed, task.total, task.percentage) == (5_000, 5_000, 100)


def test_messages_are_logged_with_their_time(clock: Clock, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    talk = ProgressReporter(console=Screen(file=io.StringIO()), clock=clock, log=log)
    talk.info("extract: 5 rows (0.1 s)\n  second line\nof hostile data")
    lines = log.read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["extract: 5 rows (0.1 s)", r"  second line\nof hostile data"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", lines[0].partition(" ")[0])
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_written_is_wrong_usage_and_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "none" / "run.log", tmp_path, tmp_path / "link"):
        with pytest.raises(WrongUsage, match="--log"):
            ProgressReporter(log=path)
    assert not (tmp_path / "elsewhere").exists()


def test_status_names_the_running_step_only_while_the_lock_is_held(clock: Clock, tmp_path: Path) -> None:
    talk = ProgressReporter(console=Screen(file=io.StringIO()), clock=clock, note=tmp_path / PROGRESS)
    lock = only(tmp_path / ".lock")
    assert lock is not None
    with talk.bars():
        clock.now += 1
        talk.progress("extract P2.message", 10, 100)
        noted = at_work(tmp_path / PROGRESS, tmp_path / LOCK)
        assert noted is not None
        assert (noted["step"], noted["what"], noted["done"], noted["total"]) == ("extract", "extract P2.message", 10, 100)
        talk.progress("load: changing tables", 1, 2, "tables")
        noted = at_work(tmp_path / PROGRESS, tmp_path / LOCK)
        assert noted is not None
        assert (noted["step"], noted["what"]) == ("load", "load: changing tables")
        talk.begins("reconcile")
        noted = at_work(tmp_path / PROGRESS, tmp_path / LOCK)
        assert noted is not None
        assert (noted["step"], noted["done"], noted["total"]) == ("reconcile", 0, 0)
        clock.now += 1
        talk.progress("compare document", 1, 2, "tables")
        noted = at_work(tmp_path / PROGRESS, tmp_path / LOCK)
        assert noted is not None
        assert (noted["step"], noted["what"]) == ("reconcile", "compare document"), "a part of a step is not a step of its own"
        left = (tmp_path / PROGRESS).read_bytes()
    assert at_work(tmp_path / PROGRESS, tmp_path / LOCK) is None
    (tmp_path / PROGRESS).write_bytes(left)  # as a kill leaves it
    os.close(lock)
    assert at_work(tmp_path / PROGRESS, tmp_path / LOCK) is None

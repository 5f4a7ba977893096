"""The forecast: scaled from earlier runs, with a band; from a probe where there are none."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.errors import MigrationError
from etl.pipeline.forecast import Rehearsed, earlier_runs, endings, forecast
from etl.runfolder import layout
from etl.system.locks import only
from etl.system.progress_note import write_note
from tests.support.command import Workspace

STEPS = ("extract", "split", "reattach", "check", "load", "reconcile", "report")


def rehearsed(rows: int, factor: float) -> Rehearsed:
    return Rehearsed(f"run of {rows}", rows, {step: factor * (10 + position) for position, step in enumerate(STEPS)})


def test_the_same_size_takes_as_long_as_before() -> None:
    known = forecast(1_000, [rehearsed(1_000, 1.0), rehearsed(1_000, 1.1)])
    assert set(known.steps) == set(STEPS)
    assert known.source == ("run of 1000", "run of 1000")
    assert known.whole.seconds == pytest.approx(1.05 * sum(10 + position for position in range(7)))
    for span in known.steps.values():
        assert span.low <= span.seconds <= span.high
    assert known.whole.low < known.whole.seconds < known.whole.high


def test_twice_the_rows_take_twice_the_time_but_start_up_does_not_grow() -> None:
    one, two = (forecast(rows, [rehearsed(1_000, 10.0)]).whole.seconds for rows in (1_000, 2_000))
    assert 1.9 * one < two < 2 * one


def test_an_interrupted_run_is_not_used_for_a_forecast() -> None:
    cut = Rehearsed("cut", 1_000, {"extract": 500.0})
    assert forecast(1_000, [cut]).source == ()
    assert forecast(1_000, [cut, rehearsed(1_000, 1.0)]).source == ("run of 1000",)


def test_without_an_earlier_run_a_probe_gives_a_wide_band() -> None:
    known = forecast(1_000_000, [])
    assert known.source == ()
    assert 0 < known.whole.low < known.whole.seconds < known.whole.high


def test_plan_forecasts_from_neighbouring_runs(published: Workspace) -> None:
    """The real command: an earlier run is found by name and next to --run; a folder that is not a run is refused."""
    words = [word for option in ("--source", "--tc", "--files") for word in (option, published.stores[option])]
    beside = published.command("plan", *words, "--run", "next", "--output", "json")
    assert beside.code == 0, beside.err
    assert beside.data["forecast"]["source"] == ["run"]
    named = published.command("plan", *words, "--earlier", "run", "--output", "json")
    assert named.data["forecast"] == beside.data["forecast"]
    spent = sum(known.seconds["load"] for known in earlier_runs([published.run], None))
    assert named.data["forecast"]["steps"]["load"]["seconds"] == pytest.approx(spent)
    assert published.command("plan", *words, "--earlier", "legacy").code == 1
    with pytest.raises(MigrationError):
        earlier_runs([published.folder / "legacy"], None)


def test_runs_on_the_same_kinds_of_databases_are_preferred() -> None:
    lite, great = (
        replace(rehearsed(1_000, 1.0), kinds=("sqlite", "sqlite")),
        replace(rehearsed(1_000, 3.0), kinds=("postgresql", "postgresql")),
    )
    every = (lite, great)
    assert forecast(1_000, every, ("postgresql", "postgresql")) == forecast(1_000, [great])
    assert forecast(1_000, every, ("sqlite", "")) == forecast(1_000, [lite])
    assert len(forecast(1_000, every).source) == 2
    assert len(forecast(1_000, every, ("postgresql", "sqlite")).source) == 2, "where none is alike, all are better than a probe"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """The lock, held by a process at work."""
    descriptor = only(path)
    assert descriptor is not None
    try:
        yield
    finally:
        os.close(descriptor)


NOW = datetime(2023, 9, 16, 22, 0, tzinfo=UTC)


def working(step: str, seconds: float, what: str | None = None, done: int = 0, total: int = 0) -> dict[str, object]:
    since = (NOW - timedelta(seconds=seconds)).isoformat()
    return {"step": step, "since": since, "what": what or step, "done": done, "total": total, "unit": "rows"}


def test_the_running_step_and_the_run_are_forecast_from_earlier_runs() -> None:
    """rehearsed(1_000, 1.0): extract 10 s, split 11, ... report 16. Half of split is over."""
    earlier = [rehearsed(1_000, 1.0)]
    found = endings(working("split", 5.5), ["extract"], 1_000, earlier, NOW, ("", ""))
    assert found.step is not None
    assert found.run is not None
    assert found.step[0] == NOW + timedelta(seconds=5.5)
    assert found.run[0] == NOW + timedelta(seconds=5.5 + 12 + 13 + 14 + 15 + 16)
    for end in (found.step, found.run):
        assert NOW <= end[1] <= end[0] <= end[2]
    twice = endings(working("split", 5.5), ["extract"], 2_000, earlier, NOW, ("", ""))
    assert twice.step is not None
    assert twice.step[0] > found.step[0]
    unknown = endings(working("extract", 1), [], 0, earlier, NOW, ("", ""))  # its rows are not counted yet: as many as before
    assert unknown.step is not None
    assert unknown.step[0] == NOW + timedelta(seconds=9)


def test_a_step_that_takes_longer_than_any_earlier_one_is_late_and_the_run_ends_later() -> None:
    found = endings(working("split", 100), ["extract"], 1_000, [rehearsed(1_000, 1.0)], NOW, ("", ""))
    assert (found.late, found.step) == (True, None)
    assert found.run is not None
    assert found.run[0] >= NOW + timedelta(seconds=12 + 13 + 14 + 15 + 16)


def test_without_earlier_runs_only_progress_that_counts_the_whole_step_says_when_it_ends() -> None:
    found = endings(working("check", 30, "check", 250, 1_000), [], 1_000, [], NOW, ("", ""))
    assert found.step is not None
    assert found.step[0] == NOW + timedelta(seconds=90)
    assert found.run is None
    for at_work in (
        working("check", 30, "check relations between tables", 250, 1_000),
        working("check", 30, "check", 1, 1_000),
        working("extract", 30, "extract P2.message", 250, 1_000),
        working("split", 30),
    ):
        assert endings(at_work, [], 1_000, [], NOW, ("", "")).step is None


def test_status_says_when_the_step_at_work_and_the_run_will_end(published: Workspace) -> None:
    """The real command, while a run holds the lock, and afterwards."""
    shutil.copytree(published.run, published.folder / "rehearsal-1")
    since = (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="seconds")
    write_note(published.run / layout.PROGRESS, working("report", 0) | {"since": since})
    with held(published.run / layout.LOCK):
        shown = published.command("status")
        known = json.loads(published.command("status", "--output", "json").out)["data"]["at_work"]
    assert known["forecast_from"] == ["rehearsal-1"]
    assert known["late"] or since <= known["step_ends"][0] <= known["step_ends"][2]
    assert since <= known["run_ends"][1] <= known["run_ends"][0] <= known["run_ends"][2]
    assert "the run will end about" in " ".join(shown.out.split())
    assert published.command("status").out.rstrip().splitlines()[-1] == "all steps are done"

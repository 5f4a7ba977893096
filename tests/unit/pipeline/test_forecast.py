"""The forecast: scaled from earlier runs, with a band; from a probe where there are none."""

import pytest

from etl.errors import MigrationError
from etl.pipeline.forecast import Rehearsed, earlier_runs, forecast
from tests.support.command import Night

STEPS = ("extract", "split", "reattach", "check", "load", "reconcile", "report")


def rehearsed(rows: int, factor: float) -> Rehearsed:
    return Rehearsed(f"run of {rows}", rows, {step: factor * (10 + place) for place, step in enumerate(STEPS)})


def test_the_same_size_takes_as_long_as_before() -> None:
    known = forecast(1_000, [rehearsed(1_000, 1.0), rehearsed(1_000, 1.1)])
    assert set(known.steps) == set(STEPS)
    assert known.source == ("run of 1000", "run of 1000")
    assert known.whole.seconds == pytest.approx(1.05 * sum(10 + place for place in range(7)))
    for span in known.steps.values():
        assert span.low <= span.seconds <= span.high
    assert known.whole.low < known.whole.seconds < known.whole.high


def test_twice_the_rows_take_twice_the_time_but_start_up_does_not_grow() -> None:
    one, two = (forecast(rows, [rehearsed(1_000, 10.0)]).whole.seconds for rows in (1_000, 2_000))
    assert 1.9 * one < two < 2 * one


def test_a_run_that_was_cut_off_says_nothing() -> None:
    cut = Rehearsed("cut", 1_000, {"extract": 500.0})
    assert forecast(1_000, [cut]).source == ()
    assert forecast(1_000, [cut, rehearsed(1_000, 1.0)]).source == ("run of 1000",)


def test_without_an_earlier_run_a_probe_gives_a_wide_band() -> None:
    known = forecast(1_000_000, [])
    assert known.source == ()
    assert 0 < known.whole.low < known.whole.seconds < known.whole.high


def test_plan_forecasts_from_the_runs_beside_its_own(published: Night) -> None:
    """The real command: the run that the folder holds is found by name and beside --run; a folder that is no run is refused."""
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

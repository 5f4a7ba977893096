"""Forecast of the duration of each step and of the run, from earlier runs on this machine or from a short probe."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from etl.databases import backend
from etl.errors import MigrationError
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, open_readonly
from etl.runfolder.layout import STEPS

# Shares of a whole run's time by step, and rows a second of the whole run at a probe of 1.0; measured with tests/benchmarks on two cores.
_SHARE = {"extract": 0.25, "split": 0.06, "reattach": 0.17, "check": 0.13, "load": 0.15, "reconcile": 0.21, "report": 0.03}
_ROWS_PER_SECOND = 20_000
_PROBE_SECONDS = 0.35  # seconds of the probe on the machine of these measurements
_BAND = (0.5, 2.0)  # the band of a forecast from a probe: it knows neither the databases nor the documents
_SPREAD = 0.15  # the band of a forecast from one run; several runs have a spread
_START = {"check": 2.5}  # seconds before a step's first row, for any number of rows: the checks' libraries are imported
_STARTED = 0.3  # of every other step
_COUNTED, _ENOUGH = ("reattach", "check"), 0.05  # steps whose note counts the rows of the whole step; before this share it says nothing


@dataclass(frozen=True)
class Span:
    """Seconds: the expected value, and the bounds of its band."""

    seconds: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """A forecast. `steps`: a span for each step; `whole`: their sum; `source`: the folders of the earlier runs, empty for a probe."""

    steps: dict[str, Span]
    whole: Span
    source: tuple[str, ...]


@dataclass(frozen=True)
class Rehearsed:
    """An earlier run: the rows that it read, and the seconds of each step that it did without interruption.

    `kinds`: of its Portal 2.0 and of its store ("sqlite", "postgresql"); empty where unknown.
    """

    name: str
    rows: int
    seconds: dict[str, float]
    kinds: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Endings:
    """The expected ends of the active step and of the run, each with its band; None where unknown.

    `late`: the step has taken longer than every earlier run suggests; its end is then unknown.
    """

    step: tuple[datetime, datetime, datetime] | None
    run: tuple[datetime, datetime, datetime] | None
    late: bool
    source: tuple[str, ...]


def forecast(rows: int, earlier: Sequence[Rehearsed], kinds: tuple[str, str] = ("", "")) -> Forecast:
    """Returns the forecast for this number of rows: each step scales with the rows; of several runs the median counts, their spread is the band.

    Where some runs had databases of these kinds, the others are ignored.
    """
    usable = [run for run in earlier if run.rows and set(_SHARE) <= run.seconds.keys()]
    usable = [run for run in usable if _alike(run.kinds, kinds)] or usable
    if not usable:
        return _from_probe(rows)
    steps = {}
    for step in _SHARE:
        start = _START.get(step, _STARTED)
        expected = [min(run.seconds[step], start) + max(0.0, run.seconds[step] - start) * rows / run.rows for run in usable]
        middle = statistics.median(expected)
        around = _SPREAD * middle + 0.2  # a fifth of a second of start-up that does not scale
        steps[step] = Span(middle, max(0.0, min(expected) - around), max(expected) + around)
    return Forecast(steps, _sum(steps.values()), tuple(run.name for run in usable))


def _alike(known: tuple[str, str], wanted: tuple[str, str]) -> bool:
    return all(not one or not other or one == other for one, other in zip(known, wanted, strict=True))


def kinds_of(source: str | None, target: str | None) -> tuple[str, str]:
    """Returns the kinds of these two databases, each empty where its address is unknown."""
    return backend(source) if source else "", backend(target) if target else ""


def endings(
    working: Mapping[str, Any], done: Collection[str], rows: int, earlier: Sequence[Rehearsed], now: datetime, kinds: tuple[str, str]
) -> Endings:
    """Returns when the active step and the run will end. `working`: its note; `done`: finished steps; `rows`: of this run, 0 where unknown.

    Uses earlier runs; without any, the step's progress where that counts the whole step, and then the run's end is unknown.
    """
    step, since = str(working["step"]), datetime.fromisoformat(str(working["since"]))
    usable = [run for run in earlier if run.rows and set(_SHARE) <= run.seconds.keys()]
    if not usable or step not in _SHARE:
        share = working["done"] / working["total"] if working["what"] in _COUNTED and working["total"] else 0.0
        if share < _ENOUGH:
            return Endings(None, None, False, ())
        end = since + (now - since) / share
        around = (end - now) * (1 - share)
        return Endings((end, max(now, end - around), end + around), None, False, ())
    expected = forecast(rows or round(statistics.median(run.rows for run in usable)), usable, kinds)
    span = expected.steps[step]
    late = now > since + timedelta(seconds=span.high)
    begun = now if late else since
    this = Span(0.0, 0.0, span.high) if late else span
    behind = [expected.steps[name] for name in _SHARE if name not in done and name != step]
    whole = _sum([this, *behind])
    first, every = (
        tuple(max(now, begun + timedelta(seconds=seconds)) for seconds in (of.seconds, of.low, of.high)) for of in (this, whole)
    )
    return Endings(None if late else (first[0], first[1], first[2]), (every[0], every[1], every[2]), late, expected.source)


def earlier_runs(named: Sequence[Path], beside: Path | None) -> list[Rehearsed]:
    """Returns the given runs, or else the finished ones in the folders beside the run's; raises MigrationError for a folder that is not a run."""
    if named:
        return [rehearsed(open_readonly(path)) for path in named]
    if beside is None or not beside.absolute().parent.is_dir():
        return []
    found = []
    for path in sorted(beside.absolute().parent.iterdir()):
        if path == beside.absolute() or not (path / layout.MANIFEST).is_file():
            continue
        try:
            found.append(rehearsed(open_readonly(path)))
        except MigrationError:  # another user's folder, or an altered one: not evidence about this machine
            continue
    return found


def rehearsed(folder: RunFolder) -> Rehearsed:
    """Returns the rows and times in a run folder."""
    extract = folder.steps.get("extract")
    rows = sum(int(table["rows"]) for table in extract.facts.get("fingerprints", {}).values()) if extract is not None else 0
    seconds = {
        name: float(step.facts["seconds"]) for name, step in folder.steps.items() if name in STEPS and step.facts.get("seconds") is not None
    }
    return Rehearsed(folder.path.name, rows, seconds, kinds_of(folder.settings.source, folder.settings.target))


def _from_probe(rows: int) -> Forecast:
    whole = rows / _ROWS_PER_SECOND * _probe() / _PROBE_SECONDS
    low, high = _BAND
    steps = {}
    for step, share in _SHARE.items():
        seconds = share * whole + _START.get(step, _STARTED)
        steps[step] = Span(seconds, seconds * low, seconds * high)
    return Forecast(steps, _sum(steps.values()), ())


def _probe() -> float:
    """Returns the seconds for a small part of all steps' work on this machine: sorting, compressing, writing, making durable."""
    import numpy as np
    import polars as pl

    began = time.perf_counter()
    numbers = np.random.default_rng(1).permutation(400_000)
    frame = pl.DataFrame({"key": numbers, "text": pl.Series(numbers).cast(pl.String)})
    joined = frame.sort("key").join(frame.select("key"), on="key")
    with TemporaryFile() as file:
        joined.write_parquet(file, compression="lz4")
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - began


def _sum(spans: Iterable[Span]) -> Span:
    """Returns the sum. Its band is narrower than the sum of the bands: not all steps are late at once."""
    every = list(spans)
    middle = sum(span.seconds for span in every)
    below = sum((span.seconds - span.low) ** 2 for span in every) ** 0.5
    above = sum((span.high - span.seconds) ** 2 for span in every) ** 0.5
    return Span(middle, max(0.0, middle - below), middle + above)

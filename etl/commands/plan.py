"""The command `plan`: what a run would do, and a forecast of its duration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etl.options import Options
from etl.pipeline.forecast import earlier_runs, forecast, kinds_of
from etl.pipeline.runner import planned
from etl.runfolder.layout import STEPS


def plan(options: Options, earlier: Sequence[Path]) -> dict[str, Any]:
    """Returns the plan as data: rows, coverage, retired columns with their reasons, steps, space, and the forecast of each step in seconds.

    `earlier`: the runs for the forecast; without any, those in the folders beside the run's; without those, a probe of this machine.
    """
    known = earlier_runs(earlier, options.run)  # a folder that is not a run is refused before the databases are opened
    found = planned(options)
    share = 100 * found.mapped // found.columns if found.columns else 100
    rows = sum(found.rows.values())
    expected = forecast(rows, known, kinds_of(options.source, options.target))
    return {
        **asdict(found),
        "coverage": f"{share}% ({found.mapped}/{found.columns} columns)",
        "steps": list(STEPS),
        "total": rows,
        "seconds": round(expected.whole.seconds, 1),
        "forecast": asdict(expected),
    }

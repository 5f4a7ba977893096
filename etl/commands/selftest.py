"""The command `selftest`: whether the verifier finds planted faults."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from etl.commands.demo import FREEZE
from etl.databases import sqlite_url
from etl.errors import CheckFailed
from etl.options import Options
from etl.pipeline.runner import run_steps
from etl.reconcile.selftest.harness import selftest
from etl.runfolder import layout
from etl.system.progress import ProgressReporter

_OF_ADAPTERS = 300  # the number of faults for which the small sample's adapter certainly has a line


def selftested(size: int, seed: int, reporter: ProgressReporter) -> dict[str, Any]:
    """Returns the score by kind of fault: planted, found, found in the right table; and the false alarms on correct copies.

    Raises CheckFailed (exit 3) with the same data where a fault was missed or a correct copy was reported as different.
    """
    from etl.commands.adapter_faults import adapter_faults
    from sample_data.disguise import disguise
    from sample_data.world import write_cast

    of_adapters = min(size // 5, _OF_ADAPTERS)
    with tempfile.TemporaryDirectory(prefix="portal-migrate-") as scratch:
        scratch_folder = Path(scratch)
        world = write_cast(scratch_folder / "legacy")
        options = Options(
            source=world.source,
            tc=world.tc,
            files=str(world.files),
            target=sqlite_url(scratch_folder / "portal3.sqlite"),
            objects=str(scratch_folder / "objects"),
            run=scratch_folder / "run",
            freeze=FREEZE,
        )
        for step in (*layout.BEFORE_LOAD, "load"):
            run_steps(options, (step,), reporter)
        with reporter.bars():
            score = selftest(
                world.source,
                world.tc,
                str(world.files),
                str(options.target),
                str(options.objects),
                size - of_adapters,
                seed,
                lambda done, total: reporter.progress("selftest", done, total, "faults"),
            )
            disguise(scratch_folder / "legacy", scratch_folder / "foreign")
            planted, seen, alarms = adapter_faults(scratch_folder / "foreign", of_adapters, seed)
    kinds = [
        {"kind": name, "planted": kind.planted, "found": kind.found, "named": kind.named} for name, kind in sorted(score.by_kind.items())
    ]
    kinds += [{"kind": f"adapter: {name}", "planted": planted[name], "found": seen[name], "named": seen[name]} for name in sorted(planted)]
    found = sum(kind.found for kind in score.by_kind.values()) + sum(seen.values())
    total, false_alarms = score.planted + sum(planted.values()), score.false_alarms + alarms
    data: dict[str, Any] = {
        "planted": total,
        "found": found,
        "kinds": kinds,
        "missed": [str(fault) for fault in score.missed],
        "tables": score.tables,
        "columns": score.columns,
        "clean_rounds": score.clean_rounds,
        "false_alarms": false_alarms,
    }
    if found < total or false_alarms:
        error = CheckFailed(
            f"The verifier found {found:,} of {total:,} faults; {false_alarms:,} false alarms.",
            "Do not rely on the verifier: report this.",
        )
        error.data = data
        raise error
    return data

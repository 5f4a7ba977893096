"""The further outputs of a rehearsal: letters, sample and signed evidence, as after a cut-over."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from etl.commands.company import letters
from etl.commands.sample_audit import free_name, sample
from etl.evidence.bundle import pack
from etl.options import Options
from etl.pipeline.rehearsal_schema import throwaway_schema
from etl.pipeline.runner import run_steps
from etl.runfolder import layout
from etl.system.progress import ProgressReporter

SAMPLE_SIZE, SAMPLE_SEED = 50, 1


def run_with_rehearsal(options: Options, steps: tuple[str, ...], reporter: ProgressReporter) -> dict[str, Any]:
    """Runs these steps; a rehearsal also writes its further outputs. Returns the report's facts."""
    if not options.rehearse or options.target is None:
        return run_steps(options, steps, reporter, write)
    with throwaway_schema(options) as inside:  # with a store on the server: its times are the times of the cut-over
        return run_steps(inside, steps, reporter, write)


def write(options: Options, run: Path) -> list[str]:
    """Writes the outputs and returns them as sentences; replaces those of an earlier start of the same rehearsal, except its key."""
    folder = run / layout.REHEARSAL
    for old in (folder / "letters", folder / "evidence"):
        shutil.rmtree(old, ignore_errors=True)
    written = letters(options, None, folder / "letters")
    drawn = sample(options, SAMPLE_SIZE, SAMPLE_SEED, free_name(folder / "sample-audit.csv"))
    packed = pack(options, folder / "evidence", folder / "evidence.pem")
    return [
        f"{len(written['files']):,} letters in {written['folder']}",
        f"{drawn['rows']:,} rows to review in {drawn['file']}",
        f"{packed['files']:,} files of evidence in {packed['bundle']}; verify them with {packed['public_key']}",
    ]

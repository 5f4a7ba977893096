"""The command `purge`: removes the old portals' data from the run folder; the proof of the migration stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from etl.errors import MigrationError, Refused
from etl.options import Options, needed_run
from etl.runfolder import layout
from etl.runfolder.folder import open_locked, open_readonly
from etl.system.confirm import confirm, refuse_unasked

# The proof of the migration: counts, digests and sentences. Everything else is removed: stage files contain rows; lists, letters, samples, indexes
# and the reports that show parts of them contain keys, some of which are a person's number.
PROVES = (layout.MANIFEST, layout.EVENTS, layout.REPORT_JSON, layout.REPORT_SUMMARY, layout.REPORT_JUNIT)
LOCKS = (layout.LOCK, layout.WORKERS)


def purge(options: Options, yes: bool) -> dict[str, Any]:
    """Returns what was removed and what is left; raises Refused before the publish, because the run would have to start again. `yes`: no confirmation."""
    run = needed_run(options.run)
    open_readonly(run)  # without a run nothing is purged, and no folder is created
    refuse_unasked("purge", yes)
    with open_locked(run) as folder:
        if "load" not in folder.steps:
            raise Refused(
                "This run has not published anything yet: its stage files are needed to resume.",
                "Finish the run, or remove the folder by hand.",
            )
        confirm(f"Remove all files that are not evidence from {run}? A rollback is not possible afterwards.", yes)
        gone = [folder.remove(name) for name in _others(folder.path)]
        removed, size = sum(files for files, _ in gone), sum(size for _, size in gone)
        folder.settings = replace(folder.settings, purged=True)
        folder.record("purge", "stage files removed", {}, {"files": removed, "bytes": size})
        if still := _others(folder.path):
            raise MigrationError(f"Not everything could be removed: {still[0]} and {len(still) - 1:,} more.", "Remove these files by hand.")
        left = sorted(path.relative_to(folder.path).as_posix() for path in folder.path.rglob("*") if path.is_file())
    return {"run": str(run), "removed": removed, "bytes": size, "left": left}


def _others(path: Path) -> list[str]:
    """Returns the names of files and folders in the run folder that are neither proof nor lock, to be removed with their content."""
    names = [entry.name for entry in path.iterdir() if entry.name not in LOCKS]
    report = path / layout.REPORT
    if report.is_dir() and not report.is_symlink():
        names = [name for name in names if name != report.name] + [layout.report_file(entry.name) for entry in report.iterdir()]
    return sorted(name for name in names if name not in PROVES)

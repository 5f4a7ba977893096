"""The command `purge`: what the run left of the old portals' data goes; what proves the migration stays."""

from __future__ import annotations

from typing import Any

from etl.errors import MigrationError, Refused, WrongUsage
from etl.objects.journal import JOURNAL
from etl.options import Options
from etl.runfolder.event_log import record
from etl.runfolder.folder import opened
from etl.system.confirm import confirm, refuse_unasked

# Stage files hold whole rows; the lists, and the reports that show parts of them, hold keys (some are a person's number). Counts, digests and
# sentences stay: manifest.json, events.jsonl and the rest of report/.
DATA = ("extract", "split", "reattach", "check", "load", "reconcile", "rehearsal")
_WITH_KEYS = ("held.csv", "exceptions.csv", "failures.csv", "differences.csv", "report.html", "report.md")
LISTS = (*(f"report/{name}" for name in _WITH_KEYS), JOURNAL)


def purge(options: Options, yes: bool) -> dict[str, Any]:
    """What was removed and what is left; Refused where the run has not published yet: it would have to start again. `yes`: nobody is asked."""
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    refuse_unasked("purge", yes)
    with opened(options.run) as folder:
        if "load" not in folder.steps:
            raise Refused(
                "This run has published nothing yet: its stage files are needed to go on.", "Finish the run, or remove the folder by hand."
            )
        confirm(f"Remove the stage files and lists of {options.run}? It cannot be rolled back afterwards.", yes)
        gone = [folder.remove(name) for name in (*DATA, *LISTS)]
        removed, size = sum(files for files, _ in gone), sum(size for _, size in gone)
        folder.settings = {**folder.settings, "purged": "yes"}
        folder.save()
        record(folder.path, "purge", "stage files removed", folder.settings, {}, {"files": removed, "bytes": size})
        left = sorted(place.relative_to(folder.path).as_posix() for place in folder.path.rglob("*") if place.is_file())
        still = [name for name in left if name.split("/")[0] in DATA or name in LISTS]
        if still:
            raise MigrationError(f"Not everything could be removed: {', '.join(still)}.", "Remove these files by hand.")
    return {"run": str(options.run), "removed": removed, "bytes": size, "left": left}

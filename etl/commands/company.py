"""The command `company`: letters about what became of a company profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etl.commands.lookups import published, target_url
from etl.options import Options
from etl.report.company import write_companies


def letters(options: Options, profile: int | None, folder: Path) -> dict[str, Any]:
    """The files that were written: a page and a text for each profile, or for the one that was named."""
    with published(options):  # the store of that run, and a new store at all
        written = write_companies(target_url(options), folder, profile, options.source)
    return {"folder": str(folder), "files": [place.name for place in written]}

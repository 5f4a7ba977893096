"""The command `company`: letters about the migration of a company profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etl.commands.lookups import published, target_url
from etl.options import Options
from etl.path_overlap import of_run, refuse_overlap
from etl.report.company import write_companies
from etl.report.company_letter import LetterHead, earlier_letters
from etl.runfolder.folder import open_readonly
from mappings.read import read_mappings


def letters(
    options: Options, profile: int | None, folder: Path, sender: str | None = None, date: str = "", replaces: Path | None = None
) -> dict[str, Any]:
    """Writes a page and a text for each profile, or for the given one; returns the files."""
    head = LetterHead(sender, date, earlier_letters(replaces) if replaces else {})
    with published(options):  # the store of that run, or any new store
        refuse_overlap(of_run(options, open_readonly(options.run).settings) if options.run else options, ("--folder", folder))
        written = write_companies(target_url(options), folder, profile, options.source, read_mappings(options.mappings), head)
    return {"folder": str(folder), "files": [path.name for path in written]}

"""The decisions of a run, in the form for reports."""

from __future__ import annotations

import json

from etl.domain.masking import without_names
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder


def decisions_made(folder: RunFolder) -> list[dict[str, str]]:
    """Returns the run's decisions for reports: rule, portal, table, key, by, on, reason; names masked. Empty before the step `split`."""
    files = [file for file in (folder.steps["split"].files if "split" in folder.steps else []) if file.path == layout.DECISIONS_MADE]
    entries = [entry for file in files for entry in json.loads(folder.read_bytes(file))]
    return [{name: without_names(text) for name, text in entry.items()} for entry in entries]

"""The decisions that a run was begun with: the name of their copy in the run's folder, and what may be shown of them."""

from __future__ import annotations

import json

from etl.domain.masking import without_names
from etl.runfolder.folder import RunFolder

NAME = "decisions.toml"


def made(folder: RunFolder) -> list[dict[str, str]]:
    """The run's decisions as they may be shown: rule, portal, table, key, by, on, reason; names masked. None before the step `split`."""
    files = [
        file for file in (folder.steps["split"].files if "split" in folder.steps else []) if file.path == "split/record/decisions.json"
    ]
    entries = [entry for file in files for entry in json.loads(folder.read_bytes(file))]
    return [{name: without_names(text) for name, text in entry.items()} for entry in entries]

"""The file of decisions that a run was begun with: a copy in the run's folder, so that a later start needs not be given it again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from etl.domain.decisions import NO_DECISIONS, Decisions, parsed, read_decisions
from etl.domain.masking import without_names
from etl.errors import EvidenceAltered
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.settings import RunSettings
from etl.runfolder.stage_file_io import write_durably


def fixed_decisions(folder: RunFolder, given: Path | None) -> Decisions:
    """The run's decisions: those given, kept in its folder, or the kept ones. Refused (7) where the run began with others.

    Raises as `read_decisions`; EvidenceAltered (6) where the copy is not what the run began with.
    """
    if given is not None:
        decisions = read_decisions(given)
        folder.fix(RunSettings(decisions=decisions.sha256))
        if not (folder.path / layout.DECISIONS).is_file():
            write_durably(folder.path / layout.DECISIONS, given.read_bytes())
    known = folder.settings.decisions
    return NO_DECISIONS if known is None else _kept(folder, known)


def _kept(folder: RunFolder, digest: str) -> Decisions:
    try:
        content = (folder.path / layout.DECISIONS).read_bytes()
    except OSError as error:
        message = f"{layout.DECISIONS} of the run's folder cannot be read ({error.strerror})."
        raise EvidenceAltered(message, "Start again in a new run folder.") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise EvidenceAltered(
            f"{layout.DECISIONS} of the run's folder differs from the file that the run began with.", "Start again in a new run folder."
        )
    return parsed(content, layout.DECISIONS)


def decisions_made(folder: RunFolder) -> list[dict[str, str]]:
    """The run's decisions as they may be shown: rule, portal, table, key, by, on, reason; names masked. None before the step `split`."""
    files = [file for file in (folder.steps["split"].files if "split" in folder.steps else []) if file.path == layout.DECISIONS_MADE]
    entries = [entry for file in files for entry in json.loads(folder.read_bytes(file))]
    return [{name: without_names(text) for name, text in entry.items()} for entry in entries]

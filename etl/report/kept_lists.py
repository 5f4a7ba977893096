"""The lists of a report, kept beside it: a report that is written again, after a rollback or a later comparison, need not compute them again.

They hold what the report's CSV files hold. They are valid for the same stage files, mappings and code only; differences are always read again.
"""

from __future__ import annotations

import hashlib
from typing import Any

import polars as pl

from etl.domain.canonical_json import canonical
from etl.report.lists import Lists, differences
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import StageFile
from etl.system.code_identity import code_identity
from mappings.model import Mappings

_FRAMES = ("held", "exceptions", "failures", "closed", "companies", "chapters")


def keep(folder: RunFolder, mappings: Mappings, found: Lists) -> dict[str, Any]:
    """Writes the lists into the run's folder; returns what `kept` needs to read them."""
    files = [folder.write_table(layout.kept_list(name), getattr(found, name).to_arrow()) for name in _FRAMES]
    return {
        "of": _basis(folder, mappings),
        "visible": found.visible,
        "narrow": found.narrow,
        "decided": found.decided,
        "files": [[file.path, file.rows, file.size, file.sha256] for file in files],
    }


def kept(folder: RunFolder, mappings: Mappings, known: dict[str, Any] | None) -> Lists | None:
    """Returns the kept lists with the present differences; None where there are none, or other stage files, mappings or code made them.

    `known`: what `keep` returned. Raises EvidenceAltered (6) if a file differs from it.
    """
    if known is None or known["of"] != _basis(folder, mappings):
        return None
    frames = {name: pl.DataFrame(folder.read_table(StageFile(*file))) for name, file in zip(_FRAMES, known["files"], strict=True)}
    return Lists(
        **frames, differences=differences(folder, mappings), visible=known["visible"], narrow=known["narrow"], decided=known["decided"]
    )


def _basis(folder: RunFolder, mappings: Mappings) -> str:
    """Returns the digest of everything that the kept lists follow from."""
    made = folder.digest(*(name for name in layout.BEFORE_LOAD if name in folder.steps))
    return hashlib.sha256(canonical([made, mappings.digest, code_identity()])).hexdigest()

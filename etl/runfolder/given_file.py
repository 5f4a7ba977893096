"""A signed file that a run was begun with: a copy in the run folder, its digest in the run's settings."""

from __future__ import annotations

import hashlib
from typing import Literal

from etl.errors import EvidenceAltered
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.settings import RunSettings
from etl.runfolder.stage_file_io import read_regular, write_durably

_KEPT: dict[Literal["decisions", "acceptance"], str] = {"decisions": layout.DECISIONS, "acceptance": layout.ACCEPTANCE}


def fixed_file(folder: RunFolder, setting: Literal["decisions", "acceptance"], given: bytes | None) -> bytes | None:
    """Returns the bytes that the run works with: the given ones, stored in its folder, or the stored ones; None where the run has none.

    Raises Refused (7) where the run began with other bytes or without; EvidenceAltered (6) where the copy differs from the digest.
    """
    name = _KEPT[setting]
    if given is None:
        known = folder.settings.decisions if setting == "decisions" else folder.settings.acceptance
        return None if known is None else _kept(folder, name, known)
    digest = hashlib.sha256(given).hexdigest()
    folder.fix(RunSettings(decisions=digest) if setting == "decisions" else RunSettings(acceptance=digest))
    if not (folder.path / name).is_file():
        write_durably(folder.path / name, given)
    return _kept(folder, name, digest)


def _kept(folder: RunFolder, name: str, digest: str) -> bytes:
    try:
        content = read_regular(folder.path / name)
    except OSError as error:
        message = f"{name} of the run's folder cannot be read ({error.strerror})."
        raise EvidenceAltered(message, "Start again in a new run folder.") from None
    if hashlib.sha256(content).hexdigest() != digest:
        message = f"{name} of the run's folder differs from the file that the run began with."
        raise EvidenceAltered(message, "Start again in a new run folder.")
    return content

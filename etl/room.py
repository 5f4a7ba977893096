"""Whether the disk has room for what a step is going to write: asked before, because a full disk in the night costs the night."""

from __future__ import annotations

import shutil
from pathlib import Path

from etl.errors import NoSpace

STAGED_PER_ROW, LOADED_PER_ROW = 420, 900  # bytes, from rehearsals on synthetic worlds: all stage files together; the new store


def require_room(folder: Path, wanted: int, what: str) -> None:
    """Raises NoSpace where the folder's disk has less free than wanted."""
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < wanted:
        message = f"No room for {what}: about {wanted:,} bytes are needed in {folder}, {free:,} are free."
        raise NoSpace(message, "Free space or give another folder; then run the same command again.")

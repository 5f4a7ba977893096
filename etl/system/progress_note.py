"""The progress note of the active command in a run folder, for `status`; removed when the command ends, ignored when it was killed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from etl.system.locks import held


def write_note(path: Path, noted: dict[str, Any]) -> None:
    """Writes the whole note or none (0600); a failure does not stop the command."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        descriptor = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({**noted, "pid": os.getpid()}, file)
        beside.replace(path)


def at_work(note: Path, lock: Path) -> dict[str, Any] | None:
    """Returns the last note of the command that holds the lock (step, since, what, done, total, unit, pid); None where none is active."""
    try:
        if not held(lock):
            return None
        descriptor = os.open(note, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            noted = json.loads(file.read(10_000))
    except (OSError, ValueError, RecursionError):
        return None
    return noted if isinstance(noted, dict) and noted.keys() >= {"step", "since", "what", "done", "total", "unit"} else None

"""The run's log: one line for each thing that was done to it, each line chained to the one before. A line that cannot be written stops the run."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import pwd
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.errors import EvidenceAltered

NAME = "events.jsonl"


def _who() -> str:
    """The user as the system knows him, whatever the environment says; in a container he may have no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def record(folder: Path, what: str, outcome: str, about: dict[str, Any]) -> None:
    """Appends an event: sequence, time in UTC, who, on which machine, what, its outcome, and facts without personal data."""
    descriptor = os.open(folder / NAME, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        content = (folder / NAME).read_bytes()
        lines = content.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # a kill or a full disk cut it short: it never became an event
            os.ftruncate(descriptor, len(content) - len(lines.pop()))
        last: dict[str, Any] = json.loads(lines[-1]) if lines else {"seq": 0, "hash": ""}
        event = {
            "seq": last["seq"] + 1, "at": datetime.now(UTC).isoformat(timespec="milliseconds"), "who": _who(), "where": platform.node(),
            "what": what, "outcome": outcome, "about": about, "before": last["hash"],
        }  # fmt: skip
        event["hash"] = _hash(event)
        rest = memoryview(json.dumps(event, ensure_ascii=False).encode() + b"\n")
        while len(rest):  # a disk that fills up takes a part first
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except ValueError:
        raise EvidenceAltered(
            f"{NAME} in the run's folder was altered: its last line is no event.", "Start again in a new run folder."
        ) from None
    finally:
        os.close(descriptor)


def broken_line(content: bytes) -> int | None:
    """The number of the first line that does not continue the chain; None where all do."""
    before, seq = "", 0
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            event = json.loads(line)
            claimed = event.pop("hash")
            if claimed != _hash(event) or event["before"] != before or event["seq"] != seq + 1:
                return number
        except (ValueError, KeyError, TypeError, AttributeError):
            return number
        before, seq = claimed, seq + 1
    return None


def _hash(event: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()

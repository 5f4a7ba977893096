"""The run's log: one line for each thing that was done to it, each line chained to the one before. A line that cannot be written stops the run."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.errors import EvidenceAltered

NAME = "events.jsonl"


def record(folder: Path, what: str, outcome: str, settings: dict[str, str], roles: dict[str, str], about: dict[str, Any]) -> None:
    """Appends an event: sequence, time in UTC, who, on which machine, under which database roles, what, its outcome, and the digest of what was set.

    `settings` are stores (never a password), freeze, the mappings' digest and the approver's public key; `roles`: by store; `about`: facts without personal data.
    """
    import platform

    descriptor = os.open(folder / NAME, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        content = (folder / NAME).read_bytes()
        lines = content.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # a kill or a full disk cut it short: it never became an event
            os.ftruncate(descriptor, len(content) - len(lines.pop()))
        last: dict[str, Any] = json.loads(lines[-1]) if lines else {"seq": 0, "hash": ""}
        event = {
            "seq": last["seq"] + 1, "at": datetime.now(UTC).isoformat(timespec="milliseconds"), "who": account_name(os.geteuid()), "where": platform.node(),
            "roles": roles, "what": what, "outcome": outcome, "settings": settings, "configuration": digest_of(settings), "about": about,
            "before": last["hash"],
        }  # fmt: skip
        event["hash"] = digest_of(event)
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
            if claimed != digest_of(event) or event["before"] != before or event["seq"] != seq + 1:
                return number
            if "configuration" in event and event["configuration"] != digest_of(event["settings"]):
                return number
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return number
        before, seq = claimed, seq + 1
    return None


def digest_of(words: dict[str, Any]) -> str:
    """SHA-256 of the words as JSON, their names sorted, without blanks: what chains the events, and names a configuration."""
    return hashlib.sha256(json.dumps(words, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def account_name(number: int) -> str:
    """The name of the operating system's user; its number where it has none. Not of the environment, which anybody can set."""
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)

"""The run's log: one line for each event, each chained to the line before. A line that cannot be written stops the run."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.domain.canonical_json import canonical
from etl.errors import EvidenceAltered
from etl.runfolder import layout
from etl.runfolder.stage_file_io import read_regular
from etl.system.code_identity import code_identity

_FIND_OUT = "Find out who altered it: an altered log proves nothing. Start again in a new run folder."


@dataclass(frozen=True)
class Head:
    """The end of a log, recorded in the manifest: the number of events and the hash of the last. The chain alone does not reveal a truncation."""

    count: int = 0
    hash: str = ""


def record(folder: Path, what: str, outcome: str, settings: dict[str, str], roles: dict[str, str], about: dict[str, Any]) -> Head:
    """Appends an event and returns the log's new head: sequence, UTC time, user, machine, database roles, what, outcome, and the digest of the settings.

    `settings`: stores (never a password), freeze, the mappings' digest and the approver's public key. `roles`: by store. `about`: facts without
    personal data.
    """
    import platform

    descriptor = os.open(folder / layout.EVENTS, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError
        with os.fdopen(os.dup(descriptor), "rb") as log:  # the open file, also if its name is replaced
            content = log.read()
        lines = content.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # cut off by a kill or a full disk: not an event
            os.ftruncate(descriptor, len(content) - len(lines.pop()))
        last: dict[str, Any] = json.loads(lines[-1]) if lines else {"seq": 0, "hash": ""}
        event = {
            "seq": last["seq"] + 1,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": account_name(os.geteuid()),
            "where": platform.node(),
            "roles": roles,
            "what": what,
            "outcome": outcome,
            "settings": settings,
            "configuration": digest_of(settings),
            "about": about,
            "code": code_identity(),
            "before": last["hash"],
        }
        event["hash"] = digest_of(event)
        rest = memoryview(json.dumps(event, ensure_ascii=False).encode() + b"\n")
        while len(rest):  # a full disk may write a part of it
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
        return Head(event["seq"], event["hash"])
    except ValueError:
        raise EvidenceAltered(
            f"{layout.EVENTS} in the run's folder was altered: its last line is not an event.", "Start again in a new run folder."
        ) from None
    finally:
        os.close(descriptor)


def broken_line(content: bytes) -> int | None:
    """Returns the number of the first line that does not continue the chain; None where all do."""
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


def content_of(folder: Path) -> bytes:
    """Returns the log's bytes; empty where it does not exist, or where a link, a folder or a pipe is in its place."""
    try:
        return read_regular(folder / layout.EVENTS)
    except OSError:
        return b""


def read_events(content: bytes) -> list[dict[str, Any]]:
    """Returns the events of a log, up to the first line that cannot be read."""
    found = []
    for line in content.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            break
        found.append(event if isinstance(event, dict) else {})
    return found


def refuse_altered(content: bytes, head: Head) -> list[dict[str, Any]]:
    """Returns the events of a valid log; raises EvidenceAltered where a line breaks the chain, or events before the head are missing.

    Events after the head are valid: a killed run wrote the event, and not the manifest.
    """
    broken = broken_line(content)
    if broken is not None:
        raise EvidenceAltered(f"{layout.EVENTS} was altered: line {broken} breaks the chain of events.", _FIND_OUT)
    events = [json.loads(line) for line in content.splitlines()]
    if len(events) < head.count:
        there = f"it has {len(events):,} of {head.count:,} events" if events else f"all of {head.count:,} events are missing"
        raise EvidenceAltered(f"{layout.EVENTS} was cut: {there}.", _FIND_OUT)
    if head.count and events[head.count - 1]["hash"] != head.hash:
        raise EvidenceAltered(f"{layout.EVENTS} was replaced: event {head.count:,} is not the one that the manifest names.", _FIND_OUT)
    return events


def refuse_undone(events: list[dict[str, Any]], steps: list[str]) -> None:
    """Raises EvidenceAltered where a step that is done in the manifest has no event."""
    done = {event.get("what") for event in events if not str(event.get("outcome")).startswith("refused")}
    for step in steps:
        if step not in done:
            raise EvidenceAltered(f"{layout.EVENTS} has no event of the step {step}, which is done according to the manifest.", _FIND_OUT)


def digest_of(words: dict[str, Any]) -> str:
    """Returns the SHA-256 of the words as JSON, keys sorted, without blanks: it chains the events, and identifies a configuration."""
    return hashlib.sha256(canonical(words)).hexdigest()


def account_name(number: int) -> str:
    """Returns the name of the operating system's user, or the number where it has no name; never from the environment, which any user can set."""
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)

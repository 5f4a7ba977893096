"""The run's log: one line for each thing that was done to it, each line chained to the one before. A line that cannot be written stops the run."""

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
from etl.system.code_identity import code_identity

_FIND_OUT = "Find out who altered it: an altered log proves nothing. Start again in a new run folder."


@dataclass(frozen=True)
class Head:
    """Where a log ends, as the manifest holds it: the number of events and the last one's hash. A chain alone does not show that it was cut."""

    count: int = 0
    hash: str = ""


def record(folder: Path, what: str, outcome: str, settings: dict[str, str], roles: dict[str, str], about: dict[str, Any]) -> Head:
    """Appends an event and gives the log's new head: sequence, time in UTC, who, on which machine, under which database roles, what, its outcome, and the digest of what was set.

    `settings` are stores (never a password), freeze, the mappings' digest and the approver's public key; `roles`: by store; `about`: facts without personal data.
    """
    import platform

    descriptor = os.open(folder / layout.EVENTS, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        content = (folder / layout.EVENTS).read_bytes()
        lines = content.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # a kill or a full disk cut it short: it never became an event
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
        while len(rest):  # a disk that fills up takes a part first
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


def content_of(folder: Path) -> bytes:
    """The log's bytes; empty where there is none, or where a link or a pipe lies in its place."""
    try:
        descriptor = os.open(folder / layout.EVENTS, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read() if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""


def read_events(content: bytes) -> list[dict[str, Any]]:
    """The events of a log, as far as its lines can be read."""
    found = []
    for line in content.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            break
        found.append(event if isinstance(event, dict) else {})
    return found


def refuse_altered(content: bytes, head: Head) -> list[dict[str, Any]]:
    """The events of a log that is whole; EvidenceAltered where a line breaks the chain, or where events that the head knows are missing.

    Events behind the head are welcome: a run that was killed had written the event, and not yet the manifest.
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
    """EvidenceAltered where a step that the manifest calls done has no event."""
    done = {event.get("what") for event in events if not str(event.get("outcome")).startswith("refused")}
    for step in steps:
        if step not in done:
            raise EvidenceAltered(f"{layout.EVENTS} has no event of the step {step}, which is done according to the manifest.", _FIND_OUT)


def digest_of(words: dict[str, Any]) -> str:
    """SHA-256 of the words as JSON, their names sorted, without blanks: what chains the events, and names a configuration."""
    return hashlib.sha256(canonical(words)).hexdigest()


def account_name(number: int) -> str:
    """The name of the operating system's user; its number where it has none. Not of the environment, which anybody can set."""
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)

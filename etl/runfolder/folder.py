"""The run folder: stage files, the manifest that chains their digests, and the lock. Only its owner can read it.

A file is written to a temporary file, made durable and renamed; then the manifest names it. A file whose bytes differ from the manifest is refused
when it is used, and the bytes that were compared are the bytes that are used.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.domain.canonical_json import canonical
from etl.errors import DISK_FULL, EvidenceAltered, MigrationError, Refused, WrongUsage
from etl.runfolder import event_log as events
from etl.runfolder import layout
from etl.runfolder.event_log import Head
from etl.runfolder.settings import RunSettings, from_json
from etl.runfolder.stage_file_io import (
    HASHING,
    StageFile,
    read_table,
    read_verified,
    removed_entries,
    within,
    write_bytes,
    write_durably,
    write_table,
)
from etl.system.given_file import given_bytes
from etl.system.locks import free_within, only

if TYPE_CHECKING:
    import pyarrow as pa  # imported where it is used: a look-up reads only the manifest and must be quick

VERSION = 3
SEAL = "PORTAL_MIGRATE_SEAL"  # environment variable: a key file, outside of the reach of those who can write to the run folder
_KEY_BYTES, _KEY_MOST = 32, 1 << 20
_ENDING = 30  # seconds to wait for them


@dataclass
class Step:
    """What a finished step left: the digest of its inputs, its files, its facts (counts and times)."""

    inputs: str
    files: list[StageFile] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class RunFolder:
    """An open run folder, locked for this process until it is closed."""

    def __init__(self, path: Path, reading: bool = False) -> None:
        self.path = path
        self.steps: dict[str, Step] = {}
        self.settings = RunSettings()
        self.log = Head()  # the end of events.jsonl
        self._lock: int | None = None
        if not reading:
            refuse_other_folder(path)
            _make_private(path)
            self._lock = _locked(path)
        try:
            self._read_manifest()
            if not reading:
                self.refuse_altered_log()
        except BaseException:
            self.close()
            raise
        entries = list(path.iterdir())
        if not reading and any(entry.is_symlink() for entry in entries):
            self.close()
            raise EvidenceAltered("The run's folder holds a link: nothing is written or removed through it.", "Use a new run folder.")
        others = [
            entry
            for entry in entries
            if not entry.name.startswith(".") and entry.name not in (layout.MANIFEST, layout.EVENTS, layout.REPORT)
        ]
        if not (reading or self.steps or others):
            self.settings = RunSettings()  # nothing was read or stored yet: a mistyped path may be corrected

    # -- the manifest ---------------------------------------------------------------------------------------------------------------

    def _read_manifest(self) -> None:
        file = self.path / layout.MANIFEST
        if file.is_symlink():
            raise EvidenceAltered(f"{layout.MANIFEST} in the run's folder is a link.", "Use a new run folder.")
        if not file.is_file():
            others = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")]
            if others and layout.EXTRACT not in others:
                raise Refused(
                    f"{self.path} is not a run's folder: it holds {others[0]!r} and no manifest.", "Give --run an empty or a new folder."
                )
            return
        try:
            content = json.loads(file.read_bytes())
            body = content["run"]
            key = _key_for(bool(body.get("sealed")))
            if not hmac.compare_digest(content["sha256"], _digest(body, key)):
                raise ValueError("its digest does not fit")
            if body.get("version") != VERSION:
                raise Refused(
                    f"The run's folder was created by another version ({body.get('version')}).", "Start again in a new run folder."
                )
            self.settings, self.log = from_json(body["settings"]), Head(*body.get("log", (0, "")))
            for name, step in body["steps"].items():
                self.steps[name] = Step(step["inputs"], [StageFile(*entry) for entry in step["files"]], step["facts"])
                if any(part in ("", ".", "..") for file in self.steps[name].files for part in file.path.split("/")):
                    raise ValueError("a file of it lies elsewhere")  # the names of evidence files in a bundle
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise EvidenceAltered(
                f"{layout.MANIFEST} in the run's folder was altered or damaged ({error}).", "Start again in a new run folder."
            ) from None

    def save(self) -> None:
        """Writes the manifest: each step's entry contains the digest of the entry before it."""
        steps: dict[str, Any] = {}
        before = ""
        for name, step in self.steps.items():
            files = [[file.path, file.rows, file.size, file.sha256] for file in step.files]
            steps[name] = {"inputs": step.inputs, "files": files, "facts": step.facts, "before": before}
            before = _digest(steps[name])
        key = sealing_key()
        body = {
            "version": VERSION,
            **({"sealed": True} if key else {}),
            "settings": self.settings.as_json(),
            "steps": steps,
            "log": [self.log.count, self.log.hash],
        }
        text = json.dumps({"run": body, "sha256": _digest(body, key)}, indent=1, ensure_ascii=False)  # in the order of the steps
        write_durably(self.path / layout.MANIFEST, text.encode())

    def record(self, what: str, outcome: str, roles: dict[str, str], about: dict[str, Any]) -> None:
        """Appends an event to the run's log, then writes the manifest with the log's new end and the step that was done."""
        self.refuse_altered_log()  # an altered log must not get a new end
        self.log = events.record(self.path, what, outcome, self.settings.as_json(), roles, about)
        self.save()

    def refuse_altered_log(self) -> list[dict[str, Any]]:
        """Returns the run's events; raises EvidenceAltered (exit 6) where a line was altered or is missing."""
        content = events.content_of(self.path)
        whole = content[: content.rfind(b"\n") + 1]  # a line that a kill or a full disk cut off is not an event
        return events.refuse_altered(whole, self.log)

    def digest(self, *names: str) -> str:
        """Returns the SHA-256 of these steps' files and input digests, without times."""
        chosen = {name: [self._step(name).inputs, [[f.path, f.sha256] for f in self._step(name).files]] for name in names}
        return _digest(chosen)

    def fix(self, given: RunSettings) -> None:
        """Fixes settings of the run; raises Refused (exit 7) where one was fixed with another value. A setting that is not given stays unchanged."""
        settings = self.settings.fixed(given)
        if settings != self.settings:
            self.settings = settings
            self.save()

    # -- stage files ------------------------------------------------------------------------------------------------------------------

    def write_table(self, path: str, table: pa.Table) -> StageFile:
        """Writes a table as a stage file and returns its entry."""
        return write_table(self.path, path, table)

    def write_bytes(self, path: str, content: bytes) -> StageFile:
        """Writes bytes as a stage file and returns its entry."""
        return write_bytes(self.path, path, content)

    def read_bytes(self, file: StageFile) -> bytes:
        """Returns the bytes of a stage file; raises EvidenceAltered (exit 6) where they differ from the manifest."""
        return read_verified(self.path, file)

    def read_table(self, file: StageFile) -> pa.Table:
        """Returns the table in a stage file; raises EvidenceAltered (exit 6) where its bytes differ from the manifest."""
        return read_table(self.path, file)

    def files(self, step: str, prefix: str = "") -> list[StageFile]:
        """Returns the step's files with that path prefix, in the order of their paths."""
        return sorted((file for file in self._step(step).files if file.path.startswith(prefix)), key=lambda file: file.path)

    def _step(self, name: str) -> Step:
        if name not in self.steps:
            raise Refused(f"The step {name} has not been done in this run.", f"Run `portal-migrate {name}` (or `run`) first.")
        return self.steps[name]

    def tables(self, step: str, prefix: str) -> Iterator[pa.Table]:
        """Yields the tables in the step's files with that path prefix, one at a time."""
        for file in self.files(step, prefix):
            yield self.read_table(file)

    def verify(self, *names: str) -> None:
        """Raises EvidenceAltered (exit 6) where a file of these steps is missing, unexpected or altered."""
        for name in names:
            self.refuse_unlisted_files(name)
        from concurrent.futures import ThreadPoolExecutor

        files = [file for name in names for file in self._step(name).files]
        with ThreadPoolExecutor(HASHING) as pool:
            for _ in pool.map(lambda file: read_verified(self.path, file), files):
                pass

    def refuse_purged(self, next_step: str) -> None:
        """Raises Refused for a purged run: its stage files were removed on purpose, not altered."""
        if self.settings.purged:
            raise Refused(f"This run was purged: the stage files of {self.path} have been removed.", next_step)

    def refuse_rolled_back(self, consequence: str, next_step: str) -> None:
        """Raises Refused for a run that was rolled back and has not been published again since."""
        if "load" not in self.steps and self.settings.rolled_back is not None:
            raise Refused(f"This run was rolled back: {self.settings.rolled_back}. {consequence}", next_step)

    def refuse_unlisted_files(self, name: str) -> None:
        """Raises EvidenceAltered where the step's folder has a file outside of the manifest, or a link; known files are compared when they are read."""
        known = {file.path for file in self._step(name).files}
        folder = self.path / name
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            relative = path.relative_to(self.path).as_posix()
            if path.is_symlink() or (path.is_file() and relative not in known):
                message = f"{relative} is in the run's folder, but not in its manifest."
                raise EvidenceAltered(message, "Remove it, or start again in a new run folder.")

    def clear(self, step: str) -> None:
        """Removes a step and all later steps from the manifest, and the step's partial files."""
        names = list(self.steps)
        for name in names[names.index(step) :] if step in names else []:
            del self.steps[name]
        self.save()
        self.remove(step)

    def remove(self, path: str) -> tuple[int, int]:
        """Removes the file, or the folder with its content; returns (files, bytes). For a link it removes the link, not its target."""
        parent, _, name = path.rpartition("/")
        if not os.path.lexists(self.path / path):
            return 0, 0
        with within(self.path, parent) as folder:
            return removed_entries(folder, name)

    def close(self) -> None:
        """Releases the lock of the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def parsed_manifest(content: bytes) -> RunFolder:
    """Parses a manifest for reading, without checking its origin; raises ValueError where it is not valid."""
    folder = RunFolder.__new__(RunFolder)
    try:
        body = json.loads(content)["run"]
        folder.path, folder._lock = Path(), None
        folder.settings, folder.log = from_json(body["settings"]), Head(*body["log"])
        folder.steps = {
            name: Step(step["inputs"], [StageFile(*entry) for entry in step["files"]], step["facts"])
            for name, step in body["steps"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("is not a manifest of this version") from None
    return folder


def open_readonly(path: Path, option: str = "--run") -> RunFolder:
    """Returns the run folder in its present state, for reading only, also while a run is active in it. `option`: what gave the path, for the message."""
    if not (path / layout.MANIFEST).is_file():
        raise MigrationError(f"{path} is not the folder of a run.", f"Give {option} the folder of a started run.")
    return RunFolder(path, reading=True)


@contextmanager
def open_locked(path: Path) -> Iterator[RunFolder]:
    """Yields the run folder, locked while the block runs."""
    folder = RunFolder(path)
    try:
        yield folder
    finally:
        folder.close()


def _digest(body: Any, key: bytes | None = None) -> str:
    """Returns the SHA-256; with a key the HMAC-SHA-256, which cannot be computed without it."""
    text = canonical(body)
    return hmac.new(key, text, hashlib.sha256).hexdigest() if key else hashlib.sha256(text).hexdigest()


def sealing() -> bool:
    """Returns whether the environment sets a key file for the manifest."""
    return SEAL in os.environ


def sealing_key() -> bytes | None:
    """Returns the key that seals the manifest, from the file that the environment names; None where it names none."""
    path = os.environ.get(SEAL)
    if path is None:
        return None
    if not path.strip():
        raise WrongUsage(f"{SEAL} is set, but empty.", "Give the file that contains the run's key, or unset it.")
    try:
        key = given_bytes(Path(path), _KEY_MOST)
    except OSError as error:
        raise MigrationError(f"{SEAL}: {path} cannot be read ({error.strerror}).", "Give the file that contains the run's key.") from None
    if len(key) < _KEY_BYTES:
        raise MigrationError(f"{SEAL}: the key is shorter than {_KEY_BYTES} bytes.", f"Make one: openssl rand -out FILE {_KEY_BYTES}.")
    return key


def _key_for(sealed: bool) -> bytes | None:
    """Returns the key of an existing manifest; raises Refused where a key is given for a manifest without a seal, or missing for a sealed one."""
    key = sealing_key()
    if sealed and key is None:
        raise Refused("The run's manifest is sealed with a key.", f"Give the file that contains it in {SEAL}.")
    if key is not None and not sealed:
        message = f"{SEAL} names a key, but the run's manifest is not sealed: anyone who can write to the folder could have created it."
        raise Refused(message, "Start again in a new run folder, with the key set from the first step.")
    return key


_OURS = re.compile(r"\.(lock|workers|.+\.writing)")  # left by a start that was killed before it wrote a manifest


def refuse_other_folder(path: Path) -> None:
    """Raises Refused for a folder with content that is not a run folder, before it changes anything."""
    if path.is_symlink() or not path.is_dir() or (path / layout.MANIFEST).is_file():
        return
    try:
        others = sorted(entry.name for entry in path.iterdir() if not _OURS.fullmatch(entry.name))
    except OSError as error:
        raise MigrationError(f"The run's folder {path} cannot be read ({error.strerror}).", "Give --run a folder that you own.") from None
    if others and layout.EXTRACT not in others:
        message = f"{path} is not a run's folder: it holds {others[0]!r} and no manifest."
        raise Refused(message, "Give --run an empty or a new folder.")


def _make_private(path: Path) -> None:
    if path.is_symlink():
        raise Refused(f"{path} is a link; a run's folder must be a real folder.", "Give --run the folder itself.")
    try:
        for folder in (*reversed(path.parents), path):  # not `parents=True`: its folders would have the mode of the umask
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
        if path.stat().st_uid != os.geteuid():
            raise Refused(f"{path} belongs to another user.", "Give --run a folder that you own.")
        path.chmod(0o700)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise MigrationError(f"The run's folder {path} cannot be created ({error.strerror}).", "Give --run a writable folder.") from None


def _locked(path: Path) -> int:
    descriptor = only(path / layout.LOCK)
    if descriptor is None:
        raise Refused(f"Another run is active in {path}.", "Wait for it to end, or use another run folder.")
    # Worker processes of a killed run end shortly after it: wait, so that their last writes do not collide with new ones.
    if (path / layout.WORKERS).exists() and not free_within(path / layout.WORKERS, _ENDING):
        os.close(descriptor)
        message = f"Worker processes of a killed run are still active in {path}."
        raise Refused(message, "End them (they are stopped, or wait for a disk), then run the same command again.")
    return descriptor

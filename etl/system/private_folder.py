"""A folder that only its owner can read."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from etl.errors import DISK_FULL, MigrationError, Refused


class PrivateFolder:
    """A folder of this user with mode 0700 and files of mode 0600; raises Refused where other users could put files there."""

    def __init__(self, path: Path, option: str = "--out") -> None:
        self.path = path
        try:
            made = not path.exists()
            if made:
                for folder in (*reversed(path.parents), path):
                    if not folder.is_dir():
                        folder.mkdir(mode=0o700, exist_ok=True)
            if path.is_symlink() or not path.is_dir():
                raise Refused(f"{option}: {path} is not a folder.", f"Give {option} a folder, or a new name.")
            found = path.stat()
            if found.st_uid != os.geteuid():
                raise Refused(f"{path} belongs to another user.", f"Give {option} a folder that you own.")
            if found.st_mode & 0o077:
                raise Refused(f"{path} is accessible to other users.", f"Restrict it (chmod 700 {path}), or give {option} a new folder.")
        except OSError as error:
            if error.errno in DISK_FULL:
                raise
            raise MigrationError(f"{path} cannot be created ({error.strerror}).", f"Give {option} a writable folder.") from None

    def write(self, name: str, content: bytes) -> None:
        """Writes the whole file or none; replaces a link of that name without following it."""
        beside = self.path / f".{secrets.token_hex(8)}"
        descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            beside.replace(self.path / name)
        except BaseException:
            with suppress(FileNotFoundError):
                beside.unlink()
            raise

    def remove_others(self, kept: set[str], candidates: set[str]) -> None:
        """Removes those candidates that are not among `kept`: lists of an earlier call."""
        for name in candidates - kept:
            (self.path / name).unlink(missing_ok=True)

"""Logins of an explorer that is reached from other machines: a file of names and salted, slow digests of their passwords."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
import stat
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from etl.errors import Refused, WrongUsage
from etl.system.given_file import given_bytes

_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_MOST = 1 << 20  # bytes of the file
_CREATE = "Create it with --add-login NAME."
_N, _R, _P = 2**14, 8, 1
_NOBODY = "scrypt$00$00"  # checked for unknown names too, so that the response time does not reveal them
SHORTEST = 12


class Logins:
    """Names and digests, read from a TOML file: `name = "scrypt$SALT$DIGEST"`."""

    def __init__(self, digests: dict[str, str]) -> None:
        self._digests = digests

    def who(self, authorization: str) -> str | None:
        """Returns the name in the HTTP basic authorization if the password is correct, else None; unknown names take the same time."""
        kind, _, given = authorization.partition(" ")
        if kind.lower() != "basic" or len(given) > 1_000:
            return None
        try:
            name, colon, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        known = self._digests.get(name, _NOBODY)
        return name if colon and _right(password, known) and name in self._digests else None


@lru_cache(maxsize=256)  # a browser sends the password with every request: the slow digest is made once
def _right(password: str, digest: str) -> bool:
    _, salt, expected = digest.split("$")
    return hmac.compare_digest(_digest(password, bytes.fromhex(salt)), expected)


def _digest(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P).hex()


def read_logins(file: Path) -> Logins:
    """Returns the logins of a file; raises Refused (7) if others can read it, WrongUsage (2) if it is not valid."""
    try:
        found = file.stat()
    except OSError as error:
        raise WrongUsage(f"--login: {file} cannot be read ({error.strerror}).", _CREATE) from None
    if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
        raise Refused(f"--login: {file} can be read by others or is not a file.", f"chmod 600 {file}")
    digests = _entries(file)
    for name, digest in digests.items():
        if not _NAME.fullmatch(name) or not isinstance(digest, str) or not re.fullmatch(r"scrypt\$[0-9a-f]{32}\$[0-9a-f]{128}", digest):
            raise WrongUsage(f"--login: {file} has an entry that is not a login.", "Create it again with --add-login NAME.")
    if not digests:
        raise WrongUsage(f"--login: {file} lists no login.", "Add a login with --add-login NAME.")
    return Logins(digests)


def _entries(file: Path) -> dict[str, Any]:
    """Returns the words of the file; raises WrongUsage where it is not TOML."""
    try:
        return tomllib.loads(given_bytes(file, _MOST).decode("utf-8"))
    except OSError as error:
        raise WrongUsage(f"--login: {file} cannot be read ({error.strerror}).", _CREATE) from None
    except (ValueError, RecursionError):
        raise WrongUsage(f"--login: {file} is not a TOML file.", _CREATE) from None


def add_login(file: Path, name: str, password: str) -> None:
    """Adds a name to the file or replaces its password; creates the file with mode 0600."""
    if not _NAME.fullmatch(name):
        raise WrongUsage("--add-login: a name has letters, digits, and . _ @ - only.", "Give another name.")
    if len(password) < SHORTEST:
        raise WrongUsage(f"A password has at least {SHORTEST} characters.", "Give a longer one on standard input.")
    digests = _entries(file) if file.exists() else {}
    salt = secrets.token_bytes(16)
    digests[name] = f"scrypt${salt.hex()}${_digest(password, salt)}"
    text = "".join(f'"{known}" = "{digest}"\n' for known, digest in sorted(digests.items()))
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    beside.replace(file)

"""Ed25519 keys in PEM files: creation, reading and fingerprints. The cryptography library is imported when a key is used."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import MigrationError, Refused
from etl.runfolder.stage_file_io import write_durably

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PASSWORD = "PORTAL_MIGRATE_KEY_PASSWORD_FILE"  # noqa: S105  # a name in the environment: the file with the private key's password, where it has one
_LIMIT = 64 << 10  # bytes of a key file
_BESIDE = 1_000  # files in a public key's folder that are searched
_SMALL_ORDER = frozenset(  # every encoding of the eight points of order 1, 2, 4 and 8, without the sign bit
    {
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        *(first + "ff" * 30 + "7f" for first in ("ec", "ed", "ee")),
    }
)
_PUBLIC = ".public"  # the suffix after the private key's name


def bounded(path: Path, option: str) -> bytes:
    """Returns the bytes of a certificate or a time stamp; raises MigrationError for a pipe, for an oversized file, and for one that cannot be read."""
    try:
        return _read(path)[0]
    except OSError as error:
        raise MigrationError(f"{option}: {path.name} cannot be read ({error.strerror}).", "Give another file.") from None


def private_key(path: Path) -> Ed25519PrivateKey:
    """Returns the private key in that file; creates it, with its public key beside it, where the file does not exist."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not os.path.lexists(path):
        _make(path)
    try:
        content, mode = _read(path)
    except OSError as error:
        raise MigrationError(
            f"--key: {path.name} cannot be read ({error.strerror}).", "Give another file, or one that does not exist yet."
        ) from None
    key = _loaded(content, _password())
    if not isinstance(key, Ed25519PrivateKey):
        raise MigrationError(
            f"--key: {path.name} is not a valid Ed25519 key in PEM, or {PASSWORD} does not name the file with its password.",
            "Give another file, or one that does not exist yet.",
        )
    if mode & 0o077:
        raise Refused(
            f"--key: {path.name} is readable by other users (mode {mode:04o}).",
            f"Create a new key; or, if nobody has read it, chmod 600 {path.name}.",
        )
    return key


def _read(path: Path) -> tuple[bytes, int]:
    """Returns the bytes of a key file and its mode; raises OSError where it is not a regular file, or is far too large."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # non-blocking: a pipe may have no writer
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            number = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
            raise OSError(number, os.strerror(number))
        content = file.read(_LIMIT + 1)
    if len(content) > _LIMIT:
        raise OSError(errno.EFBIG, f"it is larger than the limit for a key ({_LIMIT:,} bytes)")
    return content, stat.S_IMODE(found.st_mode)


def _password() -> bytes | None:
    """Returns the private key's password from the file that the environment names; None where it names none."""
    path = os.environ.get(PASSWORD)
    if not path:
        return None
    try:
        return _read(Path(path))[0].rstrip(b"\r\n")
    except OSError as error:
        raise MigrationError(
            f"{PASSWORD}: the file cannot be read ({error.strerror}).", "Give the file that contains the key's password."
        ) from None


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_durably(public_path(path), public)  # first: an existing private key always has its public key
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_durably(path, key.private_bytes(*form))


def _loaded(content: bytes, password: bytes | None = None) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        return serialization.load_pem_private_key(content, password if b"ENCRYPTED" in content else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def public_path(key: Path) -> Path:
    """Returns the path of the public key of a private key that was created here."""
    return key.with_name(key.name + _PUBLIC)


def public_key(path: Path, option: str) -> Ed25519PublicKey:
    """Returns the public key in the file that the option names."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    give = f"Give the file that was written beside the private key (its name ends with {_PUBLIC})."
    try:
        loaded = serialization.load_pem_public_key(_read(path)[0])
    except OSError as error:
        raise MigrationError(f"{option}: {path.name} cannot be read ({error.strerror}).", give) from None
    except (ValueError, UnsupportedAlgorithm):
        loaded = None
    if not isinstance(loaded, Ed25519PublicKey):
        raise MigrationError(f"{option}: {path.name} is not a valid Ed25519 public key in PEM.", give)
    if _is_weak(loaded.public_bytes_raw()):
        raise MigrationError(f"{option}: {path.name} is a key under which everybody can sign (a point of small order).", give)
    return loaded


def _is_weak(raw: bytes) -> bool:
    """Returns whether the point has a small order: signatures that fit it can be made without a private key."""
    return raw[:31].hex() + f"{raw[31] & 0x7F:02x}" in _SMALL_ORDER


def private_beside(path: Path, key: Ed25519PublicKey) -> Path | None:
    """Returns the path of that key's private key where it is readable in the public key file's folder; None where it is not."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for folder in dict.fromkeys((path.absolute().parent, path.resolve().parent)):
        with suppress(OSError):  # a folder that cannot be listed
            for beside in islice(sorted(folder.iterdir()), _BESIDE):  # under any name
                with suppress(OSError):
                    content, _ = _read(beside)
                    found = _loaded(content) if b"PRIVATE KEY" in content else None
                    if isinstance(found, Ed25519PrivateKey) and found.public_key() == key:
                        return beside
    return None


def fingerprint(raw: bytes) -> str:
    """Returns the fingerprint: the first 32 hex digits of the SHA-256 of the public key's 32 bytes."""
    return hashlib.sha256(raw).hexdigest()[:32]


def signed_by(raw: bytes, signature: bytes, content: bytes) -> bool:
    """Returns whether the key with these 32 bytes signed the content."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return not _is_weak(raw)

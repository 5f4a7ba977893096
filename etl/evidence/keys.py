"""Ed25519 keys in PEM files: made where there is none, read, told apart by their fingerprints. The library comes only when a key is used."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import MigrationError
from etl.runfolder.folder import write_durably

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PUBLIC = ".public"  # stands behind the private key's name


def private_key(place: Path) -> Ed25519PrivateKey:
    """The key in that file. Where there is no file a key is made, and its public half beside it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not place.exists():
        _make(place)
    key = _loaded(place.read_bytes())
    if not isinstance(key, Ed25519PrivateKey):
        raise MigrationError(
            f"--key: {place.name} is no Ed25519 key in PEM without a password.", "Give another file, or one that does not exist yet."
        )
    return key


def _make(place: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_durably(public_path(place), public)  # first: a private key that is there has its public half
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_durably(place, key.private_bytes(*form))


def _loaded(content: bytes) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        return serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def public_path(key: Path) -> Path:
    """Where the public half of a private key lies that was made here."""
    return key.with_name(key.name + _PUBLIC)


def public_key(place: Path, option: str) -> Ed25519PublicKey:
    """The public key in the file that the option names."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    give = f"Give the file that was written beside the private key (its name ends with {_PUBLIC})."
    try:
        loaded = serialization.load_pem_public_key(place.read_bytes())
    except OSError as error:
        raise MigrationError(f"{option}: {place.name} cannot be read ({error.strerror}).", give) from None
    except (ValueError, UnsupportedAlgorithm):
        loaded = None
    if not isinstance(loaded, Ed25519PublicKey):
        raise MigrationError(f"{option}: {place.name} is no Ed25519 public key in PEM.", give)
    return loaded


def private_beside(place: Path, key: Ed25519PublicKey) -> Path | None:
    """The private key of that public one, where it can be read beside the public key's file; None where it cannot."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for public in (place, place.resolve()):
        beside = public.with_name(public.name.removesuffix(_PUBLIC))
        try:
            found = _loaded(beside.read_bytes())
        except OSError:
            continue
        if isinstance(found, Ed25519PrivateKey) and found.public_key() == key:
            return beside
    return None


def fingerprint(raw: bytes) -> str:
    """What tells keys apart for people: the SHA-256 of the public key's 32 bytes, its first 32 digits."""
    return hashlib.sha256(raw).hexdigest()[:32]


def signed_by(raw: bytes, signature: bytes, content: bytes) -> bool:
    """Whether this is the signature of the content by the key with these 32 bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True

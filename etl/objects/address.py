"""The address of a store: a folder's path or file:// URI, or a bucket for the new object store."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from etl.errors import WrongUsage

_SCHEME = re.compile(r"[A-Za-z0-9+.]{1,12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the prefix of its keys: empty, or text that ends with a slash."""

    name: str
    prefix: str


def bucket_of(uri: str) -> Bucket | None:
    """Returns the bucket that `s3://bucket/prefix` names, without decoding; None for a URI of another kind.

    The message does not repeat an invalid URI, which may contain a secret.
    """
    scheme, sign, rest = uri.partition("://")
    if not sign or scheme.lower() != "s3":
        return None
    name, _, prefix = rest.partition("/")
    prefix = prefix.removesuffix("/")
    if "@" in name or "?" in rest or "#" in rest:
        message = "--objects: s3:// takes a bucket and a prefix, no user, password, options or fragment."
        raise WrongUsage(message, "Write s3://bucket/prefix; credentials are read from where AWS tools keep them (environment, profile).")
    if not _NAME.fullmatch(name):
        raise WrongUsage("--objects: s3:// must be followed by the name of a bucket.", "Write s3://bucket/prefix.")
    if prefix and not all(prefix.isprintable() and part not in ("", ".", "..") for part in prefix.split("/")):
        raise WrongUsage("--objects: the prefix in the bucket has an empty part, a dot for a part, or a non-printable character.")
    return Bucket(name, f"{prefix}/" if prefix else "")


def require_folder(uri: str, option: str) -> None:
    """Raises WrongUsage where the text is not a path or a file:// URI of this machine; the message does not repeat it, because it may contain a secret."""
    scheme, sign, rest = uri.partition("://")
    if not sign:
        return
    if scheme.lower() != "file":
        kind = f"{scheme.lower()}://" if _SCHEME.fullmatch(scheme) else "that"
        raise WrongUsage(f"{option}: {kind} is not a supported kind of store.", f"Give {option} a folder or file:///folder.")
    if not rest.startswith("/") or "?" in rest or "#" in rest:
        raise WrongUsage(f"{option}: file:// must be followed by an absolute path.", f"Give {option} a folder or file:///folder.")


def folder_of(uri: str, option: str) -> Path:
    """Returns the local folder that a path or file:// URI names."""
    require_folder(uri, option)
    _, sign, rest = uri.partition("://")
    return Path(urllib.parse.unquote(rest) if sign else uri)

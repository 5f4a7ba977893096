"""The files of a mapping or adapter folder, read once: the bytes whose digest is compared are the bytes that are used."""

import errno
import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from etl.reconcile.errors import SpecError

_MOST = 16 << 20  # bytes of one file
# A dotted name of more than 64 parts: the parser needs time and memory by the square of their number.
_DEEP = re.compile(r"""(?:(?:(?<![\w-])[\w-]++|"[^"\n]*"|'[^'\n]*')[ \t]*+\.[ \t]*+){64}""", re.ASCII)


def toml(text: str) -> dict[str, Any]:
    """Returns the content of a TOML file; raises ValueError or RecursionError where it is not valid, or its names are too deep."""
    if _DEEP.search(text):
        raise ValueError("a name has more than 64 parts")
    return tomllib.loads(text)


def content_of(path: Path) -> bytes:
    """Returns the bytes of the file; raises OSError where it is not a regular file (a pipe may have no writer), or too large."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise OSError(errno.EFBIG, f"larger than {_MOST:,} bytes")
    return content


def files_of(root: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Returns by path, relative to the folder, the bytes of every wanted file; raises SpecError for one that is not a regular file, or is too large."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if not wanted(name) or path.is_dir():
            continue
        try:
            content = content_of(path)
        except OSError as error:
            raise SpecError(f"{name!a} cannot be read ({error.strerror})") from None
        found[name] = content
    return found


def digest_of(files: Mapping[str, bytes]) -> str:
    """Returns the SHA-256 over the files, their paths and sizes included, in the order of the paths."""
    total = hashlib.sha256()
    for parts in sorted(tuple(name.split("/")) for name in files):  # as paths are sorted: part by part
        name = "/".join(parts)
        total.update(b"%s\0%d\0" % (os.fsencode(name), len(files[name])))
        total.update(files[name])
    return total.hexdigest()

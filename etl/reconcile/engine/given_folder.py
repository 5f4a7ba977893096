"""The files of a mapping or adapter folder, read once: the bytes whose digest is compared are the bytes that are used."""

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from etl.reconcile.errors import SpecError

_MOST = 16 << 20  # bytes of one file


def files_of(root: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Returns by path, relative to the folder, the bytes of every wanted file; raises SpecError for one that is no regular file, or too large."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if not wanted(name) or path.is_dir():
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # non-blocking: a pipe may have no writer
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise SpecError(f"{name!a} is not a regular file")
                content = file.read(_MOST + 1)
        except OSError as error:
            raise SpecError(f"{name!a} cannot be read ({error.strerror})") from None
        if len(content) > _MOST:
            raise SpecError(f"{name!a} is larger than {_MOST:,} bytes")
        found[name] = content
    return found


def digest_of(files: Mapping[str, bytes]) -> str:
    """Returns the SHA-256 over the files, their paths and sizes included, in the order of the paths."""
    total = hashlib.sha256()
    for parts in sorted(tuple(name.split("/")) for name in files):  # as paths are sorted: part by part
        name = "/".join(parts)
        total.update(b"%s\0%d\0" % (name.encode(), len(files[name])))
        total.update(files[name])
    return total.hexdigest()

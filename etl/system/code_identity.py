"""The identity of the running code: the version alone does not reveal a changed build."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = ("etl", "checks", "mappings")


@lru_cache
def code_identity() -> str:
    """Returns the SHA-256 over names and bytes of all installed modules and data files of the project."""
    digest = hashlib.sha256()
    files = [_ROOT / "cli.py", *(place for folder in _FOLDERS for place in (_ROOT / folder).rglob("*"))]
    for place in sorted(place for place in files if place.suffix in {".py", ".toml", ".csv", ".sql", ".json", ".j2", ".css", ".js"}):
        digest.update(f"{place.relative_to(_ROOT).as_posix()}\0".encode())
        digest.update(hashlib.sha256(place.read_bytes()).digest())
    return digest.hexdigest()

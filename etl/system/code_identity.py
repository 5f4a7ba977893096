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
    files = [_ROOT / "cli.py", *(path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*"))]
    for path in sorted(path for path in files if path.suffix in {".py", ".toml", ".csv", ".sql", ".json", ".j2", ".css", ".js"}):
        digest.update(f"{path.relative_to(_ROOT).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()

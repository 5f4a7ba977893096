"""Resources that this process keeps open for one step of a run, closed when it begins another step or the command ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_KEPT: dict[tuple[Path, str], Callable[[], None]] = {}


def keep(root: Path, step: str, close: Callable[[], None]) -> None:
    """Registers the function that closes what this process keeps for that step of the run in that folder."""
    _KEPT[root, step] = close


def close_kept(root: Path) -> None:
    """Closes what this process keeps for the run in that folder."""
    for kept in [key for key in _KEPT if key[0] == root]:
        _KEPT.pop(kept)()


def turn_to(root: Path, step: str) -> None:
    """Closes what this process keeps for other steps of the run in that folder."""
    for kept in [key for key in _KEPT if key[0] == root and key[1] != step]:
        _KEPT.pop(kept)()

"""Plants one fault into the running loader, for as long as a block runs, and says what a run of it came to."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import etl
from tests.planted.faults import Planted
from tests.support.command import Night

_STRANGERS = ("etl.reconcile", "etl.report")  # the verifier has no function of the loader; nothing is planted into it


@dataclass(frozen=True)
class Outcome:
    """How the run ended and what it said; `published`: whether the new store has a row."""

    code: int
    said: str
    published: bool

    @property
    def found(self) -> bool:
        """Whether the fault was found before anything was published."""
        return self.code != 0 and not self.published


@contextmanager
def planted(fault: Planted) -> Iterator[None]:
    """The loader with that fault: wherever the function was imported to, the wrong one stands."""
    for module in pkgutil.walk_packages(etl.__path__, "etl."):
        if not module.name.startswith(_STRANGERS):
            importlib.import_module(module.name)
    holder, name = _found(fault.place)
    right = getattr(holder, name)
    wrong = fault.wrong(right)
    places = [(holder, name)] if isinstance(holder, type) else _everywhere(right)
    assert places, fault.place
    for where, key in places:
        _put(where, key, wrong)
    try:
        yield
    finally:
        for where, key in places:
            _put(where, key, right)


def outcome(fault: Planted, night: Night, folder: Path) -> Outcome:
    """What a run ends with whose extract is done already (`night`), with the fault in it; everything lies in `folder`."""
    subprocess.run([shutil.which("cp") or "cp", "-a", night.folder, folder / "night"], check=True)
    copy = Night(folder / "night")
    with planted(fault):
        done = copy.command("run", "--workers", "1")
    return Outcome(done.code, done.err, copy.target.exists())


def _found(place: str) -> tuple[Any, str]:
    """The module or class that has it, and its name there."""
    module, _, name = place.rpartition(".")
    try:
        return importlib.import_module(module), name
    except ModuleNotFoundError:
        outer, _, kind = module.rpartition(".")
        return getattr(importlib.import_module(outer), kind), name


def _everywhere(right: Any) -> list[tuple[Any, str]]:
    """Every name of a loader's module that is the function, also in a table of functions."""
    found: list[tuple[Any, str]] = []
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "etl" and not name.startswith(_STRANGERS):
            for key, value in list(vars(module).items()):
                if value is right:
                    found.append((module, key))
                elif isinstance(value, dict) and key.isupper():
                    found += [(value, inner) for inner, one in value.items() if one is right]
    return found


def _put(where: Any, key: str, value: Any) -> None:
    if isinstance(where, dict):
        where[key] = value
    else:
        setattr(where, key, value)

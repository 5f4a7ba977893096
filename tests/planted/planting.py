"""Plants one fault into the running loader for the duration of a block, and returns the result of its run."""

from __future__ import annotations

import importlib
import importlib.util
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
from tests.support.command import Workspace

_STRANGERS = ("etl.reconcile", "etl.report")  # the verifier has no function of the loader; nothing is planted into it


_CRITICAL_CHECK = 3  # the exit code of a critical check; any other end (a crash too) has found nothing


@dataclass(frozen=True)
class Outcome:
    """How the run ended and what it said; `published`: whether there is a new store; `calls`: how often the wrong function was called."""

    code: int
    said: str
    published: bool
    calls: int

    @property
    def found(self) -> bool:
        """Whether a critical check found the fault before anything was published."""
        return self.code == _CRITICAL_CHECK and "Critical checks failed" in self.said and not self.published and self.calls > 0

    @property
    def why(self) -> str:
        """The checks that failed, or what else the run ended with."""
        lines = self.said.splitlines()
        told = next((line for line in lines if "Critical checks failed" in line), "") or " ".join(lines[-3:])
        return told if self.calls else f"the planted function is never called; {told}"


class Planting:
    """The calls of the wrong function since it was planted."""

    calls = 0


@contextmanager
def planted(fault: Planted) -> Iterator[Planting]:
    """Replaces the function by the faulty one in every module that imported it. Raises LookupError if there is no such function."""
    for module in pkgutil.walk_packages(etl.__path__, "etl."):
        if not module.name.startswith(_STRANGERS):
            importlib.import_module(module.name)
    holder, name = _found(fault.function)
    right = getattr(holder, name)
    wrong, planting = fault.wrong(right), Planting()

    def counted(*given: Any, **named: Any) -> Any:
        planting.calls += 1
        return wrong(*given, **named)

    holders = [(holder, name)] if isinstance(holder, type) else _everywhere(right)
    for where, key in holders:
        _put(where, key, counted)
    try:
        yield planting
    finally:
        for where, key in holders:
            _put(where, key, right)


def outcome(fault: Planted, workspace: Workspace, folder: Path) -> Outcome:
    """Returns the result of a run with the fault, resumed after its extract (`workspace`); all files are in `folder`."""
    subprocess.run([shutil.which("cp") or "cp", "-a", workspace.folder, folder / "cutover"], check=True)
    copy = Workspace(folder / "cutover")
    with planted(fault) as planting:
        done = copy.command("run", "--workers", "1")
    return Outcome(done.code, done.err, copy.target.exists(), planting.calls)


def _found(function: str) -> tuple[Any, str]:
    """The module or class that has it, and its name there; LookupError where the loader has no such function (it was moved, renamed or split)."""
    outer, _, name = function.rpartition(".")
    module, _, kind = outer.rpartition(".")
    try:
        holder = importlib.import_module(outer) if importlib.util.find_spec(outer) else None
    except ModuleNotFoundError:  # `outer` is a class: a module is not a package of it
        holder = getattr(importlib.import_module(module), kind, None) if importlib.util.find_spec(module) else None
    if not callable(getattr(holder, name, None)):
        raise LookupError(f"No function of the loader: {function}. Name the function in tests/planted/faults.py by where it stands now.")
    return holder, name


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

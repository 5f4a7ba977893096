"""Faults of a cluster's worker: `plant` is called when the worker's process starts; the file $PLANTED names the fault of the next tasks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

import checks.asking as asking
import etl.transform.stage_file_task as tasks
from etl.runfolder.stage_file_io import StageFile, read_table, write_table
from etl.transform.stage_file_task import StageFileResult, TaskSpec

TABLE = ("P2", "message")


def plant() -> None:
    """Puts the planted functions in the place of those that tasks name."""
    tasks.reattach_file = _reattach(tasks.reattach_file)
    for name in ("_rows_elsewhere", "_across_elsewhere"):
        setattr(asking, name, _asked(getattr(asking, name)))


def _fault() -> set[str]:
    return set(Path(os.environ["PLANTED"]).read_text(encoding="utf-8").split())


def _reattach(real: Callable[..., StageFileResult]) -> Callable[..., Any]:
    def reattach_file(ticket: TaskSpec, key: tuple[str, str], number: int, file: StageFile) -> Any:
        done, faults, root = real(ticket, key, number, file), _fault(), ticket.base.root
        if key != TABLE or not faults:
            return done
        if "digest" in faults:
            return replace(done, files=[replace(one, sha256="0" * 64) for one in done.files])
        if "cut" in faults:
            for one in done.files:
                with (root / one.path).open("r+b") as stage:
                    stage.truncate(one.size // 2)
            return done
        if "nothing" in faults:
            return None
        if "other" in faults:
            other = next(one for one in ticket.base.extract if one.path.startswith("extract/P2.portal_task/"))
            return real(ticket, ("P2", "portal_task"), 0, other)
        if "fewer" in faults:
            return replace(done, files=[_written(root, one, lambda frame: frame.head(frame.height - 1)) for one in done.files])
        if "stale" in faults:  # what an earlier run wrote, when the message had another text
            return replace(done, files=[_written(root, one, lambda frame: frame.with_columns(body=pl.lit("old"))) for one in done.files])
        return done

    return reattach_file


def _written(root: Path, file: StageFile, change: Callable[[pl.DataFrame], pl.DataFrame]) -> StageFile:
    return write_table(root, file.path, change(pl.DataFrame(read_table(root, file))).to_arrow())


def _asked(real: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def asked(*words: Any) -> dict[str, Any]:
        found, faults = real(*words), _fault()
        if "passes" in faults:
            return {name: replace(answer, keys=(), failed=None, sentence="") for name, answer in found.items()}
        if "further" in faults:
            return {**found, "conserved.P2.message": next(iter(found.values()))}
        return found

    asked.__module__, asked.__qualname__ = real.__module__, real.__qualname__
    return asked

"""A benchmark's figures as JSON, with the versions and the machine that they belong to: `compare` holds two such files against each other."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
FORMAT = 1
PACKAGES = ("polars", "pyarrow", "duckdb", "psycopg", "adbc-driver-postgresql", "SQLAlchemy", "great-expectations", "pandas", "distributed")


@dataclass(frozen=True)
class Figure:
    """What was measured, in which unit, once a round. Less is better, in every unit."""

    what: str
    unit: str
    values: tuple[float, ...]


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code: cores, memory, system, processor, how busy it was."""
    models = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total >> 20,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": models[0] if models else platform.processor(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that matter, and the commit, marked if the tree is edited."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {**found, "commit": commit(ROOT)}


def commit(tree: Path) -> str:
    """Returns the commit of a work tree, followed by `+` if files differ from it; `unknown` without a work tree."""
    head = git(tree, "rev-parse", "HEAD")
    if head is None:
        return "unknown"
    return head.strip()[:12] + ("+" if (git(tree, "status", "--porcelain", "-uno") or "").strip() else "")


def git(tree: Path, *words: str) -> str | None:
    """Returns git's output; None if it fails or is not installed."""
    try:
        done = subprocess.run(["git", *words], cwd=tree, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return None if done.returncode else done.stdout


@dataclass
class Results:
    """The figures of one benchmark; `about`: sizes and options, which have to be the same for figures to be compared."""

    benchmark: str
    about: dict[str, Any]
    figures: dict[str, Figure]
    machine: dict[str, Any]
    versions: dict[str, str]
    begun: str

    @classmethod
    def begun_now(cls, benchmark: str, **about: Any) -> Results:
        return cls(benchmark, about, {}, machine(), versions(), datetime.now(UTC).isoformat(timespec="seconds"))

    def add(self, what: str, *values: float, unit: str = "s") -> None:
        """Adds values to a figure: a benchmark calls it once a round, or once with all rounds."""
        before = self.figures[what].values if what in self.figures else ()
        self.figures[what] = Figure(what, unit, (*before, *(round(float(value), 4) for value in values)))

    def as_table(self, goals: Mapping[str, tuple[float, str]], decimals: int = 2) -> str:
        """Returns the figures' middles as Markdown, each with its goal (at most that much, in that unit) where it has one."""
        lines = ["| what | seen | goal | |", "|---|--:|--:|---|"]
        for what, figure in self.figures.items():
            seen = statistics.median(figure.values)
            goal, unit = goals.get(what, (None, figure.unit))
            verdict = "" if goal is None else "met" if seen <= goal else "missed"
            lines.append(f"| {what} | {seen:,.{decimals}f} {figure.unit} | {'' if goal is None else f'{goal:,g} {unit}'} | {verdict} |")
        return "\n".join(lines)

    def write(self, path: Path | None) -> None:
        """Writes the file if one was requested."""
        if path is None:
            return
        data = {
            "format": FORMAT,
            "benchmark": self.benchmark,
            "about": self.about,
            "begun": self.begun,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {**self.machine, "load_after": round(os.getloadavg()[0], 2)},
            "versions": self.versions,
            "figures": [asdict(figure) for figure in self.figures.values()],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, indent=1) + "\n")


def read_results(path: Path) -> Results:
    """The results in a file; SystemExit, with a sentence, where it is not one."""
    try:
        data = json.loads(path.read_bytes())
        if data["format"] != FORMAT:
            raise SystemExit(f"{path}: format {data['format']} is not {FORMAT}: measure again with this version.")
        figures = {one["what"]: Figure(one["what"], one["unit"], tuple(one["values"])) for one in data["figures"]}
        return Results(data["benchmark"], data["about"], figures, data["machine"], data["versions"], data["begun"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is not a benchmark's result ({type(error).__name__}).") from None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []

"""Compares two results of one benchmark and lists what became slower: `python -m tests.benchmarks.compare BEFORE.json AFTER.json`.

For each figure the ratio of the medians and its spread: the least and the most that any round of AFTER is of any round of BEFORE (of pairs: of its own pair).
A figure counts as slower where the whole spread lies above 1; of one round alone where it is more than half above. It is a report: exit code 0.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .results import Figure, Results, read_results

ONE_ROUND = 1.5  # what a figure of one round has to differ by: on a busy machine two runs of the same code differ by a third
COUNTS = ("rows", "documents")  # units that say how much was done, not what it cost


@dataclass(frozen=True)
class Line:
    """One figure before and after; `low` and `high` are the spread of the ratio."""

    what: str
    unit: str
    before: float
    after: float
    low: float
    high: float
    verdict: str

    @property
    def ratio(self) -> float:
        return self.after / self.before


def compared(before: Results, after: Results) -> list[Line]:
    """A line for every figure of both that can be compared, in the order of AFTER."""
    paired = bool(before.about.get("paired") and after.about.get("paired"))
    return [
        _line(before.figures[what], figure, paired)
        for what, figure in after.figures.items()
        if what in before.figures and figure.unit not in COUNTS and min(*before.figures[what].values, *figure.values) > 0
    ]


def _line(before: Figure, after: Figure, paired: bool) -> Line:
    middles = statistics.median(before.values), statistics.median(after.values)
    if paired and len(before.values) == len(after.values):
        ratios = [new / old for old, new in zip(before.values, after.values, strict=True)]
    else:
        ratios = [min(after.values) / max(before.values), max(after.values) / min(before.values)]
    low, high = min(ratios), max(ratios)
    alone = min(len(before.values), len(after.values)) == 1
    above, below = (ONE_ROUND, 1 / ONE_ROUND) if alone else (1.0, 1.0)
    verdict = "slower" if low > above else "faster" if high < below else "as before"
    if after.unit == "MB":
        verdict = {"slower": "more", "faster": "less"}.get(verdict, verdict)
    return Line(after.what, after.unit, *middles, low, high, verdict)


def report(before: Results, after: Results) -> Iterator[str]:
    """The comparison as Markdown: what differs besides the code first, every figure, and a verdict last. SystemExit where they cannot be compared."""
    if before.benchmark != after.benchmark:
        raise SystemExit(f"These are results of two benchmarks, {before.benchmark} and {after.benchmark}: give two of one.")
    differs = sorted(name for name in {*before.about, *after.about} if before.about.get(name) != after.about.get(name))
    if differs:
        raise SystemExit(f"The two were measured with other options ({', '.join(differs)}): measure both with the same ones.")
    yield f"{after.benchmark}: {before.versions.get('commit', 'unknown')} before, {after.versions.get('commit', 'unknown')} after"
    for name in ("machine", "versions"):
        old, new = getattr(before, name), getattr(after, name)
        for key in sorted({*old, *new} - {"commit"}):
            if old.get(key) != new.get(key):
                yield f"- {key}: {old.get(key)} before, {new.get(key)} after"
    lines = compared(before, after)
    yield "\n| what | before | after | ratio | spread | |\n|---|--:|--:|--:|--:|---|"
    for line in lines:
        spread = f"{line.low:.2f} to {line.high:.2f}"
        yield f"| {line.what} | {line.before:,.2f} {line.unit} | {line.after:,.2f} {line.unit} | {line.ratio:.2f} | {spread} | {line.verdict} |"
    for name, one, other in (("only before", before, after), ("only after", after, before)):
        missing = [what for what in one.figures if what not in other.figures]
        if missing:
            yield f"\n{name}: {', '.join(missing)}"
    worse = [f"{line.what} ({line.ratio:.2f})" for line in lines if line.verdict in ("slower", "more")]
    yield "\n" + (f"slower, or more memory: {', '.join(worse)}" if worse else "nothing became slower beyond the spread")


def main() -> None:
    parser = argparse.ArgumentParser(description="What became slower between two results of one benchmark.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    given = parser.parse_args()
    for line in report(read_results(given.before), read_results(given.after)):
        print(line)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()

"""The picture of the rows' way from the old portals' chapters to accounts, holding, retirement: places that the template draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etl.report.set_aside import published

LEFT, RIGHT, BAR = 330.0, 700.0, 14.0
# Pixels: all rows together; the least between two labels; the thinnest line; the margin.
_TALL, _PITCH, _HAIR, _TOP = 340.0, 34.0, 1.5, 12.0
ENDS = {
    "accounts": "Loaded onto accounts",
    "once": "Loaded once, for all",
    "both": "Loaded, and held as well",
    "held": "Held",
    "retired": "Retired",
}


_WOULD = {
    "accounts": "Would be loaded onto accounts",
    "once": "Would be loaded once, for all",
    "both": "Would be loaded, and held as well",
    "held": "Would be held",
    "retired": "Would be retired",
}


@dataclass(frozen=True)
class Node:
    """A bar with its label. `kind`: which colour; `note`: the second line; `share`: of all rows, 0 to 1."""

    x: float
    y: float
    height: float
    label: str
    note: str
    kind: str
    share: float

    @property
    def middle(self) -> float:
        """The vertical centre of the bar."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Band:
    """A closed curve from a left bar to a right one."""

    path: str
    kind: str
    title: str


@dataclass(frozen=True)
class Flow:
    """The picture of the rows' way: bars on both sides and the bands between them; sizes in the units of the SVG."""

    nodes_left: tuple[Node, ...]
    nodes_right: tuple[Node, ...]
    bands: tuple[Band, ...]
    height: float


def _labels(report: dict[str, Any]) -> dict[str, str]:
    """Returns the labels of the picture's ends; before the run is published they say what would be loaded or held."""
    return ENDS if published(report) else {name: _WOULD.get(name, label) for name, label in ENDS.items()}


def flow(report: dict[str, Any]) -> Flow | None:
    """Returns the picture's bars and bands; None if no row has been loaded, held or retired so far."""
    rows: dict[str, dict[str, int]] = {}
    for entry in report["conservation"]:
        if entry["loaded"] is None:
            continue
        ends = rows.setdefault(entry["chapter"], dict.fromkeys(ENDS, 0))
        ends[entry["lands"]] += entry["loaded"] - entry["held_and_loaded"]
        ends["both"] += entry["held_and_loaded"]
        ends["held"] += entry["held_rows"]
        ends["retired"] += entry["retired"]
    chapters = {name: sum(ends.values()) for name, ends in rows.items() if sum(ends.values())}
    if not chapters:
        return None
    ends = {end: sum(counts[end] for counts in rows.values()) for end in ENDS}
    scale = _TALL / sum(chapters.values())
    left = _placed([(name, f"{total:,} rows", "source", total) for name, total in chapters.items()], LEFT - BAR, scale)
    right = _placed([(_labels(report)[end], f"{total:,} rows", end, total) for end, total in ends.items() if total], RIGHT, scale)
    height = max(node.y + max(node.height, _PITCH) for node in (*left, *right)) + _TOP
    right = _centred(right, height)
    left = _centred(left, height)
    return Flow(tuple(left), tuple(right), tuple(_bands(rows, left, right, scale)), height)


def _placed(bars: list[tuple[str, str, str, int]], x: float, scale: float) -> list[Node]:
    nodes, y = [], _TOP
    every = sum(rows for *_, rows in bars)
    for label, note, kind, rows in bars:
        height = max(rows * scale, _HAIR)
        # A thin bar is centred in the height that its label needs.
        nodes.append(Node(x, y + max(0.0, (_PITCH - height - 6) / 2), height, label, note, kind, rows / every))
        y += max(height + 6, _PITCH)
    return nodes


def _centred(nodes: list[Node], height: float) -> list[Node]:
    last = nodes[-1]
    shift = max(0.0, (height - (last.y + max(last.height, _PITCH / 2)) - _TOP) / 2)
    return [Node(node.x, node.y + shift, node.height, node.label, node.note, node.kind, node.share) for node in nodes]


def _bands(rows: dict[str, dict[str, int]], left: list[Node], right: list[Node], scale: float) -> list[Band]:
    taken: dict[str, float] = {}
    bands = []
    for node in left:
        begin = node.y
        for end in right:
            count = rows[node.label][end.kind]
            if not count:
                continue
            there = end.y + taken.get(end.kind, 0.0)
            thick = max(count * scale, _HAIR)
            begin, there = _inside(node, begin, thick), _inside(end, there, thick)
            bands.append(Band(_curve(begin, there, thick), end.kind, f"{node.label}: {count:,} rows → {end.label}"))
            begin += count * scale
            taken[end.kind] = taken.get(end.kind, 0.0) + count * scale
    return bands


def _inside(node: Node, y: float, thick: float) -> float:
    """Returns the position moved so that a line of minimum thickness does not exceed the end of its bar."""
    return min(y, node.y + node.height - min(thick, node.height))


def _curve(begin: float, there: float, thick: float) -> str:
    middle = (LEFT + RIGHT) / 2
    points = (begin, there, there + thick, begin + thick)
    a, b, c, d = (f"{value:.1f}" for value in points)
    out = f"M{LEFT:.0f},{a} C{middle:.0f},{a} {middle:.0f},{b} {RIGHT:.0f},{b}"
    return f"{out} L{RIGHT:.0f},{c} C{middle:.0f},{c} {middle:.0f},{d} {LEFT:.0f},{d} Z"

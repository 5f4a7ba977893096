"""What each goal is about, counted from the run's stage files, before anything is published."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from etl.domain.acceptance import Goal
from etl.readiness.gather import found_points
from etl.readiness.staged import staged_facts
from etl.report.set_aside import closed_accounts
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns
from mappings.model import Mappings


@dataclass(frozen=True)
class Measure:
    """What was counted; `total`: of how many, where the goal is about a share."""

    actual: int
    total: int | None = None


class Measures:
    """Counts for goals, from a run that is done with reattach; each list is read once, when a goal first needs it."""

    def __init__(self, folder: RunFolder, mappings: Mappings) -> None:
        self._folder, self._mappings = folder, mappings

    def of(self, goal: Goal) -> Measure | None:
        """Returns what was counted for the goal; None for goals that only the verdict can decide."""
        measure = _MEASURES.get(goal.kind)
        return None if measure is None else measure(self, goal)

    def held(self, goal: Goal) -> Measure:
        """Returns the held rows of one old table, loaded ones with an unreadable value (X2) included, of all rows read."""
        return Measure(self._count("held", "table", goal.of), self._read(goal.of))

    def exceptions(self, goal: Goal) -> Measure:
        """Returns the number of `migration_exception` rows of one rule."""
        return Measure(self._count("flag", "rule", goal.of))

    def points(self, goal: Goal) -> Measure:
        """Returns the number of lines of points.csv with one weight; undeliverable mail is not known before invitations are sent."""
        return Measure(self._weights.get(goal.of, 0))

    def openable(self, goal: Goal) -> Measure:
        """Returns the accounts visible to trade that account_picker shows to a usable login, of all accounts visible to trade."""
        visible, closed, _ = closed_accounts(self._folder)
        return Measure((visible or 0) - closed.height, visible or 0)

    def documents(self, goal: Goal) -> Measure:
        """Returns the old documents that are on an account with their recorded bytes, of all that were read, held ones included."""
        files = [file for step in layout.MADE_BY for file in self._folder.files(step, layout.made(step, "document"))]
        wanted = ["content_state_cd", "legacy_portal_cd", "legacy_key"]
        frames = [pl.DataFrame(read_columns(self._folder.path, file, wanted)).select(wanted) for file in files]
        made = pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(wanted, pl.String))
        there = made.filter(pl.col("content_state_cd") == "PRESENT").select("legacy_portal_cd", "legacy_key").n_unique() if len(made) else 0
        return Measure(there, sum(self._read(table) for table in self._document_tables()))

    def _document_tables(self) -> Iterable[str]:
        return {maker.table for maker in self._mappings.makers("document")}

    def _read(self, table: str) -> int:
        portals = [mapping.portal for mapping in self._mappings.tables.values() if mapping.table == table]
        return sum(file.rows for portal in portals for file in self._folder.files("extract", layout.extracted(portal, table)))

    def _count(self, record: str, column: str, value: str) -> int:
        return sum(
            int((pl.DataFrame(read_columns(self._folder.path, file, [column]))[column] == value).sum())
            for step in layout.MADE_BY
            for file in self._folder.files(step, layout.record(step, record))
        )

    @cached_property
    def _weights(self) -> dict[str, int]:
        points = found_points(self._folder, staged_facts(self._folder), self._mappings).points.frame()
        return dict(points.group_by("weight_cd").len().iter_rows())


_MEASURES: dict[str, Callable[[Measures, Goal], Measure]] = {
    "held": Measures.held,
    "exceptions": Measures.exceptions,
    "points": Measures.points,
    "openable": Measures.openable,
    "documents": Measures.documents,
}

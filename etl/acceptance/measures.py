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
    """Counts of one run that got as far as reattach; each list is read once, and only where a goal asks for it."""

    def __init__(self, folder: RunFolder, mappings: Mappings) -> None:
        self._folder, self._mappings = folder, mappings

    def of(self, goal: Goal) -> Measure | None:
        """What the goal is about; None for what is known with the verdict only."""
        measure = _MEASURES.get(goal.kind)
        return None if measure is None else measure(self, goal)

    def held(self, goal: Goal) -> Measure:
        """Rows of one old table in the holding, those that were loaded as well (X2) among them, of the rows read."""
        return Measure(self._count("held", "table", goal.of), self._read(goal.of))

    def exceptions(self, goal: Goal) -> Measure:
        """Rows of migration_exception of one rule."""
        return Measure(self._count("flag", "rule", goal.of))

    def points(self, goal: Goal) -> Measure:
        """Lines of points.csv of one weight; mail that came back is not known before invitations are sent."""
        return Measure(self._weights.get(goal.of, 0))

    def openable(self, goal: Goal) -> Measure:
        """Accounts that trade may see and that account_picker shows to a login that can be used."""
        visible, closed = closed_accounts(self._folder)
        return Measure((visible or 0) - closed.height, visible or 0)

    def documents(self, goal: Goal) -> Measure:
        """Old documents that are on an account with the bytes that were recorded, of all that were read, held ones too."""
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

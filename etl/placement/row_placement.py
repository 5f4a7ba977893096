"""The placement of the rows of one source table: the accounts into which each is loaded, or the reason for which it is held."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.domain.typed_values import HELD
from etl.errors import MigrationError
from mappings.model import TableMapping

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int32]
Flagged = tuple[Bools, str]  # which rows a rule flags, and the sentence with the reason

# By rank, as mappings/rules.toml declares it (fine print 2, 23): where several fit, the smallest number wins. 0: the row is loaded.
REASONS = (
    "LOADED",
    "UNREADABLE_VALUE",
    "BROKEN_REFERENCE",
    "PARENT_HELD",
    "CROSS_PROFILE",
    "NO_OWNER",
    "PROFILE_WITHOUT_ENTITY",
    "MODEL_WITHOUT_ENTITY",
    "INVALID_EMAIL",
    "ORPHAN_CONTENT",
    "NO_ACCOUNT",
    "NO_ELIGIBLE_ACCOUNT",
    "TC_AMBIGUOUS",
    "TC_NO_IMPORTER",
)
CODE = {reason: number for number, reason in enumerate(REASONS)}
FLAG = {"rule": pl.String, "portal": pl.String, "table": pl.String, "key": pl.String, "detail": pl.String}
NO_ACCOUNT = -1  # the account position of a copy that belongs to no account: the public library (C1)


@dataclass
class RowPlacement:
    """`reason[i]`: why row i is held (0: loaded); copy j is row `row[j]` on the account at position `account[j]`."""

    mapping: TableMapping
    frame: pl.DataFrame
    reason: npt.NDArray[np.uint8]
    row: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    account: Positions = field(default_factory=lambda: np.zeros(0, np.int32))
    flags: list[pl.DataFrame] = field(default_factory=list)

    @property
    def loaded(self) -> Ints:
        """The indexes of the loaded rows, ascending."""
        return np.flatnonzero(self.reason == 0)

    def hold(self, rows: Bools, reason: str) -> None:
        """Holds these rows; a row that is already held keeps the reason of higher rank."""
        code = CODE[reason]
        self.reason[rows & ((self.reason == 0) | (self.reason > code))] = code

    def copy_to(self, row: Ints, account: Positions) -> None:
        """Sets the copies (row index, account position), without those of held rows."""
        good = self.reason[row] == 0
        self.row, self.account = row[good], account[good].astype(np.int32)

    def flag(self, rule: str, rows: Bools, detail: str | list[str]) -> None:
        """Flags those of `rows` that are loaded (fine print 3); `detail`: one sentence for all rows, or one per row."""
        chosen = np.flatnonzero(rows & (self.reason == 0))
        if not len(chosen):
            return
        texts = [detail] * len(chosen) if isinstance(detail, str) else [detail[row] for row in chosen]
        self.flags.append(flags(rule, self.mapping.portal, self.mapping.table, keys(self.mapping, self.frame)[chosen], texts))

    def check(self) -> None:
        """Raises MigrationError if a loaded row has no target row: every row is either loaded or held."""
        if any(into.per == "once" for into in self.mapping.into):
            return
        covered = np.zeros(len(self.reason), bool)
        covered[self.row] = True
        lost = np.flatnonzero((self.reason == 0) & ~covered)
        if len(lost):
            key = keys(self.mapping, self.frame)[int(lost[0])]
            raise MigrationError(
                f"{len(lost):,} rows of {self.mapping.portal}.{self.mapping.table} are neither loaded nor held (the first: {key}).",
                "This is an internal error or an error in the mapping's routes: report it; nothing was published.",
            )


def start(mapping: TableMapping, frame: pl.DataFrame) -> RowPlacement:
    """Returns these rows without a decision, except that rows with unreadable mandatory values are held (X2 takes precedence)."""
    reason = np.zeros(frame.height, np.uint8)
    reason[frame["_mark"].to_numpy() == HELD] = CODE["UNREADABLE_VALUE"]
    return RowPlacement(mapping, frame, reason)


def flags(rule: str, portal: str, table: str, key: pl.Series, detail: list[str]) -> pl.DataFrame:
    """Returns the flags as rows of FLAG: rule, portal, table, key, detail."""
    count = len(key)
    return pl.DataFrame(
        {"rule": [rule] * count, "portal": [portal] * count, "table": [table] * count, "key": key, "detail": detail}, schema=FLAG
    )


def keys(mapping: TableMapping, frame: pl.DataFrame) -> pl.Series:
    """Returns each row's key as text, as `legacy_key` and the holding store it."""
    if "_key" in frame.columns:
        return frame["_key"]
    return frame[mapping.key[0]].cast(pl.String).alias("_key")


def int_values_and_mask(frame: pl.DataFrame, column: str) -> tuple[Ints, Bools]:
    """Returns (values as 64-bit integers, mask of those present); where the mask is false the value is meaningless."""
    series = frame[column]
    present = series.is_not_null().to_numpy()
    return series.fill_null(0).to_numpy().astype(np.int64), present

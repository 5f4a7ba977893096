"""The account of every source row: loaded, held with its reason, flagged by a rule; and the stored objects that must exist."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.reconcile.engine.cells import Spoilt
from etl.reconcile.engine.frames import LOCATOR, compact

Mask = npt.NDArray[np.bool_]

# Reasons by rank, as mappings/rules.toml declares it (fine print 2, 23): where several hold, the lowest number decides. 0 is a row that is loaded.
REASONS = (
    "",
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
LOADED, UNREADABLE_VALUE, BROKEN_REFERENCE, PARENT_HELD, CROSS_PROFILE, NO_OWNER = range(6)
REASON = {name: rank for rank, name in enumerate(REASONS)}
HELD = pl.Schema({"portal": pl.String, "table": pl.String, "key": pl.String, "reason": pl.String, "digest": pl.String, LOCATOR: pl.Int64})
FLAG = pl.Schema({"rule": pl.String, "portal": pl.String, "table": pl.String, "key": pl.String})


@dataclass
class Tally:
    """One source table's rows: how many were read, loaded, held by reason (X2: both), retired."""

    read: int = 0
    loaded: int = 0
    held: Counter[str] = field(default_factory=Counter)
    retired: int = 0

    def retire(self, rows: int) -> None:
        """Counts rows of a table that a rule retires as a whole."""
        self.read += rows
        self.retired += rows


class Ledger:
    """Collects tallies, held rows, flags and objects while the expected side is computed; with `mute` it collects nothing."""

    def __init__(self, mute: bool = False) -> None:
        self.mute = mute
        self.tallies: dict[tuple[str, str], Tally] = {}
        self._held: list[pl.DataFrame] = []
        self._flags: list[pl.DataFrame] = []
        self._objects: list[pl.DataFrame] = []

    def account_for(
        self, portal: str, table: str, rows: pl.DataFrame, reason: npt.NDArray[np.integer], digest: pl.Series | None = None
    ) -> None:
        """Records each row (with #key, locator, #also_held) as loaded if `reason` is 0, else as held for that reason; X2 rows as both.

        `digest`: SHA-256 of the bytes of held rows, null where there are none (fine print 9, 49).
        """
        if self.mute:
            return
        tally = self.tallies.setdefault((portal, table), Tally())
        loaded = reason == LOADED
        tally.read += len(rows)
        tally.loaded += int(loaded.sum())
        also = loaded & rows["#also_held"].to_numpy()
        held = pl.Series(~loaded | also)
        if not held.any():
            return
        names = pl.Series(np.where(also, UNREADABLE_VALUE, reason)).replace_strict(dict(enumerate(REASONS)), return_dtype=pl.String)
        digests = digest if digest is not None else pl.Series([None] * len(rows), dtype=pl.String)
        frame = pl.DataFrame({"key": rows["#key"], "reason": names, "digest": digests, LOCATOR: rows[LOCATOR], "also": also})
        frame = frame.with_columns(digest=pl.when("also").then(None).otherwise("digest")).filter(held)  # fine print 49
        self.flag("X2", portal, table, frame.filter("also")["key"])
        self._held.append(_named(frame, portal, table, HELD))
        tally.held.update(frame["reason"].to_list())

    def flag(self, rule: str, portal: str, table: str, keys: pl.Series) -> None:
        """Records that the rule flags the rows with these keys."""
        if not self.mute and len(keys):
            self._flags.append(_named(pl.DataFrame({"key": keys.cast(pl.String)}).with_columns(rule=pl.lit(rule)), portal, table, FLAG))

    def spoilt(self, portal: str, table: str, found: Iterable[tuple[str, Spoilt]]) -> None:
        """Records texts that the target cannot hold: their bytes as objects, their rows flagged, loaded and held ones alike (E8)."""
        listed = list(found)
        self.flag("E8", portal, table, pl.Series([key for key, _ in listed], dtype=pl.String))
        self.store(
            pl.Series([bad.digest for _, bad in listed], dtype=pl.String), pl.Series([bad.size for _, bad in listed], dtype=pl.Int64)
        )

    def store(self, digest: pl.Series, size: pl.Series) -> None:
        """Records objects that must exist: SHA-256 (null: none) and size in bytes."""
        if not self.mute and len(digest):
            self._objects.append(pl.DataFrame({"sha256": digest, "size_bytes": size}).drop_nulls("sha256").unique())

    def held(self) -> pl.DataFrame:
        """Returns one row of HELD per held row: portal, table, key, reason, digest (null without bytes), locator."""
        return pl.concat([HELD.to_frame(), *self._held])

    def flags(self) -> pl.DataFrame:
        """Returns rule, portal, table, key: one row per rule and source row."""
        return pl.concat([FLAG.to_frame(), *self._flags]).unique()

    def objects(self) -> pl.DataFrame:
        """Returns the distinct objects that must exist: sha256, size_bytes."""
        schema = pl.Schema({"sha256": pl.String, "size_bytes": pl.Int64})
        return pl.concat([schema.to_frame(), *self._objects]).unique()


def _named(frame: pl.DataFrame, portal: str, table: str, schema: pl.Schema) -> pl.DataFrame:
    return compact(frame.with_columns(portal=pl.lit(portal), table=pl.lit(table)).select(schema.names()))


def lowest(*reasons: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Returns for each row the applicable reason of the lowest number, which has the highest rank; 0 if none applies."""
    stacked = np.stack([np.where(reason == LOADED, len(REASONS), reason) for reason in reasons])
    best = stacked.min(axis=0)
    return np.where(best == len(REASONS), LOADED, best).astype(np.int64)

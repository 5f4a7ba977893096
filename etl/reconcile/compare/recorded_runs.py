"""The run's own record in the new store: which runs there are, when the published one began, which freeze it was for."""

import re
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from etl.reconcile.compare.actual import ALIEN, Store
from etl.reconcile.compare.difference import CHANGED, MISSING, differences

TABLE = "migration_run"
_STATES = ("LOADING", "PUBLISHED", "ROLLED_BACK")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Runs:
    """`published`: the latest published run's id; `began`: when it began to extract (D11); `freeze`: first and last day (E14)."""

    known: frozenset[str]
    published: str | None
    began: datetime | None
    freeze: tuple[date, date] | None
    differences: pl.DataFrame
    rows: int


def recorded_runs(store: Store, freeze: tuple[date, date] | None) -> Runs:
    """What migration_run says; `freeze` is compared with it where it is given, and used instead of it."""
    if store.absent(TABLE):  # told as a table that was not checked
        return Runs(frozenset(), None, None, freeze, differences([]), 0)
    frames = list(store.frames(TABLE))
    records = pl.concat(frames).to_dicts() if frames else []
    found: list[tuple[str | None, ...]] = []
    for record in records:
        wrong = (record[ALIEN] or "").split()
        wrong += [] if record["state_cd"] in _STATES else ["state_cd"]
        wrong += [] if _DIGEST.fullmatch(record["manifest_sha256"] or "") else ["manifest_sha256"]
        found += [(TABLE, CHANGED, None, record["run_id"], None, column, None, None) for column in wrong]
    published = sorted(
        (r for r in records if r["state_cd"] == "PUBLISHED" and r["started_at"]),
        key=lambda r: (r["finished_at"] or r["started_at"], r["run_id"]),
    )
    if not published:
        found.append((TABLE, MISSING, None, None, None, "state_cd", "PUBLISHED", None))
        return Runs(frozenset(r["run_id"] for r in records), None, None, freeze, differences(found), len(records))
    last = published[-1]
    own = (last["freeze_from"], last["freeze_to"]) if last["freeze_from"] and last["freeze_to"] else None
    if freeze is not None and freeze != own:
        for column, wanted in zip(("freeze_from", "freeze_to"), freeze, strict=True):
            if last[column] != wanted:
                found.append(
                    (
                        TABLE,
                        CHANGED,
                        None,
                        last["run_id"],
                        None,
                        column,
                        wanted.isoformat(),
                        last[column].isoformat() if last[column] else None,
                    )
                )
    known = frozenset(r["run_id"] for r in records)
    return Runs(known, last["run_id"], last["started_at"], freeze or own, differences(found), len(records))

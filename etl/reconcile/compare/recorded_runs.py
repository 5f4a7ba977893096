"""The run's own record in the new store: which runs there are, when the published one began, which freeze it was for."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from etl.reconcile.compare.actual import ALIEN, Store
from etl.reconcile.compare.difference import CHANGED, MISSING, UNEXPECTED, differences

TABLE = "migration_run"
_STATES = ("LOADING", "PUBLISHED", "ROLLED_BACK")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Recorded:
    """What a run's folder knows of `migration_run`: the run's own id, and every row as its publish left it, by column as ISO 8601 writes it."""

    run_id: str
    rows: tuple[dict[str, object], ...]


@dataclass(frozen=True)
class Runs:
    """`published`: the latest published run's id; `began`: when it began to extract (D11); `freeze`: first and last day (E14)."""

    known: frozenset[str]
    published: str | None
    began: datetime | None
    freeze: tuple[date, date] | None
    differences: pl.DataFrame
    rows: int


def recorded_runs(store: Store, freeze: tuple[date, date] | None, recorded: Recorded | None = None) -> Runs:
    """What migration_run says; `freeze` is compared with it where it is given, and used instead of it. `recorded`: what it has to say."""
    if store.absent(TABLE):  # told as a table that was not checked
        return Runs(frozenset(), None, None, freeze, differences([]), 0)
    frames = list(store.frames(TABLE))
    records = pl.concat(frames).to_dicts() if frames else []
    found: list[tuple[str | None, ...]] = []
    for record in records:
        wrong = (record[ALIEN] or "").split()
        wrong += [] if record["state_cd"] in _STATES else ["state_cd"]
        wrong += [] if _DIGEST.fullmatch(record["manifest_sha256"] or "") else ["manifest_sha256"]
        wrong += [] if _is_possible(record) else ["finished_at"]
        found += [(TABLE, CHANGED, None, record["run_id"], None, column, None, None) for column in wrong]
    found += _others_than(recorded, records) if recorded is not None else []
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


_CLOCKS_APART = timedelta(days=1)  # of two machines; a record from further ahead would stay the one in force for ever


def _is_possible(record: dict[str, Any]) -> bool:
    """Whether a published run ended, after it began, and not in days to come."""
    began, ended = record["started_at"], record["finished_at"]
    if record["state_cd"] != "PUBLISHED":
        return True
    return began is not None and ended is not None and began <= ended <= datetime.now(UTC).replace(tzinfo=None) + _CLOCKS_APART


def _others_than(recorded: Recorded, records: list[dict[str, Any]]) -> list[tuple[str | None, ...]]:
    """Rows that are not as the run left them, rows that are gone, and others that were put beside them; what was taken back may stand there."""
    there = {record["run_id"]: record for record in records}
    known = {row["run_id"]: row for row in recorded.rows}
    found: list[tuple[str | None, ...]] = []
    for run_id, row in known.items():
        if run_id not in there:
            found.append((TABLE, MISSING, None, str(run_id), None, None, None, None))
            continue
        changed = [column for column, value in row.items() if _written(there[run_id].get(column)) != value]
        found += [(TABLE, CHANGED, None, str(run_id), None, column, _shown(row[column]), None) for column in changed]
    more = [record for run_id, record in there.items() if run_id not in known and record["state_cd"] != "ROLLED_BACK"]
    return found + [(TABLE, UNEXPECTED, None, record["run_id"], None, None, None, None) for record in more]


def _written(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _shown(value: object) -> str | None:
    return None if value is None else str(value)

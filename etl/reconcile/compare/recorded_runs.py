"""The run's own record in the new store: which runs there are, when the published one began, which freeze it was for."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from etl.reconcile.compare.actual import ALIEN, Store
from etl.reconcile.compare.difference import CHANGED, MISSING, UNEXPECTED, differences
from etl.reconcile.errors import OtherInputs

TABLE = "migration_run"
_STATES = ("LOADING", "PUBLISHED", "ROLLED_BACK")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Recorded:
    """The run folder's record of `migration_run`: the run's id, and every row as its publish left it, by column in ISO 8601 form."""

    run_id: str
    rows: tuple[dict[str, object], ...]


@dataclass(frozen=True)
class Runs:
    """`published`: the latest published run's id; `began`: when it began to extract (D11); `freeze`: first and last day (E14).

    `grace`: days before and after the freeze, days added (E14); None without a freeze.
    """

    known: frozenset[str]
    published: str | None
    began: datetime | None
    freeze: tuple[date, date] | None
    differences: pl.DataFrame
    rows: int
    grace: tuple[int, int, int] | None = None
    mappings_sha256: str | None = None  # of the run in force; None: not known
    decisions_sha256: str | None = None  # of the run in force


def recorded_runs(
    store: Store, freeze: tuple[date, date] | None, grace: tuple[int, int, int | None] | None = None, recorded: Recorded | None = None
) -> Runs:
    """Returns the runs that `migration_run` records, with a difference for each invalid value and for each deviation from the arguments.

    `recorded`: the rows as the run's folder knows them; a given `freeze` and `grace` replace the recorded ones.
    """
    if store.absent(TABLE):  # reported as a table that was not checked
        return Runs(frozenset(), None, None, freeze, differences([]), 0, _numbers(freeze, grace))
    frames = list(store.frames(TABLE))
    records = pl.concat(frames).to_dicts() if frames else []
    found: list[tuple[str | None, ...]] = []
    for record in records:
        wrong = (record[ALIEN] or "").split()
        wrong += [] if record["state_cd"] in _STATES else ["state_cd"]
        wrong += [name for name in ("manifest_sha256", "mappings_sha256") if not _DIGEST.fullmatch(record.get(name) or "")]
        wrong += ["decisions_sha256"] if not _DIGEST.fullmatch(record.get("decisions_sha256") or "0" * 64) else []
        wrong += [] if _is_possible(record) else ["finished_at"]
        found += [(TABLE, CHANGED, None, record["run_id"], None, column, None, None) for column in wrong]
    found += _others_than(recorded, records) if recorded is not None else []
    known = frozenset(r["run_id"] for r in records)
    last = in_force(records)
    if last is None:
        found.append((TABLE, MISSING, None, None, None, "state_cd", "PUBLISHED", None))
        return Runs(known, None, None, freeze, differences(found), len(records), _numbers(freeze, grace))
    own = (last["freeze_from"], last["freeze_to"]) if last["freeze_from"] and last["freeze_to"] else None
    wanted: dict[str, date | int | None] = {} if freeze is None else {"freeze_from": freeze[0], "freeze_to": freeze[1]}
    before, after, more = (last.get(column) for column in _GRACE)
    numbers = _numbers(freeze or own, grace)
    if before is not None and after is not None and more is not None and grace is None:
        numbers = (before, after, more)
    if numbers is not None or own is None:
        wanted |= dict(zip(_GRACE, numbers or (None, None, None), strict=True))
    for column, value in wanted.items():
        if last.get(column) != value:
            found.append((TABLE, CHANGED, None, last["run_id"], None, column, _said(value), _said(last.get(column))))
    return Runs(
        known,
        last["run_id"],
        last["started_at"],
        freeze or own,
        differences(found),
        len(records),
        numbers,
        _known(last.get("mappings_sha256")),
        last.get("decisions_sha256"),
    )


def refuse_other_decisions(runs: Runs, decisions: str | None) -> None:
    """Raises OtherInputs (7) if the decisions are not those of the run in force (L4)."""
    made_with = runs.decisions_sha256
    if runs.published is not None and decisions != made_with:
        given = "none are given" if decisions is None else f"the given ones have the digest {decisions}"
        made = "without decisions" if made_with is None else f"with decisions of the digest {made_with}"
        advice = "Leave out --decisions." if made_with is None else "Give the file of the run: --decisions FILE."
        raise OtherInputs(f"The run in force was made {made}, but {given} (L4).", advice)


_GRACE = ("grace_before", "grace_after", "grace_add")


def in_force(records: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Returns the published record that finished last; None if there is none (fine print 66)."""
    published = [r for r in records if r["state_cd"] == "PUBLISHED" and r["started_at"]]
    return max(published, key=lambda r: (r["finished_at"] or r["started_at"], r["run_id"]), default=None)


def _numbers(freeze: tuple[date, date] | None, grace: tuple[int, int, int | None] | None) -> tuple[int, int, int] | None:
    """Returns the numbers of E14 in force: by default 0, 0 and the length of the freeze; None without a freeze."""
    if freeze is None:
        return None
    before, after, more = grace or (0, 0, None)
    return before, after, (freeze[1] - freeze[0]).days + 1 if more is None else more


def _said(value: date | int | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else None if value is None else str(value)


def _known(digest: str | None) -> str | None:
    """Returns the digest; None for a store upgraded from the first edition, whose record has none."""
    return digest if digest is not None and digest.strip("0") else None


_CLOCKS_APART = timedelta(days=1)  # of two machines; a record from further ahead would stay the one in force for ever


def _is_possible(record: dict[str, Any]) -> bool:
    """Returns whether a published run ended after it began, and not in the future."""
    began, ended = record["started_at"], record["finished_at"]
    if record["state_cd"] != "PUBLISHED":
        return True
    return began is not None and ended is not None and began <= ended <= datetime.now(UTC).replace(tzinfo=None) + _CLOCKS_APART


def _others_than(recorded: Recorded, records: list[dict[str, Any]]) -> list[tuple[str | None, ...]]:
    """Rows that differ from the run's record, missing rows and additional ones; rows of rolled-back runs are allowed."""
    there = {record["run_id"]: record for record in records}
    known = {row["run_id"]: row for row in recorded.rows}
    found: list[tuple[str | None, ...]] = []
    for run_id, row in known.items():
        if run_id not in there:
            found.append((TABLE, MISSING, None, str(run_id), None, None, None, None))
            continue
        changed = [column for column, value in row.items() if _written(there[run_id].get(column)) != value]
        found += [
            (TABLE, CHANGED, None, str(run_id), None, column, None if row[column] is None else str(row[column]), None) for column in changed
        ]
    more = [record for run_id, record in there.items() if run_id not in known and record["state_cd"] != "ROLLED_BACK"]
    return found + [(TABLE, UNEXPECTED, None, record["run_id"], None, None, None, None) for record in more]


def _written(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value

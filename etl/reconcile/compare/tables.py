"""Two sides of a table compared: first as one number a row, then, where those differ, value by value.

The first look keeps eight bytes a row and side; only rows whose numbers have no counterpart are computed and read once more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.reconcile.compare.actual import ALIEN, OWN_ID, Store
from etl.reconcile.compare.difference import CHANGED, MISSING, SCHEMA, UNEXPECTED, as_texts, may_be_shown
from etl.reconcile.compare.hashing import ACCOUNT, Hashes, fingerprint, identity
from etl.reconcile.engine.source import KEY
from etl.reconcile.engine.spec import Spec
from etl.reconcile.engine.world import ExpectedRows

AT_ONCE = 400_000  # differing rows that are held at a time
_STRANGE = np.uint64(0x9E3779B97F4A7C15)  # gives a row with an alien value a number that no expected row has


@dataclass(frozen=True)
class Count:
    """One target table: its rows on both sides, how many are equal, how many columns were compared."""

    expected: int
    actual: int
    equal: int
    columns: int


@dataclass(frozen=True)
class Names:
    """How a difference names an account: by its number."""

    number_by_entity: dict[int, str]


def actual_numbers(store: Store, table: str, columns: tuple[str, ...]) -> Iterator[tuple[pl.DataFrame, Hashes]]:
    """Yields the table's batches, each with one 64-bit number per row over `columns`."""
    for frame in store.frames(table):
        numbers = fingerprint((frame[name] for name in columns), len(frame))
        yield frame, np.where(frame[ALIEN].is_not_null().to_numpy(), numbers ^ _STRANGE, numbers)


def unmatched(expected: Hashes, actual: Hashes) -> tuple[int, Hashes]:
    """Returns (number of rows with a counterpart, numbers that occur more often on one side); both inputs are sorted."""
    if np.array_equal(expected, actual):
        return len(expected), np.zeros(0, np.uint64)
    one, of_one = np.unique(expected, return_counts=True)
    other, of_other = np.unique(actual, return_counts=True)
    every = np.union1d(one, other)
    left, right = np.zeros(len(every), np.int64), np.zeros(len(every), np.int64)
    left[np.searchsorted(every, one)] = of_one
    right[np.searchsorted(every, other)] = of_other
    return int(np.minimum(left, right).sum()), every[left != right]


def detailed(
    spec: Spec,
    store: Store,
    table: str,
    columns: tuple[str, ...],
    odd: Hashes,
    again: Callable[[set[str]], Iterator[ExpectedRows]],
    names: Names,
) -> Iterator[pl.DataFrame]:
    """Yields the differences behind the unmatched numbers, in as many passes as keep the number of rows in memory bounded."""
    parts = -(-len(odd) // AT_ONCE)
    key = identity(spec, table)
    for part in range(parts):
        left = []
        for batch in again({table}):
            chosen = np.isin(batch.hashes(columns), odd)
            if parts > 1:
                chosen &= batch.hashes(key) % np.uint64(parts) == part
            if chosen.any():
                left.append(_expected_frame(batch, columns, chosen))
        right = []
        for frame, numbers in actual_numbers(store, table, columns):
            chosen = np.isin(numbers, odd)
            if parts > 1:
                chosen &= fingerprint((frame[name] for name in key), len(frame)) % np.uint64(parts) == part
            if chosen.any():
                right.append(
                    frame.with_columns(
                        pl.Series("#number", numbers), pl.Series("#row", fingerprint((frame[n] for n in key), len(frame)))
                    ).filter(pl.Series(chosen))
                )
        yield _paired(spec, table, columns, left, right, names)


def _expected_frame(batch: ExpectedRows, columns: tuple[str, ...], chosen: npt.NDArray[np.bool_]) -> pl.DataFrame:
    whole = batch.frame(chosen)
    portal = pl.lit(batch.portal or None, dtype=pl.String).alias("#portal")
    numbers = pl.Series("#number", batch.hashes(columns)[chosen])
    wanted = [*columns, KEY, *([ACCOUNT] if ACCOUNT in whole.columns and ACCOUNT not in columns else [])]
    return whole.select(*wanted, portal).with_columns(numbers)


def _paired(
    spec: Spec, table: str, columns: tuple[str, ...], left: list[pl.DataFrame], right: list[pl.DataFrame], names: Names
) -> pl.DataFrame:
    """Rows with a counterpart under the same identity are compared value by value; the others are missing or unexpected."""
    key = identity(spec, table)
    one = pl.concat(left, how="diagonal_relaxed") if left else None
    other = pl.concat(right) if right else None
    if one is not None:
        one = one.with_columns(pl.Series("#row", fingerprint((one[name] for name in key), len(one))))
    if one is not None and other is not None:
        # Equal rows are paired first; then the remaining rows of the same identity, in the order of their numbers.
        by = ["#row", "#number"]
        one, other = (side.with_columns(pl.int_range(pl.len()).over(by).alias("#nth")) for side in (one, other))
        one, other = (
            one.join(other, on=[*by, "#nth"], how="anti", maintain_order="left"),
            other.join(one, on=[*by, "#nth"], how="anti", maintain_order="left"),
        )
        one, other = (side.sort(by).with_columns(pl.int_range(pl.len()).over("#row").alias("#nth")) for side in (one, other))
        both = one.join(other, on=["#row", "#nth"], how="inner", suffix=":actual", maintain_order="left")
        one, other = (a.join(b, on=["#row", "#nth"], how="anti", maintain_order="left") for a, b in ((one, other), (other, one)))
    else:
        both = None
    found = []
    if one is not None and len(one):
        found.append(_listed(table, MISSING, one["#portal"], one[KEY], _numbers(one, names)))
    if other is not None and len(other):
        found.append(_listed(table, UNEXPECTED, _portals(spec, table, other), _keys(spec, table, other), _numbers(other, names)))
    if both is not None and len(both):
        found.append(_changed(spec, table, columns, both, names))
    return pl.concat([SCHEMA.to_frame(), *found])


def _changed(spec: Spec, table: str, columns: tuple[str, ...], both: pl.DataFrame, names: Names) -> pl.DataFrame:
    accounts = _numbers(both, names)
    alien = both[ALIEN].fill_null("")
    found, explained = [], np.zeros(len(both), np.bool_)
    own = [name for name in (k for k in spec.target[table].key) if OWN_ID in both.columns and name not in columns]
    for name in (*columns, *own):
        strange = (" " + alien + " ").str.contains(f" {name} ", literal=True)
        differs = strange if name in own else strange | both[name].ne_missing(both[f"{name}:actual"])
        if not differs.any():
            continue
        explained |= differs.to_numpy()
        rows = both.filter(differs)
        listed = _listed(table, CHANGED, rows["#portal"], rows[KEY], accounts.filter(differs))
        shown = name not in own and name in spec.target[table].columns and may_be_shown(spec.target[table].columns[name])
        if shown:
            expected = as_texts(rows[name])
            actual = [
                "(unreadable)" if odd else text for text, odd in zip(as_texts(rows[f"{name}:actual"]), strange.filter(differs), strict=True)
            ]
        elif spec.target[table].refers.get(name) == "entity_account":
            expected, actual = (
                [names.number_by_entity.get(e, None if e is None else f"entity {e}") for e in rows[c]] for c in (name, f"{name}:actual")
            )
        else:
            expected = actual = [None] * len(rows)
        found.append(
            listed.with_columns(
                pl.lit(name).alias("column"), pl.Series("expected", expected, pl.String), pl.Series("actual", actual, pl.String)
            )
        )
    if not explained.all():  # never silent: the numbers differ, so something does
        rest = pl.Series(~explained)
        found.append(_listed(table, CHANGED, both["#portal"].filter(rest), both[KEY].filter(rest), accounts.filter(rest)))
    return pl.concat(found)


def _listed(table: str, kind: str, portal: pl.Series, key: pl.Series, account: pl.Series) -> pl.DataFrame:
    nothing = pl.lit(None, dtype=pl.String)
    return (
        pl.DataFrame(
            {"legacy_portal": portal, "legacy_key": key, "account_number": account},
            schema_overrides={
                "legacy_portal": pl.String,
                "legacy_key": pl.String,
                "account_number": pl.String,
            },
        )
        .with_columns(table=pl.lit(table), kind=pl.lit(kind), column=nothing, expected=nothing, actual=nothing)
        .select(SCHEMA.names())
    )


def _numbers(frame: pl.DataFrame, names: Names) -> pl.Series:
    """Returns the account number under which each row is listed."""
    column = next((c for c in (ACCOUNT, "account_id", "monitor_account_id", "legacy_entity_id") if c in frame.columns), None)
    entities = frame[column].to_list() if column else [None] * len(frame)
    return pl.Series([names.number_by_entity.get(entity if entity is not None else -1) for entity in entities], dtype=pl.String)


def _keys(spec: Spec, table: str, frame: pl.DataFrame) -> pl.Series:
    """Returns the name of each row that no source row explains: its legacy key, the plain parts of its primary key, or its id."""
    if "legacy_key" in frame.columns:
        return frame["legacy_key"]
    if "legacy_entity_id" in frame.columns:
        return frame["legacy_entity_id"].cast(pl.String)
    if OWN_ID in frame.columns:
        ids = frame[OWN_ID]
        return ids if ids.dtype == pl.String else pl.Series([_id_text(one) for one in ids], dtype=pl.String)
    parts = [
        name for name in spec.target[table].key if name in frame.columns and name not in spec.target[table].refers and name != "target_id"
    ]
    entity = [ACCOUNT] if ACCOUNT in frame.columns else []
    names = [*entity, *parts] or [name for name in spec.target[table].key if name in frame.columns]
    return frame.select(pl.concat_str([pl.col(name).cast(pl.String).fill_null("?") for name in names], separator="|")).to_series()


def _id_text(one: bytes | None) -> str | None:
    return None if one is None else str(UUID(bytes=one)) if len(one) == 16 else one.hex()


def _portals(spec: Spec, table: str, frame: pl.DataFrame) -> pl.Series:
    if "legacy_portal_cd" in frame.columns:
        return frame["legacy_portal_cd"]
    feeding = {portal for (portal, _), mapping in spec.mappings.items() for into in mapping.into if into.table == table}
    return pl.Series([feeding.pop() if len(feeding) == 1 else None], dtype=pl.String).new_from_index(0, len(frame))

"""Compares held rows and flags with those that the rules require (migration_holding, migration_exception, migration_run)."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from etl.reconcile.compare.actual import Store
from etl.reconcile.compare.difference import CHANGED, MISSING, UNEXPECTED, differences
from etl.reconcile.compare.tables import Count
from etl.reconcile.engine.cells import Raw, plain, same_in_json
from etl.reconcile.engine.frames import LOCATOR
from etl.reconcile.engine.source import Source
from etl.reconcile.present.database import PresentedDatabase

PHYSICAL = "_physical"  # the member of a row that an adapter presented: its raw cells
HOLDING, EXCEPTION = "migration_holding", "migration_exception"
_PERSONAL = re.compile(r"\S@\S|(?<![0-9])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9])|\b[A-Z\u00d1&]{4}[0-9]{6}[A-Z0-9\u00d1&]{3}\b")
Rows = list[tuple[str | None, ...]]


def holdings_compared(store: Store, sources: Mapping[str, Source], held: pl.DataFrame, runs: set[str]) -> tuple[Count, pl.DataFrame]:
    """Returns (count, differences) of held rows: reason, digest and `row_json`, value by value."""
    found: Rows = []
    seen: set[tuple[str, str, str]] = set()
    by_table = {
        (p, t): dict(zip(f["key"], f.select("reason", "digest", LOCATOR).iter_rows(), strict=True))
        for (p, t), f in held.group_by("portal", "table")
    }
    actual = equal = 0
    for frame in _frames(store, HOLDING):
        for (portal, table), rows in frame.group_by("legacy_portal_cd", "legacy_table", maintain_order=True):
            expected = by_table.get((portal, table), {})
            contents = _contents(sources, portal, table, [expected[k][2] for k in rows["legacy_key"] if k in expected])
            for row in rows.iter_rows(named=True):
                actual += 1
                key = row["legacy_key"]
                if key not in expected or (portal, table, key) in seen:
                    found.append((HOLDING, UNEXPECTED, portal, f"{table} {key}", None, None, None, None))
                    continue
                seen.add((portal, table, key))
                reason, digest, at = expected[key]
                wrong = [] if row["run_id"] in runs else [("run_id", None, None)]
                wrong += [("reason_cd", reason, row["reason_cd"])] if row["reason_cd"] != reason else []
                wrong += [("sha256", digest, row["sha256"])] if row["sha256"] != digest else []
                wrong += (
                    [("row_json", None, None)] if not _same_row(row["row_json"] or "", contents.get(at), sources[portal], table) else []
                )
                found += [(HOLDING, CHANGED, portal, f"{table} {key}", None, *what) for what in wrong]
                equal += not wrong
    for (portal, table), rows_ in sorted(by_table.items()):
        found += [(HOLDING, MISSING, portal, f"{table} {k}", None, None, None, None) for k in rows_ if (portal, table, k) not in seen]
    return Count(len(held), actual, equal, 7), differences(found)


def exceptions_compared(store: Store, flags: pl.DataFrame, runs: set[str]) -> tuple[Count, pl.DataFrame]:
    """Returns (count, differences) of flags: each exists, names a run, and has a detail without personal data."""
    named = {"rule_cd": "rule", "legacy_portal_cd": "portal", "legacy_table": "table", "legacy_key": "key"}
    frames = list(_frames(store, EXCEPTION))
    actual = (
        pl.concat(frames).rename(named)
        if frames
        else pl.DataFrame(schema={**dict.fromkeys(named.values(), pl.String), "run_id": pl.String, "detail": pl.String})
    )
    on = list(named.values())
    doubled = actual.filter(actual.select(on).is_duplicated()).unique(on, keep="first", maintain_order=True)
    found: Rows = []
    for kind, rows in (
        (MISSING, flags.join(actual, on=on, how="anti", nulls_equal=True)),
        (UNEXPECTED, pl.concat([actual.join(flags, on=on, how="anti", nulls_equal=True), doubled])),
    ):
        found += [
            (EXCEPTION, kind, portal, f"{table} {key}", None, rule, None, None) for rule, portal, table, key in rows.select(on).iter_rows()
        ]
    known = actual.join(flags, on=on, how="semi", nulls_equal=True).unique(on)
    wrong = known.filter(~pl.col("run_id").is_in(sorted(runs)))
    personal = known.filter(pl.Series([detail is None or bool(_PERSONAL.search(detail)) for detail in known["detail"]], dtype=pl.Boolean))
    for column, rows in (("run_id", wrong), ("detail", personal)):
        found += [
            (EXCEPTION, CHANGED, portal, f"{table} {key} {rule}", None, column, None, None)
            for rule, portal, table, key in rows.select(on).iter_rows()
        ]
    equal = len(known) - len(pl.concat([wrong, personal]).unique(on))
    return Count(len(flags), len(actual), equal, 6), differences(found)


def _frames(store: Store, table: str) -> Any:
    return store.frames(table)


def _contents(sources: Mapping[str, Source], portal: str, table: str, at: list[int]) -> dict[int, dict[str, object]]:
    """Returns the source rows at these locators, as `row_json` must hold them."""
    if not at:
        return {}
    source = sources[portal]
    never = source.spec.never_read(source.portal, table)
    columns = [c for c in source.table(table).columns.values() if c.name not in never and c.kind != "binary"]
    rows = source.database.rows(table, [c.name for c in columns], sorted(at))
    if isinstance(source.database, PresentedDatabase):
        read = [c.name for c in source.columns(table)]
        behind = source.database.behind(table, read, sorted(at))
        return {
            locator: {**{c.name: plain(raw, c) for raw, c in zip(raws, columns, strict=True)}, PHYSICAL: behind[locator]}
            for locator, raws in _tuples(rows)
        }
    return {locator: {c.name: plain(raw, c) for raw, c in zip(raws, columns, strict=True)} for locator, raws in _tuples(rows)}


def _tuples(rows: Any) -> list[tuple[int, tuple[Raw, ...]]]:
    return list(rows)


def _same_row(text: str, expected: dict[str, object] | None, source: Source, table: str) -> bool:
    if expected is not None and text in _written(expected):  # letter by letter: most rows are done with it
        return True
    try:
        found = json.loads(text)
    except ValueError:
        return False
    if expected is None or not isinstance(found, dict) or found.keys() != expected.keys() or text not in _written(found):
        return False
    columns = source.table(table).columns
    behind = (expected.get(PHYSICAL), found.get(PHYSICAL))
    return behind[0] == behind[1] and all(same_in_json(expected[name], found[name], columns[name]) for name in expected if name != PHYSICAL)


_JSON = [
    json.JSONEncoder(ensure_ascii=escaped, separators=separators).encode
    for escaped in (False, True)
    for separators in ((",", ":"), (", ", ": "))
]


def _written(row: dict[str, Any]) -> Iterator[str]:
    """Returns the row as one JSON object, compact or with a blank after each separator, other characters unescaped or escaped: the accepted spellings.

    White space around it, or a column that occurs twice, is not part of a source row.
    """
    return (written(row) for written in _JSON)

"""Compares the view account_picker row by row with the accounts that each login reaches according to the old portals."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from etl.reconcile.compare.actual import Store
from etl.reconcile.compare.difference import MISSING, NOT_CHECKED, UNEXPECTED, differences
from etl.reconcile.compare.hashing import hashed
from etl.reconcile.compare.tables import Names
from etl.reconcile.engine.expected import Expected
from etl.reconcile.engine.frames import DTYPES

VIEW = "account_picker"
_LOGIN, _ENTITY, _ROW = "#login", "#entity", "#row"
_BASE = {"login": "login", "account_contact": "login_id", "entity_account": "account_id"}


def picker_compared(expected: Expected, store: Store) -> pl.DataFrame:
    """Returns the missing and the unexpected rows of `account_picker`, or a row of kind not_checked if the view cannot be compared.

    No rows if the view follows from the store's tables, for these are compared.
    """
    spec = expected.world.spec
    columns = store.columns_of(VIEW)
    if VIEW not in spec.views or columns is None or any(store.absent(table) for table in _BASE):
        return differences([])  # reported as not checked
    known = {**spec.target["account_contact"].columns, **spec.target["entity_account"].columns}
    shown = [name for name in columns if name not in ("login_id", "account_id")]
    if not {"login_id", "account_id"} <= set(columns) or any(name not in known for name in shown):
        return differences([(VIEW, NOT_CHECKED, None, None, None, None, None, "the view's columns differ from the contract")])
    schema = {_LOGIN: pl.UInt64, _ENTITY: pl.Int64, **{name: DTYPES[known[name].kind] for name in shown}}
    frames, odd = [], 0
    for part in store.database.view(VIEW, [known[name] for name in columns]):
        odd += len(part.odd)
        frames.append(_resolved(store, part.frame, shown))
    actual = _numbered(frames, schema)
    held = _numbered([_reached(store.frames("account_contact"), store.frames("entity_account"), schema)], schema)
    if not odd and actual[_ROW].sort().equals(held[_ROW].sort()):
        return differences([])
    wanted = _numbered([_expected(expected, schema)], schema)
    names = Names(dict(expected.world.accounts.select("entity_id", "#number").iter_rows()))
    keys = dict(zip(hashed(expected.world.known.users["email_key"]).tolist(), expected.world.known.users["#key"], strict=True))
    # A row that occurs twice in the view is a difference: the contract's view has each once.
    row = pl.int_range(pl.len()).over(_ROW).alias("#number")
    here, there = wanted.with_columns(row), actual.with_columns(row)
    on = [_ROW, "#number"]
    rows: list[tuple[str | None, ...]] = []
    for kind, one, other in ((MISSING, here, there), (UNEXPECTED, there, here)):
        for login, entity in one.join(other, on=on, how="anti").select(_LOGIN, _ENTITY).iter_rows():
            user = ("P2", f"portal_user {keys[login]}") if login in keys else (None, None)
            rows.append((VIEW, kind, *user, names.number_by_entity.get(entity), None, None, None))
    rows += [(VIEW, NOT_CHECKED, None, None, None, None, None, f"{odd:,} rows cannot be read")] if odd else []
    return differences(rows)


def _resolved(store: Store, frame: pl.DataFrame, shown: list[str]) -> pl.DataFrame:
    """Returns the view's rows with login fingerprints and entity ids in place of ids; other values unchanged."""
    logins, accounts = store.index_of("login"), store.index_of("entity_account")
    login = logins.rows(*logins.find(frame["login_id"]))
    entity = accounts.accounts(*accounts.find(frame["account_id"]))
    return pl.DataFrame([login.alias(_LOGIN), entity.alias(_ENTITY), *(store.blank(frame[name], name, "entity_account") for name in shown)])


def _reached(contacts: Iterator[pl.DataFrame], accounts: Iterator[pl.DataFrame], schema: dict[str, Any]) -> pl.DataFrame:
    """Returns each login with each account that is visible to trade and has a contact of the login that is not removed (B4), once."""
    seen = [
        frame.filter(pl.col("login_id").is_not_null() & pl.col("removed_at").is_null()).select(
            pl.col("login_id").alias(_LOGIN), pl.col("account_id").alias(_ENTITY)
        )
        for frame in contacts
    ]
    visible = [
        frame.filter(pl.col("trade_visible")).select(
            pl.col("legacy_entity_id").alias(_ENTITY), *(name for name in schema if not name.startswith("#"))
        )
        for frame in accounts
    ]
    if not seen or not visible:
        return pl.DataFrame(schema=schema)
    return pl.concat(seen).unique().join(pl.concat(visible), on=_ENTITY)


def _expected(expected: Expected, schema: dict[str, Any]) -> pl.DataFrame:
    frames: dict[str, list[pl.DataFrame]] = {"account_contact": [], "entity_account": []}
    wanted = {
        "account_contact": ["login_id", "account_id", "removed_at"],
        "entity_account": ["legacy_entity_id", "trade_visible", *(name for name in schema if not name.startswith("#"))],
    }
    for table, names in wanted.items():
        for batch in expected.again({table}):
            frames[table].append(batch.frame(np.ones(len(batch), np.bool_)).select(names))
    return _reached(iter(frames["account_contact"]), iter(frames["entity_account"]), schema)


def _numbered(frames: list[pl.DataFrame], schema: dict[str, Any]) -> pl.DataFrame:
    """Returns the rows, each with a 64-bit number over all its values."""
    none = pl.DataFrame(schema=schema)
    every = pl.concat([none, *(frame.select(none.columns) for frame in frames)])
    return every.with_columns(every.hash_rows(0).alias(_ROW))

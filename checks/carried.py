"""Checks of carried rows: values unchanged, accounts those of their routes, and correct marks."""

from __future__ import annotations

import json

import polars as pl

from checks.by_file import parts_by_file
from checks.comparable import TOGETHER, alike, among, shares
from checks.conserved import key_parts, mapping_of, recovered
from checks.model import Check, Found
from checks.relations import Relation
from checks.staged import Staged, entities, shards
from etl.domain.masking import masked
from etl.domain.typed_values import HELD
from mappings.model import Into, TableMapping
from mappings.schema import Column, Table

_MADE_OF = {"model_entity": "legacy_entity_id", "security_model": "legacy_model_id", "company_profile": "legacy_profile_id"}
_CODE = 20  # characters: longer texts are not codes


def unchanged(check: Check, staged: Staged) -> Found:
    """Staged rows whose value differs from their old row's, in a column that is carried over unchanged (rule A6)."""
    mapping = mapping_of(check, staged)
    asked, keys = 0, []
    for into, columns, key in carried(mapping, staged.shapes, set(check.args["families"])):
        # Several old tables complete an account's row: the file of a column does not identify its source row then.
        parts = [staged] if into.per == "part" else parts_by_file(staged, mapping, into.table)
        found = [_altered(part, mapping, into, columns, key) for part in parts]
        if len(parts) > 1 and any(made > compared for made, compared, _ in found):  # old and new row in different parts
            found = [_altered(staged, mapping, into, columns, key)]
        asked += sum(compared for _, compared, _ in found)
        keys += [name for *_, wrong in found for name in wrong]
    return Found(asked, tuple(keys))


def carried(mapping: TableMapping, shapes: dict[str, Table], families: set[str]) -> list[tuple[Into, dict[str, str], str]]:
    """Returns (block, target column: source column that it takes unchanged, target column with the old key) where columns can be compared."""
    found = []
    for into in mapping.into:
        shape = shapes[into.table].by_name
        key = key_parts(mapping, into)
        columns = {
            name: form.columns[0] for name, form in into.columns.items() if form.kind == "plain" and _family(shape[name]) in families
        }
        if key is not None and len(key) == 1 and columns and into.per != "missing":
            found.append((into, columns, next(iter(key.values()))[0]))
    return found


def _family(column: Column) -> str:
    return "code" if column.family == "text" and column.length is not None and column.length <= _CODE else column.family


def _altered(staged: Staged, mapping: TableMapping, into: Into, columns: dict[str, str], key: str) -> tuple[int, int, list[str]]:
    """Returns (number of new rows, of those with their old row, keys of the altered ones)."""
    own = f"{mapping.portal}.{mapping.table}"
    rows = staged.frame(into.table, key) if into.per == "part" else staged.made_by(into.table, own, key)
    rows = rows.rename({key: "_key"})
    old = staged.source(mapping.portal, mapping.table)
    rows, old = alike(rows, old.with_row_index("_position"), "_key")
    made_here = rows.height
    pairs = [made.join(read.unique("_key"), on="_key").select("_row", "_position") for made, read in shares(rows, old, "_key")]
    del rows, old
    found = pl.concat(pairs).sort("_row")
    keys: list[str] = []
    for (
        column,
        source,
    ) in columns.items():  # one column at a time, some rows of it at a time: memory is too small for the widest table twice
        before = staged.source(mapping.portal, mapping.table, source)[source]
        for first, part in shards(staged, into.table, [column], TOGETHER):
            mine = found.filter(pl.col("_row").is_between(first, first + part.height - 1))
            after = part[column].gather(mine["_row"] - first)
            wrong = mine["_row"].filter(after.ne_missing(before.gather(mine["_position"]))).to_list()
            keys += staged.keys(into.table, wrong, [column] * len(wrong))
    return made_here, found.height, keys


def routed(check: Check, staged: Staged) -> Found:
    """Old rows that are not on exactly the accounts to which their routes lead: the first reference that is set decides (rules, Routes)."""
    mapping = mapping_of(check, staged)
    into = routed_block(mapping)
    assert into is not None  # noqa: S101  # asked only of tables that have one
    parents = []
    for route in mapping.owner:
        named = staged.source(mapping.portal, mapping.table, route.column).select(pl.col(route.column).alias("_parent"))
        named, found = alike(named, _accounts_of(staged, mapping, route.table), "_parent")
        parents.append((route.column, among(found, "_parent", named["_parent"])))
    compared = [_off_routes(part, mapping, into, parents) for part in parts_by_file(staged, mapping, into.table)]
    lost, won = (pl.concat(frames) for frames in ([lost for _, lost, _ in compared], [won for *_, won in compared]))
    every = lost.columns  # old and new row may be in different parts
    keys = [_routed_key(row, "not on the account") for row in lost.join(won, on=every, how="anti").iter_rows()]
    keys += [_routed_key(row, "on the account") for row in won.join(lost, on=every, how="anti").iter_rows()]
    return Found(sum(asked for asked, *_ in compared), tuple(keys))


def _off_routes(
    staged: Staged, mapping: TableMapping, into: Into, parents: list[tuple[str, pl.DataFrame]]
) -> tuple[int, pl.DataFrame, pl.DataFrame]:
    """Returns (number of old rows on accounts, those not on an account of their route, new rows on another account): key as text, and `_entity`.

    `parents`: by column of the route, the accounts of the rows that it may name.
    """
    now = on_accounts(staged, mapping, into)
    on = [name for name in now.columns if name != "_entity"]
    columns = [name for name in on if name != "_key"]
    left = staged.alive(mapping.portal, mapping.table, *dict.fromkeys((*columns, *(route.column for route in mapping.owner))))
    left, now = alike(left, now, *on)
    every = [*on, "_entity"]
    as_text = [pl.col(name).cast(pl.String) for name in on]
    asked, lost, won = 0, [], []
    for rows, mine in shares(left, now, on[0]):
        expected = []
        for column, accounts in parents:
            decided = rows.with_columns(pl.col(column).cast(accounts["_parent"].dtype).alias("_parent")).drop_nulls("_parent")
            expected.append(decided.join(accounts, on="_parent").select(every))
            rows = rows.filter(pl.col(column).is_null())
        before = pl.concat(expected)
        lost.append(before.join(mine, on=every, how="anti").with_columns(as_text))
        won.append(mine.join(before, on=every, how="anti").select(every).with_columns(as_text))
        asked += before.height
    return asked, pl.concat(lost), pl.concat(won)


def _routed_key(row: tuple[object, ...], where: str) -> str:
    return masked("|".join(map(str, row[:-1])) + f": {where} of entity {row[-1]}")


def routed_block(mapping: TableMapping) -> Into | None:
    """Returns the block whose rows are on the accounts that the routes lead to; None where a rule chooses the accounts, or rows have none."""
    if mapping.owner_rule is not None or not mapping.owner or mapping.table in _MADE_OF:
        return None
    return next((into for into in mapping.into if into.per == "account"), None)


def on_accounts(staged: Staged, mapping: TableMapping, into: Into) -> pl.DataFrame:
    """Returns the old key of each of the block's rows, and `_entity`: the number of the old entity whose account it is on."""
    key = key_parts(mapping, into)
    if key is None:
        raise KeyError(f"{mapping.file}: no legacy key in {into.table}")
    rows = recovered(staged, mapping, into, key)
    return rows.with_columns(entities(staged, into.table).gather(rows["_row"]).alias("_entity")).drop("_row")


def _accounts_of(staged: Staged, mapping: TableMapping, table: str) -> pl.DataFrame:
    """Returns `_parent` (key of the old row) and `_entity` for every account that a row of that old table leads to."""
    if table in _MADE_OF:
        rows = staged.frame("entity_account", _MADE_OF[table], "legacy_entity_id")
        return rows.select(pl.col(_MADE_OF[table]).alias("_parent"), pl.col("legacy_entity_id").alias("_entity"))
    parent = staged.mappings.tables[mapping.portal, table]
    for into in parent.into:
        if into.per == "account":
            return on_accounts(staged, parent, into).rename({"_key": "_parent"})
    raise KeyError(f"{parent.file}: no block with rows on accounts")


def internal_unless_known(check: Check, staged: Staged) -> Found:
    """Comments that are not internal although the old row does not mark them as for trade, or the reverse (rule C15, fine print 36)."""
    rows = staged.frame("response_comment", "legacy_key", "internal").rename({"legacy_key": "_key"})
    old = staged.source("P2", "response_comment", "internal_ind").select(
        "_key", (pl.col("internal_ind") != "N").fill_null(True).alias("_must")
    )
    rows, old = alike(rows, old, "_key")
    pairs = rows.join(old, on="_key", how="left", maintain_order="left")
    wrong = pairs.filter(pl.col("internal").ne_missing(pl.col("_must").fill_null(True)))["_row"]
    return Found(rows.height, staged.keys(check.table, wrong.to_list()))


def whole_rows(check: Check, staged: Staged) -> Found:
    """Held rows whose JSON is not an object with exactly the old table's columns, without credentials and bytes (fine print 27).

    Behind an adapter one member more, `_physical`.
    """
    rows = staged.frame("migration_holding", "legacy_portal_cd", "legacy_table", "row_json")
    expected: dict[tuple[str, str], set[str]] = {
        key: {column.name for column in mapping.columns if column.family != "binary"} for key, mapping in staged.mappings.tables.items()
    }
    wrong = [row for row, portal, table, text in rows.iter_rows() if _columns_of(text) != expected.get((portal, table))]
    return Found(rows.height, staged.keys(check.table, wrong))


def _columns_of(text: str | None) -> set[str] | None:
    try:
        content = json.loads(text or "")
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    # Behind an adapter the raw cells are beside the contract's row: texts by TABLE.COLUMN.
    behind = content.pop("_physical", {})
    sound = isinstance(behind, dict) and all("." in name and isinstance(cell, str) for name, cell in behind.items())
    return set(content) if sound else None


def flagged_rows(check: Check, staged: Staged) -> Found:
    """Exceptions about rows that were never read, or that are held: a held row has no flag, except E8 (fine print 3)."""
    rows = staged.frame("migration_exception", "rule_cd", "legacy_portal_cd", "legacy_table", "legacy_key")
    wrong = [rows["_row"].clear()]
    for (portal, table), mine in rows.group_by("legacy_portal_cd", "legacy_table"):
        key = next((key for key in staged.mappings.tables if key == (portal, table)), None)
        if key is None:
            wrong.append(mine["_row"])
            continue
        flagged, read = alike(mine.rename({"legacy_key": "_key"}), staged.source(*key, "_mark"), "_key")
        read, held = alike(among(read, "_key", flagged["_key"]), staged.held(*key), "_key")
        only_held = pl.col("reason").is_not_null() & ((pl.col("reason") != "UNREADABLE_VALUE") | (pl.col("_mark") == HELD))
        flagged, state = alike(flagged, read.join(held, on="_key", how="left").with_columns(only_held.alias("_held")), "_key")
        pairs = flagged.join(state, on="_key", how="left")
        wrong.append(pairs.filter(pl.col("_mark").is_null() | (pl.col("_held") & (pl.col("rule_cd") != "E8")))["_row"])
    return Found(rows.height, staged.keys(check.table, pl.concat(wrong).sort().to_list()))


CARRIED: dict[str, Relation] = {
    "unchanged": unchanged,
    "routed": routed,
    "internal_unless_known": internal_unless_known,
    "whole_rows": whole_rows,
    "flagged_rows": flagged_rows,
}

"""Creates target rows from placed rows: every target column from the source in its mapping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from etl.domain.id_recipe import tag
from etl.domain.ids import Ids, account_row_ids, as_arrow, once_ids
from etl.placement.account_directory import AccountDirectory, login_ids
from etl.placement.row_placement import NO_ACCOUNT, Bools, Flagged, Ints, Positions, RowPlacement, int_values_and_mask, keys
from mappings.model import Form, Into
from mappings.schema import Column

ARROW_TYPE = {
    "text": pa.large_string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "binary": pa.large_binary(),
    "boolean": pa.bool_(),
    "uuid": pa.binary(16),
}
Computed = Any  # a polars series or an Arrow array (which has no types to name): one value for each target row


@dataclass(frozen=True)
class TargetRows:
    """The rows of one target table under construction: source row and account position of each (NO_ACCOUNT: stored once)."""

    placed: RowPlacement
    spine: AccountDirectory
    row: Ints
    account: Positions

    def source_column(self, column: str) -> pl.Series:
        """Returns the value of the source column for each target row."""
        series = self.placed.frame[column]
        return series if self._is_all else series.gather(self.row)

    @property
    def _is_all(self) -> bool:
        return len(self.row) == self.placed.frame.height and bool((self.row == np.arange(len(self.row))).all())

    def ints(self, column: str) -> tuple[Ints, Bools]:
        """Returns (values as 64-bit integers, mask of those present) of the source column for each target row."""
        values, present = int_values_and_mask(self.placed.frame, column)
        return values[self.row], present[self.row]


Rule = Callable[[TargetRows, Form], Computed]
Flag = Callable[[RowPlacement, AccountDirectory], Flagged]


def copies_of(placed: RowPlacement, into: Into, spine: AccountDirectory) -> TargetRows:
    """Returns the target rows of a block: one per copy, or one per loaded row if the block stores rows once."""
    if into.per == "account":
        return TargetRows(placed, spine, placed.row, placed.account)
    loaded = placed.loaded
    return TargetRows(placed, spine, loaded, np.full(len(loaded), NO_ACCOUNT, np.int32))


def render_target_rows(copies: TargetRows, into: Into, computed: dict[str, Computed], rules: dict[str, Rule]) -> pa.Table:
    """Returns the target rows of one block as an Arrow table, columns in the order of the schema.

    `computed`: by column, values that the caller has computed; `rules`: the functions for columns of the form `{ rule = ... }`, by
    `target_table.column` or by rule number.
    """
    shape = copies.spine.mappings.target.tables[into.table]
    columns = [column for column in shape.columns if column.name in into.columns]
    arrays = [_column(copies, into, column, computed, rules) for column in columns]
    return pa.table(arrays, schema=pa.schema([(column.name, arrow_type(column)) for column in columns]))


def arrow_type(column: Column) -> pa.DataType:
    """Returns the Arrow type of a target column: ids as 16 bytes, INTEGER as 32 bits, timestamps in microseconds (UTC)."""
    if column.family == "integer":
        return pa.int64() if column.sql_type == "BIGINT" else pa.int32()
    return ARROW_TYPE[column.family]


def _column(copies: TargetRows, into: Into, column: Column, computed: dict[str, Computed], rules: dict[str, Rule]) -> pa.Array:
    form = into.columns[column.name]
    if column.name in computed:
        return as_column(computed[column.name], column)
    match form.kind:
        case "plain":
            return as_column(_plain(copies.source_column(form.columns[0]), column), column)
        case "self_id":
            return as_arrow(_own_ids(copies, into))
        case "account_id":
            return account_ids(copies.account, copies.spine)
        case "legacy_key":
            return as_column(keys(copies.placed.mapping, copies.placed.frame).gather(copies.row), column)
        case "copy" | "once":
            return _reference(copies, form)
        case "soft":
            return as_column(soft(copies, form), column)
        case "constant":
            return as_column(pl.repeat(form.constant, len(copies.row), eager=True), column)
        case "null":
            return pa.nulls(len(copies.row), arrow_type(column))
    rule = rules.get(f"{into.table}.{column.name}") or rules[form.rule]
    return as_column(rule(copies, form), column)


def _plain(series: pl.Series, column: Column) -> pl.Series:
    if column.family == "boolean":  # indicators: 'Y' is true, all else false (fine print 36)
        return (series == "Y").fill_null(False)
    return series


def as_column(values: Computed, column: Column) -> pa.Array:
    """Returns the values in the Arrow type of the target column; raises pyarrow.ArrowInvalid if a value does not fit."""
    array = values.to_arrow() if isinstance(values, pl.Series) else values
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    wanted = arrow_type(column)
    return array if array.type == wanted else array.cast(wanted)


def _own_ids(copies: TargetRows, into: Into) -> Ids:
    mapping = copies.placed.mapping
    table_tag = tag(into.table, mapping.portal, mapping.table)
    values, _ = copies.ints(mapping.key[0])
    return ids_of(table_tag, values, copies.account, copies.spine)


def ids_of(tag: str, values: Ints, account: Positions, spine: AccountDirectory) -> Ids:
    """Returns the ids of rows with these keys: from key and account, or from the key alone where the account is NO_ACCOUNT."""
    if (account == NO_ACCOUNT).all():
        return once_ids(tag, values)
    ids = account_row_ids(tag, values, spine.entity_ids(account))
    alone = account == NO_ACCOUNT
    if alone.any():
        ids = ids.copy()
        ids[alone] = once_ids(tag, values[alone])
    return ids


def account_ids(account: Positions, spine: AccountDirectory) -> pa.Array:
    """Returns the ids of the accounts at these positions; null for NO_ACCOUNT."""
    entity = spine.entity_ids(account)
    return as_arrow(account_row_ids(spine.tag_of("entity_account", "P2"), entity, entity), account != NO_ACCOUNT)


def _reference(copies: TargetRows, form: Form) -> pa.Array:
    """Returns the id of the referenced row in the same account (copy), or of the row that is stored once; null for a null reference."""
    values, present = copies.ints(form.columns[0])
    mapping = copies.placed.mapping
    own = any(into.table == form.of for into in mapping.into)  # a group refers to the group made from the same source row
    table_tag = tag(form.of, mapping.portal, mapping.table) if own else copies.spine.tag_of(form.of, mapping.portal)
    ids = ids_of(table_tag, values, copies.account, copies.spine) if form.kind == "copy" else once_ids(table_tag, values)
    return as_arrow(ids, present)


def soft(copies: TargetRows, form: Form) -> Computed:
    """Returns for each soft reference the key of the row in the new store; null if that row does not exist or is held (X1)."""
    values, present = copies.ints(form.columns[0])
    spine, portal = copies.spine, copies.placed.mapping.portal
    if form.of == "login":
        ids, valid = login_ids(spine.login_keys(values, present))
        return as_arrow(ids, valid)
    source = spine.source_of(form.of, portal)
    loaded = spine.where[source].loaded(values, present)
    key = spine.mappings.target.tables[form.of].columns[0]
    if key.family == "uuid":
        return as_arrow(once_ids(spine.tag_of(form.of, portal), values), loaded)
    return pl.Series(values).set(pl.Series(~loaded), None)


def flag_broken_soft_references(placed: RowPlacement, spine: AccountDirectory, excused: dict[str, Bools] | None = None) -> None:
    """Flags every loaded row with a soft reference to a missing or held row under X1.

    `excused`: by column, the rows that another rule flags instead (B15, fine print 12).
    """
    broken: dict[str, Bools] = {}
    for into in placed.mapping.into:
        for form in into.columns.values():
            if form.kind == "soft" and form.columns[0] not in broken:
                values, present = int_values_and_mask(placed.frame, form.columns[0])
                if form.of == "login":
                    loaded = spine.login_keys(values, present).is_not_null().to_numpy()
                else:
                    loaded = spine.where[spine.source_of(form.of, placed.mapping.portal)].loaded(values, present)
                broken[form.columns[0]] = present & ~loaded & ~(excused or {}).get(form.columns[0], np.zeros(len(present), bool))
    anywhere = np.zeros(placed.frame.height, bool)
    for mask in broken.values():
        anywhere |= mask
    if anywhere.any():
        details = [""] * placed.frame.height
        for row in np.flatnonzero(anywhere):
            details[row] = "loaded with null, no such row or it is held: " + ", ".join(
                column for column, mask in broken.items() if mask[row]
            )
        placed.flag("X1", anywhere, details)

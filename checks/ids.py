"""Whether every staged row has the id that follows from its old row and its account: the same in every run, and on the right account."""

from __future__ import annotations

import polars as pl

from checks.comparable import slices
from checks.model import Check, Found
from checks.recomputed import ids_of
from checks.relations import Relation, failing
from checks.staged import Staged, entities
from mappings.model import Mappings, TableMapping


def has_recipe(mappings: Mappings, table: str) -> bool:
    """Returns whether the table's ids follow from old key and account; not for a login (e-mail), an SVI link (a pair), a membership (account)."""
    first = mappings.target.tables[table].columns[0]
    return first.refers_to is None and any(_makes(mapping, table, first.name) for mapping in mappings.tables.values())


def _makes(mapping: TableMapping, table: str, own: str) -> bool:
    kinds = {into.columns[own].kind for into in mapping.into if into.table == table and own in into.columns}
    return bool(kinds & {"self_id", "account_id"}) and mapping.owner_rule != "G1"


def own_id(check: Check, staged: Staged) -> Found:
    """Rows whose id does not follow from their old key, their old table and their account (runbooks/ids.md)."""
    table = check.table
    shape = staged.shapes[table]
    key = "legacy_entity_id" if table == "entity_account" else "legacy_key"
    if key not in shape.by_name:
        return Found(0)
    own = shape.columns[0].name
    entity = entities(staged, table)
    wrong, asked = [pl.Series("_row", [], dtype=pl.UInt32)], 0
    for mapping in staged.mappings.tables.values():
        if _makes(mapping, table, own):
            mine = staged.made_by(table, f"{mapping.portal}.{mapping.table}", own, key)
            for some in slices(mine):
                old = some[key].cast(pl.Int64, strict=False)
                ids = ids_of(f"{table}|{mapping.portal}|{mapping.table}", old, entity.gather(some["_row"]))
                wrong.append(some.filter(old.is_null() | (some[own] != ids))["_row"])
            asked += mine.height
    return failing(check, staged, pl.concat(wrong).sort(), asked)


IDS: dict[str, Relation] = {"own_id": own_id}

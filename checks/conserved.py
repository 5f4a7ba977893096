"""Checks between the old tables and the staged rows: nothing lost, invented or altered. They compare keys, not counts."""

from __future__ import annotations

import polars as pl

from checks.comparable import alike, among, numbers, shares
from checks.model import Check, Found
from checks.relations import Relation
from checks.staged import Staged
from etl.domain.masking import masked
from mappings.model import Form, Into, TableMapping

_UNREADABLE = "UNREADABLE_VALUE"  # the one reason with which a row may be loaded and held (X2)


def mapping_of(check: Check, staged: Staged) -> TableMapping:
    """Returns the mapping of the check's old table."""
    portal, _, table = check.table.partition(".")
    return next(mapping for mapping in staged.mappings.tables.values() if (mapping.portal, mapping.table) == (portal, table))


def conserved(check: Check, staged: Staged) -> Found:
    """Old rows that are neither loaded nor held, or both without rule X2; and loaded or held rows that no old row explains."""
    mapping = mapping_of(check, staged)
    loaded = loaded_keys(staged, mapping)
    parts = [name for name in loaded.columns if name != "_key"]
    on = parts or ["_key"]
    read, loaded = alike(staged.source(mapping.portal, mapping.table, *parts), loaded, *on)
    read, held = alike(read, staged.held(mapping.portal, mapping.table), "_key")
    if not parts:
        read, loaded = alike(read, loaded, "_key")
    keys = [f"{key}: held, but never read" for key in held.join(among(read, "_key", held["_key"]), on="_key", how="anti")["_key"]]
    for mine, made in shares(read, loaded, on[0]):
        state = mine.join(held, on="_key", how="left", maintain_order="left")
        lost = state.filter(pl.col("reason").is_null()).join(made, on=on, how="anti")
        both = state.filter(pl.col("reason") != _UNREADABLE).join(made, on=on, how="semi")
        invented = made.join(mine, on=on, how="anti").unique()
        keys += [f"{key}: neither loaded nor held" for key in lost["_key"]] + [f"{key}: loaded and held" for key in both["_key"]]
        keys += ["|".join(map(str, row)) + ": loaded, but never read" for row in invented.select(on).iter_rows()]
    return Found(read.height, tuple(masked(key) for key in keys))


def loaded_keys(staged: Staged, mapping: TableMapping) -> pl.DataFrame:
    """Returns the keys of the old table's rows with at least one staged row: `_key`, or the columns of a composite key."""
    if any(into.table == "stored_object" for into in mapping.into):
        return _loaded_contents(staged, mapping)
    for into in mapping.into:
        if into.per in ("account", "once"):
            columns = key_parts(mapping, into)
            if columns is not None:
                return recovered(staged, mapping, into, columns).drop("_row")
    raise KeyError(f"{mapping.file}: no block from which the old key can be derived")


def key_parts(mapping: TableMapping, into: Into) -> dict[str, tuple[str, Form]] | None:
    """Returns, for each part of the old key, the target column that takes it; `_key` where a column has the whole key; None without one."""
    for name, form in into.columns.items():
        if form.kind == "legacy_key":
            return {"_key": (name, form)}
    found: dict[str, tuple[str, Form]] = {}
    for name, form in into.columns.items():
        for part in mapping.key:
            entity = form.kind == "account_id" and any(route.column == part and route.table == "model_entity" for route in mapping.owner)
            if (form.columns[-1:] == (part,) and form.kind in ("plain", "copy", "once", "rule")) or entity:
                found.setdefault(part, (name, form))
    return found if len(found) == len(mapping.key) else None


def recovered(staged: Staged, mapping: TableMapping, into: Into, columns: dict[str, tuple[str, Form]]) -> pl.DataFrame:
    """Returns `_row` of each target row that the old table made, with the old key: `_key`, or the columns of a composite key."""
    names = [name for name, _ in columns.values()]
    more = [name for name in ("target_cd",) if mapping.table == "document_link"]
    rows = staged.made_by(into.table, f"{mapping.portal}.{mapping.table}", *names, *more)
    parts = {part: _old_values(staged, mapping, rows, name, form) for part, (name, form) in columns.items()}
    if len(parts) == 1:  # the only part of a key is the key
        parts = {"_key": next(iter(parts.values()))}
    return pl.DataFrame([rows["_row"], *(values.alias(part) for part, values in parts.items())])


def _old_values(staged: Staged, mapping: TableMapping, rows: pl.DataFrame, name: str, form: Form) -> pl.Series:
    """Returns the old key's part for each value of a target column; ids are looked up, never decoded."""
    values = rows[name]
    if values.dtype != pl.Int128:
        return values
    if form.kind == "account_id":
        return _looked_up(staged, values, "entity_account", "legacy_entity_id")
    if "target_cd" in rows.columns and name == "target_id":
        return _old_targets(staged, rows)
    to = staged.shapes[_table_of(staged, mapping, name)]
    return _looked_up(staged, values, to.name, "legacy_key")


def _table_of(staged: Staged, mapping: TableMapping, column: str) -> str:
    for into in mapping.into:
        if column in into.columns:
            to = staged.shapes[into.table].by_name[column].refers_to
            if to is not None:
                return to
    raise KeyError(f"{mapping.file}: {column} does not refer to a table")


def _looked_up(staged: Staged, ids: pl.Series, table: str, column: str) -> pl.Series:
    key = staged.shapes[table].key[0]
    known = staged.found(table, key, ids, column).unique(key)
    found = pl.DataFrame({"_id": ids}).join(known, left_on="_id", right_on=key, how="left", maintain_order="left")
    return numbers(found[column])


def _old_targets(staged: Staged, rows: pl.DataFrame) -> pl.Series:
    """Returns the old key of a document link's target, in any table (C2)."""
    result = pl.Series("target_id", [None] * rows.height, dtype=pl.String)
    for entry in staged.mappings.codes["link_target"]:
        chosen = (rows["target_cd"] == entry["target_cd"]).arg_true()
        ids = rows["target_id"].gather(chosen)
        match entry["target_table"]:
            case "entity_account":
                old = _looked_up(staged, ids, "entity_account", "legacy_model_id")
            case "account_agreement":
                acts = staged.found("account_agreement", "account_agreement_id", ids, "act_id")
                act = pl.DataFrame({"_id": ids}).join(
                    acts, left_on="_id", right_on="account_agreement_id", how="left", maintain_order="left"
                )
                old = _looked_up(staged, act["act_id"], "signature_act", "legacy_key")
            case table:
                old = _looked_up(staged, ids, table, "legacy_key")
        if len(chosen):
            result = result.scatter(chosen, old.cast(pl.String))
    return result


def _loaded_contents(staged: Staged, mapping: TableMapping) -> pl.DataFrame:
    """Returns the loaded content rows: those whose bytes are a stored object (C9)."""
    contents = staged.aside("content").filter((pl.col("portal") == mapping.portal) & (pl.col("table") == mapping.table))
    held = staged.held(mapping.portal, mapping.table)
    stored = contents.join(staged.frame("stored_object", "sha256"), on="sha256", how="semi")
    # The bytes of a held content row are stored as well (fine print 9): a stored object does not prove a loaded row.
    loaded, held = alike(pl.DataFrame([numbers(stored["key"]).alias("_key")]), held, "_key")
    return loaded.join(held, on="_key", how="anti")


def tallied(check: Check, staged: Staged) -> Found:
    """Old tables for which the steps' counts do not add up, or differ from what was extracted, copied and held."""
    mapping = mapping_of(check, staged)
    rows = staged.tally.filter((pl.col("portal") == mapping.portal) & (pl.col("table") == mapping.table))
    said = {name: int(rows[name].sum()) for name in ("read", "loaded", "copies", "held", "loaded_and_held")}
    read = sum(file.rows for file in staged.extracted[mapping.portal, mapping.table])
    held = staged.held(mapping.portal, mapping.table).height
    wrong = []
    if said["read"] != said["loaded"] + said["held"]:
        wrong.append(f"{said['read']:,} read, {said['loaded']:,} loaded, {said['held']:,} held")
    if said["read"] != read:
        wrong.append(f"{said['read']:,} read as tallied, {read:,} extracted")
    if said["held"] + said["loaded_and_held"] != held:
        wrong.append(f"{said['held'] + said['loaded_and_held']:,} held as tallied, {held:,} in the holding")
    for into in mapping.into:
        if into.per == "account":
            made = staged.made(into.table, check.table)
            if made != said["copies"]:
                wrong.append(f"{said['copies']:,} copies as tallied, {made:,} rows of {into.table}")
    return Found(read, tuple(f"{check.table}: {text}" for text in wrong))


CONSERVED: dict[str, Relation] = {"conserved": conserved, "tallied": tallied}

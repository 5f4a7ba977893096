"""The command `trace`: the target rows of one source row, and the source rows of an account."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import Any

from etl.commands.lookups import published
from etl.commands.row_origins import Origins
from etl.databases.reading import Condition, Reading, Row, both
from etl.domain.id_recipe import MAX_ACCOUNT, first_and_last
from etl.domain.masking import masked
from etl.errors import MigrationError, WrongUsage
from etl.options import Options
from mappings.model import Into, Mappings, Portal, TableMapping
from mappings.read import read_mappings
from mappings.schema import Table

_GAPS = 16  # the widest gaps between the accounts' numbers are scanned for hashed ids
_NARROW = 1 << 26  # numbers, of 2^48, that may be outside of the gaps: a hashed id is among them with a probability of one in four million


def trace(options: Options, where: tuple[str, ...], account: str | None) -> dict[str, Any]:
    """Returns one source row's target rows, or one account's source rows."""
    if (account is None) == (not where) or (where and len(where) != 3):
        raise WrongUsage("Give a source row or an account.", "Write trace P2 document 17, or trace --account NUMBER.")
    mappings = read_mappings(options.mappings)
    if account is not None:
        return _account(options, mappings, account)
    portal: Portal = "P2" if where[0].upper() == "P2" else "TC"
    known = (portal, where[1]) in mappings.tables
    if where[0].upper() in ("P2", "TC") and options.adapter is not None:
        return _presented(options, mappings, portal, where[1], where[2], known)
    if where[0].upper() not in ("P2", "TC") or not known:
        raise WrongUsage(f"Source table {where[0]} {where[1]} does not exist.", "The portal is P2 or TC; `plan` lists the tables.")
    return row_of(options, mappings, mappings.tables[portal, where[1]], where[2])


def _presented(options: Options, mappings: Mappings, portal: Portal, table: str, key: str, known: bool) -> dict[str, Any]:
    """Returns the same behind an adapter: a contract table's name has priority over a physical one; both names are shown."""
    from etl.present.grammar import read_adapter
    from etl.present.keys import contract_keys, physical_tables

    adapter = read_adapter(options.adapter, mappings)  # type: ignore[arg-type]  # the caller has asked
    if known:
        row = row_of(options, mappings, mappings.tables[portal, table], key)
        return {**row, "physical": [{"table": name, "key": None} for name in physical_tables(adapter, portal, table)]}
    rows = contract_keys(adapter, mappings, portal, table, key)
    if not rows:
        raise WrongUsage(
            f"No contract table is presented from {portal} {table}, or its key has other parts.",
            "Name a physical table that the adapter's files read, and the parts of its key joined with |.",
        )
    found: dict[str, Any] = {}
    for mapping, contract_key in rows:
        try:
            one = row_of(options, mappings, mapping, contract_key)
        except MigrationError:
            continue  # a row of several contract tables may have been loaded into some of them only
        if not found:
            found = one
        else:
            for part in ("rows", "held", "because", "flags", "decisions", "rules"):
                found[part] = [*found[part], *(entry for entry in one[part] if entry not in found[part])]
    if not found:
        message = f"The new store has no row {portal} {table} {masked(key)}, presented as {', '.join(m.table for m, _ in rows)}."
        raise MigrationError(message, "Check the key: parts of a composite key are joined with |.")
    return {**found, "physical": [{"table": table, "key": masked(key)}]}


def row_of(options: Options, mappings: Mappings, mapping: TableMapping, key: str) -> dict[str, Any]:
    """Returns what became of one source row: `rows`, `held`, `flags`, `decisions`; raises MigrationError where the store has none."""
    mine = "legacy_portal_cd = ? AND legacy_table = ? AND legacy_key = ?"
    of = (mapping.portal, mapping.table, key)
    with published(options) as store:
        held = store.rows(f"SELECT reason_cd, sha256 FROM migration_holding WHERE {mine}", *of)
        flags = store.rows(f"SELECT rule_cd, detail FROM migration_exception WHERE {mine} ORDER BY rule_cd", *of)
        origins = Origins(store, mappings)
        chain = _chain(store, mappings, of) if any(entry["reason_cd"] == "PARENT_HELD" for entry in held) else []
        rows = [row for into in mapping.into for row in _target_rows(store, mappings, into, origins.of(mapping, into, key))]
    shown = masked(key)
    if not held and not rows:
        raise MigrationError(
            f"The new store has no row {mapping.portal} {mapping.table} {shown}.",
            "Check the key: parts of a composite key are joined with |.",
        )
    return {
        "portal": mapping.portal,
        "table": mapping.table,
        "key": shown,
        "rules": list(mapping.rules),
        "rows": rows,
        "held": [{**entry, "meaning": mappings.reasons[entry["reason_cd"]].meaning} for entry in held],
        "flags": [{**entry, "decision": mappings.rules[entry["rule_cd"]].decision} for entry in flags],
        "because": chain,
        "decisions": _decisions(options, of) if flags else [],
    }


def _chain(store: Reading, mappings: Mappings, of: tuple[str, str, str]) -> list[dict[str, Any]]:
    from etl.commands.held_chain import chain_of  # imports polars: other rows do not wait for it

    return chain_of(store, mappings, *of)


def _decisions(options: Options, of: tuple[str, str, str]) -> list[dict[str, str]]:
    """Returns who decided about the row, when and why, by the run folder, names masked; empty without a folder."""
    if options.run is None:
        return []
    from etl.runfolder.decisions_file import decisions_made
    from etl.runfolder.folder import open_readonly

    return [entry for entry in decisions_made(open_readonly(options.run)) if (entry["portal"], entry["table"], entry["key"]) == of]


def _target_rows(store: Reading, mappings: Mappings, into: Into, condition: Condition | None) -> list[Row]:
    """Returns the rows of one target table: table, id and account number."""
    if condition is None:
        return []
    shape = mappings.target.tables[into.table]
    number = account_number(mappings, into.table, into.table) or "NULL"
    order = ", ".join(shape.key)
    whole = _whole(store, shape)
    found = store.rows(f"SELECT {whole}, {number} AS _number FROM {into.table} WHERE {condition.sql} ORDER BY {order}", *condition.values)
    return [
        {
            "table": into.table,
            "id": masked("|".join(str(row[name]) for name in shape.key)),
            "account_number": row["_number"],
            "digest": digest(shape, row),
            **({"sha256": row["sha256"]} if into.table == "document" else {}),
        }
        for row in found
    ]


def _whole(store: Reading, shape: Table) -> str:
    """Returns the SQL that selects every column: as text, flags and bytes unchanged."""
    exact = ("boolean", "binary")
    return ", ".join(c.name if c.family in exact else f"{store.as_text(c.name)} AS {c.name}" for c in shape.columns)


def digest(shape: Table, row: Row) -> str:
    """Returns the SHA-256 of the new row: its values in contract order as one JSON list; the same for equal rows in every database and run."""
    return hashlib.sha256(json.dumps([_told(row[c.name], c.family) for c in shape.columns], ensure_ascii=False).encode()).hexdigest()


def _told(value: Any, family: str) -> object:
    if value is None:
        return None
    match family:
        case "boolean":
            return bool(value)
        case "binary":
            return bytes(value).hex()
        case "timestamp" if "." in value:
            return value.rstrip("0").rstrip(".")
    return value


def account_number(mappings: Mappings, name: str, alias: str) -> str | None:
    """Returns the SQL for the account number of a row, from its column or its parent row; None where rows of the table have no account.

    `alias`: the table's name in the statement.
    """
    shape = mappings.target.tables[name]
    if name == "entity_account":
        return f"{alias}.account_number"
    for column in shape.columns:
        if not column.refers_to or (column.refers_to != "entity_account" and not column.not_null):
            continue
        parent = f"{alias}_"
        number = account_number(mappings, column.refers_to, parent)
        if number is not None:
            end = mappings.target.tables[column.refers_to].key[0]
            return f"(SELECT {number} FROM {column.refers_to} {parent} WHERE {parent}.{end} = {alias}.{column.name})"
    return None


def _account(options: Options, mappings: Mappings, number: str) -> dict[str, Any]:
    """Returns every source row of an account, with the rules of its table and its flags."""
    with published(options) as store:
        named = "legal_name, business_type_cd, status_cd, legacy_profile_id, legacy_model_id, legacy_entity_id"
        account_id = store.as_text("account_id")
        found = store.rows(f"SELECT {account_id} AS account_id, {named} FROM entity_account WHERE account_number = ?", number)
        if not found:
            raise MigrationError("No account has that number.", "Check the number; `picker EMAIL` lists a person's accounts.")
        (account,) = found
        own = [("company_profile", "legacy_profile_id"), ("security_model", "legacy_model_id"), ("model_entity", "legacy_entity_id")]
        rows: list[Row] = [{"portal": "P2", "table": table, "key": str(account[name]), "into": "entity_account"} for table, name in own]
        owned = _Owned(store, mappings, account.pop("account_id"), int(account["legacy_entity_id"])).conditions()
        for name, condition in owned.items():
            rows += _sources(store, mappings, name, condition, str(account["legacy_entity_id"]))
    for row in rows:
        row["rules"] = list(mappings.tables[row["portal"], row["table"]].rules)
    total = len({(row["portal"], row["table"], row["key"]) for row in rows})  # a row may belong to an account and to its group
    return {"account": {"number": number, **account}, "rows": rows, "total": total}


class _Owned:
    """By target table, the condition for a row to belong to the account, by its column or its parent row."""

    def __init__(self, store: Reading, mappings: Mappings, account_id: str, entity: int) -> None:
        self._mappings, self._shapes, self._account_id = mappings, mappings.target.tables, account_id
        fitting = store.rows("SELECT legacy_entity_id FROM entity_account WHERE legacy_entity_id BETWEEN 0 AND ?", MAX_ACCOUNT)
        self._ranges = _ranges(entity, [int(row["legacy_entity_id"]) for row in fitting])

    def conditions(self) -> dict[str, Condition]:
        owned: dict[str, Condition] = {}
        for name, shape in self._shapes.items():
            columns = [column.name for column in shape.columns if column.refers_to == "entity_account"]
            if columns:
                mine = both((Condition(f"{column} = ?", (self._account_id,)) for column in columns), "OR")
                owned[name] = self._within(name, mine)
        for name, shape in self._shapes.items():  # links of rows that are stored once: the row at the link's other end
            if (name in owned and len(shape.key) > 1) or name == "account_agreement":
                for column in shape.columns:
                    if column.refers_to and column.refers_to not in owned and "legacy_key" in self._shapes[column.refers_to].by_name:
                        end = self._shapes[column.refers_to].key[0]
                        owned[column.refers_to] = self._led_to(end, column.name, name, owned[name])
        for name, shape in self._shapes.items():  # and their child rows
            if name not in owned and not name.startswith("migration"):
                parent = next((c for c in shape.columns if c.not_null and c.refers_to in owned), None)
                if parent is not None:
                    referred = str(parent.refers_to)
                    led = self._led_to(parent.name, self._shapes[referred].key[0], referred, owned[referred])
                    owned[name] = self._within(name, led)
        return owned

    @staticmethod
    def _led_to(column: str, named: str, table: str, condition: Condition) -> Condition:
        return Condition(f"{column} IN (SELECT {named} FROM {table} WHERE {condition.sql})", condition.values)

    def _within(self, name: str, condition: Condition) -> Condition:
        """Returns the condition for the same rows by their key, where it begins with the account's number: there is no index by account."""
        key = self._shapes[name].key
        per_account = all(
            maker.block(name).per == "account" and maker.block(name).columns[key[0]].kind == "self_id" and maker.owner_rule != "G1"
            for maker in self._mappings.makers(name)
        )
        if not self._ranges or len(key) != 1 or not per_account:
            return condition
        return both((both((Condition(f"{key[0]} BETWEEN ? AND ?", ends) for ends in self._ranges), "OR"), condition))


def _ranges(entity: int, entities: list[int]) -> list[tuple[str, str]]:
    """Returns the ranges of ids of this account's rows: those that begin with its number, and the hashed ones.

    A hashed id (of a key below zero or beyond 60 bits) begins with a random number of 48 bits: it is in one of the widest gaps between the accounts'
    numbers. Empty where all rows have to be scanned: the number does not fit, or the gaps omit too much.
    """
    if not 0 <= entity <= MAX_ACCOUNT:
        return []
    taken = sorted({-1, *entities, MAX_ACCOUNT + 1})
    gaps = sorted(((low + 1, high - 1) for low, high in pairwise(taken)), key=lambda gap: gap[0] - gap[1])[:_GAPS]
    if MAX_ACCOUNT + 1 - sum(high - low + 1 for low, high in gaps) > _NARROW:
        return []
    wide = [(first_and_last(low)[0], first_and_last(high)[1]) for low, high in gaps if low <= high]
    return [first_and_last(entity), *wide]


def _sources(store: Reading, mappings: Mappings, name: str, condition: Condition, entity: str) -> list[Row]:
    shape, makers = mappings.target.tables[name], mappings.makers(name)
    if "legacy_key" in shape.by_name:
        kind = next((column for column in ("group_kind_cd", "legacy_portal_cd") if column in shape.by_name), None)
        by_kind = {m.block(name).columns["group_kind_cd"].constant if kind == "group_kind_cd" else m.portal: m for m in makers}
        columns = "legacy_key" if kind is None else f"legacy_key, {kind}"
        found = store.rows(f"SELECT {_whole(store, shape)} FROM {name} WHERE {condition.sql} ORDER BY {columns}", *condition.values)
        return [
            {
                "portal": maker.portal,
                "table": maker.table,
                "key": masked(str(row["legacy_key"])),
                "into": name,
                "digest": digest(shape, row),
            }
            for row in found
            for maker in [makers[0] if kind is None else by_kind[row[kind]]]
        ]
    if len(makers) != 1:  # a link between account and group or event: its target is listed separately
        return []
    (maker,) = makers
    parts = [_key_part(mappings, maker, name, part) for part in maker.key]
    chosen = ", ".join(f"{part} AS part{number}" for number, part in enumerate(parts) if part is not None) or "1 AS one"
    found = store.rows(f"SELECT DISTINCT {chosen} FROM {name} WHERE {condition.sql}", *condition.values)
    keys = {"|".join(entity if part is None else str(row[f"part{number}"]) for number, part in enumerate(parts)) for row in found}
    return [{"portal": maker.portal, "table": maker.table, "key": masked(key), "into": name} for key in sorted(keys)]


def _key_part(mappings: Mappings, maker: TableMapping, name: str, part: str) -> str | None:
    """Returns the SQL for a part of the source row's key on its target row; None for the account's entity."""
    shapes = mappings.target.tables
    for column, form in maker.block(name).columns.items():
        if part not in form.columns:
            continue
        refers_to = form.of or shapes[name].by_name[column].refers_to
        if form.kind == "plain":
            return column
        if refers_to:
            return f"(SELECT o.legacy_key FROM {refers_to} o WHERE o.{shapes[refers_to].key[0]} = {name}.{column})"
        if name == "document_link":
            return _link_target(mappings)
    return None


def _link_target(mappings: Mappings) -> str:
    """Returns the SQL for the old key of a document link's target."""
    choices = []
    for entry in mappings.codes["link_target"]:
        of = entry["target_table"]
        key = f"SELECT o.legacy_key FROM {of} o WHERE o.{mappings.target.tables[of].key[0]} = document_link.target_id"
        if of == "entity_account":
            key = "SELECT CAST(o.legacy_model_id AS VARCHAR) FROM entity_account o WHERE o.account_id = document_link.target_id"
        elif of == "account_agreement":
            key = "SELECT s.legacy_key FROM account_agreement o JOIN signature_act s USING (act_id) WHERE o.account_agreement_id = document_link.target_id"
        choices.append(f"WHEN '{entry['target_cd']}' THEN ({key})")
    return f"CASE document_link.target_cd {' '.join(choices)} END"

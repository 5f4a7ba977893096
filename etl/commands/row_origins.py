"""The rows of the new store that came from one source row, as conditions that the store's keys can answer.

The store has no index by old key. But an id follows from the old key and the account (`runbooks/ids.md`), so the possible ids of a row are known, one
for each account: they are looked up, without a scan.
"""

from __future__ import annotations

from functools import cached_property

from etl.databases.reading import NEVER, Condition, Reading, both
from etl.domain.id_recipe import row_id, tag
from mappings.model import Form, Into, Mappings, TableMapping

_WHOLE = range(-(2**63), 2**63)  # the range of a whole number's column


class Origins:
    """The conditions for one store, opened for reading."""

    def __init__(self, store: Reading, mappings: Mappings) -> None:
        self._store, self._mappings = store, mappings
        self._shapes = mappings.target.tables

    @cached_property
    def _entities(self) -> list[int]:
        """Returns the numbers of the entities that have accounts."""
        return [int(row["legacy_entity_id"]) for row in self._store.rows("SELECT legacy_entity_id FROM entity_account")]

    def of(self, mapping: TableMapping, into: Into, key: str) -> Condition | None:
        """Returns the condition for the target table's rows that came from this source row; None where none can exist."""
        parts = dict(zip(mapping.key, key.split("|", len(mapping.key) - 1), strict=False))
        if mapping.owner_rule == "C7":
            mine = both((self._among("document_id", "document", mapping.portal, key), Condition("legacy_key = ?", (key,))))
            return Condition(f"sha256 IN (SELECT sha256 FROM document WHERE {mine.sql})", mine.values)
        if into.table == "login":
            return (
                Condition("login_id IN (SELECT login_id FROM login_alias WHERE legacy_key = ?)", (key,)) if mapping.portal == "P2" else None
            )
        conditions = [found for name, form in into.columns.items() if (found := self._column(mapping, into, name, form, parts, key))]
        entity = next((route.column for route in mapping.owner if route.table == "model_entity"), None)
        if into.per == "account" and entity in parts:
            number = _number(parts[entity])
            conditions.append(NEVER if number is None else Condition("account_id = ?", (self._account_id(number),)))
        if into.table == "document_link":
            conditions.append(self._linked(parts))
        return both(conditions) if conditions else None

    def _column(self, mapping: TableMapping, into: Into, name: str, form: Form, parts: dict[str, str], key: str) -> Condition | None:
        match form.kind:
            case "self_id" if mapping.owner_rule != "G1":  # a link's id follows from two accounts: those few rows are scanned
                number = _number(key)
                if number is None:
                    return NEVER
                table_tag = tag(into.table, mapping.portal, mapping.table)
                return self._store.among(name, self._ids(table_tag, number, into.per == "once"))
            case "legacy_key":
                return Condition("legacy_key = ?", (key,))
            case "constant" if name in ("legacy_portal_cd", "group_kind_cd"):
                return Condition(f"{name} = ?", (form.constant,))
            case "plain" if form.columns[0] in parts:
                return self._equals(into.table, name, parts[form.columns[0]])
            case "copy" | "rule" if form.columns[0:1] and form.columns[0] in parts:
                refers_to = form.of or self._shapes[into.table].by_name[name].refers_to
                if not refers_to:
                    return None
                part = parts[form.columns[0]]
                if "legacy_key" not in self._shapes[refers_to].by_name:  # a catalogue: its codes are the old ones
                    return self._equals(into.table, name, part)
                return self._among(name, refers_to, mapping.portal, part)
            case "once" if form.columns[0] in parts:
                return Condition(f"{name} = ?", (self._once(mapping, form.of, parts[form.columns[0]]),))
        return None

    def _equals(self, table: str, name: str, part: str) -> Condition:
        if self._shapes[table].by_name[name].family != "integer":
            return Condition(f"{name} = ?", (part,))
        number = _number(part)
        return NEVER if number is None else Condition(f"{name} = ?", (number,))

    def _maker(self, target: str, portal: str) -> TableMapping:
        return next(maker for maker in self._mappings.makers(target) if maker.portal == portal)

    def _among(self, column: str, target: str, portal: str, key: str) -> Condition:
        """Returns the condition that the column refers to a row of `target` from that portal's source row with this key."""
        number, maker = _number(key), self._maker(target, portal)
        if number is None:
            return NEVER
        # Only those that exist, a handful: two conditions with an id for each account would be compared as pairs.
        own = self._shapes[target].key[0]
        possible = self._store.among(own, self._ids(tag(target, portal, maker.table), number, maker.block(target).per == "once"))
        statement = f"SELECT {self._store.as_text(own)} AS id FROM {target} WHERE {possible.sql}"
        found = [str(row["id"]) for row in self._store.rows(statement, *possible.values)]
        return self._store.among(column, found) if found else NEVER

    def _ids(self, table_tag: str, key: int, once: bool) -> list[str]:
        """Returns the possible ids of this key's rows: one for each account, and one without an account."""
        return [row_id(table_tag, key), *(() if once else (row_id(table_tag, key, entity) for entity in self._entities))]

    def _once(self, mapping: TableMapping, target: str, key: str) -> str:
        own = any(into.table == target for into in mapping.into)  # a group refers to the group made from the same source row
        maker = mapping if own else self._maker(target, mapping.portal)
        number = _number(key)
        return row_id(tag(target, maker.portal, maker.table), 0 if number is None else number)

    @staticmethod
    def _account_id(entity: int) -> str:
        return row_id(tag("entity_account", "P2", "model_entity"), entity, entity)

    def _linked(self, parts: dict[str, str]) -> Condition:
        """Returns the condition for a document link's target, in any account."""
        for entry in self._mappings.codes["link_target"]:
            if entry["target_cd"] == parts.get("target_cd"):
                wanted = parts["target_id"]
                if entry["target_table"] != "entity_account":
                    return self._among("target_id", entry["target_table"], "P2", wanted)
                number = _number(wanted)
                if number is not None:
                    return Condition("target_id IN (SELECT account_id FROM entity_account WHERE legacy_model_id = ?)", (number,))
        return NEVER


def _number(text: str) -> int | None:
    """Returns the whole number; None where the text is not one or does not fit a column: no loaded row has such a key."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if number in _WHOLE and str(number) == text else None

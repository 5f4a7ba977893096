"""Which keys of a source table the new store has: a statement for each table, made from the mapping, that gives every loaded row's old key as text."""

from __future__ import annotations

from mappings.model import Into, Mappings, TableMapping

_ADDED = {  # rows that rules add to a catalogue: they have no old row
    "business_type": "NOT (name = business_type_cd AND NOT active)",  # A12
    "profile_question": "NOT stub",  # E10
}


def loaded_keys(mapping: TableMapping, mappings: Mappings) -> str | None:
    """Returns the statement that lists each loaded key once, as legacy_key; None for content rows of Portal 2.0, which have no row in the new store."""
    if mapping.owner_rule == "C7":
        # Bytes of Portal 2.0 may also be on the file share: the new store does not record which of the two they came from.
        return None if mapping.portal == "P2" else _distinct("legacy_key", "document", "legacy_portal_cd = 'TC' AND sha256 IS NOT NULL")
    if mapping.owner_rule == "C2":
        return _links(mappings)
    for into in mapping.into:
        if into.per in ("account", "once") and (found := _of(mapping, into, mappings)) is not None:
            return found
    return None


def accounted_keys(mapping: TableMapping, mappings: Mappings) -> str | None:
    """Returns the statement that lists the keys that are loaded or held, sorted as text; they equal the keys of the old table."""
    loaded = loaded_keys(mapping, mappings)
    if loaded is None:
        return None
    held = f"SELECT legacy_key FROM migration_holding WHERE legacy_portal_cd = '{mapping.portal}' AND legacy_table = '{mapping.table}'"
    return f"{loaded}\nUNION {held}\nORDER BY 1"


def old_keys(mapping: TableMapping) -> str:
    """Returns the statement for the old portal that lists every key as text, sorted as text."""
    parts = " || '|' || ".join(f"CAST({name} AS VARCHAR)" for name in mapping.key)
    return f"SELECT {parts} AS legacy_key FROM {mapping.table}\nORDER BY 1"


def _of(mapping: TableMapping, into: Into, mappings: Mappings) -> str | None:
    kept = next((name for name, form in into.columns.items() if form.kind == "legacy_key"), None)
    if kept is not None:
        # If several tables fill one, its code columns distinguish their rows.
        shared = any(maker is not mapping for maker in mappings.makers(into.table))
        words = [f"{name} = '{form.constant}'" for name, form in into.columns.items() if shared and isinstance(form.constant, str)]
        return _distinct(kept, into.table, " AND ".join(words))
    parts, joins = [], ""
    for number, column in enumerate(mapping.key):
        found = _part(mapping, into, column, f"k{number}", mappings)
        if found is None:
            return None
        parts.append(found[0])
        joins += found[1]
    return _distinct(" || '|' || ".join(parts), f"{into.table} t{joins}", _ADDED.get(into.table, ""))


def _part(mapping: TableMapping, into: Into, column: str, alias: str, mappings: Mappings) -> tuple[str, str] | None:
    """Returns (the part of the key as text, the join that it needs) of a target table `t`."""
    for name, form in into.columns.items():
        if form.columns == (column,) and (form.kind == "plain" or (form.kind == "rule" and name == column)):
            return f"CAST(t.{name} AS VARCHAR)", ""
        if form.columns == (column,) and form.kind in ("copy", "once", "rule"):
            of = form.of or mappings.target.tables[into.table].by_name[name].refers_to
            if of is not None:
                return f"{alias}.legacy_key", f" JOIN {of} {alias} ON {alias}.{mappings.target.tables[of].key[0]} = t.{name}"
    if into.per == "account" and any(route.column == column and route.table == "model_entity" for route in mapping.owner):
        return f"CAST({alias}.legacy_entity_id AS VARCHAR)", f" JOIN entity_account {alias} ON {alias}.account_id = t.account_id"
    return None


def _links(mappings: Mappings) -> str:
    """Returns the statement for links: the document's old key, the kind of the target, and the target's old key from the table of that kind."""
    found = []
    for entry in mappings.codes["link_target"]:
        code, table = entry["target_cd"], entry["target_table"]
        key = mappings.target.tables[table].key[0]
        named, source = "t.legacy_key", f"{table} t ON t.{key} = l.target_id"
        if table == "entity_account":
            named = "CAST(t.legacy_model_id AS VARCHAR)"
        elif table == "account_agreement":
            source = "account_agreement x ON x.account_agreement_id = l.target_id JOIN signature_act t ON t.act_id = x.act_id"
        sides = f"document_link l JOIN document d ON d.document_id = l.document_id JOIN {source}"
        found.append(_distinct(f"d.legacy_key || '|{code}|' || {named}", sides, f"l.target_cd = '{code}'"))
    return "\nUNION ".join(found)


def _distinct(key: str, tables: str, condition: str) -> str:
    return f"SELECT DISTINCT {key} AS legacy_key FROM {tables}{f' WHERE {condition}' if condition else ''}"

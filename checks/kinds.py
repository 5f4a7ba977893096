"""Every kind of question for suites: its words and their types. A new suite file needs no change here."""

from __future__ import annotations

from dataclasses import dataclass

TEXT, MOMENT, NUMBER = frozenset({"text"}), frozenset({"date", "timestamp"}), frozenset({"integer"})
ANY = frozenset({"integer", "text", "date", "timestamp", "binary", "boolean", "uuid"})
ORDERED = MOMENT | NUMBER
REFERENCE = frozenset({"uuid", "integer", "text"})


@dataclass(frozen=True)
class CheckKind:
    """A kind of question. `least`, `most`: number of columns; `families`: their types; `needs`, `may`: its args; `of`: the kind of table."""

    least: int = 0
    most: int = 0
    families: frozenset[str] = ANY
    needs: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    of: str = "target"  # or source: a table of an old portal
    only: str = ""  # the only table that it applies to


def _takes(least: int, most: int, families: frozenset[str] = ANY, needs: str = "", may: str = "") -> CheckKind:
    return CheckKind(least, most, families, frozenset(needs.split()), frozenset(may.split()))


def _about(table: str, needs: str = "") -> CheckKind:
    return CheckKind(only=table, needs=frozenset(needs.split()))


MANY = 99

# About one table's rows, asked by Great Expectations (checks/expectations.py).
EXPECTATIONS: dict[str, CheckKind] = {
    "filled": _takes(1, MANY, may="when"),
    "fits": _takes(1, MANY, TEXT),
    "unique": _takes(1, MANY, REFERENCE | MOMENT, may="when"),
    "one_of": _takes(1, 1, TEXT | NUMBER | {"boolean"}, may="when values codes"),
    "matches": _takes(1, 1, TEXT, needs="pattern", may="when"),
    "lacks": _takes(1, 1, TEXT, needs="pattern", may="when"),
    "between": _takes(1, MANY, ORDERED, may="when min max"),
    "in_order": _takes(2, 2, ORDERED, may="when"),
}

# Across tables (checks/relations.py, accounts.py, ids.py), and between old tables and staged rows (conserved.py, carried.py, plausible.py).
RELATIONS: dict[str, CheckKind] = {
    "refers": _takes(1, 1, REFERENCE, may="to"),
    "reached": _takes(1, 1, REFERENCE, needs="by", may="when"),
    "found_in": _takes(1, MANY, REFERENCE, needs="in as", may="when"),
    "same_account": _takes(1, 1, frozenset({"uuid"}), may="to"),
    "parent_is": _takes(1, 1, REFERENCE, needs="column values", may="to when"),
    "differ": _takes(2, 2),
    "has_current": _takes(1, MANY, needs="flag"),
    "moved_by_freeze": _takes(2, 2, frozenset({"date"})),
    "own_id": _takes(0, 0),
    "linked_within_account": _about("document_link"),
    "content_agrees": _about("document"),
    "named_by_digest": _about("stored_object"),
    "internal_unless_known": _about("response_comment"),
    "folded_email": _about("login"),
    "applicability": _about("profile_response"),
    "one_account_per_entity": _about("entity_account"),
    "same_statuses": _about("entity_account"),
    "visible_by_status": _about("entity_account"),
    "grouped": _about("entity_account"),
    "agreement_basis": _about("entity_account"),
    "identifiers_complete": _about("entity_account"),
    "needs_officer": _about("entity_account"),
    "acting_officer": _about("entity_account"),
    "same_access": _about("account_contact"),
    "normalised": _about("account_identifier"),
    "coverage": _about("account_agreement"),
    "whole_rows": _about("migration_holding"),
    "flagged_rows": _about("migration_exception"),
    "conserved": CheckKind(of="source"),
    "tallied": CheckKind(of="source"),
    "routed": CheckKind(of="source"),
    "unchanged": CheckKind(of="source", needs=frozenset({"families"})),
    "held_share": CheckKind(of="source", needs=frozenset({"share"})),
    "indicator_share": CheckKind(of="source", needs=frozenset({"share"})),
    "entity_share": _about("entity_account", needs="share"),
}

KINDS = {**EXPECTATIONS, **RELATIONS}

# For `[[every_table]]`: the columns come from the schema.
BY_SCHEMA = frozenset({"filled", "fits", "unique", "refers", "own_id"})

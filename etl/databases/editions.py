"""Detects a store of the contract's first edition; the refusal contains the DDL that upgrades it."""

from __future__ import annotations

import re

from etl.errors import Refused
from etl.system.visible import listed
from mappings.schema import Schema

# What the second edition added. A NOT NULL column needs a value in existing rows; the next publish sets the correct one.
_ADDED = {
    ("entity_account", "acting_officer"): " DEFAULT false",
    ("svi_membership", "share_more"): " DEFAULT false",
    ("svi_link", "blocked"): " DEFAULT false",
    ("migration_run", "grace_before"): "",
    ("migration_run", "grace_after"): "",
    ("migration_run", "grace_add"): "",
    ("migration_run", "fresh"): " DEFAULT false",
    ("migration_run", "mappings_sha256"): f" DEFAULT '{'0' * 64}'",
    ("migration_run", "decisions_sha256"): "",
}
VIEW_DIFFERS = "differs from the contract's view"


def words_of(statement: str) -> list[str]:
    """Returns the statement's words and signs without comments, quotes, capitals and optional words, for a comparison."""
    plain = re.sub(r"--[^\n]*", " ", statement).replace('"', "").casefold()
    return [word for word in re.findall(r"'[^']*'|\w+|[^\w\s;]", plain) if word not in ("as", "inner", "outer")]


def refuse_differences(differences: list[str], schema: Schema) -> None:
    """Raises Refused (exit 7) where a store's tables differ from the contract; for a store of the first edition the message contains the DDL."""
    if not differences:
        return
    statements = upgrade(differences, schema)
    advice = "Give an empty target, or correct its tables."
    if statements:
        advice = "The store has the first edition of the contract. Upgrade it, then run the same command again:\n  " + "\n  ".join(
            statements
        )
    raise Refused(listed("The target's tables do not match the contract:", differences), advice)


def upgrade(differences: list[str], schema: Schema) -> list[str]:
    """Returns the DDL that upgrades a first-edition store to the contract; empty where the store has any other difference."""
    missing = {f"{table}.{column}: no such column": (table, column) for table, column in _ADDED}
    views = {f"{name}: {VIEW_DIFFERS}": name for name in schema.views}
    if not set(differences) <= missing.keys() | views.keys() or not set(differences) & missing.keys():
        return []
    found = []
    for table, column in (missing[text] for text in differences if text in missing):
        declared = schema.tables[table].by_name[column]
        mandatory = " NOT NULL" if declared.not_null else ""
        found.append(f"ALTER TABLE {table} ADD COLUMN {column} {declared.sql_type}{mandatory}{_ADDED[table, column]};")
    for name in (views[text] for text in differences if text in views):
        found += [f"DROP VIEW IF EXISTS {name};", f"{schema.views[name]};"]
    return found

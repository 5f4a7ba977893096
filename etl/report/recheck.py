"""How an auditor finds each number again, without us: SQL to paste, the same for PostgreSQL and SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mappings.model import Into, Mappings, TableMapping

NAMES = {"P2": "Portal 2.0", "TC": "Trade Compliance"}
_ONLY_HELD = (
    "NOT EXISTS (SELECT 1 FROM migration_exception e WHERE e.rule_cd = 'X2' AND e.legacy_portal_cd = h.legacy_portal_cd\n"
    "                  AND e.legacy_table = h.legacy_table AND e.legacy_key = h.legacy_key)"
)


@dataclass(frozen=True)
class Query:
    """`where`: the database to ask; `shows`: what should come out."""

    title: str
    where: str
    shows: str
    sql: str


def queries(report: dict[str, Any], mappings: Mappings) -> list[Query]:
    """One statement per kind of number."""
    portals = list(report["run"]["snapshot"]) or list(mappings.sources)
    found = []
    for portal in portals:
        tables = [mapping.table for mapping in mappings.of(portal)]
        found.append(Query(f"Rows read from {NAMES[portal]}", NAMES[portal], "The column Read, table by table.", _counts(tables)))
    names = [row["table"] for row in report["targets"]]
    loaded = [query for portal in portals for mapping in mappings.of(portal) if (query := _loaded(mapping, mappings))]
    return [
        *found,
        Query("Rows of the new store", "new store", "The columns Expected and Actual, table by table.", _counts(names)),
        Query(
            "Source rows loaded",
            "new store",
            "The column Loaded, for every table whose rows keep their old key.",
            "\nUNION ALL ".join(loaded) + "\nORDER BY 1;",
        ),
        Query(
            "Source rows held and not loaded",
            "new store",
            "The column Held. Held and loaded rows add up to the rows read.",
            "SELECT h.legacy_portal_cd, h.legacy_table, count(*) AS held_rows\nFROM migration_holding h\n"
            f"WHERE {_ONLY_HELD}\nGROUP BY h.legacy_portal_cd, h.legacy_table\nORDER BY 1, 2;",
        ),
        Query(
            "Held rows by reason",
            "new store",
            "The list of reasons.",
            "SELECT reason_cd, count(*) AS held_rows FROM migration_holding GROUP BY reason_cd ORDER BY reason_cd;",
        ),
        Query(
            "Exceptions by rule",
            "new store",
            "The list of rules.",
            "SELECT rule_cd, count(*) AS flagged_rows FROM migration_exception GROUP BY rule_cd ORDER BY rule_cd;",
        ),
        Query(
            "Documents by state of their bytes",
            "new store",
            "The list of states.",
            "SELECT content_state_cd, count(*) AS document_rows FROM document GROUP BY content_state_cd ORDER BY content_state_cd;",
        ),
        Query(
            "No link leads out of its account",
            "new store",
            "0. SIGNATURE is an example; the other target kinds have equivalent queries.",
            "SELECT count(*) AS crossing_links\nFROM document_link l JOIN document d ON d.document_id = l.document_id\n"
            "JOIN account_agreement a ON a.account_agreement_id = l.target_id\n"
            "WHERE l.target_cd = 'SIGNATURE' AND a.account_id <> d.account_id;",
        ),
        Query(
            "What a person sees",
            "new store",
            "The accounts after logging in; the command `picker` shows the same.",
            "SELECT p.account_number, p.legal_name, p.account_label\nFROM account_picker p JOIN login l ON l.login_id = p.login_id\n"
            "WHERE l.email_key = 'person@example.com'\nORDER BY p.account_number;",
        ),
    ]


def _counts(tables: list[str]) -> str:
    return "\nUNION ALL ".join(f"SELECT '{name}' AS table_name, count(*) AS row_count FROM {name}" for name in tables) + "\nORDER BY 1;"


def _loaded(mapping: TableMapping, mappings: Mappings) -> str | None:
    """Counts the different old keys in the target table that keeps them; None where none does."""
    for into in mapping.into:
        column = _old_key(mapping, into)
        if column is not None:
            shared = [maker for maker in mappings.makers(into.table) if maker is not mapping]
            # Where several tables give rows to one, its codes tell them apart.
            words = [f"{name} = '{form.constant}'" for name, form in into.columns.items() if shared and isinstance(form.constant, str)]
            condition = f" WHERE {' AND '.join(words)}" if words else ""
            name = f"'{mapping.portal}.{mapping.table}' AS source_table"
            return f"SELECT {name}, count(DISTINCT {column}) AS loaded_rows FROM {into.table}{condition}"
    return None


def _old_key(mapping: TableMapping, into: Into) -> str | None:
    if into.per not in ("account", "once"):
        return None
    kept = [name for name, form in into.columns.items() if form.kind == "legacy_key"]
    if into.per == "account":
        kept += [name for name, form in into.columns.items() if form.kind == "plain" and form.columns == mapping.key]
    return kept[0] if kept else None

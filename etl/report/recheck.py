"""How an auditor finds each number again, without us: SQL to paste, the same for PostgreSQL and SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etl.report.decided import statements
from etl.report.loaded_keys import accounted_keys, loaded_keys, old_keys
from etl.report.set_aside import CURABLE
from mappings.model import Mappings, Portal

NAMES: dict[Portal, str] = {"P2": "Portal 2.0", "TC": "Trade Compliance"}
NEW = "new store"
_ONLY_HELD = (
    "NOT EXISTS (SELECT 1 FROM migration_exception e WHERE e.rule_cd = 'X2' AND e.legacy_portal_cd = h.legacy_portal_cd\n"
    "                  AND e.legacy_table = h.legacy_table AND e.legacy_key = h.legacy_key)"
)
_USABLE = f"l.status_cd = 'ACTIVE' OR (l.status_cd = 'LOCKED' AND l.lock_reason_cd IN ({', '.join(repr(code) for code in CURABLE)}))"


@dataclass(frozen=True)
class Query:
    """`where`: the database to query; `shows`: the expected result."""

    title: str
    where: str
    shows: str
    sql: str


def queries(report: dict[str, Any], mappings: Mappings) -> list[Query]:
    """Returns one statement per kind of number."""
    portals = _portals(report, mappings)
    found = []
    for portal in portals:
        tables = [mapping.table for mapping in mappings.of(portal)]
        found.append(Query(f"Rows read from {NAMES[portal]}", NAMES[portal], "The column Read, table by table.", _counts(tables)))
        retired = [mapping.table for mapping in mappings.of(portal) if not mapping.into]
        if retired:
            found.append(Query(f"Rows retired from {NAMES[portal]}", NAMES[portal], "The column Retired.", _counts(retired)))
    names = [row["table"] for row in report["targets"]]
    loaded = [
        f"SELECT '{mapping.portal}.{mapping.table}' AS source_table, count(*) AS loaded_rows FROM ({keys}) k"
        for portal in portals
        for mapping in mappings.of(portal)
        if (keys := loaded_keys(mapping, mappings)) is not None
    ]
    found += [
        Query("Rows of the new store", NEW, "The columns Expected and Actual, table by table; accounts and logins too.", _counts(names)),
        Query(
            "Source rows loaded",
            NEW,
            "The column Loaded: the different old keys that the new store has. Of P2.document_content it is the rows read less the rows held: its"
            " bytes have no row of their own.",
            "\nUNION ALL ".join(loaded) + "\nORDER BY 1;",
        ),
        Query(
            "Source rows held and not loaded",
            NEW,
            "The column Held. Held and loaded rows add up to the rows read; recheck.sql has the keys.",
            "SELECT h.legacy_portal_cd, h.legacy_table, count(*) AS held_rows\nFROM migration_holding h\n"
            f"WHERE {_ONLY_HELD}\nGROUP BY h.legacy_portal_cd, h.legacy_table\nORDER BY 1, 2;",
        ),
        Query(
            "Source rows held and loaded as well",
            NEW,
            "The column Both.",
            "SELECT h.legacy_portal_cd, h.legacy_table, count(*) AS held_rows\nFROM migration_holding h\n"
            f"WHERE {_ONLY_HELD.removeprefix('NOT ')}\nGROUP BY h.legacy_portal_cd, h.legacy_table\nORDER BY 1, 2;",
        ),
        Query(
            "Held rows by reason",
            NEW,
            "The list of reasons.",
            "SELECT reason_cd, count(*) AS held_rows FROM migration_holding GROUP BY reason_cd ORDER BY reason_cd;",
        ),
        Query(
            "Exceptions by rule",
            NEW,
            "The list of rules.",
            "SELECT rule_cd, count(*) AS flagged_rows FROM migration_exception GROUP BY rule_cd ORDER BY rule_cd;",
        ),
        *_decided(portals, mappings),
        Query(
            "Documents by state of their bytes",
            NEW,
            "The list of states: documents, rows on accounts.",
            "SELECT content_state_cd, count(DISTINCT legacy_portal_cd || legacy_key) AS documents, count(*) AS document_rows\n"
            "FROM document GROUP BY content_state_cd ORDER BY content_state_cd;",
        ),
        Query(
            "Stored objects",
            NEW,
            "Their number and bytes.",
            "SELECT count(*) AS objects, coalesce(sum(size_bytes), 0) AS bytes FROM stored_object;",
        ),
        Query(
            "Accounts that nobody can open",
            NEW,
            "Accounts that trade may see; of these those that no usable login reaches.",
            f"SELECT count(*) AS visible, count(*) - count(r.account_id) AS closed\nFROM entity_account a LEFT JOIN (\n"
            f"  SELECT DISTINCT p.account_id FROM account_picker p JOIN login l ON l.login_id = p.login_id\n  WHERE {_USABLE}) r"
            " ON r.account_id = a.account_id\nWHERE a.trade_visible;",
        ),
        Query(
            "The reach of the logins",
            NEW,
            "Logins; those that see an account; what they see together.",
            "SELECT (SELECT count(*) FROM login) AS logins, count(DISTINCT login_id) AS logins_with_accounts, count(*) AS pairs"
            "\nFROM account_picker;",
        ),
        Query(
            "No link leads out of its account",
            NEW,
            "0. SIGNATURE is an example; the other target kinds have equivalent queries.",
            "SELECT count(*) AS crossing_links\nFROM document_link l JOIN document d ON d.document_id = l.document_id\n"
            "JOIN account_agreement a ON a.account_agreement_id = l.target_id\n"
            "WHERE l.target_cd = 'SIGNATURE' AND a.account_id <> d.account_id;",
        ),
        Query(
            "What a person sees",
            NEW,
            "The accounts after logging in; the command `picker` shows the same.",
            "SELECT p.account_number, p.legal_name, p.account_label\nFROM account_picker p JOIN login l ON l.login_id = p.login_id\n"
            "WHERE l.email_key = 'person@example.com'\nORDER BY p.account_number;",
        ),
    ]
    return found


def as_sql(report: dict[str, Any], mappings: Mappings) -> str:
    """Returns recheck.sql: every statement, then for each source table its keys in the old portal and in the new store, which must be equal."""
    lines = [
        "-- How to reproduce each number of the report. Each statement runs unchanged on PostgreSQL and on SQLite, in the database that",
        "-- the line above it names; a role that may only read is enough.",
        "",
    ]
    for query in queries(report, mappings):
        lines += [f"-- {query.title} ({query.where}): {query.shows}", query.sql, ""]
    lines += [
        "-- Key by key: the two statements of a table give the same list. The holding has an unreadable key in the form of the old",
        "-- portal, with #2, #3 and so on if it occurs more than once, and an empty key by its position.",
        "",
    ]
    for portal in _portals(report, mappings):
        for mapping in mappings.of(portal):
            accounted = accounted_keys(mapping, mappings)
            if accounted is not None:
                lines += [f"-- {portal}.{mapping.table} ({NAMES[portal]})", f"{old_keys(mapping)};", ""]
                lines += [f"-- {portal}.{mapping.table} (new store)", f"{accounted};", ""]
    return "\n".join(lines)


def _portals(report: dict[str, Any], mappings: Mappings) -> list[Portal]:
    read: list[Portal] = list(report["run"]["snapshot"])
    return read or list(mappings.sources)


def _decided(portals: list[Portal], mappings: Mappings) -> list[Query]:
    """Returns the statements for the rules' counts, one per database."""
    shown = "The column Decided of the rules."
    found = []
    for of, where in ((None, NEW), *((portal, NAMES[portal]) for portal in portals)):
        parts = [
            f"SELECT '{one.rule}' AS rule_cd, d.n AS decided FROM ({one.sql}) d"
            for one in statements().values()
            if one.sql and one.of == of and one.rule in mappings.rules
        ]
        if parts:
            found.append(
                Query(f"Rows decided by each rule{'' if of is None else f', {where}'}", where, shown, "\nUNION ALL ".join(parts) + ";")
            )
    return found


def _counts(tables: list[str]) -> str:
    return "\nUNION ALL ".join(f"SELECT '{name}' AS table_name, count(*) AS row_count FROM {name}" for name in tables) + "\nORDER BY 1;"

"""What the work lists need of the new store, as frames of text, numbers and booleans; the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from etl.databases.reading import Reading

# "id": a UUID as text; "day", "moment": ISO text, decimals only where there are some.
ACCOUNT = {
    "account_id": "id",
    "account_number": "text",
    "business_type_cd": "text",
    "legal_name": "text",
    "account_label": "text",
    "status_cd": "text",
    "tier_cd": "text",
    "office_cd": "text",
    "scss_cbp_user_id": "integer",
    "agreement_basis_cd": "text",
    "identifiers_complete": "boolean",
    "acting_officer": "boolean",
    "trade_visible": "boolean",
    "archived": "boolean",
    "legacy_profile_id": "integer",
    "legacy_model_id": "integer",
    "legacy_entity_id": "integer",
    "application_dt": "day",
    "certification_dt": "day",
    "anniversary_dt": "day",
    "last_validation_dt": "day",
    "next_validation_due_dt": "day",
    "business_start_dt": "day",
    "created_at": "moment",
    "modified_at": "moment",
}
CONTACT = {
    "account_id": "id",
    "login_id": "id",
    "scope_cd": "text",
    "contact_type_cd": "text",
    "primary_poc": "boolean",
    "email": "text",
    "restricted_reason_cd": "text",
    "removed_at": "moment",
    "legacy_portal_cd": "text",
    "legacy_key": "text",
}
LOGIN = {
    "login_id": "id",
    "email_key": "text",
    "email_display": "text",
    "first_name": "text",
    "last_name": "text",
    "status_cd": "text",
    "lock_reason_cd": "text",
    "last_login_at": "moment",
}
DOCUMENT = {
    "account_id": "id",
    "content_state_cd": "text",
    "file_name": "text",
    "legacy_portal_cd": "text",
    "legacy_key": "text",
}
HOLDING = {"legacy_portal_cd": "text", "legacy_table": "text", "legacy_key": "text", "reason_cd": "text", "row_json": "text"}
EXCEPTION = {"rule_cd": "text", "legacy_portal_cd": "text", "legacy_table": "text", "legacy_key": "text"}
IDENTIFIER = {"account_id": "id", "identifier_type_cd": "text", "active": "boolean", "legacy_key": "text"}
RUN = {"run_id": "text", "state_cd": "text", "finished_at": "moment", "freeze_from": "day", "freeze_to": "day"}
DUE = {"account_id": "id", "due_dt": "day", "due_dt_adjusted": "day", "legacy_key": "text"}
TYPES: dict[str, pl.DataType] = {
    **dict.fromkeys(("id", "text", "day", "moment"), pl.String()),
    "integer": pl.Int64(),
    "boolean": pl.Boolean(),
}


@dataclass(frozen=True)
class StoreFacts:
    """The new store's rows that the lists are about. Each frame has those columns of the table of its name that a list needs.

    `picker`: the distinct pairs in `account_picker` (login_id, account_id). `broken_documents`: rows whose bytes are missing or differ from
    the record. `due`: rows with a due date, by source table. `row_json` of the holding is the whole old row and is never shown.
    """

    accounts: pl.DataFrame
    contacts: pl.DataFrame
    logins: pl.DataFrame
    aliases: pl.DataFrame
    picker: pl.DataFrame
    identifiers: pl.DataFrame
    broken_documents: pl.DataFrame
    holding: pl.DataFrame
    exceptions: pl.DataFrame
    runs: pl.DataFrame
    due: Mapping[tuple[str, str], pl.DataFrame]


def read_store(store: Reading) -> StoreFacts:
    """Returns the facts of the store; reads each table once, in about a dozen statements."""
    return StoreFacts(
        accounts=_frame(store, "entity_account", ACCOUNT),
        contacts=_frame(store, "account_contact", CONTACT),
        logins=_frame(store, "login", LOGIN),
        aliases=_frame(store, "login_alias", {"legacy_key": "text", "login_id": "id"}),
        picker=_frame(store, "account_picker", {"login_id": "id", "account_id": "id"}),
        identifiers=_frame(store, "account_identifier", IDENTIFIER),
        broken_documents=_frame(store, "document", DOCUMENT, where="content_state_cd <> 'PRESENT'"),
        holding=_frame(store, "migration_holding", HOLDING),
        exceptions=_frame(store, "migration_exception", EXCEPTION),
        runs=_frame(store, "migration_run", RUN),
        due={
            ("P2", "security_profile"): _frame(store, "security_profile", DUE, where="due_dt IS NOT NULL AND submitted_at IS NULL"),
            ("P2", "portal_task"): _frame(store, "portal_task", DUE, where="due_dt IS NOT NULL AND done_at IS NULL"),
            ("P2", "validation_finding"): _frame(
                store,
                "validation_finding JOIN validation USING (validation_id)",
                {**DUE, "legacy_key": "own_key"},
                where="due_dt IS NOT NULL",
                own="validation_finding",
            ),
            ("TC", "tc_annual_notification"): _frame(
                store,
                "tc_annual_notification JOIN tc_program USING (tc_program_id)",
                {**DUE, "legacy_key": "own_key"},
                where="due_dt IS NOT NULL AND submitted_at IS NULL",
                own="tc_annual_notification",
            ),
        },
    )


def _frame(store: Reading, table: str, columns: Mapping[str, str], where: str = "", own: str = "") -> pl.DataFrame:
    """Returns these columns; a key that two joined tables have ("own_key") is taken from the table `own`."""
    chosen = []
    for name, kind in columns.items():
        expression = f"{own}.{name}" if kind == "own_key" else name
        chosen.append(f"{store.as_text(expression)} AS {name}" if kind in ("id", "day", "moment") else f"{expression} AS {name}")
    condition = f" WHERE {where}" if where else ""
    rows = store.rows(f"SELECT {', '.join(chosen)} FROM {table}{condition}")
    return pl.DataFrame({name: _values((row[name] for row in rows), kind) for name, kind in columns.items()})


def _values(values: Iterable[object], kind: str) -> pl.Series:
    if kind == "boolean":  # SQLite has numbers for them
        return pl.Series([None if value is None else bool(value) for value in values], dtype=pl.Boolean)
    given = pl.Series(list(values), dtype=TYPES.get(kind, pl.String()))
    return given.str.replace(r"(\.\d*?)0+$", "${1}").str.replace(r"\.$", "") if kind == "moment" else given

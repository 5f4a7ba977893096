"""The loader's rules, assembled from the chapter modules: which columns each rule fills and which rows it flags.

A chapter's `RULES` has its numbers and the source tables whose rows each flags; `COLUMNS` is looked up by `target_table.column`, then by rule
number; a function of `FLAGS` returns the rows to be flagged under its key. Rules that need whole tables are computed by a step: `MADE`, `OWNERS`.
"""

from __future__ import annotations

from types import ModuleType

from etl.placement.account_directory import AccountDirectory
from etl.placement.row_placement import RowPlacement
from etl.placement.target_rows import Flag, Rule
from etl.rules import (
    a_accounts,
    a_catalogues,
    a_structure,
    b_people,
    c_contents,
    c_documents,
    d_agreements,
    e_responses,
    f_validations,
    g_status_verification,
    h_identifiers,
    i_trade_compliance,
    j_event_times,
    k_the_run,
    l_decisions,
    x_values_and_references,
)

CHAPTERS: tuple[ModuleType, ...] = (
    a_structure,
    a_accounts,
    a_catalogues,
    b_people,
    c_documents,
    c_contents,
    d_agreements,
    e_responses,
    f_validations,
    g_status_verification,
    h_identifiers,
    i_trade_compliance,
    j_event_times,
    k_the_run,
    l_decisions,
    x_values_and_references,
)
# By number: the source tables (PORTAL.table, or * for any) whose rows the rule flags.
RULES: dict[str, tuple[str, ...]] = {number: tables for chapter in CHAPTERS for number, tables in chapter.RULES.items()}

COLUMNS: dict[str, Rule] = {column_name: rule for chapter in CHAPTERS for column_name, rule in getattr(chapter, "COLUMNS", {}).items()}
FLAGS: dict[str, Flag] = {number: flag for chapter in CHAPTERS for number, flag in getattr(chapter, "FLAGS", {}).items()}

# (source table, target column): computed by split or reattach from whole tables, not from one row.
MADE: frozenset[tuple[str, str]] = frozenset(
    (table, f"{target}.{column}")
    for table, target, columns in (
        (
            "model_entity",
            "entity_account",
            "account_number acting_officer agreement_basis_cd business_type_cd identifiers_complete needs_officer trade_visible",
        ),
        ("company_profile", "entity_account", "archived"),
        ("security_model", "entity_account", "archived"),
        ("portal_user", "login", "login_id email_key status_cd lock_reason_cd"),
        ("portal_user", "login_alias", "login_id"),
        ("company_contact", "account_contact", "primary_poc restricted_reason_cd"),
        ("agreement_signature", "account_agreement", "coverage_cd"),
        ("document", "document", "inherited previous_document_id"),
        ("document_link", "document_link", "target_id"),
        ("document_content", "stored_object", "sha256 size_bytes object_key"),
        ("svi_link", "svi_link", "monitor_account_id monitored_account_id superseded"),
        ("tc_contact", "account_contact", "login_id"),
        ("tc_contact", "login", "login_id email_key status_cd"),
        ("tc_document_content", "stored_object", "sha256 size_bytes object_key"),
    )
    for column in columns.split()
)
# Rules that find the accounts of a table's rows (`owner_rule`).
OWNERS = frozenset({"C1", "C2", "C7", "D12", "G1", "H1", "I1"})


def flag_rows(rows: RowPlacement, spine: AccountDirectory) -> None:
    """Flags the rows under every rule of `FLAGS` that flags rows of their table."""
    for number in rows.mapping.rules:
        if number in FLAGS and f"{rows.mapping.portal}.{rows.mapping.table}" in RULES[number]:
            rows.flag(number, *FLAGS[number](rows, spine))

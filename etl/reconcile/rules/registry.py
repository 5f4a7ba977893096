"""Where the verifier's own reading of each rule is called for: the table of contents of the chapters' modules."""

from types import ModuleType
from typing import Any

from etl.reconcile.engine.ordinary import Rulebook
from etl.reconcile.rules import a_accounts as accounts
from etl.reconcile.rules import a_catalogues as catalogues
from etl.reconcile.rules import a_structure, k_the_run, l_decisions, x_values_and_references
from etl.reconcile.rules import b_people as people
from etl.reconcile.rules import c_contents as contents
from etl.reconcile.rules import c_documents as documents
from etl.reconcile.rules import d_agreements as agreements
from etl.reconcile.rules import e_responses as responses
from etl.reconcile.rules import f_validations as validations
from etl.reconcile.rules import g_status_verification as svi
from etl.reconcile.rules import h_identifiers as identifiers
from etl.reconcile.rules import i_trade_compliance as trade
from etl.reconcile.rules import j_event_times as events
from etl.reconcile.rules.c_documents import Library

CHAPTERS: tuple[ModuleType, ...] = (
    a_structure,
    accounts,
    catalogues,
    people,
    documents,
    contents,
    agreements,
    responses,
    validations,
    svi,
    identifiers,
    trade,
    events,
    k_the_run,
    l_decisions,
    x_values_and_references,
)
# By number: the source tables (PORTAL.table, or * for any) whose rows the rule flags.
RULES: dict[str, tuple[str, ...]] = {number: tables for chapter in CHAPTERS for number, tables in chapter.RULES.items()}
# Rules that find the accounts of a table's rows, carried out by the module of that table and not by `Rulebook.owner`.
OWNERS = frozenset({"C1", "C2", "C7", "G1"})


def rulebook(library: Library | None = None) -> Rulebook:
    """Returns the verifier's rules of all chapters: by owner rule, by (source table, target column), and by number."""
    versions = {("document", "previous_document_id"): documents.previous_document(library)} if library else {}
    return Rulebook(
        owner=_declared("OWNER"),
        row=_declared("ROW"),
        copy={**_declared("COPY"), **versions},
        note=_declared("NOTE"),
        made=frozenset(
            {
                ("svi_link", "monitor_account_id"),
                ("svi_link", "monitored_account_id"),
                ("svi_link", "superseded"),
                ("document_link", "target_id"),
                ("document", "previous_document_id"),
                *(
                    (table, column)
                    for table in ("document_content", "tc_document_content")
                    for column in ("sha256", "size_bytes", "object_key")
                ),
            }
        ),
        soft=frozenset({("company_contact", "user_id"), ("company_contact", "consultant_company_id")}),
    )


def _declared(kind: str) -> dict[Any, Any]:
    return {column_name: rule for chapter in CHAPTERS for column_name, rule in getattr(chapter, kind, {}).items()}

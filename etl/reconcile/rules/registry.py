"""Where the verifier's own reading of each rule is called for: the table of contents of the chapters' modules."""

from etl.reconcile.engine.ordinary import Rulebook
from etl.reconcile.rules import a_accounts as accounts
from etl.reconcile.rules import a_catalogues as catalogues
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


def rulebook(library: Library | None = None) -> Rulebook:
    """The rules by owner rule, by (source table, target column), and by number for columns that any table may have."""
    return Rulebook(
        owner={"H1": identifiers.carriers, "D12": agreements.signed_for, "I1": trade.matched},
        row={
            "A21": accounts.employee_count, "C15": responses.internal, "E14": responses.adjusted, "H4": identifiers.value_norm,
            ("model_entity", "account_number"): accounts.number, ("model_entity", "business_type_cd"): accounts.business_type,
            ("model_entity", "agreement_basis_cd"): accounts.agreement_basis, ("model_entity", "needs_officer"): accounts.needs_officer,
            ("model_entity", "acting_officer"): accounts.acting_officer,
            ("model_entity", "identifiers_complete"): accounts.identifiers_complete, ("model_entity", "trade_visible"): accounts.status_visible,
            ("company_profile", "archived"): accounts.archived, ("security_model", "archived"): accounts.archived,
            ("question_applicability", "business_type_cd"): catalogues.type_code, ("agreement_version", "business_type_cd"): catalogues.type_code,
            ("company_contact", "primary_poc"): people.primary_poc, ("entity_identifier", "pii"): identifiers.pii,
            ("profile_response", "question_id"): responses.question, ("profile_response", "superseded"): responses.superseded,
            ("validation_finding", "question_id"): responses.question,
            ("event_history", "occurred_at"): events.occurred_at, ("event_history", "occurred_certain"): events.occurred_certain,
            ("document", "sha256"): contents.digest, ("document", "content_state_cd"): contents.state, ("document", "inherited"): documents.inherited,
            ("tc_document", "sha256"): contents.digest, ("tc_document", "content_state_cd"): contents.state,
            ("tc_document", "uploaded_by_login_id"): trade.login_of_uploader, ("tc_contact", "login_id"): trade.login_of_contact,
            ("portal_user", "email_key"): people.key_of_login, ("portal_user", "login_id"): people.login_of_user,
            ("portal_user", "status_cd"): people.status, ("portal_user", "lock_reason_cd"): people.lock_reason,
            ("portal_user", "activation_required"): people.activation, ("tc_contact", "activation_required"): people.activation,
            ("tc_contact", "email_key"): people.key_of_login, ("tc_contact", "status_cd"): trade.active,
        },
        copy={
            ("company_contact", "restricted_reason_cd"): people.restricted, ("agreement_signature", "coverage_cd"): agreements.coverage,
            ("profile_response", "applicability_cd"): responses.applicability, ("svi_setting", "active"): svi.active,
            ("tc_anl_document", "document_id"): trade.tc_document,
            **({("document", "previous_document_id"): documents.previous_document(library)} if library else {}),
        },
        note={
            "company_contact": people.note_contact, "agreement_signature": agreements.note_signature, "validation": validations.note_validation,
            "profile_response": responses.note_question("profile_response"), "validation_finding": responses.note_question("validation_finding"),
            "event_history": events.note_event, "security_profile": responses.note_security_profile, "tc_account": trade.note_account,
            "tc_contact": trade.note_contact, "tc_ior": trade.note_ior,
            "question_applicability": catalogues.note_applicability, "agreement_version": catalogues.note_version,
        },
        made=frozenset({
            ("svi_link", "monitor_account_id"), ("svi_link", "monitored_account_id"), ("svi_link", "superseded"), ("document_link", "target_id"),
            ("document", "previous_document_id"),
            *((table, column) for table in ("document_content", "tc_document_content") for column in ("sha256", "size_bytes", "object_key")),
        }),
        soft=frozenset({("company_contact", "user_id"), ("company_contact", "consultant_company_id")}),
    )  # fmt: skip

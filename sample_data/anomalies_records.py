"""Anomalies of documents, responses, validations, Trade Compliance and the trace (chapters C, E, F, I, J, X1)."""

from collections.abc import Iterator
from typing import Any

from sample_data.anomalies import NEVER, ProfileIds, Row, content, document, entity, model, response, security_profile


def ownerless_documents(at: ProfileIds) -> Iterator[Row]:
    """C1, C7: without owner; of a model that does not exist, with and without a profile; public; bytes without a document."""
    yield document(at, 1, library_cd="EXCHANGE", company_profile_id=None)
    yield document(at, 2, company_profile_id=None, security_model_id=NEVER)
    yield document(at, 3, security_model_id=NEVER)
    yield document(at, 4, library_cd="PUBLIC", company_profile_id=None)
    yield document(at, 5, company_profile_id=NEVER)
    for number in range(1, 7):
        yield content(at, number)


def odd_document_links(at: ProfileIds) -> Iterator[Row]:
    """C2, C3: to a model of the neighbour; to a missing row; to an unknown kind; from a missing document; a document placed where its link leads."""
    yield document(at, 1)
    yield content(at, 1)
    yield security_profile(at, 1)
    yield response(at, 1, 1)
    yield document(at, 2, company_profile_id=None)
    yield content(at, 2)
    yield model(at, 3, company_profile_id=at.neighbour)
    yield entity(at, 3)
    yield _document_link(at.id(1), "MODEL", at.id(3))
    yield _document_link(at.id(1), "RESPONSE", at.id(1))
    yield _document_link(at.id(1), "RESPONSE", NEVER)
    yield _document_link(at.id(1), "INVOICE", at.id(1))
    yield _document_link(at.id(2), "MODEL", at.id(3))
    yield _document_link(at.id(2), "RESPONSE", at.id(1))
    yield _document_link(NEVER, "RESPONSE", at.id(1))


def lost_bytes(at: ProfileIds) -> Iterator[Row]:
    """C6: neither content nor file, in several ways; none of these paths exists or may be followed."""
    for number, path in enumerate((None, "../../etc/passwd", "/etc/passwd", "lost/never-was.pdf", ""), 1):
        yield document(at, number, object_path=path)


def wrong_records(at: ProfileIds) -> Iterator[Row]:
    """C8: a wrong digest, a wrong size, both."""
    yield document(at, 1, sha256_hex="f" * 64)
    yield document(at, 2, size_bytes=1)
    yield document(at, 3, sha256_hex="F" * 64, size_bytes=1)
    for number in (1, 2, 3):
        yield content(at, number)


def odd_versions(at: ProfileIds) -> Iterator[Row]:
    """C11: after a version that does not exist; in a cycle; after itself."""
    for number, previous in ((1, NEVER), (2, at.id(3)), (3, at.id(2)), (4, at.id(4)), (5, at.id(1))):
        yield document(at, number, previous_document_id=previous, version_no=2)
        yield content(at, number)


def hostile_names(at: ProfileIds) -> Iterator[Row]:
    """C12, C20: names with path parts, control and bidi characters, 400 characters; one soft-deleted."""
    names = ("../../etc/passwd", "C:\\CON", "invoice\u202efdp.exe", "\x1b[31mred\x07", "n" * 400, "", "<script>.html", "=1+1", "two\nlines")
    for number, name in enumerate(names, 1):
        yield document(at, number, file_name=name, deleted_ind="Y" if number == 1 else "N")
        yield content(at, number)


def answered_twice(at: ProfileIds) -> Iterator[Row]:
    """E7: three answers to one question, the two youngest of the same age; one to another."""
    yield security_profile(at, 1)
    yield response(at, 1, 1, modified_at="2019-01-01 00:00:00")
    yield response(at, 2, 1)
    yield response(at, 3, 1)
    yield response(at, 4, 1, question_id=3002)


def unknown_question(at: ProfileIds) -> Iterator[Row]:
    """E10: a response and a finding to questions that no catalogue has."""
    yield security_profile(at, 1)
    yield response(at, 1, 1, question_id=NEVER - at.position % 3)
    yield _validation(at, 1, entity_id=at.entity)
    yield _finding(at, 1, question_id=NEVER)


def due_in_the_freeze(at: ProfileIds) -> Iterator[Row]:
    """E14: due on its first and last day, and just outside both."""
    for number, due in enumerate(("2023-09-15", "2023-09-16", "2023-09-30", "2023-10-01"), 1):
        yield security_profile(at, number, due_dt=due)
        task = {
            "task_id": at.id(number),
            "company_profile_id": at.profile,
            "entity_id": at.entity,
            "task_kind_cd": "ANNUAL_REVIEW",
            "due_dt": due,
        }
        yield "portal_task", task
    yield _validation(at, 1, entity_id=at.entity)
    yield _finding(at, 1, due_dt="2023-09-20")


def soft_references(at: ProfileIds) -> Iterator[Row]:
    """X1: users, specialists, versions, consents that do not exist."""
    yield security_profile(at, 1, criteria_version_id=NEVER, submitted_by_user_id=NEVER)
    yield response(at, 1, 1, modified_by_user_id=NEVER)
    yield _comment(at, 1, at.id(1), cbp_user_id=NEVER)
    yield document(at, 1, uploaded_by_user_id=NEVER)
    yield content(at, 1)
    program = {"participation_id": at.id(1), "company_profile_id": at.profile, "program_cd": "AEO_EU", "status_cd": "ACTIVE"}
    yield "program_participation", {**program, "consent_signature_id": NEVER}


def broken_references(at: ProfileIds) -> Iterator[Row]:
    """Rows of many tables whose parent does not exist."""
    yield _comment(at, 1, NEVER)
    yield response(at, 1, 1)
    yield "message", {"message_id": at.id(1), "thread_id": NEVER, "body": "Lost.", "sent_at": "2020-01-01 00:00:00"}
    note = {"note_id": at.id(1), "company_profile_id": at.profile, "entity_id": NEVER, "note_type_cd": "GENERAL", "note_text": "Lost."}
    yield "internal_note", {**note, "created_at": "2020-01-01 00:00:00"}
    yield "validation_visit", {"visit_id": at.id(1), "validation_id": NEVER}
    yield _finding(at, 1, validation_id=NEVER)
    yield "finding_response", {"finding_response_id": at.id(1), "finding_id": NEVER, "seq_no": 1}
    yield "importer_country_of_origin", {"entity_id": NEVER + at.position, "rank_no": 1, "country_cd": "DE"}
    yield "question_applicability", {"question_id": NEVER + at.position, "business_type_cd": "IMP", "strength_cd": "MUST"}
    yield "vetting_record", {"vetting_id": at.id(1), "entity_id": NEVER, "sealed_content": b"lost", "created_at": "2020-01-01 00:00:00"}


def validation_of_the_profile(at: ProfileIds) -> Iterator[Row]:
    """F2: a validation of a profile that has two accounts at least."""
    yield model(at, 1)
    yield entity(at, 1)
    yield _validation(at, 1)
    yield _finding(at, 1)


def odd_clocks(at: ProfileIds) -> Iterator[Row]:
    """J4: the repeated hour, the skipped one, an unreadable text, null."""
    clocks = ("2022-11-06 01:30:00", "2023-03-12 02:30:00", "yesterday", "2023-02-29 10:00:00", "2023-01-01 24:00:00", "", None)
    for number, clock in enumerate(clocks, 1):
        event = {"event_id": at.id(number), "company_profile_id": at.profile, "entity_id": at.entity, "event_type_cd": "LOGIN"}
        yield "event_history", {**event, "updated_local": clock}


def trade_compliance(at: ProfileIds) -> Iterator[Row]:
    """I1, I4, I9: a tie; nothing in common; a named profile that does not exist; contacts without address; dependent rows."""
    for number in (1, 2):
        yield model(at, number)
        yield entity(at, number, business_type_cd="IMP")
        identifier = {"identifier_id": at.id(number), "entity_id": at.id(number), "identifier_type_cd": "IOR", "active_ind": "Y"}
        yield "entity_identifier", {**identifier, "identifier_value": f"77-{at.position:07}{number}"}
    for number, profile in enumerate((at.profile, at.profile, NEVER, at.profile), 1):
        account = {"tc_account_id": at.id(number), "tc_account_number": f"TX{at.position}.{number}", "account_name": "Trouble"}
        stated = {"application_status_cd": "APPROVED", "account_status_cd": "ACTIVE", "modified_at": "2023-01-01 00:00:00"}
        yield "tc_account", {**account, **stated, "company_profile_id": profile}
        yield _tc_contact(at, number, at.id(number), f"trouble.{number}.{at.position}@tc.example")
    yield _ior(at.id(1), f"77-{at.position:07}1")
    yield _ior(at.id(1), f"77-{at.position:07}2")
    yield _ior(at.id(2), "nothing in common")
    yield _ior(at.id(3), f"77{at.position:07}1")
    yield _ior(at.id(4), f"77 {at.position:07}2")
    yield _ior(at.id(4), f"078-05-{1000 + at.position % 9000}")
    yield _tc_contact(at, 5, at.id(4), "no address")
    yield _tc_contact(at, 6, NEVER, "lost@tc.example")
    letter = {"anl_id": at.id(4), "tc_account_id": at.id(4), "anl_year": 2023, "due_dt": "2023-09-30", "status_cd": "OPEN"}
    yield "tc_annual_notification", letter
    yield "tc_anl_document", {"anl_id": at.id(4), "tc_document_id": NEVER}
    paper = {"tc_document_id": at.id(4), "tc_account_id": at.id(4), "file_name": "lost letter.pdf", "version_no": 1}
    yield "tc_document", {**paper, "uploaded_at": "2023-01-01 00:00:00"}
    yield "tc_document_content", {"tc_document_id": at.id(5), "content": b"Bytes of no letter."}


def trade_compliance_without_importer(at: ProfileIds) -> Iterator[Row]:
    """I1: an account that names a profile without entities, and dependent rows."""
    account = {
        "tc_account_id": at.id(1),
        "tc_account_number": f"TN{at.position}",
        "company_profile_id": at.profile,
        "account_name": "Shell",
    }
    yield (
        "tc_account",
        {**account, "application_status_cd": "APPROVED", "account_status_cd": "ACTIVE", "modified_at": "2023-01-01 00:00:00"},
    )
    yield _tc_contact(at, 1, at.id(1), f"shell.{at.position}@tc.example")
    yield "tc_event", {"tc_event_id": at.id(1), "tc_account_id": at.id(1), "event_type_cd": "CREATED", "occurred_at": "2023-01-01 00:00:00"}


def _document_link(from_: int, kind: str, to: int) -> Row:
    return "document_link", {"document_id": from_, "target_cd": kind, "target_id": to, "linked_at": "2020-01-01 00:00:00"}


def _comment(at: ProfileIds, number: int, on: int, **cells: Any) -> Row:
    return "response_comment", {
        "comment_id": at.id(number),
        "response_id": on,
        "comment_text": "Trouble.",
        "created_at": "2020-01-01 00:00:00",
        **cells,
    }


def _validation(at: ProfileIds, number: int, **cells: Any) -> Row:
    plain = {"validation_id": at.id(number), "company_profile_id": at.profile, "validation_type_cd": "VIRTUAL", "status_cd": "OPEN"}
    return "validation", {**plain, **cells}


def _finding(at: ProfileIds, number: int, **cells: Any) -> Row:
    plain = {"finding_id": at.id(number), "validation_id": at.id(number), "finding_kind_cd": "ACTION_REQUIRED", "finding_text": "Trouble."}
    return "validation_finding", {**plain, "status_cd": "OPEN", **cells}


def _ior(account: int, value: str) -> Row:
    return "tc_ior", {"tc_account_id": account, "ior_value": value, "active_ind": "Y"}


def _tc_contact(at: ProfileIds, number: int, account: int, email: str) -> Row:
    plain = {"tc_contact_id": at.id(number), "tc_account_id": account, "email": email, "full_name": "Tro Uble"}
    return "tc_contact", {**plain, "contact_type_cd": "EMPLOYEE", "tc_mail_ind": "N"}

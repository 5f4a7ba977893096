"""Anomalies of accounts, people, agreements and identifiers (chapters A, B, D, G, H)."""

from collections.abc import Iterator
from typing import Any

from sample_data.anomalies import NEVER, ProfileIds, Row, contact, entity, model, security_profile, signature, user


def model_of_no_profile(at: ProfileIds) -> Iterator[Row]:
    """A4: a model whose profile does not exist, an entity below it, its history."""
    yield model(at, 1, company_profile_id=NEVER)
    yield entity(at, 1)
    yield _history(at, 1, at.id(1))


def entity_of_no_model(at: ProfileIds) -> Iterator[Row]:
    """A4: an entity whose model does not exist, and its history; a history of an entity that does not exist."""
    yield entity(at, 1, security_model_id=NEVER)
    yield _history(at, 1, at.id(1))
    yield _history(at, 2, NEVER)


def old_highway(at: ProfileIds) -> Iterator[Row]:
    """A11: carriers from before the split by border, one without any."""
    for number, border in enumerate(("MEX", "CAN", "BOTH", None), 1):
        yield model(at, number)
        yield entity(at, number, business_type_cd="HWY", border_crossed_cd=border)


def unknown_type(at: ProfileIds) -> Iterator[Row]:
    """A12: a type that no catalogue has, and one in small letters."""
    for number, kind in enumerate(("EFC", "imp"), 1):
        yield model(at, number)
        yield entity(at, number, business_type_cd=kind)


def doubled_number(at: ProfileIds) -> Iterator[Row]:
    """A16: one number of two entities; none; a blank one; one that the migration would make."""
    for number, text in enumerate((f"DUP{at.position}", f"DUP{at.position}", None, "  ", f"M{at.id(3)}"), 1):
        yield model(at, number)
        yield entity(at, number, account_number=text)


def shared_login(at: ProfileIds) -> Iterator[Row]:
    """B2, B20: one mailbox of two persons, one of whom is on another company too; and one person with two users."""
    for number, (name, last) in enumerate((("desk", "One"), ("DESK", "Two"), ("Sam", "Same"), (" sam", " SAME ")), 1):
        yield user(at, number, user_name=f"{name}.{at.position}@trouble.example", last_name=last)
        yield contact(at, number)
    yield contact(at, 5, company_profile_id=at.neighbour, user_id=at.id(2))


def many_primaries(at: ProfileIds) -> Iterator[Row]:
    """B7: three primary contacts, two of the same age; a removed one."""
    for number, changed in enumerate(("2022-01-01 00:00:00", "2023-09-01 00:00:00", "2023-09-01 00:00:00"), 1):
        yield user(at, number)
        yield contact(at, number, primary_poc_ind="Y", contact_type_cd="OFFICER", modified_at=changed)
    yield contact(at, 4, user_id=None, primary_poc_ind="Y", removed_at="2023-01-01 00:00:00", modified_at="2023-09-10 00:00:00")


def consultant_as_primary(at: ProfileIds) -> Iterator[Row]:
    """B8: the latest primary contact is a consultant, of a consultant company that does not exist (X1)."""
    yield contact(
        at, 1, user_id=1, contact_type_cd="CONSULTANT", primary_poc_ind="Y", consultant_company_id=NEVER, modified_at="2023-09-15 23:59:59"
    )


def locked_for_the_company(at: ProfileIds) -> Iterator[Row]:
    """B12: locked for the company's status; for one of the two it has a suspended account."""
    yield user(at, 1, user_status_cd="LOCKED", lock_reason_cd="COMPANY_STATUS")
    yield contact(at, 1)
    if at.position % 2:
        yield model(at, 1)
        yield entity(at, 1, status_cd="SUSPENDED")


def invalid_address(at: ProfileIds) -> Iterator[Row]:
    """B15: users without a valid address, their contacts, and a signature by one of them (X1)."""
    for number, name in enumerate(("ask the guard", "two@at@trouble.example", "@trouble.example", "", None), 1):
        yield user(at, number, user_name=name)
        yield contact(at, number)
    yield signature(at, 1, signer_user_id=at.id(1))


def user_without_contact(at: ProfileIds) -> Iterator[Row]:
    """B16: a user whom no contact names; a contact whose user does not exist (X1)."""
    yield user(at, 1)
    yield contact(at, 2, user_id=NEVER)


def odd_signatures(at: ProfileIds) -> Iterator[Row]:
    """D1, D2, D4, D11, E15: unknown agreement; before the account existed; by a consultant; in the future; too early; by an unknown user (X1)."""
    yield signature(at, 1, agreement_version_id=NEVER)
    yield signature(at, 2, agreement_version_id=1, signed_at="2001-11-02 00:00:00")
    yield contact(at, 1, user_id=1, contact_type_cd="CONSULTANT")
    yield signature(at, 3, signer_user_id=1)
    yield signature(at, 4, signed_at="2099-01-01 00:00:00")
    yield signature(at, 5, signed_at="2015-07-31 23:59:59")
    yield signature(at, 6, signer_user_id=NEVER)
    yield security_profile(at, 1, submitted_by_user_id=1)


def signed_for_another_type(at: ProfileIds) -> Iterator[Row]:
    """D12: for rail carriers, where there is none (or one by chance); for a type that the catalogue lacks."""
    yield signature(at, 1, agreement_version_id=6, entity_id=None)
    yield signature(at, 2, agreement_version_id=7, entity_id=None)


def odd_links(at: ProfileIds) -> Iterator[Row]:
    """G1: between profiles; of an entity to itself; before the other had an account; to a missing profile or model; from a model."""
    yield _link(at, 1, at.neighbour, monitor_entity_id=None)
    yield _link(at, 2, at.profile, monitored_entity_id=at.entity)
    yield _link(at, 3, at.neighbour, requested_at="1999-01-01 00:00:00", responded_at=None)
    yield _link(at, 4, NEVER)
    yield _link(at, 5, at.neighbour, monitor_entity_id=NEVER)
    yield _link(at, 6, at.neighbour, monitor_entity_id=None, monitor_model_id=at.model, blocked_ind="Y")
    yield _link(at, 7, at.neighbour, monitored_model_id=NEVER)
    yield _link(at, 8, NEVER, monitor_model_id=NEVER, monitored_entity_id=at.entity, monitor_entity_id=NEVER)


def accepted_twice(at: ProfileIds) -> Iterator[Row]:
    """G6: one pair accepted three times, once at an unknown time."""
    yield model(at, 1)
    yield entity(at, 1)
    for number, answered in enumerate(("2018-01-05 00:00:00", "2017-01-05 00:00:00", None), 1):
        yield _link(at, number, at.profile, monitored_entity_id=at.id(1), responded_at=answered)


def odd_identifiers(at: ProfileIds) -> Iterator[Row]:
    """H1, H2, H3, H6, H7: of an unknown type; of profile and entity; of neither; personal numbers; no bond; one number on two companies."""
    yield _identifier(at, 1, "XYZ", "1", company_profile_id=at.profile)
    yield _identifier(at, 2, "DUNS", "2", company_profile_id=at.neighbour, entity_id=at.entity)
    yield _identifier(at, 3, "EIN", "3")
    yield model(at, 4)
    yield entity(at, 4, business_type_cd="IMP")
    yield _identifier(at, 4, "IOR", f"078-05-{1000 + at.position % 9000}", entity_id=at.id(4))
    yield _identifier(at, 5, "IOR", "5", entity_id=NEVER)
    yield _identifier(at, 6, "DUNS", f"77-{at.position}", entity_id=at.entity)
    yield _identifier(at, 7, "DUNS", f"77{at.position}", company_profile_id=at.neighbour)
    yield _identifier(at, 8, "RFC", "GODE561231GR8", entity_id=at.entity)
    yield _identifier(at, 9, "EIN", f"219-09-{1000 + at.position % 9000}", entity_id=at.entity)


def _history(at: ProfileIds, number: int, of: int) -> Row:
    return "entity_status_history", {
        "history_id": at.id(number),
        "entity_id": of,
        "status_cd": "CERTIFIED",
        "from_at": "2016-01-01 00:00:00",
    }


def _link(at: ProfileIds, number: int, to: int, **cells: Any) -> Row:
    ends = {"monitor_profile_id": at.profile, "monitor_entity_id": at.entity, "monitored_profile_id": to}
    times = {"request_status_cd": "ACCEPTED", "requested_at": "2023-01-01 00:00:00", "responded_at": "2023-01-05 00:00:00"}
    return "svi_link", {"link_id": at.id(number), **ends, **times, "requested_by_user_id": at.user, **cells}


def _identifier(at: ProfileIds, number: int, kind: str, value: str, **owners: Any) -> Row:
    return "entity_identifier", {
        "identifier_id": at.id(number),
        "identifier_type_cd": kind,
        "identifier_value": value,
        "active_ind": "Y",
        **owners,
    }

"""Rows that SQLite holds and PostgreSQL cannot: values that their column's type does not allow, invalid texts (E8, X2).

They follow the same plan as `anomalies`, and are omitted on PostgreSQL.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sample_data import anomalies
from sample_data.anomalies import ProfileIds, Row
from sample_data.population import Block


@dataclass(frozen=True)
class Undecodable:
    """A text of these bytes, which are not valid UTF-8."""

    content: bytes


def unreadable(block: Block) -> dict[str, list[Mapping[str, Any]]]:
    """Returns the rows of a block by table; values are of any type, `Undecodable` among them."""
    return anomalies.rows_of(block, KINDS)


def bad_texts(at: ProfileIds) -> Iterator[Row]:
    """E8: U+0000, invalid UTF-8, a surrogate, a BLOB in a text column that is a valid text, and one that is not."""
    yield anomalies.security_profile(at, 1)
    texts = ("zero\0character", Undecodable(b"Latin-1: \xe9"), Undecodable(b"half a pair: \xed\xa0\xbd"), "naïve".encode(), b"\xff\xfe\x00")
    for number, text in enumerate(texts, 1):
        yield anomalies.response(at, number, 1, question_id=3000 + number, response_text=text)
    yield anomalies.document(at, 1, file_name="zero\0.txt")
    yield "document_content", {"document_id": at.id(1), "content": "a text where bytes belong"}


def bad_dates(at: ProfileIds) -> Iterator[Row]:
    """X2: dates that do not exist in the calendar, in nullable columns; other spellings that can be read."""
    for number, due in enumerate(("2023-02-30", "", "31.12.2022", 20230101, "2023-01-01 00:00:00", "tomorrow"), 1):
        yield anomalies.security_profile(at, number, due_dt=due)
    yield anomalies.contact(at, 1, user_id=None, removed_at="2023-01-01")
    yield anomalies.contact(at, 2, user_id=None, removed_at="2023-01-01T00:00:00.123456Z")


def bad_mandatory_values(at: ProfileIds) -> Iterator[Row]:
    """X2: unreadable values in mandatory columns or references: held."""
    yield anomalies.model(at, 1)
    yield anomalies.entity(at, 1, created_at="long ago")
    yield anomalies.model(at, 2, effective_at="2020-01-01")
    yield anomalies.entity(at, 2)
    yield anomalies.entity(at, 3, security_model_id="abc")
    yield anomalies.entity(at, 4, security_model_id=at.model, scss_cbp_user_id=1.5)
    yield anomalies.security_profile(at, 5, profile_year=2023.5)
    yield anomalies.security_profile(at, 6, profile_year=99_999_999_999)
    yield anomalies.document(at, 7, version_no="two")
    yield anomalies.content(at, 7)


def bad_keys(at: ProfileIds) -> Iterator[Row]:
    """X2: keys that are null, texts, fractions, or equal after normalisation."""
    task = {"company_profile_id": at.profile, "task_kind_cd": "LOST_KEY", "due_dt": "2023-09-20"}
    yield "portal_task", {**task, "task_id": None}
    yield "portal_task", {**task, "task_id": f"key {at.position}"}
    yield "portal_task", {**task, "task_id": f"key {at.position}".encode()}
    yield "portal_task", {**task, "task_id": at.position + 0.5}
    yield "highway_crossing", {"entity_id": at.entity, "port_cd": None}
    yield "highway_crossing", {"entity_id": at.entity, "port_cd": "1|2"}
    yield "highway_crossing", {"entity_id": at.entity, "port_cd": Undecodable(b"9\xfe")}
    yield "highway_crossing", {"entity_id": at.entity, "port_cd": Undecodable(b"9\xff")}


def bad_lengths(at: ProfileIds) -> Iterator[Row]:
    """X2: texts longer than their columns, nullable and mandatory; an address that case-folding makes too long."""
    address = {
        "address_id": at.id(1),
        "company_profile_id": at.profile,
        "address_type_cd": "MAILING",
        "mailing_ind": "N",
        "primary_ind": "N",
    }
    yield "company_address", {**address, "postal_code": "9" * 21, "modified_at": "2020-01-01 00:00:00"}
    yield anomalies.model(at, 1, company_profile_id=at.id(1))
    yield anomalies.entity(at, 1)
    dated = {"created_at": "2020-01-01 00:00:00", "modified_at": "2020-01-01 00:00:00", "deleted_ind": "N"}
    yield "company_profile", {"company_profile_id": at.id(1), "company_name": "x" * 201, **dated}
    yield anomalies.user(at, 1, user_name="ß" * 200 + f".{at.position}@trouble.example")
    yield anomalies.contact(at, 1)


KINDS: Mapping[int, anomalies.Anomaly] = {50: bad_texts, 51: bad_dates, 52: bad_mandatory_values, 53: bad_keys, 54: bad_lengths}

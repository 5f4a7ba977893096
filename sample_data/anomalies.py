"""The anomalies of a generated portal: rows added to the ordinary ones, so that every rule applies to some row.

Anomaly number k (0 to 59) occurs in the profiles whose position (from 0) is k modulo 480: the first 60 profiles have every one, and in a
large data set one profile in eight has one. The ids of these rows begin at 500,000,000,000; the digits before the last three are the
profile's position.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sample_data.population import Block, Shape

PERIOD = 480
FIRST_ID = 500_000_000_000
NEVER = 999_999_999_999  # an id that does not exist

Row = tuple[str, Mapping[str, Any]]
Anomaly = Callable[["ProfileIds"], Iterator[Row]]


@dataclass(frozen=True)
class ProfileIds:
    """A profile that gets anomalies: the ids of the profile, its first model, that model's first entity, a user of the profile, and a neighbour."""

    position: int
    profile: int
    model: int
    entity: int
    user: int
    neighbour: int  # the previous profile, or the next for the first

    def id(self, number: int) -> int:
        """Returns the id of this profile's anomaly row `number` (0 to 999) in any table."""
        return FIRST_ID + self.position * 1000 + number


def rows_of(block: Block, kinds: Mapping[int, Anomaly]) -> dict[str, list[Mapping[str, Any]]]:
    """Returns by table, in the order of the profiles, the rows that these kinds of anomaly (by number) add to the block."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for ids in chosen_profiles(block):
        kind = kinds.get(ids.position % PERIOD)
        for table, row in kind(ids) if kind is not None else ():
            rows.setdefault(table, []).append(row)
    return rows


def chosen_profiles(block: Block) -> Iterator[ProfileIds]:
    """Yields every profile of the block; one without models has the ids that its first model and entity would have had."""
    shape: Shape = block.shape
    for position in block.profile.tolist():
        model = int(shape.model_start[position])
        yield ProfileIds(
            position=position,
            profile=position + 1,
            model=model + 1,
            entity=int(shape.entity_start[min(model, len(shape.model_profile) - 1)]) + 1,
            user=int(shape.consultants + shape.user_start[position]) + 1,
            neighbour=position if position else 2,
        )


def model(at: ProfileIds, number: int, **cells: Any) -> Row:
    """Returns a security model of the place's profile."""
    plain = {"security_model_id": at.id(number), "company_profile_id": at.profile, "model_name": f"Trouble {number} of {at.profile}"}
    dated = {"origin_cd": "SPLIT", "effective_at": "2016-01-01 00:00:00", "deleted_ind": "N", "modified_at": "2016-01-01 00:00:00"}
    return "security_model", {**plain, **dated, **cells}


def entity(at: ProfileIds, number: int, **cells: Any) -> Row:
    """Returns an entity in the anomaly model of the same number: certified, of type 3PL, which requires no identifier."""
    plain = {
        "entity_id": at.id(number),
        "security_model_id": at.id(number),
        "business_type_cd": "3PL",
        "account_number": f"T{at.id(number)}",
    }
    dated = {"status_cd": "CERTIFIED", "tier_cd": "2", "created_at": "2016-01-01 00:00:00", "modified_at": "2020-01-01 00:00:00"}
    return "model_entity", {**plain, **dated, **cells}


def user(at: ProfileIds, number: int, **cells: Any) -> Row:
    """Returns a user with a unique address."""
    plain = {"user_id": at.id(number), "user_name": f"trouble.{at.id(number)}@trouble.example", "password_hash": "x"}
    named = {"first_name": "Tro", "last_name": f"Uble {number}", "user_status_cd": "ACTIVE"}
    return "portal_user", {**plain, **named, "created_at": "2016-01-01 00:00:00", "modified_at": "2020-01-01 00:00:00", **cells}


def contact(at: ProfileIds, number: int, **cells: Any) -> Row:
    """Returns a contact of the place's profile: an employee, for the anomaly user of the same number."""
    plain = {"contact_id": at.id(number), "company_profile_id": at.profile, "user_id": at.id(number), "contact_type_cd": "EMPLOYEE"}
    indicators = {"primary_poc_ind": "N", "admin_ind": "N", "ctpat_mail_ind": "N"}
    return "company_contact", {**plain, **indicators, "added_at": "2016-01-01 00:00:00", "modified_at": "2016-01-01 00:00:00", **cells}


def document(at: ProfileIds, number: int, **cells: Any) -> Row:
    """Returns a document of the place's profile, without content."""
    plain = {"document_id": at.id(number), "library_cd": "PARTNER", "company_profile_id": at.profile, "file_name": f"trouble {number}.txt"}
    return "document", {**plain, "version_no": 1, "uploaded_at": "2020-01-01 00:00:00", "deleted_ind": "N", **cells}


def content(at: ProfileIds, number: int) -> Row:
    """Returns bytes for the anomaly document of the same number."""
    return "document_content", {"document_id": at.id(number), "content": f"Trouble document {at.id(number)}.".encode()}


def signature(at: ProfileIds, number: int, **cells: Any) -> Row:
    """Returns a signature for the place's first entity, by the place's user."""
    plain = {"signature_id": at.id(number), "agreement_version_id": 2, "company_profile_id": at.profile, "entity_id": at.entity}
    return "agreement_signature", {
        **plain,
        "signer_user_id": at.user,
        "signer_name": "Tro Uble",
        "signed_at": "2023-01-01 00:00:00",
        **cells,
    }


def security_profile(at: ProfileIds, number: int, **cells: Any) -> Row:
    """Returns a security profile of the place's first model."""
    plain = {"security_profile_id": at.id(number), "security_model_id": at.model, "criteria_version_id": 3, "profile_year": 2019}
    return "security_profile", {**plain, "status_cd": "APPROVED", "current_ind": "N", **cells}


def response(at: ProfileIds, number: int, yearly: int, **cells: Any) -> Row:
    """Returns a response in the anomaly security profile `yearly`."""
    plain = {
        "response_id": at.id(number),
        "security_profile_id": at.id(yearly),
        "question_id": 3001,
        "response_text": f"Trouble {at.id(number)}.",
    }
    return "profile_response", {**plain, "completion_cd": "COMPLETE", "modified_at": "2019-06-01 00:00:00", **cells}

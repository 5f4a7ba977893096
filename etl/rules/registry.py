"""How the columns of the form `{ rule = ... }` come about, and which rows rules flag: chapters B to J as far as one table's rows suffice.

`RULES` is looked up by `target_table.column`, then by the rule's number; `FLAGS` by the numbers that a mapping lists.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from etl.domain import new_york_time as clock
from etl.domain.emails import email_key
from etl.domain.identifier_values import is_personal, normal
from etl.domain.ids import as_arrow
from etl.placement.account_directory import Spine, login_ids
from etl.placement.row_placement import Bools, Ints, Placed, ints, keys
from etl.placement.target_rows import Computed, Copies, Rule, ids_of
from etl.rules.a_accounts import employee_count
from etl.rules.c_documents import content_columns
from etl.rules.e_responses import adjusted
from mappings.model import Form


def due_date_adjusted(copies: Copies, form: Form) -> Computed:
    """E14: a due date of the band around the freeze moves; else null."""
    return adjusted(copies.take(form.columns[0]), copies.spine.freeze, copies.spine.grace)


def internal(copies: Copies, form: Form) -> Computed:
    """C15: an internal finding; a comment unless it is known to be for trade (fine print 36)."""
    values = copies.take(form.columns[0])
    if form.columns[0] == "internal_ind":
        return (values != "N").fill_null(True)
    return (values == "INTERNAL").fill_null(False)


def as_it_is(copies: Copies, form: Form) -> Computed:
    """A12, E10: the raw value; what the rule does is to add what the catalogue lacks."""
    return copies.take(form.columns[0])


def always(copies: Copies, form: Form) -> Computed:
    """B13: every login has to be activated anew."""
    return pl.Series([True] * len(copies.row), dtype=pl.Boolean)


def employees(copies: Copies, form: Form) -> Computed:
    """A21."""
    return pl.Series([employee_count(text) for text in copies.take(form.columns[0]).to_list()], dtype=pl.Int64)


def value_norm(copies: Copies, form: Form) -> Computed:
    """H4."""
    return pl.Series([normal(text) for text in copies.take(form.columns[0]).to_list()], dtype=pl.String)


def personal(copies: Copies, form: Form) -> Computed:
    """H6."""
    kind, value = (copies.take(column).to_list() for column in form.columns)
    return pl.Series([is_personal(*pair) for pair in zip(kind, value, strict=True)], dtype=pl.Boolean)


def occurred_at(copies: Copies, form: Form) -> Computed:
    """J4: the moment in UTC, null where the wall clock's text cannot be read."""
    return clock.utc(copies.take(form.columns[0]))[0]


def occurred_certain(copies: Copies, form: Form) -> Computed:
    """J4: false where the text was ambiguous, skipped or unreadable."""
    return clock.utc(copies.take(form.columns[0]))[1]


def applicability(copies: Copies, form: Form) -> Computed:
    """E3: the strength of the question for the account's type, NOT_APPLICABLE where the catalogue has none."""
    types = copies.spine.accounts["business_type_cd"].gather(copies.account.astype(np.int64))
    pairs = pl.DataFrame({"question_id": copies.take("question_id"), "business_type_cd": types})
    joined = pairs.join(copies.spine.applicability, on=["question_id", "business_type_cd"], how="left", maintain_order="left")
    return joined["strength_cd"].fill_null("NOT_APPLICABLE")


def superseded(copies: Copies, form: Form) -> Computed:
    """E7: whether a later answer to the same question stands in the same security profile."""
    values, _ = copies.ints("response_id")
    return pl.Series(np.isin(values, copies.spine.superseded))


def svi_active(copies: Copies, form: Form) -> Computed:
    """G9: only with a consent act that exists, and status CERTIFIED."""
    values, present = copies.ints("consent_signature_id")
    consent = copies.spine.where["P2", "agreement_signature"].loaded(values, present)
    certified = (copies.spine.accounts["status_cd"].gather(copies.account.astype(np.int64)) == "CERTIFIED").to_numpy()
    return pl.Series(consent & certified)


def uploader_login(copies: Copies, form: Form) -> Computed:
    """I9: the login with the uploader's e-mail key, if there is one."""
    known = copies.spine.email_keys
    keys = [key if key in known else None for key in map(email_key, copies.take(form.columns[0]).to_list())]
    return as_arrow(*login_ids(pl.Series(keys, dtype=pl.String)))


def notification_document(copies: Copies, form: Form) -> Computed:
    """The document as recorded, whichever TC account it belongs to (fine print 38)."""
    values, _ = copies.ints(form.columns[0])
    where = copies.spine.where["TC", "tc_document"]
    place, _ = where.find(values)
    accounts = where.accounts[where.start[place]]
    return as_arrow(ids_of(copies.spine.tag_of("document", "TC"), values, accounts, copies.spine))


def _content(rows: Placed, spine: Spine) -> pl.DataFrame:
    document = rows.frame.select(keys(rows.mapping, rows.frame).alias("_key"), "size_bytes", "sha256_hex")
    return content_columns(document, spine.contents[rows.mapping.portal])


def content_digest(copies: Copies, form: Form) -> Computed:
    """C6: the digest of the document's bytes, null where there are none."""
    return _content(copies.placed, copies.spine)["sha256"].gather(copies.row)


def content_state(copies: Copies, form: Form) -> Computed:
    """C6, C8."""
    return _content(copies.placed, copies.spine)["content_state_cd"].gather(copies.row)


RULES: dict[str, Rule] = {
    "document.sha256": content_digest, "document.content_state_cd": content_state,
    "E14": due_date_adjusted, "C15": internal, "A12": as_it_is, "E10": as_it_is, "B13": always, "login.activation_required": always,
    "A21": employees, "H4": value_norm, "H6": personal, "event_history.occurred_at": occurred_at,
    "event_history.occurred_certain": occurred_certain, "E3": applicability, "E7": superseded, "G9": svi_active,
    "document.uploaded_by_login_id": uploader_login, "tc_anl_document.document_id": notification_document,
}  # fmt: skip


def flag_uncertain_moments(rows: Placed, spine: Spine) -> None:
    """J4: the wall clock was ambiguous, skipped, unreadable or absent."""
    for into in rows.mapping.into:
        for name, form in into.columns.items():
            if name == "occurred_certain" and form.rule == "J4":
                rows.flag(
                    "J4",
                    ~clock.utc(rows.frame[form.columns[0]])[1].to_numpy(),
                    "the New York wall clock is ambiguous, skipped, unreadable or absent",
                )


def flag_profile_validations(rows: Placed, spine: Spine) -> None:
    """F2: a validation of a whole profile is on all its several accounts."""
    narrower = [route.column for route in rows.mapping.owner[:-1]]
    by_profile = rows.frame.select(pl.all_horizontal(pl.col(column).is_null() for column in narrower)).to_series().to_numpy()
    copies = np.bincount(rows.row, minlength=rows.frame.height)
    rows.flag("F2", by_profile & (copies > 1), "validation of a whole profile: on all its accounts")


def unknown_questions(rows: Placed, spine: Spine) -> Bools:
    """E10: the loaded rows that name a question which the new catalogue would lack."""
    values, present = ints(rows.frame, "question_id")
    return np.asarray(present & ~spine.where["P2", "profile_question"].loaded(values, present) & (rows.reason == 0))


def flag_unknown_questions(rows: Placed, spine: Spine) -> None:
    rows.flag("E10", unknown_questions(rows, spine), "the question is not in the catalogue: a stub was made")


def flag_superseded(rows: Placed, spine: Spine) -> None:
    values, _ = ints(rows.frame, "response_id")
    rows.flag("E7", np.isin(values, spine.superseded), "a later answer to the same question stands in the same security profile")


def flag_content(rows: Placed, spine: Spine) -> None:
    """C6: no bytes anywhere; C8: the bytes are not those that were recorded at upload."""
    if not any(into.table == "document" for into in rows.mapping.into):
        return
    state = _content(rows, spine)["content_state_cd"]
    rows.flag("C6", (state == "MISSING").to_numpy(), "no content row, and no readable file under the file share's root")
    rows.flag(
        "C8", state.is_in(["DIGEST_MISMATCH", "SIZE_MISMATCH"]).to_numpy(), "recorded digest or size differs from the bytes; both are kept"
    )


def flag_submitted_by_consultants(rows: Placed, spine: Spine) -> None:
    """E15: by user id, the submitter's contacts on the model's profile, removed ones too, are consultants only (fine print 54)."""
    if "submitted_by_user_id" not in rows.frame.columns:
        return
    profiles = rows.frame.select("submitted_by_user_id", "security_model_id").join(
        spine.model_profiles, on="security_model_id", how="left", maintain_order="left"
    )
    only = profiles.join(
        spine.consultants.with_columns(pl.lit(True).alias("only")),
        left_on=["submitted_by_user_id", "company_profile_id"], right_on=["user_id", "company_profile_id"], how="left", maintain_order="left",
    )["only"]  # fmt: skip
    rows.flag("E15", only.fill_null(False).to_numpy(), "the submitter's contacts on the model's profile are consultants only")


FLAGS: dict[str, Callable[[Placed, Spine], None]] = {
    "J4": flag_uncertain_moments, "F2": flag_profile_validations, "E10": flag_unknown_questions, "E7": flag_superseded,
    "C8": flag_content, "E15": flag_submitted_by_consultants,
}  # fmt: skip


def stub_questions(rows: Placed, spine: Spine) -> Ints:
    """The ids of the questions that E10 makes stubs of."""
    values, _ = ints(rows.frame, "question_id")
    return np.unique(values[unknown_questions(rows, spine)])

"""Chapter E: security profiles and responses. E7 needs every answer's question and time, but no text, so it works on whole tables of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.domain.grace import Grace
from etl.placement.account_directory import AccountDirectory
from etl.placement.row_placement import Bools, Flagged, Ints, RowPlacement, int_values_and_mask
from etl.placement.target_rows import Computed, Flag, Rule, TargetRows
from mappings.model import Form

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "E1": (),
    "E2": (),
    "E3": (),
    "E4": (),
    "E7": ("P2.profile_response",),
    "E10": ("P2.profile_response", "P2.validation_finding"),
    "E14": (),
    "E15": ("P2.security_profile",),
}

NONE: Ints = np.zeros(0, np.int64)


def fingerprints(answers: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Returns one number per answer for (security profile, question); different pairs have equal numbers almost never."""
    return answers.select(pl.struct("security_profile_id", "question_id").hash(seed=7)).to_series().to_numpy()


def repeated(parts: Iterable[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    """Returns the numbers that occur more than once; memory is eight bytes per answer."""
    numbers = np.concatenate([np.zeros(0, np.uint64), *parts])
    numbers.sort()
    return np.unique(numbers[1:][numbers[1:] == numbers[:-1]])


def superseded(suspects: pl.DataFrame) -> Ints:
    """Returns the sorted response ids that a later answer to the same question in the same security profile replaces (E7; tie: highest id stays).

    `suspects`: response_id, security_profile_id, question_id, modified_at of loaded answers.
    """
    latest = suspects.sort("modified_at", "response_id", descending=[True, True]).with_columns(
        pl.int_range(pl.len()).over("security_profile_id", "question_id").alias("position")
    )
    return latest.filter(pl.col("position") > 0)["response_id"].sort().to_numpy().astype(np.int64)


_EPOCH = date(1970, 1, 1)
_LAST = (date(9999, 12, 31) - _EPOCH).days


def adjusted(due: pl.Series, freeze: tuple[date, date] | None, grace: Grace) -> pl.Series:
    """Returns the due dates within the band around the freeze, both ends included, moved by the grace; else null (E14).

    Null also if the sum is after 9999-12-31, or without a freeze.
    """
    numbers = grace.in_force(freeze)
    if freeze is None or numbers is None:
        return pl.Series(due.name, [None] * len(due), dtype=pl.Date)
    before, after, added = numbers
    day = due.cast(pl.Int32).cast(pl.Int64)
    first, last = (freeze[0] - _EPOCH).days - before, (freeze[1] - _EPOCH).days + after
    moved = pl.when((day >= first) & (day <= last) & (day + added <= _LAST)).then(day + added)
    return pl.select(moved.cast(pl.Int32).cast(pl.Date)).to_series().alias(due.name)


def due_date_adjusted(copies: TargetRows, form: Form) -> Computed:
    """Returns the moved due date for each target row; null outside the band around the freeze (E14)."""
    return adjusted(copies.source_column(form.columns[0]), copies.spine.freeze, copies.spine.grace)


def applicability(copies: TargetRows, form: Form) -> Computed:
    """Returns the strength of the question for the account's type; NOT_APPLICABLE if the catalogue has none (E3)."""
    types = copies.spine.accounts["business_type_cd"].gather(copies.account.astype(np.int64))
    pairs = pl.DataFrame({"question_id": copies.source_column("question_id"), "business_type_cd": types})
    joined = pairs.join(copies.spine.applicability, on=["question_id", "business_type_cd"], how="left", maintain_order="left")
    return joined["strength_cd"].fill_null("NOT_APPLICABLE")


def is_superseded(copies: TargetRows, form: Form) -> Computed:
    """Returns whether the same security profile has a later answer to the same question (E7)."""
    values, _ = copies.ints("response_id")
    return pl.Series(np.isin(values, copies.spine.superseded))


def flag_superseded(rows: RowPlacement, spine: AccountDirectory) -> Flagged:
    """Returns the answers that a later one supersedes, to be flagged under E7."""
    values, _ = int_values_and_mask(rows.frame, "response_id")
    return np.isin(values, spine.superseded), "a later answer to the same question stands in the same security profile"


def question(copies: TargetRows, form: Form) -> Computed:
    """Returns the question id unchanged; E10 adds missing questions to the catalogue."""
    return copies.source_column(form.columns[0])


def unknown_questions(rows: RowPlacement, spine: AccountDirectory) -> Bools:
    """Returns which loaded rows have a question that is not in the new catalogue (E10)."""
    values, present = int_values_and_mask(rows.frame, "question_id")
    return np.asarray(present & ~spine.where["P2", "profile_question"].loaded(values, present) & (rows.reason == 0))


def flag_unknown_questions(rows: RowPlacement, spine: AccountDirectory) -> Flagged:
    """Returns the rows with a question that is not in the catalogue, to be flagged under E10."""
    return unknown_questions(rows, spine), "the question is not in the catalogue: a stub was made"


def stub_questions(rows: RowPlacement, spine: AccountDirectory) -> Ints:
    """Returns the ids of questions for which E10 creates a stub."""
    values, _ = int_values_and_mask(rows.frame, "question_id")
    return np.unique(values[unknown_questions(rows, spine)])


def flag_submitted_by_consultants(rows: RowPlacement, spine: AccountDirectory) -> Flagged:
    """Returns the security profiles whose submitter has only consultant contacts on the model's profile, to be flagged under E15 (fine print 54)."""
    profiles = rows.frame.select("submitted_by_user_id", "security_model_id").join(
        spine.model_profiles, on="security_model_id", how="left", maintain_order="left"
    )
    only = profiles.join(
        spine.consultants.with_columns(pl.lit(True).alias("only")),
        left_on=["submitted_by_user_id", "company_profile_id"],
        right_on=["user_id", "company_profile_id"],
        how="left",
        maintain_order="left",
    )["only"]
    return only.fill_null(False).to_numpy(), "the submitter's contacts on the model's profile are consultants only"


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "E3": applicability,
    "E7": is_superseded,
    "E10": question,
    "E14": due_date_adjusted,
}

# Which rows a rule flags, if that depends on rows of one table alone.
FLAGS: dict[str, Flag] = {
    "E7": flag_superseded,
    "E10": flag_unknown_questions,
    "E15": flag_submitted_by_consultants,
}

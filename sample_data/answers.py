"""Security profiles, their responses and the comments on them: the bulk of a synthetic world."""

import numpy as np
import pyarrow as pa

from sample_data.catalogue import question_id
from sample_data.frames import DAY, day, flags, frame, join, nullable, pick, where
from sample_data.people import someone
from sample_data.population import CERTIFIED, CLOSE, SUSPENDED, Block, Shape
from sample_data.seeded_random import Bools, Ints, below, children, choose, happens

YEARS = 8  # ids of a model's security profiles: no model has more
ANSWERS = 256  # ids of a security profile's responses: none has more
LAST_YEAR = 2023
# January 1 of each year as a day, from 2015 on.
_NEW_YEAR = np.array([day(f"{year}-01-01") for year in range(2015, LAST_YEAR + 2)], dtype=np.int64)


def year_counts(shape: Shape, model: Ints) -> Ints:
    """Returns the number of yearly security profiles per model: one to four if its first entity is in the program, else none or one."""
    first = shape.entity_start[model]
    some = shape.entity_start[model + 1] > first
    status = shape.entity_status[np.minimum(first, len(shape.entity_status) - 1)]
    inside = some & ((status == CERTIFIED) | (status == SUSPENDED))
    return np.where(
        inside, 1 + choose(shape.seed, "years", model, (15, 25, 30, 30)), choose(shape.seed, "years.few", model, (65, 35))
    ).astype(np.int64)


def answer_counts(shape: Shape, security_profile: Ints) -> Ints:
    """Returns the number of responses per security profile (model * YEARS + number): 95 to 150, drafts fewer."""
    full = 95 + below(shape.seed, "answers", security_profile, 56)
    return np.where(_draft(shape, security_profile), below(shape.seed, "answers.draft", security_profile, 95), full)


def security_profiles(block: Block) -> tuple[pa.Table, Ints]:
    """Returns security_profile of the block, and the positions of its rows."""
    shape, seed = block.shape, block.shape.seed
    counts = year_counts(shape, block.model)
    parent, number = children(counts)
    model = block.model[parent]
    position = model * YEARS + number
    year = LAST_YEAR - counts[parent] + 1 + number
    current = number == counts[parent] - 1
    draft = _draft(shape, position)
    opens = _NEW_YEAR[year - 2015] + 100 + below(seed, "year.opens", position, 100)
    submitted = np.minimum((opens + below(seed, "year.submitted", position, 90)) * DAY + below(seed, "year.hour", position, DAY), CLOSE)
    reviewed = ~draft & (~current | happens(seed, "year.reviewed", position, 400))
    by = someone(shape, shape.model_profile[model], below(seed, "year.by", position, 1 << 20))
    table = frame(
        "security_profile",
        security_profile_id=position + 1,
        security_model_id=model + 1,
        criteria_version_id=_version(year),
        profile_year=year,
        status_cd=pick(
            ["INCOMPLETE", "PENDING_REVIEW", "APPROVED", "REJECTED"],
            np.where(draft, 0, np.where(reviewed, 2 + happens(seed, "year.rejected", position, 60), 1)),
        ),
        window_opens_dt=opens,
        due_dt=opens + 90,
        submitted_at=nullable(submitted, draft),
        submitted_by_user_id=nullable(by, draft),
        reviewed_at=nullable(np.minimum(submitted + 30 * DAY, CLOSE), ~reviewed),
        reviewed_by_cbp_user_id=nullable(1 + below(seed, "year.reviewer", position, 40), ~reviewed),
        current_ind=flags(current),
    )
    return table, position


def responses(block: Block, security_profile: Ints, texts: pa.Array) -> pa.Table:
    """Returns profile_response of these security profiles; each text begins with its place, so that a misattached response is visible."""
    shape, seed = block.shape, block.shape.seed
    parent, number = children(answer_counts(shape, security_profile))
    owner = security_profile[parent]
    model, yearly = np.divmod(owner, YEARS)
    position = owner * ANSWERS + number
    question = question_id(_version(LAST_YEAR - year_counts(shape, model) + 1 + yearly), below(seed, "answers.first", owner, 180) + number)
    draw = below(seed, "response", position, 1 << 30)
    draft = _draft(shape, owner)
    # One draw serves all columns: its digits to several bases are even enough for sample data, and drawing is what costs time here.
    missing = draft & (draw % 7 == 0) | (draw % 97 == 0)
    text = join("[", owner + 1, "/", question, "] ", pick(texts, (draw // 128) % len(texts)))
    return frame(
        "profile_response",
        response_id=position + 1,
        security_profile_id=owner + 1,
        question_id=question,
        response_text=_blank(text, missing, missing & (draw % 3 > 0)),
        completion_cd=pick(["COMPLETE", "INCOMPLETE"], missing.astype(np.int64)),
        review_cd=pick(["APPROVED", "REJECTED", "PENDING_REVIEW", None], np.where(draft, 3, (draw // 1024) % 40 // 36 * ((draw // 8) % 3))),
        modified_at=np.minimum(shape.model_created[model] + (draw // 4096) % (900 * DAY), CLOSE),
        modified_by_user_id=nullable(someone(shape, shape.model_profile[model], draw // 64), draw % 5 == 0),
    )


def comments(block: Block, security_profile: Ints, texts: pa.Array) -> pa.Table:
    """Returns response_comment: a few per security profile; whether they are internal is null for some."""
    shape, seed = block.shape, block.shape.seed
    counts = answer_counts(shape, security_profile)
    parent, number = children(np.where(counts > 16, below(seed, "comments", security_profile, 8), 0))
    position = security_profile[parent] * 8 + number
    response = security_profile[parent] * ANSWERS + below(seed, "comment.response", position, np.maximum(counts[parent], 1))
    return frame(
        "response_comment",
        comment_id=position + 1,
        response_id=response + 1,
        cbp_user_id=nullable(1 + below(seed, "comment.by", position, 40), position % 13 == 0),
        internal_ind=pick(["Y", "N", None], choose(seed, "comment.internal", position, (45, 45, 10))),
        comment_text=join("[", response + 1, "] ", pick(texts, below(seed, "comment.text", position, len(texts)))),
        created_at=np.minimum(
            shape.model_created[security_profile[parent] // YEARS] + below(seed, "comment.at", position, 900 * DAY), CLOSE
        ),
    )


def _draft(shape: Shape, security_profile: Ints) -> Bools:
    return happens(shape.seed, "year.draft", security_profile, 120)


def _version(year: Ints) -> Ints:
    return np.where(year >= 2020, 3, 2).astype(np.int64)


def _blank(text: pa.Array, missing: Bools, null: Bools) -> pa.Array:
    """Returns the texts, '' and null kept apart."""
    empty = pick(["", None], null.astype(np.int64))
    return where(missing, empty, text)

"""Validations, their visits, findings and responses of one block of a synthetic world."""

import numpy as np
import pyarrow as pa

from sample_data import words
from sample_data.catalogue import question_id
from sample_data.frames import DAY, frame, join, nullable, pick
from sample_data.people import someone
from sample_data.population import CLOSE, Block, member
from sample_data.seeded_random import below, children, choose, happens

VALIDATIONS = 8  # ids of an entity's validations: none has more


def validations(block: Block, texts: pa.Array) -> dict[str, pa.Table]:
    """Returns validation and its dependent tables, for the entities that are or were certified."""
    shape, seed = block.shape, block.shape.seed
    inside = member(shape, block)
    parent, number = children(np.where(inside, choose(seed, "validations", block.entity, (10, 30, 35, 20, 5)), 0))
    entity = block.entity[parent]
    position = entity * VALIDATIONS + number
    model = shape.entity_model[entity]
    profile = shape.model_profile[model]
    started = np.minimum(
        shape.entity_created[entity] // DAY + number * 1400 + below(seed, "validation.start", position, 300), CLOSE // DAY - 1
    )
    open_ = happens(seed, "validation.open", position, 80)
    # Narrowest scope set: the entity 60, only its model 37, only the profile 3 of 100 (rules F1, F2).
    scope = choose(seed, "validation.scope", position, (60, 37, 3))
    validation = frame(
        "validation",
        validation_id=position + 1,
        company_profile_id=profile + 1,
        security_model_id=nullable(model + 1, scope == 2),
        entity_id=nullable(entity + 1, scope != 0),
        validation_type_cd=pick(
            ["INITIAL", "REVALIDATION", "VIRTUAL", "NO_VISIT"],
            np.where(number == 0, 0, 1 + below(seed, "validation.type", position, 3)),
        ),
        status_cd=pick(["CLOSED", "OPEN"], open_.astype(np.int64)),
        initiated_dt=started,
        closed_dt=nullable(np.minimum(started + 120, CLOSE // DAY), open_),
        report_sent_at=nullable(np.minimum((started + 60) * DAY + 43_200, CLOSE), open_),
        approved_at=nullable(np.minimum((started + 110) * DAY + 3_600, CLOSE), open_),
        report_summary=pick(texts, below(seed, "validation.summary", position, len(texts)), open_),
        lead_cbp_user_id=nullable(1 + below(seed, "validation.lead", position, 40), position % 17 == 0),
    )
    visit_parent, visit_no = children(1 + choose(seed, "visits", position, (60, 30, 10)))
    visit = position[visit_parent] * 4 + visit_no
    city = below(seed, "visit.city", visit, len(words.CITIES))
    visits = frame(
        "validation_visit",
        visit_id=visit + 1,
        validation_id=position[visit_parent] + 1,
        visit_name=pick(["Headquarters", "Foreign site", "Warehouse"], visit_no),
        start_dt=started[visit_parent] + 20 + visit_no,
        end_dt=started[visit_parent] + 21 + visit_no,
        site_name=join("Site ", visit_no + 1),
        city=pick(words.CITIES, city),
        country_cd=pick(words.COUNTRIES, city),
    )
    finding_parent, finding_no = children(choose(seed, "findings", position, (15, 25, 25, 15, 10, 6, 4)))
    finding = position[finding_parent] * 8 + finding_no
    kind = choose(seed, "finding.kind", finding, (45, 35, 12, 8))
    due = started[finding_parent] + 90 + below(seed, "finding.due", finding, 90)
    findings = frame(
        "validation_finding",
        finding_id=finding + 1,
        validation_id=position[finding_parent] + 1,
        question_id=nullable(question_id(np.full(len(finding), 3), below(seed, "finding.question", finding, 180)), finding % 4 == 0),
        finding_kind_cd=pick(["ACTION_REQUIRED", "RECOMMENDATION", "BEST_PRACTICE", "INTERNAL"], kind),
        finding_text=join("[", finding + 1, "] ", pick(texts, below(seed, "finding.text", finding, len(texts)))),
        due_dt=nullable(due, kind > 0),
        status_cd=pick(["OPEN", "CLOSED"], happens(seed, "finding.closed", finding, 700).astype(np.int64)),
    )
    reply_parent, reply_no = children(np.where(kind == 0, below(seed, "replies", finding, 3), 0))
    reply = finding[reply_parent] * 4 + reply_no
    owner = profile[finding_parent][reply_parent]
    replies = frame(
        "finding_response",
        finding_response_id=reply + 1,
        finding_id=finding[reply_parent] + 1,
        seq_no=reply_no + 1,
        response_text=join("[", finding[reply_parent] + 1, "] ", pick(texts, below(seed, "reply.text", reply, len(texts)))),
        submitted_by_user_id=nullable(someone(shape, owner, below(seed, "reply.by", reply, 1 << 20)), reply % 9 == 0),
        submitted_at=np.minimum((started[finding_parent][reply_parent] + 80) * DAY + reply_no * DAY, CLOSE),
        review_cd=pick(["APPROVED", "REJECTED", "PENDING_REVIEW", None], below(seed, "reply.review", reply, 4)),
    )
    return {"validation": validation, "validation_visit": visits, "validation_finding": findings, "finding_response": replies}

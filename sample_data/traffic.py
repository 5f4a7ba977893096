"""Status verification links, programs, messages, notes, tasks and events of one block of a synthetic world."""

import numpy as np
import pyarrow as pa

from sample_data.frames import DAY, day, frame, join, nullable, pick
from sample_data.people import someone
from sample_data.population import CERTIFIED, CLOSE, Block
from sample_data.seeded_random import below, children, choose, happens

LINKS = 256  # ids of an entity's links: none has more
EVENTS = 128
EVENT_KINDS = ("STATUS_CHANGE", "LOGIN", "PHONE_CHANGE", "CONTACT_ADDED", "DOCUMENT_ADDED", "PROFILE_SUBMITTED", "PROFILE_REVIEWED")


def links(block: Block) -> dict[str, pa.Table]:
    """Returns svi_link: most certified entities monitor no or few others, some a hundred. One end in ten names no entity, a few name a model."""
    shape, seed = block.shape, block.shape.seed
    certified = shape.entity_status[block.entity] == CERTIFIED
    tail = np.select(
        [happens(seed, "links.heavy", block.entity, 20), happens(seed, "links.some", block.entity, 200)],
        [60 + below(seed, "links.many", block.entity, 160), 40],
        8,
    )
    parent, number = children(np.where(certified, below(seed, "links", block.entity, tail), 0))
    entity = block.entity[parent]
    position = entity * LINKS + number
    other = below(seed, "link.to", position, len(shape.entity_model))
    profile = shape.model_profile[shape.entity_model]
    asked = np.minimum(
        np.maximum(shape.entity_created[entity], shape.entity_created[other]) + below(seed, "link.asked", position, 1500 * DAY), CLOSE
    )
    status = choose(seed, "link.status", position, (15, 60, 10, 15))
    return {
        "svi_link": frame(
            "svi_link",
            link_id=position + 1,
            monitor_profile_id=profile[entity] + 1,
            monitor_entity_id=nullable(entity + 1, happens(seed, "link.profile", position, 100)),
            monitor_model_id=nullable(shape.entity_model[entity] + 1, ~happens(seed, "link.model", position, 60)),
            monitored_profile_id=profile[other] + 1,
            monitored_model_id=nullable(shape.entity_model[other] + 1, ~happens(seed, "link.tomodel", position, 60)),
            monitored_entity_id=nullable(other + 1, happens(seed, "link.toprofile", position, 100)),
            request_status_cd=pick(["SENT", "ACCEPTED", "DECLINED", "ENDED"], status),
            requested_at=asked,
            requested_by_user_id=someone(shape, profile[entity], below(seed, "link.by", position, 1 << 20)),
            responded_at=nullable(np.minimum(asked + 5 * DAY, CLOSE), status == 0),
            ended_at=nullable(np.minimum(asked + 300 * DAY, CLOSE), status != 3),
            blocked_ind=pick(["Y", "N", None], choose(seed, "link.blocked", position, (2, 58, 40))),
        ),
        "program_participation": _programs(block),
    }


def messages(block: Block, texts: pa.Array) -> dict[str, pa.Table]:
    """Returns message_thread, message, internal_note and portal_task."""
    shape, seed = block.shape, block.shape.seed
    parent, number = children(choose(seed, "threads", block.profile, (45, 25, 15, 10, 5)))
    profile = block.profile[parent]
    thread = profile * 8 + number
    count = np.diff(shape.model_start)[profile]
    model = shape.model_start[profile] + below(seed, "thread.model", thread, np.maximum(count, 1))
    began = np.minimum(shape.profile_created[profile] + below(seed, "thread.at", thread, 3000 * DAY), CLOSE - 40 * DAY)
    in_thread, message_no = children(1 + below(seed, "messages", thread, 5))
    message = thread[in_thread] * 8 + message_no
    officer = message_no % 2 == 0
    return {
        "message_thread": frame(
            "message_thread",
            thread_id=thread + 1,
            company_profile_id=profile + 1,
            security_model_id=nullable(model + 1, (count == 0) | happens(seed, "thread.profile", thread, 300)),
            subject=pick(["Your annual review", "Validation visit", "RE: RE: seals", "", None], below(seed, "thread.subject", thread, 5)),
            created_at=began,
        ),
        "message": frame(
            "message",
            message_id=message + 1,
            thread_id=thread[in_thread] + 1,
            from_user_id=nullable(someone(shape, profile[in_thread], below(seed, "message.by", message, 1 << 20)), officer),
            from_cbp_user_id=nullable(1 + below(seed, "message.cbp", message, 40), ~officer),
            body=join("[", thread[in_thread] + 1, "] ", pick(texts, below(seed, "message.text", message, len(texts)))),
            sent_at=began[in_thread] + message_no * 5 * DAY,
        ),
        **_notes(block, texts),
    }


def events(block: Block) -> dict[str, pa.Table]:
    """Returns event_history: some dozens per profile, in New York's wall clock; a few are unreadable or null (J4)."""
    shape, seed = block.shape, block.shape.seed
    parent, number = children(5 + np.minimum(below(seed, "events.1", block.profile, 70), below(seed, "events.2", block.profile, 70)))
    profile = block.profile[parent]
    position = profile * EVENTS + number
    model_count = np.diff(shape.model_start)[profile]
    model = np.minimum(shape.model_start[profile], len(shape.model_profile) - 1)
    entity = shape.entity_start[model]
    some = (model_count > 0) & (shape.entity_start[model + 1] > entity) & happens(seed, "event.entity", position, 600)
    span = CLOSE - shape.profile_created[profile]
    at = shape.profile_created[profile] + span // 128 * number + below(seed, "event.at", position, DAY)
    local = pick(
        join(pa.Array.from_buffers(pa.timestamp("s"), len(at), [None, pa.py_buffer(at)])),
        np.arange(len(at)),
        happens(seed, "event.never", position, 3),
    )
    return {
        "event_history": frame(
            "event_history",
            event_id=position + 1,
            company_profile_id=profile + 1,
            entity_id=nullable(entity + 1, ~some),
            event_type_cd=pick(EVENT_KINDS, below(seed, "event.type", position, len(EVENT_KINDS))),
            new_value=pick(["CERTIFIED", "+1 201 555 0100", "", None, "APPROVED"], below(seed, "event.value", position, 5)),
            updated_by_txt=pick(["Specialist 7", "system", "rosa@example.com", None], below(seed, "event.by", position, 4)),
            updated_local=local,
        )
    }


def _programs(block: Block) -> pa.Table:
    shape, seed = block.shape, block.shape.seed
    entity = block.entity[happens(seed, "program", block.entity, 150)]
    return frame(
        "program_participation",
        participation_id=entity + 1,
        company_profile_id=shape.model_profile[shape.entity_model[entity]] + 1,
        entity_id=nullable(entity + 1, happens(seed, "program.profile", entity, 300)),
        program_cd=pick(["AEO_EU", "NEEC_MX", "PIP_CA", "AEO_JP"], below(seed, "program.code", entity, 4)),
        status_cd=pick(["ACTIVE", "ENDED"], below(seed, "program.status", entity, 2)),
        since_dt=shape.entity_created[entity] // DAY,
    )


def _notes(block: Block, texts: pa.Array) -> dict[str, pa.Table]:
    shape, seed = block.shape, block.shape.seed
    parent, number = children(choose(seed, "notes", block.entity, (35, 30, 20, 10, 5)))
    entity = block.entity[parent]
    note = entity * 8 + number
    owner = shape.model_profile[shape.entity_model[entity]]
    tasked, task_no = children(choose(seed, "tasks", block.entity, (45, 35, 15, 5)))
    doer = block.entity[tasked]
    task = doer * 4 + task_no
    # Two thirds of the tasks fall due in the weeks around the freeze: rule E14 has something to do.
    due = np.where(
        happens(seed, "task.soon", task, 660),
        day("2023-08-20") + below(seed, "task.due", task, 70),
        day("2020-01-01") + below(seed, "task.due", task, 1300),
    )
    return {
        "internal_note": frame(
            "internal_note",
            note_id=note + 1,
            company_profile_id=owner + 1,
            entity_id=nullable(entity + 1, happens(seed, "note.profile", note, 250)),
            note_type_cd=pick(["GENERAL", "VALIDATION", "PHONE"], below(seed, "note.type", note, 3)),
            note_text=join("[", owner + 1, "] ", pick(texts, below(seed, "note.text", note, len(texts)))),
            cbp_user_id=nullable(1 + below(seed, "note.by", note, 40), note % 19 == 0),
            created_at=np.minimum(shape.entity_created[entity] + below(seed, "note.at", note, 3000 * DAY), CLOSE),
        ),
        "portal_task": frame(
            "portal_task",
            task_id=task + 1,
            company_profile_id=shape.model_profile[shape.entity_model[doer]] + 1,
            entity_id=nullable(doer + 1, happens(seed, "task.profile", task, 250)),
            task_kind_cd=pick(["ANNUAL_REVIEW", "UPDATE_CONTACTS", "ANSWER_FINDING"], below(seed, "task.kind", task, 3)),
            due_dt=nullable(due, task % 14 == 0),
            done_at=nullable(np.minimum(due * DAY + 3600, CLOSE), task % 3 != 0),
        ),
    }

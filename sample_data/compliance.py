"""The Trade Compliance portal of one block of a synthetic world: 4 of 100 importers have an account there."""

from hashlib import sha256

import numpy as np
import pyarrow as pa

from sample_data import words
from sample_data.frames import DAY, blobs, flags, frame, ints, join, nullable, pick
from sample_data.people import user_names
from sample_data.population import CLOSE, IMPORTER, Block
from sample_data.seeded_random import Ints, below, children, happens


def accounts(block: Block, texts: pa.Array) -> dict[str, pa.Table]:
    """Returns all Trade Compliance tables of the block; an account's id is its importer's."""
    shape, seed = block.shape, block.shape.seed
    chosen = block.entity[(shape.entity_type[block.entity] == IMPORTER) & happens(seed, "tc", block.entity, 40)]
    profile = shape.model_profile[shape.entity_model[chosen]]
    # Two accounts that name one company are ambiguous (I1): every fourth company may have them, so that a small world stays plausible.
    single = np.r_[True, profile[1:] != profile[:-1]] if len(profile) else np.ones(0, dtype=bool)
    chosen = chosen[single | (profile % 4 == 0)]
    profile = shape.model_profile[shape.entity_model[chosen]]
    active = np.minimum(shape.entity_created[chosen] + 700 * DAY, CLOSE)
    account = frame(
        "tc_account",
        tc_account_id=chosen + 1,
        tc_account_number=join("TC", 100_000 + chosen),
        company_profile_id=nullable(profile + 1, happens(seed, "tc.unnamed", chosen, 250)),
        account_name=words.company_names(profile),
        application_status_cd=pick(["APPROVED", "IN_PROCESS"], below(seed, "tc.application", chosen, 8) // 7),
        account_status_cd=pick(["ACTIVE", "SUSPENDED"], below(seed, "tc.status", chosen, 12) // 11),
        submitted_dt=active // DAY - 100,
        activated_dt=active // DAY,
        mou_signed_by=join(words.first_names(seed, chosen), " ", words.last_names(seed, chosen)),
        mou_signed_at=active - 30 * DAY,
        account_manager=join("Manager ", chosen % 12 + 1),
        modified_at=active,
    )
    ior, letter = children(np.full(len(chosen), 2))
    entity = chosen[ior]
    # The importer's own number in other spelling, and one that its account may lack (I4). The first follows registry._identifiers.
    position = entity * 4
    same = join(10 + position % 90, 1_000_000 + position * 7 % 9_000_000)
    iors = pick(
        pa.concat_arrays([same, join("99", 8_000_000 + entity)]),
        np.where(letter == 0, np.arange(len(entity)), len(entity) + np.arange(len(entity))),
    )
    kept = (letter == 0) | happens(seed, "tc.second", entity, 300)
    rows = ints(np.flatnonzero(kept))
    tables = {
        "tc_account": account,
        "tc_ior": frame(
            "tc_ior",
            tc_account_id=entity + 1,
            ior_value=iors,
            active_ind=flags(letter < 2),
        ).take(rows),
        "tc_contact": _contacts(block, chosen),
    }
    asked, question = children(np.full(len(chosen), 12))
    tables["tc_questionnaire_answer"] = frame(
        "tc_questionnaire_answer",
        tc_account_id=chosen[asked] + 1,
        question_no=question + 1,
        answer_text=join("[", chosen[asked] + 1, "] ", pick(texts, below(seed, "tc.answer", chosen[asked] * 16 + question, len(texts)))),
        answered_at=active[asked],
    )
    told, message = children(below(seed, "tc.messages", chosen, 4))
    tables["tc_message"] = frame(
        "tc_message",
        tc_message_id=chosen[told] * 4 + message + 1,
        tc_account_id=chosen[told] + 1,
        from_email=pick(["manager@portal.example", None], message % 2),
        body=pick(texts, below(seed, "tc.message", chosen[told] * 4 + message, len(texts))),
        sent_at=active[told] + message * DAY,
    )
    done, event = children(np.full(len(chosen), 6))
    tables["tc_event"] = frame(
        "tc_event",
        tc_event_id=chosen[done] * 8 + event + 1,
        tc_account_id=chosen[done] + 1,
        event_type_cd=pick(["CREATED", "SUBMITTED", "APPROVED", "ANL_SENT", "ANL_RECEIVED", "LOGIN"], event),
        new_value=pick([None, "ACTIVE"], event % 2),
        occurred_at=active[done] + event * DAY,
    )
    return tables | _letters(block, chosen) | _documents(chosen)


def _contacts(block: Block, chosen: Ints) -> pa.Table:
    """Returns contacts: users of the profile in other spellings, and unknown persons who get a new login (I9)."""
    shape, seed = block.shape, block.shape.seed
    parent, number = children(1 + below(seed, "tc.contacts", chosen, 3))
    entity = chosen[parent]
    position = entity * 4 + number
    profile = shape.model_profile[shape.entity_model[entity]]
    user = shape.consultants + shape.user_start[profile]
    names = pick([str(name).capitalize() for name in user_names(shape, user, profile).to_pylist()], np.arange(len(user)))
    outsiders = join("trade.", position + 1, "@tc.example")
    email = pick(
        pa.concat_arrays([names, outsiders]), np.where(number == 0, np.arange(len(user)), len(user) + np.arange(len(user))), number == 2
    )
    return frame(
        "tc_contact",
        tc_contact_id=position + 1,
        tc_account_id=entity + 1,
        email=email,
        full_name=join(words.first_names(seed, user + number), " ", words.last_names(seed, user + number)),
        job_title=pick(["Import Manager", None], number % 2),
        contact_type_cd=pick(["OFFICER", "EMPLOYEE", "CONSULTANT"], number),
        tc_mail_ind=flags(number == 0),
    )


def _letters(block: Block, chosen: Ints) -> dict[str, pa.Table]:
    """Returns the Annual Notification Letters of 2021 to 2023 with items and documents; the letters of 2023 fall due within the freeze (E14)."""
    seed = block.shape.seed
    parent, number = children(np.full(len(chosen), 3))
    letter = chosen[parent] * 4 + number
    due = pick(["2021-09-20", "2022-09-20", "2023-09-20"], number).cast(pa.date32())
    sent = ~happens(seed, "anl.sent", letter, 900)
    item_of, item = children(np.full(len(letter), 3))
    return {
        "tc_annual_notification": frame(
            "tc_annual_notification",
            anl_id=letter + 1,
            tc_account_id=chosen[parent] + 1,
            anl_year=2021 + number,
            due_dt=due,
            submitted_at=nullable(CLOSE - (3 - number) * 366 * DAY, sent),
            submitted_by_email=join("trade.", letter + 1, "@tc.example"),
            status_cd=pick(["SUBMITTED", "OPEN"], sent.astype(np.int64)),
        ),
        "tc_anl_item": frame(
            "tc_anl_item",
            anl_id=letter[item_of] + 1,
            section_cd=pick(["CHANGES", "PERSONS", "TRAINING"], item),
            item_text=pick(words.SENTENCES, (letter[item_of] + item) % 20),
        ),
        "tc_anl_document": frame(
            "tc_anl_document",
            anl_id=letter + 1,
            tc_document_id=chosen[parent] * 4 + number + 1,
        ),
    }


def _documents(chosen: Ints) -> dict[str, pa.Table]:
    parent, number = children(np.full(len(chosen), 3))
    document = chosen[parent] * 4 + number
    contents = [b"%%PDF-1.4 letter %d\n" % number if number % 5 else b"%PDF-1.4 the same letter for many" for number in document.tolist()]
    return {
        "tc_document": frame(
            "tc_document",
            tc_document_id=document + 1,
            tc_account_id=chosen[parent] + 1,
            document_type_cd=pick(["ANL", None, "MOU"], number),
            file_name=join("letter ", 2021 + number, ".pdf"),
            mime_type=pick(["application/pdf"], number * 0),
            size_bytes=np.array([len(content) for content in contents], dtype=np.int64),
            sha256_hex=pick([sha256(content).hexdigest() for content in contents], np.arange(len(contents)), number == 1),
            uploaded_by_email=join("TRADE.", document + 1, "@tc.example"),
            uploaded_at=CLOSE - (3 - number) * 366 * DAY,
            version_no=number * 0 + 1,
        ),
        "tc_document_content": frame(
            "tc_document_content",
            tc_document_id=document + 1,
            content=blobs(contents),
        ),
    }

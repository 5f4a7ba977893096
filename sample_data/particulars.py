"""The attributes of the entities of one block of a synthetic world: history, identifiers, and rows that their types require."""

import numpy as np
import pyarrow as pa

from sample_data import words
from sample_data.frames import DAY, blobs, flags, frame, join, nullable, pick, where
from sample_data.population import (
    APPLICANT,
    CERTIFIED,
    CLOSE,
    CONSOLIDATOR,
    HIGHWAY_CANADA,
    HIGHWAY_MEXICO,
    HIGHWAY_OLD,
    IMPORTER,
    STATUSES,
    TYPES,
    Block,
)
from sample_data.seeded_random import Ints, below, children, choose, happens

# What an account of each type carries; the holders of a number are in TYPES' order.
IDENTIFIERS: dict[str, tuple[str, ...]] = {
    "IMP": ("IOR", "BOND", "DUNS"),
    "FMF": ("MID",),
    "HWM": ("SCAC", "USDOT"),
    "HWC": ("SCAC", "USDOT"),
    "CON": ("FMC", "IATA"),
    "BRK": ("FILER", "LICENSE"),
    "MLH": ("SCT", "RFC"),
    "EXP": ("EIN",),
    "3PL": ("DUNS",),
    "SEA": ("SCAC", "BOND"),
    "MPT": ("FMC",),
    "AIR": ("IATA",),
    "RAIL": ("SCAC",),
    "HWY": ("SCAC", "USDOT"),
    "EFC": ("DUNS",),
}


def particulars(block: Block) -> dict[str, pa.Table]:
    """Returns entity_status_history, entity_identifier, vetting_record and the small tables that some types have."""
    return {
        "entity_status_history": _histories(block),
        "entity_identifier": _identifiers(block),
        "vetting_record": _vetting(block),
        **_by_type(block),
    }


def _histories(block: Block) -> pa.Table:
    shape, seed = block.shape, block.shape.seed
    parent, number = children(1 + choose(seed, "entity.history", block.entity, (10, 20, 30, 20, 10, 5, 5)))
    entity = block.entity[parent]
    position = entity * 8 + number
    last = np.append(parent[1:] != parent[:-1], True) if len(parent) else np.zeros(0, dtype=np.bool_)
    begin = shape.entity_created[entity] + number * 200 * DAY
    return frame(
        "entity_status_history",
        history_id=position + 1,
        entity_id=entity + 1,
        status_cd=pick(STATUSES, np.where(last, shape.entity_status[entity], np.where(number == 0, APPLICANT, CERTIFIED))),
        tier_cd=pick(["1", "2", "3"], below(seed, "history.tier", position, 3), number == 0),
        from_at=begin,
        to_at=nullable(begin + 200 * DAY, last),
        reason_txt=pick(
            words.SENTENCES,
            below(seed, "history.reason", position, len(words.SENTENCES)),
            happens(seed, "history.noreason", position, 600),
        ),
        set_by_cbp_user_id=nullable(1 + below(seed, "history.by", position, 40), number == 0),
    )


def _identifiers(block: Block) -> pa.Table:
    """Identifiers as their entity's type wants them: 6 of 100 lack one (H3), 15 are kept at the profile (H1), some are personal (H6)."""
    shape, seed = block.shape, block.shape.seed
    kinds = sorted({name for names in IDENTIFIERS.values() for name in names})
    wanted = np.array([[kinds.index(name) for name in (IDENTIFIERS[kind] * 3)[:3]] for kind in TYPES], dtype=np.int64)
    held = np.array([len(IDENTIFIERS[kind]) for kind in TYPES], dtype=np.int64)
    parent, number = children(held[shape.entity_type[block.entity]])
    entity = block.entity[parent]
    position = entity * 4 + number
    kept = ~happens(seed, "identifier.lacks", position, 60)
    entity, number, position = entity[kept], number[kept], position[kept]
    kind = wanted[shape.entity_type[entity], number]
    digits = join(10 + position % 90, "-", 1_000_000 + position * 7 % 9_000_000)
    personal = (kind == kinds.index("IOR")) & happens(seed, "identifier.personal", position, 20)
    person = join(100 + position % 566, "-", 10 + position % 89, "-", 1000 + position * 13 % 9000)
    at_profile = happens(seed, "identifier.profile", position, 150)
    return frame(
        "entity_identifier",
        identifier_id=position + 1,
        company_profile_id=nullable(
            shape.model_profile[shape.entity_model[entity]] + 1, ~(at_profile | happens(seed, "identifier.both", position, 100))
        ),
        entity_id=nullable(entity + 1, at_profile),
        identifier_type_cd=pick(kinds, kind),
        identifier_value=where(personal, person, digits),
        active_ind=flags(~happens(seed, "identifier.ended", position, 40)),
        valid_from_dt=shape.entity_created[entity] // DAY,
    )


def _by_type(block: Block) -> dict[str, pa.Table]:
    """Countries of origin, border crossings, modes and eligibility answers of the entities whose types have them."""
    shape, seed = block.shape, block.shape.seed
    kind = shape.entity_type[block.entity]
    importer, country_no = _some(block, "country", np.where(kind == IMPORTER, 4, 0))
    highway, crossing_no = _some(
        block, "crossing", np.where((kind == HIGHWAY_MEXICO) | (kind == HIGHWAY_CANADA) | (kind == HIGHWAY_OLD), 3, 0)
    )
    consolidator, mode_no = _some(block, "mode", np.where(kind == CONSOLIDATOR, 3, 0))
    answer, question = children(np.where(shape.entity_created[block.entity] > CLOSE - 12 * 365 * DAY, 5, 0))
    entity = block.entity[answer]
    return {
        "importer_country_of_origin": frame(
            "importer_country_of_origin",
            entity_id=importer + 1,
            rank_no=country_no + 1,
            country_cd=pick(["CN", "MX", "VN", "DE", "IN", "CA", "KR"], (below(seed, "country", importer, 7) + country_no) % 7),
        ),
        "highway_crossing": frame(
            "highway_crossing",
            entity_id=highway + 1,
            port_cd=pick(["2304", "2402", "3604", "3801", "0901"], (below(seed, "crossing", highway, 3) + crossing_no) % 5),
        ),
        "consolidator_mode": frame(
            "consolidator_mode",
            entity_id=consolidator + 1,
            mode_cd=pick(["AIR", "RAIL", "SEA"], mode_no),
        ),
        "eligibility_answer": frame(
            "eligibility_answer",
            entity_id=entity + 1,
            catalog_version=np.full(len(entity), 2),
            question_no=question + 1,
            answer_cd=flags(~happens(seed, "eligibility", entity * 8 + question, 50)),
            answered_at=shape.entity_created[entity],
        ),
    }


def _some(block: Block, stream: str, most: Ints) -> tuple[Ints, Ints]:
    """Entities, each repeated up to its `most` times, and the number of the repetition."""
    parent, number = children(np.where(most > 0, 1 + below(block.shape.seed, f"some.{stream}", block.entity, np.maximum(most, 1)), 0))
    return block.entity[parent], number


def _vetting(block: Block) -> pa.Table:
    """Returns sealed records of every fifth entity: bytes that must not be read."""
    chosen = block.entity[happens(block.shape.seed, "vetting", block.entity, 200)]
    return frame(
        "vetting_record",
        vetting_id=chosen + 1,
        entity_id=chosen + 1,
        sealed_content=blobs(b"\x00\xffsealed" + entity.to_bytes(8, "big") * 4 for entity in chosen.tolist()),
        created_at=block.shape.entity_created[chosen],
    )

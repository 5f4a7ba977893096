"""Profiles, models, entities and what describes them, for one block of a synthetic world."""

import numpy as np
import pyarrow as pa

from sample_data import words
from sample_data.frames import DAY, flags, frame, ints, join, nullable, pick, where
from sample_data.population import (
    APPLICANT,
    APPROVED,
    CERTIFIED,
    CLOSE,
    CONSOLIDATOR,
    HIGHWAY_CANADA,
    HIGHWAY_MEXICO,
    HIGHWAY_OLD,
    PRE_APPLICANT,
    STATUSES,
    SUSPENDED,
    TYPES,
    Block,
)
from sample_data.seeded_random import below, children, choose, happens

EMPLOYEES = ("12", "48", "1,250", "100-249", "250+", "7", "about 30", "", "10,000", "3500")


def profiles(block: Block) -> dict[str, pa.Table]:
    """Returns company_profile and company_address of the block."""
    seed, position = block.shape.seed, block.profile
    created = block.shape.profile_created[position]
    # One profile in 60 has the name of the one before it, in other letters: rule A18.
    twin = position % 60 == 31
    name = where(twin, _upper(words.company_names(position - twin)), words.company_names(position))
    profile = frame(
        "company_profile",
        company_profile_id=position + 1,
        trade_org_id=nullable(position // 4 + 1, ~happens(seed, "profile.organised", position, 200)),
        company_name=name,
        dba_name=where(happens(seed, "profile.dba", position, 150), words.company_names(position + 100_000), None),
        ownership_type_cd=pick(["CORPORATION", "PARTNERSHIP", "SOLE"], choose(seed, "profile.owner", position, (70, 20, 10))),
        business_start_dt=nullable(
            created // DAY - below(seed, "profile.start", position, 15_000), happens(seed, "profile.nostart", position, 300)
        ),
        years_in_business_txt=join(1 + below(seed, "profile.years", position, 60)),
        employee_count_txt=pick(EMPLOYEES, below(seed, "profile.staff", position, len(EMPLOYEES))),
        phone=words.phone_numbers(position),
        website=where(happens(seed, "profile.site", position, 600), join("https://company-", position + 1, ".example"), None),
        company_history=pick(
            words.SENTENCES,
            below(seed, "profile.history", position, len(words.SENTENCES)),
            happens(seed, "profile.nohistory", position, 500),
        ),
        created_at=created,
        modified_at=np.minimum(created + below(seed, "profile.modified", position, 6 * 365 * DAY), CLOSE),
        deleted_ind=flags(happens(seed, "profile.deleted", position, 15)),
    )
    return {"company_profile": profile, "company_address": _addresses(block)}


def models(block: Block) -> dict[str, pa.Table]:
    """Returns security_model and model_entity of the block."""
    shape, seed, position = block.shape, block.shape.seed, block.model
    number = position - shape.model_start[shape.model_profile[position]]
    origin = np.where(number == 0, 0, 1 + below(seed, "model.origin", position, 4))
    model = frame(
        "security_model",
        security_model_id=position + 1,
        company_profile_id=shape.model_profile[position] + 1,
        model_name=join("Model ", number + 1, " of profile ", shape.model_profile[position] + 1),
        origin_cd=pick(["APPLICATION", "EXPANSION", "SPLIT", "EXTRACTION", "MERGE"], origin),
        origin_model_id=nullable(position, origin == 0),
        effective_at=shape.model_created[position],
        deleted_ind=flags(happens(seed, "model.deleted", position, 20)),
        modified_at=shape.model_created[position],
    )
    return {"security_model": model, "model_entity": _entities(block)}


def _addresses(block: Block) -> pa.Table:
    seed = block.shape.seed
    parent, number = children(1 + choose(seed, "profile.addresses", block.profile, (40, 35, 20, 5)))
    position = block.profile[parent] * 4 + number
    city = below(seed, "address.city", position, len(words.CITIES))
    return frame(
        "company_address",
        address_id=position + 1,
        company_profile_id=block.profile[parent] + 1,
        address_type_cd=pick(["HEADQUARTERS", "WAREHOUSE", "MAILING", "TERMINAL"], number),
        street1=join(
            1 + below(seed, "address.house", position, 900),
            " ",
            pick(words.SECOND, below(seed, "address.street", position, len(words.SECOND))),
            " Street",
        ),
        street2=pick([None, None, "", "Suite 4"], below(seed, "address.suite", position, 4)),
        city=pick(words.CITIES, city),
        state_cd=pick(words.STATES, city),
        postal_code=join(10_000 + below(seed, "address.zip", position, 90_000)),
        country_cd=pick(words.COUNTRIES, city),
        mailing_ind=flags(number == 0),
        primary_ind=flags(number == 0),
        modified_at=block.shape.profile_created[block.profile[parent]],
    )


def _entities(block: Block) -> pa.Table:
    shape, seed, position = block.shape, block.shape.seed, block.entity
    kind, status, created = shape.entity_type[position], shape.entity_status[position], shape.entity_created[position]
    accepted = (status != APPLICANT) & (status != PRE_APPLICANT)
    in_program = (status == CERTIFIED) | (status == SUSPENDED) | (status == APPROVED)
    applied = created // DAY
    certified = np.minimum(applied + 60 + below(seed, "entity.certified", position, 200), CLOSE // DAY)
    # Anniversaries and validations as an old portal leaves them: some lie before the certification, and stay there (A6).
    validated = np.minimum(certified + below(seed, "entity.validated", position, 2500) - 100, CLOSE // DAY)
    return frame(
        "model_entity",
        entity_id=position + 1,
        security_model_id=shape.entity_model[position] + 1,
        business_type_cd=pick(TYPES, kind),
        sub_type_cd=pick([None, "NVOCC", "OTI"], below(seed, "entity.sub", position, 12) // 4 * (kind == CONSOLIDATOR)),
        account_number=where(accepted, join(ints(10_000_000 + position)), None),
        status_cd=pick(STATUSES, status),
        tier_cd=pick(["1", "2", "3"], choose(seed, "entity.tier", position, (35, 55, 10)), ~in_program),
        application_dt=nullable(applied, status == PRE_APPLICANT),
        certification_dt=nullable(certified, ~in_program),
        anniversary_dt=nullable(certified + 365, ~in_program),
        last_validation_dt=nullable(validated, ~in_program),
        next_validation_due_dt=nullable(validated + 1461, ~in_program),
        border_crossed_cd=pick(
            ["CAN", "MEX", "BOTH", None],
            np.select(
                [kind == HIGHWAY_MEXICO, kind == HIGHWAY_CANADA, kind == HIGHWAY_OLD],
                [1, 0, below(seed, "entity.border", position, 4)],
                3,
            ),
        ),
        scss_cbp_user_id=nullable(1 + below(seed, "entity.scss", position, 40), ~accepted),
        office_cd=pick(["NEWARK", "HOUSTON", "BUFFALO", "MIAMI", "LOS_ANGELES", "NEW_YORK"], below(seed, "entity.office", position, 6)),
        created_at=created,
        modified_at=np.minimum(created + below(seed, "entity.modified", position, 6 * 365 * DAY), CLOSE),
    )


def _upper(names: pa.Array) -> pa.Array:
    return join(" ", pick([str(name).upper() for name in names.to_pylist()], np.arange(len(names), dtype=np.int64)), "  ")

"""The population of a generated portal: the number and types of models, entities and users of each profile.

The whole shape is a few integers per profile and is held in memory; dependent rows are generated block by block.
Positions count from 0; ids are positions + 1, in profile order, so that each block of profiles owns one range of every id.
"""

from dataclasses import dataclass

import numpy as np

from sample_data.frames import DAY, day
from sample_data.seeded_random import Bools, Ints, below, choose, happens, starts

# The weights of types follow the published numbers of certified accounts (highway carriers split evenly); the weights of statuses are estimated.
TYPES = ("IMP", "FMF", "HWM", "HWC", "CON", "BRK", "MLH", "EXP", "3PL", "SEA", "MPT", "AIR", "RAIL", "HWY", "EFC")
TYPE_WEIGHTS = (4139, 1682, 1430, 1430, 869, 857, 430, 357, 111, 78, 66, 38, 11, 60, 12)
STATUSES = ("CERTIFIED", "WITHDRAWN", "REMOVED", "APPLICANT", "PRE_APPLICANT", "REJECTED", "INELIGIBLE", "SUSPENDED", "APPROVED")
STATUS_WEIGHTS = (380, 210, 150, 60, 70, 40, 30, 30, 30)
CERTIFIED, APPLICANT, PRE_APPLICANT, SUSPENDED, APPROVED = 0, 3, 4, 7, 8
IMPORTER, HIGHWAY_MEXICO, HIGHWAY_CANADA, CONSOLIDATOR, BROKER, HIGHWAY_OLD = 0, 2, 3, 4, 5, 13
# The evening on which the old portals were to close, and the first day of the program.
CLOSE = day("2023-09-15") * DAY + 86_399
OPENED = day("2001-11-01") * DAY


@dataclass(frozen=True)
class Shape:
    """All profiles, models and entities of a world, as positions and small numbers; `*_start` has one more member than its parents."""

    seed: int
    profiles: int
    consultants: int  # users 0 to consultants - 1; the others belong to one profile each
    profile_created: Ints
    model_start: Ints  # by profile
    model_profile: Ints
    model_created: Ints
    entity_start: Ints  # by model
    entity_model: Ints
    entity_type: Ints  # position in TYPES
    entity_status: Ints  # position in STATUSES
    entity_created: Ints
    user_start: Ints  # by profile, counted from the first user that is not a consultant


@dataclass(frozen=True)
class Block:
    """The profiles that are made together: positions of their profiles, models, entities and own users."""

    shape: Shape
    profile: Ints
    model: Ints
    entity: Ints
    user: Ints


def shape_of(profiles: int, seed: int) -> Shape:
    """Returns the shape of the world with this many profiles and this seed."""
    profile = np.arange(profiles, dtype=np.int64)
    created = OPENED + below(seed, "profile.created", profile, 20 * 365 * DAY)
    model_start = starts(_models(seed, profile))
    model_profile = np.repeat(profile, np.diff(model_start))
    model = np.arange(len(model_profile), dtype=np.int64)
    first = model == model_start[model_profile]
    later = np.where(first, 0, below(seed, "model.later", model, 8 * 365 * DAY))
    model_created = np.minimum(created[model_profile] + later, CLOSE - DAY)
    merged = happens(seed, "model.merged", model, 35)
    # A model without any entity: 7 of 1,000, and one of each 60 profiles for certain (rule A5).
    none = ~first & (happens(seed, "model.empty", model, 60) | (model_profile % 60 == 23))
    entity_start = starts(np.where(none, 0, np.where(merged, 2, 1)))
    entity_model = np.repeat(model, np.diff(entity_start))
    entity = np.arange(len(entity_model), dtype=np.int64)
    kind = choose(seed, "entity.type", model_start[model_profile[entity_model]], TYPE_WEIGHTS)
    # Half of the further models of a profile are of another type than the first.
    kind = np.where(
        happens(seed, "model.differs", entity_model, 500) & ~first[entity_model],
        choose(seed, "model.type", entity_model, TYPE_WEIGHTS),
        kind,
    )
    kind = np.where(merged[entity_model], np.where(entity == entity_start[entity_model], BROKER, CONSOLIDATOR), kind)
    entity_created = np.minimum(model_created[entity_model] + below(seed, "entity.later", entity, 90 * DAY), CLOSE)
    return Shape(
        seed=seed,
        profiles=profiles,
        consultants=max(3, profiles // 16),
        profile_created=created,
        model_start=model_start,
        model_profile=model_profile,
        model_created=model_created,
        entity_start=entity_start,
        entity_model=entity_model,
        entity_type=kind,
        entity_status=choose(seed, "entity.status", entity, STATUS_WEIGHTS),
        entity_created=entity_created,
        user_start=starts(1 + choose(seed, "profile.users", profile, (22, 28, 24, 14, 7, 3, 2))),
    )


def block_of(shape: Shape, first: int, behind: int) -> Block:
    """Returns the block of the profiles from `first` to `behind` - 1."""
    models = shape.model_start[first], shape.model_start[behind]
    return Block(
        shape=shape,
        profile=np.arange(first, behind, dtype=np.int64),
        model=np.arange(*models, dtype=np.int64),
        entity=np.arange(shape.entity_start[models[0]], shape.entity_start[models[1]], dtype=np.int64),
        user=np.arange(shape.user_start[first], shape.user_start[behind], dtype=np.int64),
    )


def member(shape: Shape, block: Block) -> Bools:
    """Returns for each entity of the block whether it is or was certified: only these have security profiles, validations and links."""
    status = shape.entity_status[block.entity]
    inside: Bools = (status == CERTIFIED) | (status == SUSPENDED)
    return inside


def _models(seed: int, profile: Ints) -> Ints:
    """Models per profile: none 3%, one 84%, two 11%, three and more 2%; one profile of each 60 has none, one two, for certain (A1, A2)."""
    count = choose(seed, "profile.models", profile, (30, 840, 110, 12, 5, 3))
    # The first sixty have a model each except that one: their anomalies (see `anomalies`) occur in models.
    count = np.where((profile < 60) & (count == 0), 1, count)
    forced = np.select([profile % 60 == 11, profile % 60 == 23, profile % 60 == 24], [0, 2, 2], count)
    return forced.astype(np.int64)

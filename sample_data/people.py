"""Users, contacts and signatures of one block of a synthetic world."""

import numpy as np
import pyarrow as pa

from sample_data import words
from sample_data.frames import DAY, flags, frame, ints, join, nullable, pick, where
from sample_data.population import CLOSE, Block, Shape
from sample_data.seeded_random import Bools, Ints, below, children, choose, happens

STATUSES = ("ACTIVE", "ACTIVE", "LOCKED", "LOCKED", "LOCKED", "DISABLED", "DELETED")
REASONS = (None, None, "PASSWORD", "IDLE", "COMPANY_STATUS", None, None)
STATUS_WEIGHTS = (600, 50, 40, 60, 30, 160, 60)
CONTACTS = 16  # ids of a profile's contacts: no profile has more


def consultants(shape: Shape) -> pa.Table:
    """Returns portal_user of the consultants, who work for many profiles: ids 1 to `shape.consultants`."""
    return _users(
        shape, np.arange(shape.consultants, dtype=np.int64), np.full(shape.consultants, -1), np.full(shape.consultants, CLOSE - 4000 * DAY)
    )


def users(block: Block) -> pa.Table:
    """Returns portal_user of the block's employees."""
    shape = block.shape
    owner = np.searchsorted(shape.user_start, block.user, side="right") - 1
    return _users(shape, block.user + shape.consultants, owner, shape.profile_created[owner])


def contacts(block: Block) -> pa.Table:
    """Returns company_contact: every employee but a few (B16) on the profile, some consultants, some persons without a login."""
    shape, seed = block.shape, block.shape.seed
    own = np.diff(shape.user_start)[block.profile]
    guests = choose(seed, "profile.consultants", block.profile, (70, 22, 8))
    nobody = happens(seed, "profile.nobody", block.profile, 60).astype(np.int64)
    parent, number = children(own + guests + nobody)
    profile = block.profile[parent]
    position = profile * CONTACTS + number
    is_own, is_guest = number < own[parent], (number >= own[parent]) & (number < (own + guests)[parent])
    # A product of two draws: a few consultants have dozens of profiles, most have a few. The second guest is the next consultant.
    drawn = below(seed, "guest.1", profile, shape.consultants) * below(seed, "guest.2", profile, 1024) // 1024
    guest = (drawn + number - own[parent]) % shape.consultants
    user = np.where(is_own, shape.user_start[profile] + number + shape.consultants, guest)
    officer = (number == 0) & ~happens(seed, "contact.noofficer", position, 30) | happens(seed, "contact.officer", position, 100) & is_own
    primary = (number == 0) & ~happens(seed, "contact.noprimary", position, 30) | happens(seed, "contact.primary", position, 20)
    added = np.minimum(shape.profile_created[profile] + number * 100 * DAY, CLOSE)
    removed = (number > 0) & happens(seed, "contact.removed", position, 100)
    table = frame(
        "company_contact",
        contact_id=position + 1,
        company_profile_id=profile + 1,
        user_id=nullable(user + 1, ~(is_own | is_guest)),
        contact_type_cd=pick(["OFFICER", "EMPLOYEE", "CONSULTANT"], np.where(is_guest, 2, np.where(officer, 0, 1))),
        primary_poc_ind=flags(primary),
        admin_ind=flags(officer | happens(seed, "contact.admin", position, 200)),
        ctpat_mail_ind=flags(~happens(seed, "contact.nomail", position, 300)),
        first_name=words.first_names(seed, user),
        last_name=words.last_names(seed, user),
        email=where(
            happens(seed, "contact.noemail", position, 80), pick(["", "none", "n/a"], number % 3), user_names(shape, user, profile)
        ),
        phone=words.phone_numbers(position),
        consultant_company_id=nullable(guest // 2 % max(1, shape.consultants // 2) + 1, ~is_guest),
        added_at=added,
        removed_at=nullable(np.minimum(added + 400 * DAY, CLOSE), ~removed),
        modified_at=np.minimum(added + below(seed, "contact.modified", position, 400 * DAY), CLOSE),
    )
    without = happens(seed, "user.nocontact", user, 6) & is_own & (number > 0)
    return table.take(ints(np.flatnonzero(~without)))


def signatures(block: Block) -> dict[str, pa.Table]:
    """Returns agreement_signature and svi_setting: signed for the entity, the model or the whole profile; half of the profiles consent to SVI."""
    shape, seed = block.shape, block.shape.seed
    parent, number = children(choose(seed, "entity.signatures", block.entity, (20, 55, 25)))
    entity = block.entity[parent]
    profile = shape.model_profile[shape.entity_model[entity]]
    position = entity * 4 + number
    scope = choose(seed, "signature.scope", position, (70, 15, 15))
    signed = np.minimum(shape.entity_created[entity] + number * 1000 * DAY + below(seed, "signature.later", position, 30 * DAY), CLOSE)
    consenting = block.profile[happens(seed, "svi.consent", block.profile, 500) & (np.diff(shape.model_start)[block.profile] > 0)]
    voluntary = _signed(
        shape,
        position,
        profile,
        np.where(scope < 2, shape.entity_model[entity], -1),
        np.where(scope == 0, entity, -1),
        1 + (signed // DAY >= 16648),
        signed,
    )
    # Consents follow all signatures of entities: their ids are in another range.
    consent = _signed(
        shape,
        4_000_000_000 + consenting,
        consenting,
        np.full(len(consenting), -1),
        np.full(len(consenting), -1),
        np.full(len(consenting), 3),
        np.minimum(shape.profile_created[consenting] + 500 * DAY, CLOSE),
    )
    setting = frame(
        "svi_setting",
        company_profile_id=consenting + 1,
        consent_signature_id=nullable(4_000_000_001 + consenting, consenting % 50 == 3),
        auto_accept_ind=flags(happens(seed, "svi.accept", consenting, 300)),
        share_more_ind=pick(["Y", "N", None], choose(seed, "svi.share", consenting, (20, 50, 30))),
    )
    return {"agreement_signature": pa.concat_tables([voluntary, consent]), "svi_setting": setting}


def user_names(shape: Shape, user: Ints, profile: Ints) -> pa.Array:
    """Returns the login name of each user: first.last.number@company (profile) or at the consultants' domain (-1)."""
    local = join(words.first_names(shape.seed, user), ".", words.last_names(shape.seed, user), ".", user + 1)
    return where(user < shape.consultants, join(local, "@advisory.example"), join(local, "@company-", profile + 1, ".example"))


def someone(shape: Shape, profile: Ints, draw: Ints) -> Ints:
    """Returns the id of one of the employees of each profile."""
    counts = np.diff(shape.user_start)[profile]
    return shape.consultants + shape.user_start[profile] + draw % counts + 1


def _users(shape: Shape, user: Ints, owner: Ints, created: Ints) -> pa.Table:
    seed = shape.seed
    doubled = _doubled(shape, user, owner)
    original = user - doubled
    shared = doubled & happens(seed, "user.shared", user, 400)
    kind = choose(seed, "user.status", user, STATUS_WEIGHTS)
    name = user_names(shape, original, owner)
    typed = where(doubled, pick([" " + str(text).upper() for text in name.to_pylist()], np.arange(len(user))), name)
    typed = where(
        happens(seed, "user.invalid", user, 8) & ~doubled,
        pick(["not an address", "@", "a@b@example.com", "someone@ example.com", ""], user % 5),
        typed,
    )
    never = happens(seed, "user.never", user, 120)
    login = np.minimum(created + below(seed, "user.login", user, 3650 * DAY), CLOSE)
    person = np.where(shared, user, original)
    return frame(
        "portal_user",
        user_id=user + 1,
        user_name=typed,
        password_hash=join("$2b$12$", user * 7919 % 1_000_003, "notahash"),
        salutation=pick([None, "Ms", "Mr", "Dr"], below(seed, "user.salutation", person, 4)),
        first_name=words.first_names(seed, person),
        middle_initial=pick([None, "A", "", "M"], below(seed, "user.middle", person, 4)),
        last_name=words.last_names(seed, person),
        job_title=pick(["President", "Compliance Manager", "Security Officer", "Clerk", None], below(seed, "user.title", user, 5)),
        phone=words.phone_numbers(user),
        user_status_cd=pick(STATUSES, kind),
        lock_reason_cd=pick(REASONS, kind),
        last_login_at=nullable(login, never),
        created_at=created,
        modified_at=np.minimum(created + below(seed, "user.modified", user, 3650 * DAY), CLOSE),
    )


def _doubled(shape: Shape, user: Ints, owner: Ints) -> Bools:
    """Users who are the user before them once more: the same address in other letters (B2). Never the first of a profile."""
    first = shape.user_start[np.maximum(owner, 0)] + shape.consultants == user
    doubled: Bools = (owner >= 0) & ~first & happens(shape.seed, "user.doubled", user, 20)
    return doubled


def _signed(shape: Shape, position: Ints, profile: Ints, model: Ints, entity: Ints, version: Ints, signed: Ints) -> pa.Table:
    signer = someone(shape, profile, below(shape.seed, "signature.signer", position, 1 << 20))
    return frame(
        "agreement_signature",
        signature_id=position + 1,
        agreement_version_id=version,
        company_profile_id=profile + 1,
        security_model_id=nullable(model + 1, model < 0),
        entity_id=nullable(entity + 1, entity < 0),
        signer_user_id=nullable(signer, position % 11 == 0),
        signer_name=join(words.first_names(shape.seed, signer - 1), " ", words.last_names(shape.seed, signer - 1)),
        signer_title=pick(["President", "Vice President", "Owner"], position % 3),
        signer_email=user_names(shape, signer - 1, profile),
        signed_at=signed,
        ip_address=join("192.0.2.", position % 256),
    )

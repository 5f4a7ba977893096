"""Chapter B: one login per e-mail with every old user as its alias, and unchanged access for every contact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.domain.emails import email_key
from etl.placement.row_placement import CODE, Bools, RowPlacement, int_values_and_mask
from etl.placement.target_rows import Computed, Rule, TargetRows
from etl.rules.a_structure import folded
from mappings.model import Form

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "B1": (),
    "B2": ("P2.portal_user",),
    "B6": (),
    "B7": ("P2.company_contact",),
    "B8": ("P2.company_profile",),
    "B10": (),
    "B12": ("P2.portal_user",),
    "B13": (),
    "B14": (),
    "B15": ("P2.company_contact",),
    "B16": ("P2.portal_user",),
    "B17": (),
    "B18": (),
    "B19": ("P2.model_entity",),
    "B20": ("P2.portal_user",),
}


@dataclass(frozen=True)
class People:
    """`users`: user_id, email_key (null: no login), invalid (B15), row. `logins`: email_key, row of the surviving user, sorted by email_key."""

    users: pl.DataFrame
    logins: pl.DataFrame
    shared: pl.Series  # the e-mail keys of SHARED logins (B2)


def logins(user: RowPlacement, longest: int, names: pl.Series | None = None) -> People:
    """Returns the login of each user; holds users without a valid e-mail, and flags e-mails that users of different names share (B2, B15).

    `names`: the users' names with decisions applied (L2); None: as recorded.
    """
    frame = user.frame
    key_of = [email_key(text) for text in (frame["user_name"] if names is None else names).to_list()]
    invalid = np.array([key is None for key in key_of], bool)
    too_long = np.array([key is not None and len(key) > longest for key in key_of], bool)
    user.hold(too_long, "UNREADABLE_VALUE")  # fine print 44: a computed value that outgrew its column
    user.hold(invalid, "INVALID_EMAIL")
    person = [f"{folded(first)}\0{folded(last)}" for first, last in frame.select("first_name", "last_name").iter_rows()]
    loaded = user.reason == 0
    known = pl.DataFrame(
        {
            "user_id": frame["user_id"],
            "email_key": pl.Series(key_of, dtype=pl.String),
            "person": pl.Series(person, dtype=pl.String),
            "last_login_at": frame["last_login_at"],
            "row": np.arange(frame.height),
            "loaded": loaded,
            "invalid": invalid & (user.reason == _INVALID_EMAIL),
        }
    )
    alive = known.filter("loaded")
    shared = alive.filter(pl.col("person").n_unique().over("email_key") > 1)
    mask = np.zeros(frame.height, bool)
    mask[shared["row"].to_numpy()] = True
    user.flag("B2", mask, "SHARED: users with different names have this login's e-mail")
    surviving = (
        alive.sort("last_login_at", "user_id", descending=[True, False], nulls_last=True)
        .unique("email_key", keep="first", maintain_order=True)
        .select("email_key", "row")
        .sort("email_key")
    )
    users = (
        known.with_columns(pl.when("loaded").then("email_key"))
        .select("user_id", "email_key", "invalid", "row")
        .drop_nulls("user_id")
        .sort("user_id", "row")
        .unique("user_id", keep="first", maintain_order=True)  # of equal keys the first, the others are held (fine print 63)
    )
    return People(users, surviving, shared["email_key"].unique())


_INVALID_EMAIL = CODE["INVALID_EMAIL"]


def contact_access(contact: RowPlacement, people: People) -> tuple[pl.DataFrame, Bools]:
    """Returns (email_key of each contact's login, null without one; contacts of users held as INVALID_EMAIL), and flags the latter (B15; fine print 12)."""
    wanted, present = int_values_and_mask(contact.frame, "user_id")
    known = pl.DataFrame({"user_id": pl.Series(wanted).set(pl.Series(~present), None)}).join(
        people.users.select("user_id", "email_key", "invalid"), on="user_id", how="left", maintain_order="left"
    )
    invalid = known["invalid"].fill_null(False).to_numpy()
    contact.flag("B15", invalid, "the user name is not an e-mail: loaded without a login")
    return known.select("email_key"), invalid


def primary_contacts(contact: RowPlacement) -> Bools:
    """Returns which contact rows are primary in the new store; flags those that no longer are (B7; fine print 10)."""
    frame = contact.frame
    recorded = (frame["primary_poc_ind"] == "Y").fill_null(False).to_numpy()
    candidates = recorded & frame["removed_at"].is_null().to_numpy() & (contact.reason == 0)
    chosen = frame.with_columns(pl.int_range(pl.len()).alias("row")).filter(pl.Series(candidates))
    # A modified_at that cannot be read is older than any that can.
    first = chosen.sort("modified_at", "contact_id", descending=[True, False], nulls_last=True).unique("company_profile_id", keep="first")
    stays = np.zeros(frame.height, bool)
    stays[first["row"].to_numpy()] = True
    demoted = candidates & ~stays
    contact.flag("B7", demoted, "another primary contact of the profile was changed later")
    return np.asarray(recorded & ~demoted)


def flag_profiles_without_fit_primary(profile: RowPlacement, contact: RowPlacement, primary: Bools, access: pl.DataFrame) -> None:
    """Flags profiles without a primary contact, other than consultants, that has a login or a valid e-mail (B8)."""
    frame = contact.frame
    own_email = np.array([email_key(text) is not None for text in frame["email"].to_list()], bool)
    consultant = (frame["contact_type_cd"] == "CONSULTANT").fill_null(False).to_numpy()
    alive = (contact.reason == 0) & frame["removed_at"].is_null().to_numpy()
    fit = alive & primary & ~consultant & (access["email_key"].is_not_null().to_numpy() | own_email)
    good, _ = int_values_and_mask(frame.filter(pl.Series(fit)), "company_profile_id")
    profile_id, _ = int_values_and_mask(profile.frame, "company_profile_id")
    profile.flag("B8", ~np.isin(profile_id, good), "no primary contact, other than consultants, with a login or a valid e-mail")


def profiles_with_officer(contact: RowPlacement) -> set[int]:
    """Returns the ids of profiles with an officer among their loaded, not removed contacts (B10)."""
    frame = contact.frame.filter(pl.Series(contact.reason == 0))
    officers = frame.filter((pl.col("contact_type_cd") == "OFFICER") & pl.col("removed_at").is_null())
    return set(officers["company_profile_id"].to_list())


def flag_widened_logins(user: RowPlacement, contact: RowPlacement, people: People) -> None:
    """Flags users of a SHARED login that reaches more profiles than the user reached; access is not narrowed (B20; fine print 52).

    It is enough to count profiles: accounts of different profiles differ, and the profile of a loaded contact has at least one.
    """
    frame = contact.frame.filter(pl.Series(contact.reason == 0))
    reached = frame.filter(pl.col("removed_at").is_null()).select("user_id", "company_profile_id").drop_nulls().unique()
    by_user = people.users.filter(pl.col("email_key").is_in(people.shared.implode())).join(reached, on="user_id", how="left")
    of_user = by_user.group_by("user_id", "email_key", "row").agg(pl.col("company_profile_id").drop_nulls().n_unique().alias("own"))
    of_login = by_user.group_by("email_key").agg(pl.col("company_profile_id").drop_nulls().n_unique().alias("all"))
    widened = of_user.join(of_login, on="email_key").filter(pl.col("own") < pl.col("all"))["row"].to_numpy()
    mask = np.zeros(user.frame.height, bool)
    mask[widened] = True
    user.flag("B20", mask, "the shared login reaches accounts that this user did not reach")


def acting_officers(contact: RowPlacement, login: pl.DataFrame, restricted: Bools, accounts: int) -> Bools:
    """Returns for each account whether an officer can sign and submit: not removed, not restricted, with a usable login (B19).

    `login`: status and lock reason of each contact row's login, null without one.
    """
    able = ((login["status"] == "ACTIVE") | ((login["status"] == "LOCKED") & login["lock"].is_in(["PASSWORD", "IDLE"]))).fill_null(False)
    officer = (contact.frame["contact_type_cd"] == "OFFICER").fill_null(False) & contact.frame["removed_at"].is_null()
    acting = (able & officer).to_numpy()[contact.row] & ~restricted
    found = np.zeros(accounts, bool)
    found[contact.account[acting]] = True
    return found


def flag_users_without_contact(user: RowPlacement, contact: RowPlacement) -> None:
    """Flags users whom no contact row names, held and removed rows included (B16; fine print 13)."""
    named, present = int_values_and_mask(contact.frame, "user_id")
    user_id, _ = int_values_and_mask(user.frame, "user_id")
    user.flag("B16", ~np.isin(user_id, named[present]), "no contact names this user: a login without access")


def company_locks(user: RowPlacement, contact: RowPlacement, suspended: Bools) -> tuple[Bools, Bools]:
    """Returns (users that are unlocked, contact copies that are restricted); flags locked users without a suspended account (B12; fine print 11).

    `suspended`: for each copy in `contact`, whether its account is SUSPENDED.
    """
    frame = user.frame
    locked = ((frame["user_status_cd"] == "LOCKED") & (frame["lock_reason_cd"] == "COMPANY_STATUS")).fill_null(False).to_numpy() & (
        user.reason == 0
    )
    user_id, _ = int_values_and_mask(frame, "user_id")
    contact_user, present = int_values_and_mask(contact.frame, "user_id")
    of_copy, has_user = contact_user[contact.row], present[contact.row]
    restricted = suspended & has_user & np.isin(of_copy, user_id[locked])
    freed = locked & np.isin(user_id, of_copy[restricted])
    user.flag("B12", locked & ~freed, "locked for the company's status, but no account of this user is suspended: stays locked")
    return freed, restricted


def trade_compliance_logins(contact: RowPlacement, known: set[str], longest: int) -> tuple[pl.Series, pl.DataFrame]:
    """Returns (email_key of each Trade Compliance contact or null, email_key and row of the contacts that make a new login) (I9).

    Flags contacts without a valid e-mail. `known`: e-mail keys that have a login; `longest`: of an e-mail key in characters.
    """
    key_of = [email_key(text) for text in contact.frame["email"].to_list()]
    fitting = [key if key is not None and len(key) <= longest else None for key in key_of]
    without = np.array([key is None for key in fitting], bool)
    contact.flag("I9", without, "no valid e-mail: contact without a login")
    loaded = contact.reason == 0
    made = pl.DataFrame(
        {
            "email_key": pl.Series(fitting, dtype=pl.String),
            "contact": contact.frame["tc_contact_id"],
            "row": np.arange(contact.frame.height),
        }
    ).filter(pl.Series(loaded) & ~pl.Series(without))
    made = made.filter(~pl.col("email_key").is_in(list(known))).sort("contact").unique("email_key", keep="first", maintain_order=True)
    return pl.Series("email_key", fitting, dtype=pl.String), made.select("email_key", "row").sort("email_key")


def statuses(user: RowPlacement, freed: Bools) -> tuple[pl.Series, pl.Series]:
    """Returns (status, lock reason) of every user's login; unlocked users are ACTIVE without a reason (B12)."""
    status = user.frame["user_status_cd"].to_list()
    reason = user.frame["lock_reason_cd"].to_list()
    return (
        pl.Series(["ACTIVE" if free else value for value, free in zip(status, freed, strict=True)], dtype=pl.String),
        pl.Series([None if free else value for value, free in zip(reason, freed, strict=True)], dtype=pl.String),
    )


def flag_without_acting_officer(entity: RowPlacement, accounts: pl.DataFrame, visible: pl.Series, acting: pl.Series) -> None:
    """Flags the entities of accounts that are visible to trade and have no officer who can sign and submit (B19)."""
    without = np.zeros(entity.frame.height, bool)
    without[accounts["entity_row"].filter(visible & ~acting).to_numpy()] = True
    entity.flag("B19", without, "no officer who is in force, not restricted and has a usable login: nobody can sign and submit")


def always(copies: TargetRows, form: Form) -> Computed:
    """Returns true for every row: each login needs a new activation (B13)."""
    return pl.Series([True] * len(copies.row), dtype=pl.Boolean)


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "B13": always,
    "login.activation_required": always,
}

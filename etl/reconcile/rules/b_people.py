"""Users, contacts, logins of Portal 2.0: who becomes which login, and who is whose contact (chapter B)."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from etl.reconcile.compare.hashing import hashed
from etl.reconcile.engine.emails import LONGEST, email_keys, folded
from etl.reconcile.engine.ledger import LOADED, REASON, UNREADABLE_VALUE
from etl.reconcile.engine.ordinary import Copies, CopyRule, Note, RowRule, Rulebook, of_rows, route, row_columns
from etl.reconcile.engine.scopes import indexed
from etl.reconcile.engine.source import BAD, KEY, mask
from etl.reconcile.engine.spec import Value
from etl.reconcile.engine.world import ExpectedRows, ExpectedState, Ints
from etl.reconcile.rules import l_decisions

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

NEW_LOGIN = "COMPANY_STATUS"


def decide_people(world: ExpectedState) -> None:
    """Fills `world.known` with users and contacts, decides which are loaded or held (B2, B6, B15), and flags what the rules of chapter B flag."""
    users = world.sources["P2"].whole("portal_user", world.ledger)
    as_typed = users["user_name"]
    users = users.with_columns(as_typed.alias("#typed"), l_decisions.names(world, users))
    keys = email_keys(users["user_name"])
    reason = np.where(keys.is_null().to_numpy(), REASON["INVALID_EMAIL"], LOADED)
    too_long = mask(users, BAD) | (keys.str.len_chars() > LONGEST).fill_null(False).to_numpy()
    reason = np.where(too_long, UNREADABLE_VALUE, reason)
    world.ledger.account_for("P2", "portal_user", users, reason)
    loaded = reason == LOADED
    world.index["P2", "portal_user"] = indexed(
        users["user_id"], loaded, login=hashed(keys).view(np.int64), invalid=(reason == REASON["INVALID_EMAIL"]).astype(np.int64)
    )
    users = users.with_columns(keys)
    contacts = world.sources["P2"].whole("company_contact", world.ledger)
    _, contact_reason = route(world, "P2", world.spec.mappings["P2", "company_contact"].owner, contacts)
    contact_reason = np.where(mask(contacts, BAD), UNREADABLE_VALUE, contact_reason)
    world.ledger.account_for("P2", "company_contact", contacts, contact_reason)
    world.known.every_contact = contacts
    contacts = contacts.filter(pl.Series(contact_reason == LOADED))
    world.known.contacts = contacts.with_columns(_keeps_primary(contacts))
    world.known.users = _freed(world, users.filter(pl.Series(loaded)))
    _flag_people(world)


def login_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """Yields the expected rows of `login` (attributes of the surviving user, B2) and of `login_alias` (one per loaded user, name as typed)."""
    users = world.known.users
    surviving = survivors(users)
    mapping = world.spec.mappings["P2", "portal_user"]
    for into in mapping.into:
        rows = surviving if into.table == "login" else users.with_columns(pl.col("#typed").alias("user_name"))  # the alias: as it was
        yield ExpectedRows(into.table, "P2", "portal_user", row_columns(world, rulebook, mapping, into, rows))


def contact_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """Yields the expected contacts, one per loaded contact and account of its profile (B6)."""
    mapping = world.spec.mappings["P2", "company_contact"]
    contacts = world.known.contacts
    scope, _ = route(world, "P2", mapping.owner, contacts)
    yield from of_rows(world, rulebook, mapping, contacts, scope)


def key_of_login(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the e-mail key of each user: trimmed and case-folded (B2)."""
    return rows["email_key"]


def login_of_user(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the fingerprint (UInt64) of each user's login."""
    return pl.Series(hashed(rows["email_key"]), dtype=pl.UInt64)


def status(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the status of each login after B12."""
    return rows["#status"]


def lock_reason(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the lock reason of each login after B12; null if the login is not locked."""
    return rows["#lock"]


def activation(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns true for every login: each needs new credentials (B13)."""
    return pl.Series([True]).new_from_index(0, len(rows))


def primary_poc(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns true where the contact is recorded as primary and no other primary contact of the profile takes precedence (B7)."""
    return (rows["primary_poc_ind"].eq_missing(pl.Series(["Y"]))) & ~rows["#lost"]


def restricted(world: ExpectedState, copies: Copies) -> pl.Series:
    """Returns COMPANY_STATUS for contacts on SUSPENDED accounts whose user was locked for the status of the company, else null (B12)."""
    users = world.known.users.filter(_locked_for_status())["user_id"]
    hit = copies.of("user_id").is_in(users.implode()).fill_null(False) & (copies.of_account(world, "status_cd") == "SUSPENDED")
    return pl.select(pl.when(hit).then(pl.lit(NEW_LOGIN))).to_series().cast(pl.String)


def note_contact(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags contacts that lost the primary mark (B7), and references to a user or consultant company that is missing or held (B15, X1)."""
    world.flag("B7", "P2", "company_contact", rows, mask(rows, "#lost"))
    users = world.index["P2", "portal_user"]
    position = users.find(rows["user_id"])
    unusable = rows["user_id"].is_not_null().to_numpy() & ~users.is_loaded(position)
    invalid = users.of("invalid", position, 0) == 1
    companies = world.index["P2", "consultant_company"]
    company = companies.find(rows["consultant_company_id"])
    no_company = rows["consultant_company_id"].is_not_null().to_numpy() & ~companies.is_loaded(company)
    world.flag("B15", "P2", "company_contact", rows, unusable & invalid)
    world.flag("X1", "P2", "company_contact", rows, (unusable & ~invalid) | no_company)


def profiles_with_officer(world: ExpectedState) -> pl.Series:
    """Returns the ids of profiles with an officer among their loaded, not removed contacts (B10)."""
    contacts = world.known.contacts
    return contacts.filter(pl.col("removed_at").is_null() & (pl.col("contact_type_cd") == "OFFICER"))["company_profile_id"].unique()


def _keeps_primary(contacts: pl.DataFrame) -> pl.Series:
    """Returns which contacts lose the primary mark to another contact of the profile (B7; fine print 10)."""
    several = contacts.with_row_index("row").filter(pl.col("removed_at").is_null() & (pl.col("primary_poc_ind") == "Y"))
    order = several.sort(["company_profile_id", "modified_at", "contact_id"], descending=[False, True, False], nulls_last=True)
    losers = order.filter(pl.int_range(pl.len()).over("company_profile_id") > 0)["row"]
    lost = np.zeros(len(contacts), np.bool_)
    lost[losers.to_numpy()] = True
    return pl.Series("#lost", lost)


def _locked_for_status() -> pl.Expr:
    return (pl.col("user_status_cd") == "LOCKED").fill_null(False) & (pl.col("lock_reason_cd") == NEW_LOGIN).fill_null(False)


def _freed(world: ExpectedState, users: pl.DataFrame) -> pl.DataFrame:
    """Returns the users with #status and #lock of their login, and #freed, #stuck (B12; fine print 11)."""
    profiles = world.accounts.filter(pl.col("status_cd") == "SUSPENDED")["company_profile_id"].unique()
    contacts = world.known.contacts.filter(pl.col("company_profile_id").is_in(profiles.implode()))
    locked = _locked_for_status()
    has = pl.col("user_id").is_in(contacts["user_id"].drop_nulls().unique().implode())
    users = users.with_columns((locked & has).alias("#freed"), (locked & ~has).alias("#stuck"))
    return users.with_columns(
        pl.when("#freed").then(pl.lit("ACTIVE")).otherwise("user_status_cd").alias("#status"),
        pl.when("#freed").then(None).otherwise("lock_reason_cd").alias("#lock"),
    )


def survivors(users: pl.DataFrame) -> pl.DataFrame:
    """Returns one row per e-mail key: the user whose attributes the login takes (B2)."""
    by_key = users.sort(["email_key", "last_login_at", "user_id"], descending=[False, True, False], nulls_last=True)
    return by_key.group_by("email_key", maintain_order=True).first()


def acting_officers(world: ExpectedState) -> pl.Series:
    """Returns for each account whether an officer's contact is in force, not restricted, and has a login that activation opens (B19)."""
    users = world.known.users
    opens = (pl.col("#status") == "ACTIVE") | ((pl.col("#status") == "LOCKED") & pl.col("#lock").is_in(["PASSWORD", "IDLE"]))
    usable = survivors(users).filter(opens.fill_null(False))["email_key"]
    able = users.filter(pl.col("email_key").is_in(usable.implode())).select("user_id", locked=_locked_for_status())
    officers = world.known.contacts.filter((pl.col("contact_type_cd") == "OFFICER") & pl.col("removed_at").is_null())
    officers = officers.select("user_id", "company_profile_id").join(able, on="user_id")
    everywhere = officers.filter(~pl.col("locked"))["company_profile_id"].unique()
    elsewhere = officers.filter("locked")["company_profile_id"].unique()  # B12: restricted on suspended accounts
    profile = world.accounts["company_profile_id"]
    suspended = world.accounts["status_cd"] == "SUSPENDED"
    return profile.is_in(everywhere.implode()) | (profile.is_in(elsewhere.implode()) & ~suspended)


def _flag_widened(world: ExpectedState, shared: pl.Series) -> None:
    """Flags users of shared logins who reached fewer accounts by their contacts in force than the login reaches (B20)."""
    users = world.known.users.filter(pl.col("email_key").is_in(shared.implode()))
    contacts = world.known.contacts.filter(pl.col("removed_at").is_null()).select("user_id", "company_profile_id").drop_nulls().unique()
    entities = world.accounts.select("company_profile_id", "entity_id")
    reach = users.select(KEY, "user_id", "email_key").join(contacts, on="user_id").join(entities, on="company_profile_id")
    own = reach.group_by(KEY).agg(pl.col("entity_id").n_unique().alias("own"))
    every = reach.group_by("email_key").agg(pl.col("entity_id").n_unique().alias("every"))
    both = (
        users.select(KEY, "email_key")
        .join(own, on=KEY, how="left", maintain_order="left")
        .join(every, on="email_key", how="left", maintain_order="left")
    )
    world.flag("B20", "P2", "portal_user", users, (both["own"].fill_null(0) < both["every"].fill_null(0)).to_numpy())


def _flag_people(world: ExpectedState) -> None:
    """Flags B2, B8, B12, B16, B20 and L2."""
    users, contacts = world.known.users, world.known.contacts
    l_decisions.flag_users(world, users)
    world.flag("B12", "P2", "portal_user", users, mask(users, "#stuck"))
    names = users.with_columns(folded(users["first_name"]).alias("#first"), folded(users["last_name"]).alias("#last"))
    shared = names.select("email_key", "#first", "#last").unique().filter(pl.col("email_key").is_duplicated())["email_key"]
    world.flag("B2", "P2", "portal_user", users, users["email_key"].is_in(shared.implode()).to_numpy())
    _flag_widened(world, shared)
    named = world.known.every_contact["user_id"].drop_nulls().unique()
    world.flag("B16", "P2", "portal_user", users, ~users["user_id"].is_in(named.implode()).to_numpy())
    primary = contacts.filter((pl.col("primary_poc_ind") == "Y").fill_null(False) & ~pl.col("#lost") & pl.col("removed_at").is_null())
    index = world.index["P2", "portal_user"]
    login = index.is_loaded(index.find(primary["user_id"]))
    reachable = pl.Series(login) | email_keys(primary["email"]).is_not_null()
    good = primary.filter(reachable & (primary["contact_type_cd"] != "CONSULTANT"))["company_profile_id"]
    profiles = world.known.loaded_profiles
    world.flag("B8", "P2", "company_profile", profiles, ~profiles["company_profile_id"].is_in(good.implode()).to_numpy())


# By (source table, target column), or by number for any column that the rule fills: the same on every copy of a row.
ROW: dict[tuple[str, str] | str, RowRule] = {
    ("company_contact", "primary_poc"): primary_poc,
    ("portal_user", "email_key"): key_of_login,
    ("portal_user", "login_id"): login_of_user,
    ("portal_user", "status_cd"): status,
    ("portal_user", "lock_reason_cd"): lock_reason,
    ("portal_user", "activation_required"): activation,
    ("tc_contact", "activation_required"): activation,
    ("tc_contact", "email_key"): key_of_login,
}

# By (source table, target column): another value on each copy.
COPY: dict[tuple[str, str], CopyRule] = {
    ("company_contact", "restricted_reason_cd"): restricted,
}

# By source table: what flags its loaded rows.
NOTE: dict[str, Note] = {
    "company_contact": note_contact,
}

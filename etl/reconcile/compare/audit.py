"""K10, counted from the two databases: what each profile's entities are, and which entities each person reaches, before and after."""

import polars as pl

from etl.reconcile.compare.actual import Store
from etl.reconcile.compare.difference import CHANGED, differences
from etl.reconcile.compare.hashing import hashed
from etl.reconcile.engine.world import ExpectedState


def profiles_audited(world: ExpectedState, store: Store) -> tuple[int, pl.DataFrame]:
    """Returns (number of profiles counted, differences): profiles whose multiset of (type, status, tier) is not the old one; A11 aside (K10)."""
    of_entity = ["profile", "type", "status", "tier"]
    before = world.accounts.select("company_profile_id", "#type", "status_cd", "tier_cd").rename(
        {"company_profile_id": "profile", "#type": "type", "status_cd": "status", "tier_cd": "tier"}
    )
    frames = [f.select("legacy_profile_id", "business_type_cd", "status_cd", "tier_cd") for f in store.frames("entity_account")]
    after = pl.concat(
        [
            *frames,
            before.clear().rename(dict(zip(of_entity, ("legacy_profile_id", "business_type_cd", "status_cd", "tier_cd"), strict=True))),
        ]
    )
    after = after.rename(dict(zip(after.columns, of_entity, strict=True)))
    one, other = (side.group_by(of_entity).len() for side in (before, after))
    odd = pl.concat(
        [
            one.join(other, on=[*of_entity, "len"], how="anti", nulls_equal=True),
            other.join(one, on=[*of_entity, "len"], how="anti", nulls_equal=True),
        ]
    )
    profiles = odd["profile"].unique().sort()
    counts = {side: dict(frame.group_by("profile").len().iter_rows()) for side, frame in (("before", before), ("after", after))}
    rows = [
        (
            "entity_account",
            CHANGED,
            "P2",
            None if p is None else str(p),
            None,
            "type, status and tier of the profile's entities",
            f"{counts['before'].get(p, 0)} entities",
            f"{counts['after'].get(p, 0)} entities",
        )
        for p in profiles
    ]
    return before["profile"].n_unique(), differences(rows)


def logins_audited(world: ExpectedState, store: Store) -> tuple[int, pl.DataFrame]:
    """Returns (number of logins counted, differences): logins that reach other entities by `account_picker` than before; trade_visible aside (K10)."""
    users = world.known.users.select("user_id", "email_key", "#key")
    contacts = world.known.contacts.filter(pl.col("removed_at").is_null()).select("user_id", "company_profile_id").drop_nulls()
    entities = world.accounts.select("company_profile_id", "entity_id")
    reach = users.join(contacts, on="user_id").join(entities, on="company_profile_id")
    before = pl.DataFrame([pl.Series("login", hashed(reach["email_key"])), reach["entity_id"].alias("entity")]).unique()
    frames = [
        f.filter(pl.col("login_id").is_not_null() & pl.col("removed_at").is_null() & (pl.col("scope_cd") == "CTPAT")).select(
            pl.col("login_id").alias("login"), pl.col("account_id").alias("entity")
        )
        for f in store.frames("account_contact")
    ]
    after = pl.concat([before.clear(), *frames]).unique()
    on = ["login", "entity"]
    odd = pl.concat([before.join(after, on=on, how="anti", nulls_equal=True), after.join(before, on=on, how="anti", nulls_equal=True)])[
        "login"
    ].unique()
    named = dict(zip(hashed(users["email_key"]).tolist(), users["#key"], strict=True))
    counts = {side: dict(frame.group_by("login").len().iter_rows()) for side, frame in (("before", before), ("after", after))}
    rows = [
        (
            "account_picker",
            CHANGED,
            "P2",
            f"portal_user {named[login]}" if login in named else None,
            None,
            "entities that the login reaches",
            str(counts["before"].get(login, 0)),
            str(counts["after"].get(login, 0)),
        )
        for login in odd
    ]
    return users["email_key"].n_unique(), differences(rows)

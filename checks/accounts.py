"""Checks of whole accounts: one for every entity, statuses and access unchanged, and the columns that rules compute for them."""

from __future__ import annotations

import polars as pl

from checks.comparable import TOGETHER, alike
from checks.model import Check, Found
from checks.recomputed import is_personal_number, normal_form_of
from checks.relations import Relation, failing
from checks.staged import Staged, shards


def one_account_per_entity(check: Check, staged: Staged) -> Found:
    """Entities that are not held and do not have exactly one account; accounts of no such entity."""
    entities = staged.alive("P2", "model_entity")
    counts = staged.frame("entity_account", "legacy_entity_id").group_by(pl.col("legacy_entity_id").alias("_key")).len()
    ones, counts = alike(entities.select("_key").with_columns(pl.lit(1).alias("one")), counts, "_key")
    both = ones.join(counts, on="_key", how="full", coalesce=True)
    wrong = both.filter(pl.col("one").is_null() | (pl.col("len").fill_null(0) != 1)).sort("_key")
    keys = tuple(f"{key}: {'no such entity' if one is None else f'{count or 0} accounts'}" for key, one, count in wrong.iter_rows())
    return Found(entities.height, keys)


def same_statuses(check: Check, staged: Staged) -> Found:
    """Profiles whose multiset of (business type after A11, status, tier) differs between old and new (rules A6, K10)."""
    split = {row["border_crossed_cd"]: row["business_type_cd"] for row in staged.mappings.codes["highway_split"]}
    entities = staged.alive("P2", "model_entity", "security_model_id", "business_type_cd", "border_crossed_cd", "status_cd", "tier_cd")
    models = staged.source("P2", "security_model", "security_model_id", "company_profile_id").drop("_key")
    border = pl.col("border_crossed_cd").replace_strict(split, default=None, return_dtype=pl.String)
    after = pl.when(pl.col("business_type_cd") == "HWY").then(pl.coalesce(border, "business_type_cd")).otherwise("business_type_cd")
    columns = ["profile", "type", "status", "tier"]
    before = entities.join(models, on="security_model_id").select(
        pl.col("company_profile_id").alias("profile"),
        after.alias("type"),
        pl.col("status_cd").alias("status"),
        pl.col("tier_cd").alias("tier"),
    )
    now = staged.frame("entity_account", "legacy_profile_id", "business_type_cd", "status_cd", "tier_cd").drop("_row")
    now.columns = columns
    one, other = (frame.group_by(columns).len() for frame in (before, now))
    wrong = pl.concat([a.join(b, on=[*columns, "len"], how="anti", nulls_equal=True)["profile"] for a, b in ((one, other), (other, one))])
    return Found(before["profile"].n_unique(), tuple(map(str, wrong.unique().sort().to_list())))


def visible_by_status(check: Check, staged: Staged) -> Found:
    """Accounts that trade can see although status or archiving forbids it, or cannot although nothing forbids it (rules A7, A8)."""
    hidden = [row["status_cd"] for row in staged.mappings.codes["status"] if row["trade_visible"] == "false"]
    rows = staged.frame("entity_account", "status_cd", "archived", "trade_visible")
    wrong = rows.filter(pl.col("trade_visible").ne_missing(~pl.col("status_cd").is_in(hidden) & ~pl.col("archived")))
    return failing(check, staged, wrong["_row"], rows.height)


def grouped(check: Check, staged: Staged) -> Found:
    """Accounts that are not a member of exactly the groups of their profile and their model (rule A10)."""
    rows = staged.frame("entity_account", "account_id", "legacy_profile_id", "legacy_model_id")
    groups = staged.frame("account_group", "group_id", "group_kind_cd", "legacy_key").drop("_row").cast({"legacy_key": pl.String})
    member = staged.frame("account_group_member", "group_id", "account_id").drop("_row").join(groups, on="group_id")
    wrong = []
    for kind, column in (("COMPANY_PROFILE", "legacy_profile_id"), ("SECURITY_MODEL", "legacy_model_id")):
        own = rows.with_columns(pl.col(column).cast(pl.String).alias("_own"))
        mine = member.filter(pl.col("group_kind_cd") == kind)
        strange = own.join(mine, on="account_id").filter(pl.col("legacy_key") != pl.col("_own"))
        missing = own.join(mine, left_on=["account_id", "_own"], right_on=["account_id", "legacy_key"], how="anti")
        wrong += [strange["_row"], missing["_row"]]
    return failing(check, staged, pl.concat(wrong).unique().sort(), rows.height)


def coverage(check: Check, staged: Staged) -> Found:
    """Coverages that differ from what signature and account give: older than the account, for the entity, or for its model or profile (D1, D2)."""
    rows = staged.frame("account_agreement", "account_id", "act_id", "coverage_cd")
    acts = staged.frame("signature_act", "act_id", "signed_at", "legacy_key").drop("_row").rename({"legacy_key": "_key"})
    accounts = staged.frame("entity_account", "account_id", "created_at").drop("_row")
    acts, old = alike(acts, staged.source("P2", "agreement_signature", "entity_id"), "_key")
    whole = (
        rows.join(acts, on="act_id", maintain_order="left")
        .join(accounts, on="account_id", maintain_order="left")
        .join(old, on="_key", how="left", maintain_order="left")
    )
    expected = (
        pl.when(pl.col("created_at") > pl.col("signed_at"))
        .then(pl.lit("PRE_DATES_ACCOUNT"))
        .when(pl.col("entity_id").is_not_null())
        .then(pl.lit("DIRECT"))
        .otherwise(pl.lit("INHERITED"))
    )
    return failing(check, staged, whole.filter(expected != pl.col("coverage_cd"))["_row"], rows.height)


def applicability(check: Check, staged: Staged) -> Found:
    """Answers whose applicability differs from the catalogue's for the question and the account's type (rule E3)."""
    types = staged.frame("entity_account", "account_id", "business_type_cd").drop("_row")
    strengths = staged.frame("question_applicability", "question_id", "business_type_cd", "strength_cd").drop("_row")
    asked, wrong = 0, [pl.Series("_row", [], dtype=pl.UInt32)]
    for first, part in shards(staged, "profile_response", ["account_id", "question_id", "applicability_cd"], TOGETHER):
        asked += part.height
        typed = part.with_row_index("_row", first).join(types, on="account_id", maintain_order="left")
        whole = typed.join(strengths, on=["question_id", "business_type_cd"], how="left", maintain_order="left")
        wrong.append(whole.filter(pl.col("strength_cd").fill_null("NOT_APPLICABLE") != pl.col("applicability_cd"))["_row"])
    return failing(check, staged, pl.concat(wrong), asked)


def normalised(check: Check, staged: Staged) -> Found:
    """Identifiers whose normal form or personal mark does not follow from their value (rules H4, H6)."""
    rows = staged.frame("account_identifier", "identifier_type_cd", "value_raw", "value_norm", "pii")
    wrong = [row for row, kind, raw, norm, pii in rows.iter_rows() if norm != normal_form_of(raw) or pii != is_personal_number(kind, raw)]
    return failing(check, staged, pl.Series(wrong, dtype=pl.Int64), rows.height)


def agreement_basis(check: Check, staged: Staged) -> Found:
    """Accounts whose agreement basis does not follow from their signatures and their status (rule D5): no signature is invented."""
    rows = staged.frame("entity_account", "account_id", "status_cd", "agreement_basis_cd")
    versions = staged.frame("agreement_version", "agreement_version_id", "agreement_cd").filter(pl.col("agreement_cd") == "VOLUNTARY")
    acts = staged.frame("signature_act", "act_id", "agreement_version_id").join(versions, on="agreement_version_id", how="semi")
    signed = staged.frame("account_agreement", "account_id", "act_id").join(acts, on="act_id", how="semi").select("account_id").unique()
    members = [row["status_cd"] for row in staged.mappings.codes["status"] if row["continued_membership"] == "true"]
    whole = rows.join(signed.with_columns(pl.lit(True).alias("_signed")), on="account_id", how="left", maintain_order="left")
    expected = (
        pl.when(pl.col("_signed").is_not_null())
        .then(pl.lit("SIGNED"))
        .when(pl.col("status_cd").is_in(members))
        .then(pl.lit("CONTINUED_MEMBERSHIP"))
        .otherwise(pl.lit("NONE"))
    )
    return failing(check, staged, whole.filter(expected != pl.col("agreement_basis_cd"))["_row"], rows.height)


def identifiers_complete(check: Check, staged: Staged) -> Found:
    """Accounts that count as complete and lack an active identifier that their type needs, or the reverse (rule H3)."""
    rows = staged.frame("entity_account", "account_id", "business_type_cd", "identifiers_complete")
    has = (
        staged.frame("account_identifier", "account_id", "identifier_type_cd", "active")
        .filter("active")
        .select("account_id", "identifier_type_cd")
    )
    needed = pl.DataFrame(
        list(staged.mappings.codes["identifier_required"]),
        schema=dict.fromkeys(("business_type_cd", "group_no", "identifier_type_cd"), pl.String),
    )
    wanted = rows.select("account_id", "business_type_cd").join(needed, on="business_type_cd")
    met = wanted.join(has.unique(), on=["account_id", "identifier_type_cd"], how="semi").select("account_id", "group_no").unique()
    lacking = wanted.select("account_id", "group_no").unique().join(met, on=["account_id", "group_no"], how="anti")["account_id"]
    wrong = rows.filter(pl.col("identifiers_complete") == pl.col("account_id").is_in(lacking.unique().implode()))
    return failing(check, staged, wrong["_row"], rows.height)


def needs_officer(check: Check, staged: Staged) -> Found:
    """Accounts marked as having an officer without one among the contacts that are not removed, or the reverse (rule B10)."""
    rows = staged.frame("entity_account", "account_id", "needs_officer")
    contacts = staged.frame("account_contact", "account_id", "scope_cd", "contact_type_cd", "removed_at")
    officers = contacts.filter((pl.col("scope_cd") == "CTPAT") & (pl.col("contact_type_cd") == "OFFICER") & pl.col("removed_at").is_null())
    wrong = rows.filter(pl.col("needs_officer") == pl.col("account_id").is_in(officers["account_id"].unique().implode()))
    return failing(check, staged, wrong["_row"], rows.height)


def acting_officer(check: Check, staged: Staged) -> Found:
    """Accounts marked as having a person who can sign without one who has a usable login, is not removed and not restricted; or the reverse (rule B19)."""
    rows = staged.frame("entity_account", "account_id", "acting_officer")
    contacts = staged.frame(
        "account_contact", "account_id", "login_id", "scope_cd", "contact_type_cd", "restricted_reason_cd", "removed_at"
    )
    logins = staged.frame("login", "login_id", "status_cd", "lock_reason_cd").drop("_row")
    curable = (pl.col("status_cd") == "LOCKED") & pl.col("lock_reason_cd").is_in(["PASSWORD", "IDLE"])
    usable = logins.filter((pl.col("status_cd") == "ACTIVE") | curable).select("login_id")
    officers = contacts.filter(
        (pl.col("scope_cd") == "CTPAT")
        & (pl.col("contact_type_cd") == "OFFICER")
        & pl.col("removed_at").is_null()
        & pl.col("restricted_reason_cd").is_null()
    ).join(usable, on="login_id", how="semi")
    wrong = rows.filter(pl.col("acting_officer") != pl.col("account_id").is_in(officers["account_id"].unique().implode()))
    return failing(check, staged, wrong["_row"], rows.height)


def same_access(check: Check, staged: Staged) -> Found:
    """Contacts that are not on exactly the accounts of their profile, or have another login than their user's (rules B1, B6, K10)."""
    contacts = staged.alive("P2", "company_contact", "company_profile_id", "user_id", "removed_at")
    accounts = staged.frame("entity_account", "account_id", "legacy_profile_id").drop("_row")
    contacts, logins = alike(
        contacts, staged.frame("login_alias", "legacy_key", "login_id").drop("_row").rename({"legacy_key": "user_id"}), "user_id"
    )
    before = (
        contacts.join(accounts, left_on="company_profile_id", right_on="legacy_profile_id")
        .join(logins, on="user_id", how="left")
        .select("_key", "account_id", "login_id", pl.col("removed_at").is_null().alias("has_access"))
    )
    rows = staged.frame("account_contact", "legacy_portal_cd", "legacy_key", "account_id", "login_id", "removed_at")
    now = rows.filter(pl.col("legacy_portal_cd") == "P2").select(
        pl.col("legacy_key").alias("_key"), "account_id", "login_id", pl.col("removed_at").is_null().alias("has_access")
    )
    before, now = alike(before, now, "_key")
    on = ["_key", "account_id", "login_id", "has_access"]
    lost = before.join(now, on=on, how="anti", nulls_equal=True)["_key"]
    won = now.join(before, on=on, how="anti", nulls_equal=True)["_key"]
    keys = [f"P2|{key}: access narrowed" for key in lost.unique().sort()] + [f"P2|{key}: access widened" for key in won.unique().sort()]
    return Found(before.height, tuple(keys))


ACCOUNTS: dict[str, Relation] = {
    "one_account_per_entity": one_account_per_entity,
    "same_statuses": same_statuses,
    "visible_by_status": visible_by_status,
    "grouped": grouped,
    "coverage": coverage,
    "agreement_basis": agreement_basis,
    "identifiers_complete": identifiers_complete,
    "needs_officer": needs_officer,
    "acting_officer": acting_officer,
    "same_access": same_access,
    "applicability": applicability,
    "normalised": normalised,
}

"""The lists beside the points: companies, crosswalk, dates, clocks, activation. Each is one frame, in a fixed order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

from etl.holding.row_counts import RowsByProfile
from etl.readiness.points import Points
from etl.readiness.store import StoreFacts

DATES = (
    "application_dt",
    "certification_dt",
    "anniversary_dt",
    "last_validation_dt",
    "next_validation_due_dt",
    "business_start_dt",
    "created_at",
    "modified_at",
)
IDLE_DAYS = 45  # a user who has not logged in for so long is disabled until the specialist reactivates the login


def companies(store: StoreFacts, points: Points, found: pl.DataFrame, rows: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """Returns one line per company profile, in the order of ids; `profiles`: company_profile_id, company_name of the old portal."""
    accounts = store.accounts.group_by(pl.col("legacy_profile_id").alias("company_profile_id")).agg(
        pl.len().cast(pl.Int64).alias("accounts"),
        pl.col("trade_visible").sum().cast(pl.Int64).alias("accounts_visible"),
        pl.col("account_id").is_in(list(points.nobody_can_open)).sum().cast(pl.Int64).alias("accounts_nobody_can_open"),
    )
    weights = (
        found.drop_nulls("company_profile_id")
        .group_by("company_profile_id")
        .agg(*((pl.col("weight_cd") == weight).sum().cast(pl.Int64).alias(weight) for weight in ("critical", "attention", "info")))
    )
    office = pl.DataFrame(
        {"company_profile_id": list(points.office_by_profile), "office_cd": list(points.office_by_profile.values())},
        schema={"company_profile_id": pl.Int64, "office_cd": pl.String},
    )
    frame = profiles
    for other in (office, accounts, rows, weights):
        frame = frame.join(other, on="company_profile_id", how="left")
    counts = (
        "accounts",
        "accounts_visible",
        "accounts_nobody_can_open",
        "rows_read",
        "rows_loaded",
        "rows_held",
        "critical",
        "attention",
        "info",
    )
    return frame.select("company_profile_id", "company_name", "office_cd", *(pl.col(name).fill_null(0) for name in counts)).sort(
        "company_profile_id"
    )


def more_of_companies(
    store: StoreFacts, lines: pl.DataFrame, found: pl.DataFrame, rows: pl.DataFrame, chapter: Mapping[tuple[str, str], str]
) -> pl.DataFrame:
    """Returns the lines of `companies` with what the page and the workbook show besides: accounts_without_acting_officer (visible to trade), documents_broken,
    held_by_chapter ("Documents 3; Responses 12").

    `rows`: rows of each profile by table; `chapter`: the heading of each table. Null where nothing is held.
    """
    officers = (
        store.accounts.filter("trade_visible", ~pl.col("acting_officer"))
        .group_by(pl.col("legacy_profile_id").alias("company_profile_id"))
        .agg(pl.len().cast(pl.Int64).alias("accounts_without_acting_officer"))
    )
    broken = (
        found.filter(pl.col("point_cd") == "DOCUMENT_BROKEN")
        .group_by("company_profile_id")
        .agg(pl.len().cast(pl.Int64).alias("documents_broken"))
    )
    headings = pl.DataFrame([(*table, heading) for table, heading in chapter.items()], schema=["portal", "table", "chapter"], orient="row")
    held = (
        rows.filter(pl.col("rows_held") > 0)
        .join(headings, on=["portal", "table"])
        .group_by("company_profile_id", "chapter")
        .agg(pl.col("rows_held").sum())
        .sort("chapter")
        .group_by("company_profile_id", maintain_order=True)
        .agg(pl.format("{} {}", "chapter", "rows_held").str.join("; ").alias("held_by_chapter"))
    )
    frame = lines
    for other in (officers, broken, held):
        frame = frame.join(other, on="company_profile_id", how="left", maintain_order="left")
    return frame.with_columns(pl.col("accounts_without_acting_officer", "documents_broken").fill_null(0))


def specialists(store: StoreFacts, found: pl.DataFrame) -> pl.Series:
    """Returns for each point the CBP user that is the specialist of its account, or of its company's account with the lowest entity; null where there is none."""
    by_number = dict(store.accounts.select("account_number", "scss_cbp_user_id").iter_rows())
    first = store.accounts.sort("legacy_entity_id").group_by("legacy_profile_id", maintain_order=True).first()
    by_profile = dict(first.select("legacy_profile_id", "scss_cbp_user_id").iter_rows())
    return pl.Series(
        "specialist_cbp_user_id",
        [
            by_number.get(number) if number is not None else by_profile.get(profile)
            for profile, number in found.select("company_profile_id", "account_number").iter_rows()
        ],
        dtype=pl.Int64,
    )


REVIEWED = ("D2", "D4", "E15")


def signatures_to_review(store: StoreFacts, rows: RowsByProfile) -> pl.DataFrame:
    """Returns the signatures and submissions that may have to be repeated: rule_cd, company_profile_id, legacy_portal_cd, legacy_table, legacy_key."""
    flagged = store.exceptions.filter(pl.col("rule_cd").is_in(REVIEWED))
    parts = [flagged.clear().with_columns(pl.lit(None, pl.Int64).alias("company_profile_id"))]
    for (portal, table), part in flagged.group_by("legacy_portal_cd", "legacy_table"):
        profile = rows.lowest(str(portal), str(table), part["legacy_key"]).rename({"key": "legacy_key", "profile": "company_profile_id"})
        parts.append(part.join(profile, on="legacy_key", how="left").select(parts[0].columns))
    return pl.concat(parts).sort("rule_cd", "company_profile_id", "legacy_key")


def crosswalk(store: StoreFacts, entities: pl.DataFrame, models: Mapping[int, int]) -> pl.DataFrame:
    """Returns one line per old entity: old profile, model, entity, number; id, number, type, status of its account, null for a held entity.

    `entities`: entity_id, security_model_id (text if the old value is not a number), account_number; `models`: profile by model.
    """
    account = store.accounts.select(
        pl.col("legacy_entity_id").cast(pl.String).alias("entity_id"), "account_id", "account_number", "business_type_cd", "status_cd"
    )
    profile = {str(model): str(profile) for model, profile in models.items()}
    joined = entities.rename({"account_number": "old_account_number"}).join(account, on="entity_id", how="left")
    return (
        joined.with_columns(
            pl.col("security_model_id").replace_strict(profile, default=None, return_dtype=pl.String).alias("company_profile_id")
        )
        .select(
            "company_profile_id",
            "security_model_id",
            "entity_id",
            "old_account_number",
            "account_id",
            "account_number",
            "business_type_cd",
            "status_cd",
        )
        .sort(pl.col("entity_id").cast(pl.Int64, strict=False), "entity_id", nulls_last=True)
    )


def dates(store: StoreFacts, old: pl.DataFrame) -> pl.DataFrame:
    """Returns one line per account with its eight dates in the old portal (`old`, by entity_id, as texts) and in the new store."""
    new = store.accounts.select(
        "office_cd", "account_number", pl.col("legacy_entity_id").alias("entity_id"), *(pl.col(name).alias(f"{name}_new") for name in DATES)
    )
    joined = new.join(old.rename({name: f"{name}_old" for name in DATES}), on="entity_id", how="left")
    pairs = [f"{name}_{side}" for name in DATES for side in ("old", "new")]
    return joined.select("office_cd", "account_number", "entity_id", *pairs).sort("office_cd", "account_number", nulls_last=False)


_CLOCKS = {
    "clock_cd": pl.String(),
    "office_cd": pl.String(),
    "company_profile_id": pl.Int64(),
    "account_number": pl.String(),
    "legacy_portal_cd": pl.String(),
    "legacy_table": pl.String(),
    "legacy_key": pl.String(),
    "due_dt": pl.String(),
    "due_dt_adjusted": pl.String(),
    "days": pl.Int64(),
}


def clocks(store: StoreFacts, points: Points) -> pl.DataFrame:
    """Returns running deadlines: one line per open due date, and one per login that inactivity can disable.

    EXTENDED: a due date that the freeze moved (E14), `days` later. RUNNING: an open due date that did not move; `days` left on the first
    day of the freeze (null without a freeze). IDLE: an ACTIVE login; `due_dt` is the day on which it exceeds 45 days without use, `days` from the
    last day of the freeze to that day, negative if it has passed; both are null for a login that was never used.
    """
    accounts = {row["account_id"]: row for row in store.accounts.iter_rows(named=True)}
    run = store.runs.filter(pl.col("state_cd") == "PUBLISHED").sort("finished_at").tail(1).to_dicts()
    first, last = (_day(run[0]["freeze_from"]), _day(run[0]["freeze_to"])) if run else (None, None)
    lines: list[tuple[Any, ...]] = []
    for (portal, table), frame in store.due.items():
        for account_id, due, adjusted, key in frame.iter_rows():
            account = accounts[account_id]
            where = (account["office_cd"], account["legacy_profile_id"], account["account_number"], portal, table, key)
            if adjusted is not None:
                lines.append(("EXTENDED", *where, due, adjusted, _between(_day(due), _day(adjusted))))
            else:
                lines.append(("RUNNING", *where, due, None, _between(first, _day(due))))
    profile_of = _profile_by_login(store)
    for login in store.logins.filter(pl.col("status_cd") == "ACTIVE").iter_rows(named=True):
        seen = _day((login["last_login_at"] or "")[:10])
        falls = seen + timedelta(days=IDLE_DAYS) if seen is not None and seen < date.max - timedelta(days=IDLE_DAYS) else None
        profile = profile_of.get(login["login_id"])
        where = (points.office_by_profile.get(profile), profile, None, *points.row_of_login(login["login_id"]))
        lines.append(("IDLE", *where, falls.isoformat() if falls else None, None, _between(last, falls)))
    return pl.DataFrame(lines, schema=_CLOCKS, orient="row").sort(list(_CLOCKS), nulls_last=False)


def _profile_by_login(store: StoreFacts) -> dict[str, int]:
    """Returns the lowest profile that each login reaches."""
    reach = store.picker.join(store.accounts.select("account_id", "legacy_profile_id"), on="account_id")
    return dict(reach.group_by("login_id").agg(pl.col("legacy_profile_id").min()).iter_rows())


def activation(store: StoreFacts, points: Points, bounced: frozenset[str]) -> pl.DataFrame:
    """Returns one line per login for the invitations; personal data, written only on request.

    `wave_cd`: the office of the lowest profile that the login reaches; logins are invited office by office.
    """
    accounts = store.accounts.select("account_id", "account_number", "legal_name", "legacy_profile_id")
    reach = (
        store.picker.join(accounts, on="account_id")
        .group_by("login_id")
        .agg(
            pl.col("legal_name").unique().sort().str.join("; ").alias("companies"),
            pl.col("account_number").sort().str.join(" ").alias("account_numbers"),
            pl.len().cast(pl.Int64).alias("accounts"),
            pl.col("legacy_profile_id").min().alias("profile"),
        )
    )
    officers = store.contacts.filter(
        (pl.col("contact_type_cd") == "OFFICER")
        & pl.col("removed_at").is_null()
        & pl.col("login_id").is_not_null()
        & (pl.col("scope_cd") == "CTPAT")
    )["login_id"].unique()
    offices: dict[int, str | None] = defaultdict(lambda: None, {p: o for p, o in points.office_by_profile.items() if p is not None})
    frame = store.logins.join(reach, on="login_id", how="left")
    return frame.select(
        pl.col("email_display").alias("email"),
        "first_name",
        "last_name",
        "companies",
        pl.col("accounts").fill_null(0),
        "account_numbers",
        pl.col("login_id").is_in(officers.implode()).alias("officer"),
        "status_cd",
        "lock_reason_cd",
        "last_login_at",
        pl.Series("can_activate", [login in points.usable for login in frame["login_id"]], dtype=pl.Boolean),
        pl.col("email_key").is_in(list(bounced)).alias("mail_bounced"),
        pl.Series("wave_cd", [offices[profile] for profile in frame["profile"]], dtype=pl.String),
    ).sort("wave_cd", "email", nulls_last=True)


def _day(text: str | None) -> date | None:
    """Returns the day; None for null and for a day that Python cannot represent (infinity, before year 1)."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _between(first: date | None, then: date | None) -> int | None:
    return (then - first).days if first is not None and then is not None else None

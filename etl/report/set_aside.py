"""What the verdict does not cover: held rows, accounts without a usable login, the approval, and whether the run was a rehearsal."""

from __future__ import annotations

from typing import Any

import polars as pl

from etl.report.text import plural
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns

CURABLE = ("PASSWORD", "IDLE")  # locks that an activation ends; a company's status is another matter
# The types of the columns that are read where a table has no row; all others are texts.
_STAGED: dict[str, pl.DataType] = {
    "account_id": pl.Binary(),
    "login_id": pl.Binary(),
    "legacy_profile_id": pl.Int64(),
    "legacy_entity_id": pl.Int64(),
    "trade_visible": pl.Boolean(),
    "removed_at": pl.Datetime("us"),
}
CLOSED = {
    "account_number": pl.String,
    "company_profile_id": pl.Int64,
    "entity_id": pl.Int64,
    "business_type_cd": pl.String,
    "cause": pl.String,
}


def closed_accounts(folder: RunFolder) -> tuple[int | None, pl.DataFrame, int]:
    """Returns (number of accounts visible to trade, CLOSED: those without a usable login, number of those opened only by narrow contacts).

    A usable login is ACTIVE, or LOCKED for a reason in CURABLE. Narrow contacts are restricted (B12) or of Trade Compliance (I9). From the
    staged rows; None and no rows before reattach is done.
    """
    if not set(layout.MADE_BY) <= folder.steps.keys():
        return None, pl.DataFrame(schema=CLOSED), 0
    accounts = _staged(
        folder,
        "entity_account",
        "account_id",
        "account_number",
        "legacy_profile_id",
        "legacy_entity_id",
        "business_type_cd",
        "trade_visible",
    )
    contacts = _staged(folder, "account_contact", "account_id", "login_id", "removed_at", "scope_cd", "restricted_reason_cd").filter(
        pl.col("removed_at").is_null()
    )
    logins = _staged(folder, "login", "login_id", "status_cd", "lock_reason_cd")
    locked = (pl.col("status_cd") == "LOCKED") & pl.col("lock_reason_cd").is_in(CURABLE).fill_null(False)
    usable = logins.filter((pl.col("status_cd") == "ACTIVE") | locked)
    seen = contacts.drop_nulls("login_id")
    visible = accounts.filter(pl.col("trade_visible"))
    opening = seen.join(usable, on="login_id", how="semi")
    closed = visible.join(opening, on="account_id", how="anti")
    narrow = visible.join(opening.filter(~_NARROW), on="account_id", how="anti").join(opening, on="account_id", how="semi").height
    cause = (
        pl.when(~pl.col("account_id").is_in(contacts["account_id"].implode()))
        .then(pl.lit("no contact is in force"))
        .when(~pl.col("account_id").is_in(seen["account_id"].implode()))
        .then(pl.lit("none of its contacts has a login"))
        .otherwise(
            pl.concat_str(pl.lit("the logins of its contacts are disabled, deleted or locked for the company's status"), _whose(seen))
        )
    )
    listed = closed.select(
        "account_number",
        pl.col("legacy_profile_id").alias("company_profile_id"),
        pl.col("legacy_entity_id").alias("entity_id"),
        "business_type_cd",
        cause.alias("cause"),
    )
    return visible.height, listed.sort("company_profile_id", "entity_id"), narrow


_NARROW = (pl.col("scope_cd") == "TC") | pl.col("restricted_reason_cd").is_not_null()


def _whose(seen: pl.DataFrame) -> pl.Expr:
    """Returns the words for accounts whose usable logins are all restricted or all of Trade Compliance; else an empty text."""
    kinds = seen.group_by("account_id").agg((pl.col("scope_cd") == "TC").all().alias("tc"), _NARROW.all().alias("narrow"))
    of_tc, narrow = (kinds.filter(pl.col(name))["account_id"] for name in ("tc", "narrow"))
    return (
        pl.when(pl.col("account_id").is_in(of_tc.implode()))
        .then(pl.lit("; all of them are of Trade Compliance"))
        .when(pl.col("account_id").is_in(narrow.implode()))
        .then(pl.lit("; all of them are restricted, or of Trade Compliance"))
        .otherwise(pl.lit(""))
    )


def _staged(folder: RunFolder, table: str, *columns: str) -> pl.DataFrame:
    frames = [
        pl.DataFrame(read_columns(folder.path, file, list(columns))).select(columns)
        for step in layout.MADE_BY
        for file in folder.files(step, layout.made(step, table))
    ]
    return (
        pl.concat(frames, how="vertical_relaxed")
        if frames
        else pl.DataFrame(schema={name: _STAGED.get(name, pl.String()) for name in columns})
    )


def sentences(report: dict[str, Any]) -> list[str]:
    """Returns the sentences in the second line below the verdict."""
    held, aside = report["held"], report["set_aside"]
    done = {step["step"] for step in report["steps"] if step["done"]}
    found = []
    if held["total"]:
        kept = "are held" if published(report) else "would be held"
        both = sum(row["held_and_loaded"] for row in report["conservation"])
        too = f" ({both:,} of them loaded too, without a value that cannot be read)" if both else ""
        found.append(f"{plural(held['total'], 'row')} {kept}{too}, because of {plural(aside['roots'], 'cause')}.")
    attention = sum(rule["count"] for rule in report["exceptions"]["rules"] if rule["severity"] == "attention")
    if attention:
        found.append(f"{plural(attention, 'exception')} need attention.")
    if aside["closed"]:
        found.append(f"{aside['closed']:,} of {plural(aside['visible'], 'account')} visible to trade cannot be opened by anyone.")
    if aside["narrow"]:
        found.append(f"{plural(aside['narrow'], 'account')} can be opened only by contacts that are restricted, or of Trade Compliance.")
    if report["run"]["rehearsal"]:
        found.append("This was a rehearsal: the real new store was not written to.")
    elif "load" in done and report["run"]["approval"] is None:
        found.append("No approval was required.")
    return found


def published(report: dict[str, Any]) -> bool:
    """Returns whether the run's rows are in a store now."""
    return report["run"]["id"] is not None and report["run"]["taken_back"] is None

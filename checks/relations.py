"""Checks across tables of the new store: pure functions over the staged columns, which return every failing row.

Each takes (check, staged) and returns Found; `RELATIONS` has the names of `checks/kinds.py`. The first line of a check's docstring is its entry in
the list of checks: what it lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from checks.comparable import among, slices
from checks.frames import when
from checks.model import Check, Found
from checks.recomputed import email_key_of
from checks.staged import Staged, entities, entity_of

Relation = Callable[[Check, Staged], Found]


def failing(check: Check, staged: Staged, rows: pl.Series, asked: int, notes: Sequence[str] | None = None) -> Found:
    """Returns the answer whose failing rows have these positions in the check's table."""
    return Found(asked, staged.keys(check.table, rows.to_list(), notes))


def parent_of(check: Check, staged: Staged) -> str:
    """Returns the table to which the check's column refers: from the suite, else from the schema."""
    to = check.args.get("to") or staged.shapes[check.table].by_name[check.columns[0]].refers_to
    assert isinstance(to, str)  # noqa: S101  # the suite was bound
    return to


def chosen(check: Check, staged: Staged, *columns: str) -> pl.DataFrame:
    """Returns these columns of the rows that the question is about (`when`)."""
    rows = staged.frame(check.table, *columns, *check.args.get("when", {}))
    applies = when(check, rows)
    return (rows if applies is None else rows.filter(applies)).select("_row", *columns)


def refers(check: Check, staged: Staged) -> Found:
    """Rows whose reference is set and names a missing row."""
    column, to = check.columns[0], parent_of(check, staged)
    key = staged.shapes[to].key[0]
    rows = staged.frame(check.table, column)
    known = among(staged.frame(to, key), key, rows[column])
    lost = [some.drop_nulls(column).join(known, left_on=column, right_on=key, how="anti")["_row"] for some in slices(rows)]
    return failing(check, staged, pl.concat(lost), rows.height - rows[column].null_count())


def reached(check: Check, staged: Staged) -> Found:
    """Rows to which no row of the tables in `by` refers."""
    column = check.columns[0]
    rows = chosen(check, staged, column)
    left = rows
    for reference in check.args["by"]:
        table, _, name = reference.partition(".")
        left = left.join(staged.frame(table, name), left_on=column, right_on=name, how="anti")
    return failing(check, staged, left["_row"], rows.height)


def found_in(check: Check, staged: Staged) -> Found:
    """Rows whose columns, all set, do not occur together in a row of the table `in`."""
    rows = chosen(check, staged, *check.columns).drop_nulls(check.columns)
    lost = rows.join(staged.frame(check.args["in"], *check.args["as"]), left_on=check.columns, right_on=check.args["as"], how="anti")
    return failing(check, staged, lost["_row"], rows.height)


def same_account(check: Check, staged: Staged) -> Found:
    """Rows that refer to a row of another account, by their account or their parent's (`refers` lists missing rows)."""
    column, to = check.columns[0], parent_of(check, staged)
    rows = staged.frame(check.table, column).with_columns(entities(staged, check.table).alias("_own"))
    parents = entity_of(staged, to, rows[column])
    wrong, asked = [], 0
    for some in slices(rows):
        pairs = some.drop_nulls(column).join(parents, left_on=column, right_on="_id", maintain_order="left")
        wrong.append(pairs.filter(pl.col("_own").ne_missing(pl.col("_entity")))["_row"])
        asked += pairs.height
    return failing(check, staged, pl.concat(wrong), asked)


def parent_is(check: Check, staged: Staged) -> Found:
    """Rows whose referenced row has a value in the named column that is not listed."""
    column, to = check.columns[0], parent_of(check, staged)
    key, value = staged.shapes[to].key[0], check.args["column"]
    rows = chosen(check, staged, column).drop_nulls(column)
    parent = staged.frame(to, key, value).select(pl.col(key).alias("_parent"), pl.col(value).alias("_value"))
    parent = among(parent, "_parent", rows[column]).unique("_parent")
    pairs = rows.join(parent, left_on=column, right_on="_parent", maintain_order="left")
    wrong = pairs.filter(~pl.col("_value").is_in(check.args["values"]).fill_null(False))
    return failing(check, staged, wrong["_row"], pairs.height)


def differ(check: Check, staged: Staged) -> Found:
    """Rows with the same value in both columns."""
    one, other = check.columns
    rows = staged.frame(check.table, one, other)
    return failing(check, staged, rows.filter(pl.col(one) == pl.col(other))["_row"], rows.height)


def linked_within_account(check: Check, staged: Staged) -> Found:
    """Document links whose target is missing or belongs to another account than the document's copy (rules C2, C3)."""
    links = staged.frame("document_link", "document_id", "target_cd", "target_id")
    owners = (
        staged.frame("document", "document_id")
        .with_columns(entities(staged, "document").alias("_entity"))
        .drop("_row")
        .unique("document_id")
    )
    links = links.join(owners, on="document_id", how="left", maintain_order="left")
    good = [links["_row"].clear()]
    for entry in staged.mappings.codes["link_target"]:
        mine = links.filter(pl.col("target_cd") == entry["target_cd"])
        targets = _owned(staged, entry["target_table"], mine["target_id"])
        good.append(mine.join(targets, on=["target_id", "_entity"], how="semi")["_row"])
    wrong = links.join(pl.concat(good).to_frame(), on="_row", how="anti")
    return failing(check, staged, wrong["_row"].sort(), links.height)


def _owned(staged: Staged, table: str, wanted: pl.Series) -> pl.DataFrame:
    """Returns `target_id` and `_entity` of the wanted rows of a link's target table, one row for each account."""
    if table == "message":  # stored once, for all accounts of its thread
        accounts = (
            staged.frame("thread_account", "thread_id").with_columns(entities(staged, "thread_account").alias("_entity")).drop("_row")
        )
        messages = staged.found("message", "message_id", wanted, "thread_id")
        return messages.join(accounts, on="thread_id").select(pl.col("message_id").alias("target_id"), "_entity")
    return entity_of(staged, table, wanted).rename({"_id": "target_id"})


def folded_email(check: Check, staged: Staged) -> Found:
    """Logins whose e-mail key differs from their typed e-mail, trimmed and case-folded (rule B2)."""
    rows = staged.frame("login", "email_key", "email_display")
    wrong = [row for row, key, shown in rows.iter_rows() if email_key_of(shown) != key]
    return failing(check, staged, pl.Series(wrong, dtype=pl.Int64), rows.height)


def content_agrees(check: Check, staged: Staged) -> Found:
    """Documents whose content state does not follow from the recorded digest and size and the stored object (rules C6, C8)."""
    rows = staged.frame("document", "sha256", "content_state_cd", "recorded_size_bytes", "recorded_sha256")
    rows = rows.join(staged.frame("stored_object", "sha256", "size_bytes").drop("_row"), on="sha256", how="left", maintain_order="left")
    state = (
        pl.when(pl.col("sha256").is_null())
        .then(pl.lit("MISSING"))
        .when(pl.col("recorded_sha256").str.to_lowercase() != pl.col("sha256"))
        .then(pl.lit("DIGEST_MISMATCH"))
        .when(pl.col("recorded_size_bytes") != pl.col("size_bytes"))
        .then(pl.lit("SIZE_MISMATCH"))
        .otherwise(pl.lit("PRESENT"))
    )
    wrong = rows.filter(state != pl.col("content_state_cd"))
    return failing(check, staged, wrong["_row"], rows.height)


def named_by_digest(check: Check, staged: Staged) -> Found:
    """Stored objects whose key in the object store does not follow from their digest (rules C9, C12)."""
    rows = staged.frame("stored_object", "sha256", "object_key")
    named = pl.concat_str(pl.lit("sha256/"), pl.col("sha256").str.head(2), pl.lit("/"), pl.col("sha256"))
    return failing(check, staged, rows.filter(pl.col("object_key").ne_missing(named))["_row"], rows.height)


def has_current(check: Check, staged: Staged) -> Found:
    """Rows that the flag marks as replaced although no other row with the same columns replaces them."""
    flag = check.args["flag"]
    rows = staged.frame(check.table, *check.columns, flag)
    old = rows.filter(flag)
    # The few marked rows are the index, not the large table, which is not copied either.
    current = pl.concat(part.filter(~pl.col(flag)).join(old, on=check.columns, how="semi", nulls_equal=True) for part in slices(rows))
    alone = old.join(current, on=check.columns, how="anti", nulls_equal=True)
    return failing(check, staged, alone["_row"], old.height)


_LAST_DAY = date(9999, 12, 31).toordinal() - date(1970, 1, 1).toordinal()


def moved_by_freeze(check: Check, staged: Staged) -> Found:
    """Due dates that moved by another number of days than the others, or stayed although earlier and later dates moved (rule E14)."""
    due, moved = check.columns
    rows = staged.frame(check.table, due, moved).with_columns((pl.col(moved) - pl.col(due)).dt.total_days().alias("_days"))
    shifted = rows.filter(pl.col(moved).is_not_null())
    days = shifted["_days"].drop_nulls().value_counts(sort=True).sort("count", "_days", descending=[True, False])["_days"]
    length = days[0] if len(days) else 0
    first, last = shifted[due].min(), shifted[due].max()
    odd = pl.col(moved).is_not_null() & (pl.col("_days").ne_missing(length) | (pl.col("_days") < 0))
    possible = pl.col(due).cast(pl.Int32).cast(pl.Int64) + length <= _LAST_DAY  # an overflow of the sum is null
    left = pl.col(moved).is_null() & (pl.col(due).is_between(first, last) & possible).fill_null(False) if shifted.height else pl.lit(False)
    return failing(check, staged, rows.filter(odd | left)["_row"], rows.height)


RELATIONS: dict[str, Relation] = {
    "refers": refers,
    "reached": reached,
    "found_in": found_in,
    "same_account": same_account,
    "parent_is": parent_is,
    "differ": differ,
    "linked_within_account": linked_within_account,
    "folded_email": folded_email,
    "content_agrees": content_agrees,
    "named_by_digest": named_by_digest,
    "has_current": has_current,
    "moved_by_freeze": moved_by_freeze,
}

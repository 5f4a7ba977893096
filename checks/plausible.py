"""The plausibility gate: fails where the share of held rows or of unknown indicator values is so large that the mapping cannot be right.

A critical question fails above its limit, a warning from its limit. The answer has a sentence with shares, the most frequent cause, and keys as
examples, never a value.
"""

from __future__ import annotations

from collections import Counter

import polars as pl

from checks.conserved import mapping_of
from checks.model import Check, Found
from checks.relations import Relation
from checks.staged import Staged
from etl.domain.masking import masked
from mappings.limits import Limit

LEAST = 20  # rows, values or entities: a share of fewer has no meaning
EXAMPLES = 5  # keys in the sentence
_KEYS = 1000  # listed keys; held.csv has every held row


def held_share(check: Check, staged: Staged) -> Found:
    """Rows of an old table that are held, loaded ones too (X2), where their share is beyond the limit."""
    mapping = mapping_of(check, staged)
    read = sum(file.rows for file in staged.extracted[mapping.portal, mapping.table])
    held = staged.held(mapping.portal, mapping.table)
    limit = staged.limits.held.get(mapping.table)
    if not _beyond(check, held.height, read, limit):
        return Found(read)
    counts = held["reason"].value_counts(sort=True, name="rows").sort("rows", "reason", descending=[True, False])
    cause, often = counts.row(0)
    text = f"{check.table}: {_of(held.height, read, 'rows')} are held; the most frequent reason is {cause} ({often:,} rows)"
    return _found(check, read, held.height, held["_key"], text, limit)


def indicator_share(check: Check, staged: Staged) -> Found:
    """Values of an indicator column that are neither Y nor N, where their share of those that are not NULL is beyond the limit."""
    mapping, column = mapping_of(check, staged), check.columns[0]
    given = staged.source(mapping.portal, mapping.table, column).drop_nulls(column)
    odd = staged.aside("odd").filter(
        (pl.col("portal") == mapping.portal) & (pl.col("table") == mapping.table) & (pl.col("column") == column) & pl.col("unreadable")
    )
    other = given.filter(~pl.col(column).is_in(["Y", "N"]))
    asked, failed = given.height + odd.height, other.height + odd.height
    limit = staged.limits.indicator.get(f"{mapping.table}.{column}")
    if not _beyond(check, failed, asked, limit):
        return Found(asked)
    kinds = Counter({"a text longer than the column": odd.height})
    kinds.update(dict(other.select(_form(column).alias("form")).group_by("form").len().iter_rows()))
    cause, often = min(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    text = (
        f"{check.table}.{column}: {_of(failed, asked, 'values')} are neither Y nor N; the most frequent form is {cause} ({often:,} values)"
    )
    keys = pl.concat([other["_key"].cast(pl.String), odd["key"].cast(pl.String)])
    return _found(check, asked, failed, keys, text, limit)


def entity_share(check: Check, staged: Staged) -> Found:
    """Old entities without an account, where their share is beyond the limit."""
    read = sum(file.rows for file in staged.extracted["P2", "model_entity"])
    lost = read - staged.rows(check.table)
    if not _beyond(check, lost, read, None):
        return Found(read)
    held = staged.held("P2", "model_entity").filter(pl.col("reason") != "UNREADABLE_VALUE")
    counts = held["reason"].value_counts(sort=True, name="rows").sort("rows", "reason", descending=[True, False])
    cause = "; the most frequent reason is {} ({:,} rows)".format(*counts.row(0)) if counts.height else ""
    return _found(check, read, lost, held["_key"], f"P2.model_entity: {_of(lost, read, 'entities')} became no accounts{cause}", None)


def _beyond(check: Check, failed: int, asked: int, limit: Limit | None) -> bool:
    """Returns whether the share is above the limit; a warning, which `limits.toml` never disables, begins at its share."""
    if asked < LEAST or not failed:
        return False
    share = check.args["share"]
    if check.severity == "warning":
        return bool(failed >= share * asked)
    return bool(failed > (limit.share if limit else share) * asked)


def _found(check: Check, asked: int, failed: int, keys: pl.Series, text: str, limit: Limit | None) -> Found:
    names = [masked(str(key)) for key in keys.head(_KEYS)]
    examples = ", ".join(names[:EXAMPLES])
    share = limit.share if limit else check.args["share"]
    allowed = f"; the limit is {share:.0%}" if check.severity == "critical" else ""
    signed = f"; limits.toml allows {limit.share:.0%}: {limit.reason}" if limit else ""
    return Found(asked, tuple(names), failed=failed, sentence=f"{text}{allowed}{signed}. Examples of keys: {examples}.")


def _of(failed: int, asked: int, what: str) -> str:
    return f"{failed:,} of {asked:,} {what} ({100 * failed / asked:.1f}%)"


def _form(column: str) -> pl.Expr:
    """Returns the kind of a value's form, which shows the cause without the value."""
    text = pl.col(column)
    return (
        pl.when(text.str.strip_chars() == "")
        .then(pl.lit("blank or empty"))
        .when(text.str.contains(r"^[0-9]+$"))
        .then(pl.lit("digits"))
        .when(text.str.contains(r"^[A-Z]+$"))
        .then(pl.lit("capital letters"))
        .when(text.str.contains(r"^[a-z]+$"))
        .then(pl.lit("small letters"))
        .otherwise(pl.lit("another text"))
    )


PLAUSIBLE: dict[str, Relation] = {"held_share": held_share, "indicator_share": indicator_share, "entity_share": entity_share}

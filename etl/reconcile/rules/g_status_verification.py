"""Status verification: who may monitor whom, account by account (chapter G)."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from etl.reconcile.engine.ledger import LOADED, REASON, UNREADABLE_VALUE, lowest
from etl.reconcile.engine.ordinary import Copies, CopyRule, Rulebook, note_soft, route, row_columns
from etl.reconcile.engine.source import BAD, mask
from etl.reconcile.engine.world import ExpectedRows, ExpectedState, Ints, Mask

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "G1": (),
    "G6": ("P2.svi_link",),
    "G9": (),
    "G10": (),
    "G11": (),
}

# What a side of a link may name, the narrowest first: the first that is set decides (G1).
_SIDE = {"entity_id": "model_entity", "model_id": "security_model", "profile_id": "company_profile"}


def link_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """Yields one expected `svi_link` row per pair of a monitoring and a monitored account, pairs of an account with itself excepted (G1, G6)."""
    rows = world.sources["P2"].whole("svi_link", world.ledger)
    monitor, first = route(world, "P2", {f"monitor_{column}": parent for column, parent in _SIDE.items()}, rows)
    monitored, second = route(world, "P2", {f"monitored_{column}": parent for column, parent in _SIDE.items()}, rows)
    reason = lowest(np.where(mask(rows, BAD), UNREADABLE_VALUE, LOADED), first, second)
    take, left, right = _pairs(world, rows, np.where(reason == LOADED, monitor, -1), np.where(reason == LOADED, monitored, -1))
    has_pair = np.zeros(len(rows), np.bool_)
    has_pair[take] = True
    reason = np.where((reason == LOADED) & ~has_pair, REASON["NO_ACCOUNT"], reason)
    world.ledger.account_for("P2", "svi_link", rows, reason)

    old = _superseded(rows, take, left, right)
    once_old = np.zeros(len(rows), np.bool_)
    once_old[take[old]] = True
    world.flag("G6", "P2", "svi_link", rows, once_old)
    mapping = world.spec.mappings["P2", "svi_link"]
    note_soft(world, rulebook, mapping, rows.filter(pl.Series(reason == LOADED)))
    columns = row_columns(world, rulebook, mapping, mapping.into[0], rows)
    sides = [world.entity_ids(left).alias("monitor_account_id"), world.entity_ids(right).alias("monitored_account_id")]
    yield ExpectedRows("svi_link", "P2", "svi_link", columns, take, pl.DataFrame([*sides, pl.Series("superseded", old, dtype=pl.Boolean)]))


def active(world: ExpectedState, copies: Copies) -> pl.Series:
    """Returns true for links with a loaded consent signature and a CERTIFIED account (G9)."""
    signatures = world.index["P2", "agreement_signature"]
    consent = pl.Series(signatures.is_loaded(signatures.find(copies.of("consent_signature_id"))))
    return consent & (copies.of_account(world, "status_cd") == "CERTIFIED")


def _pairs(world: ExpectedState, rows: pl.DataFrame, monitor: Ints, monitored: Ints) -> tuple[Ints, Ints, Ints]:
    """Returns (row, monitoring account, monitored account) of every pair."""
    row, right = world.scopes.expand(monitored)
    # Of a model or a profile only the accounts that existed when the link was answered or, if unanswered, requested.
    limit = pl.select(pl.coalesce(rows["responded_at"], rows["requested_at"])).to_series()
    early = (world.accounts["created_at"][right] <= limit[row]).fill_null(False)
    there = rows["monitored_entity_id"].is_not_null()[row] | early
    row, right = row[there.to_numpy()], right[there.to_numpy()]
    position, left = world.scopes.expand(monitor[row])
    take, right = row[position], right[position]
    apart = left != right
    return take[apart], left[apart], right[apart]


def _superseded(rows: pl.DataFrame, take: Ints, left: Ints, right: Ints) -> Mask:
    """Returns which pairs an earlier acceptance of the same pair supersedes (G6)."""
    pairs = pl.DataFrame(
        {
            "left": left,
            "right": right,
            "status": rows["request_status_cd"][take],
            "at": rows["responded_at"][take],
            "id": rows["link_id"][take],
        }
    ).with_row_index("copy")
    order = pairs.filter(pl.col("status") == "ACCEPTED").sort(["left", "right", "at", "id"], nulls_last=True)
    old = np.zeros(len(take), np.bool_)
    old[order.filter(pl.int_range(pl.len()).over("left", "right") > 0)["copy"].to_numpy()] = True
    return old


# By (source table, target column): another value on each copy.
COPY: dict[tuple[str, str], CopyRule] = {
    ("svi_setting", "active"): active,
}

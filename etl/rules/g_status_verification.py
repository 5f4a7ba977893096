"""Chapter G: who may monitor whom, from pairs of profiles, models or entities to pairs of accounts."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.domain.ids import as_arrow, hashed_ids
from etl.placement.account_directory import AccountDirectory
from etl.placement.routing import follow
from etl.placement.row_placement import Bools, Ints, Positions, RowPlacement
from etl.placement.target_rows import Computed, Rule, TargetRows, account_ids
from mappings.model import Form, Route

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "G1": (),
    "G6": ("P2.svi_link",),
    "G9": (),
    "G10": (),
    "G11": (),
}


def _side(links: RowPlacement, side: str, spine: AccountDirectory) -> tuple[Ints, Positions, Ints]:
    routes = (
        Route(f"{side}_entity_id", "model_entity"),
        Route(f"{side}_model_id", "security_model"),
        Route(f"{side}_profile_id", "company_profile"),
    )
    return follow(links, routes, spine)


def place_links(links: RowPlacement, spine: AccountDirectory) -> dict[str, Computed]:
    """Places one copy per pair of accounts, flags superseded links, and returns the columns of `svi_link` that depend on the pair (G1, G6)."""
    monitor_row, monitor, _ = _side(links, "monitor", spine)
    monitored_row, monitored, decided = _side(links, "monitored", spine)
    exists_since = spine.accounts["created_at"].gather(monitored.astype(np.int64))
    asked = links.frame.select(pl.coalesce("responded_at", "requested_at")).to_series().gather(monitored_row)
    in_time = (exists_since <= asked).fill_null(False).to_numpy() | (decided[monitored_row] == 0)
    left = pl.DataFrame({"row": monitor_row, "monitor": monitor})
    right = pl.DataFrame({"row": monitored_row[in_time], "monitored": monitored[in_time]})
    pairs = left.join(right, on="row").filter(pl.col("monitor") != pl.col("monitored")).sort("row", "monitor", "monitored")
    row = pairs["row"].to_numpy()
    some = np.zeros(links.frame.height, bool)
    some[row] = True
    links.hold((links.reason == 0) & ~some, "NO_ACCOUNT")
    pairs = pairs.filter(pl.Series(links.reason[row] == 0))
    links.copy_to(pairs["row"].to_numpy(), pairs["monitor"].to_numpy())
    replaced = _superseded(links, pairs)
    mask = np.zeros(links.frame.height, bool)
    mask[pairs["row"].to_numpy()[replaced]] = True
    links.flag("G6", mask, "the same pair was accepted before")
    key = links.frame["link_id"].gather(pairs["row"]).to_list()
    entity = spine.accounts["entity_id"]
    ends = zip(key, entity.gather(pairs["monitor"]).to_list(), entity.gather(pairs["monitored"]).to_list(), strict=True)
    return {
        "link_id": as_arrow(hashed_ids(spine.tag_of("svi_link", "P2"), [f"{link}|{one}|{other}" for link, one, other in ends])),
        "monitor_account_id": account_ids(pairs["monitor"].to_numpy(), spine),
        "monitored_account_id": account_ids(pairs["monitored"].to_numpy(), spine),
        "superseded": pl.Series(replaced),
    }


def _superseded(links: RowPlacement, pairs: pl.DataFrame) -> Bools:
    """Returns which of a pair's accepted links are not the earliest answered (null last; tie: the lowest id) (G6)."""
    accepted = pairs.with_columns(
        links.frame["request_status_cd"].gather(pairs["row"]),
        links.frame["responded_at"].gather(pairs["row"]),
        links.frame["link_id"].gather(pairs["row"]),
        pl.int_range(pl.len()).alias("position"),
    ).filter(pl.col("request_status_cd") == "ACCEPTED")
    later = accepted.sort("responded_at", "link_id", nulls_last=True).filter(pl.int_range(pl.len()).over("monitor", "monitored") > 0)
    replaced = np.zeros(pairs.height, bool)
    replaced[later["position"].to_numpy()] = True
    return replaced


def svi_active(copies: TargetRows, form: Form) -> Computed:
    """Returns true for links with a loaded consent signature and a CERTIFIED account (G9)."""
    values, present = copies.ints("consent_signature_id")
    consent = copies.spine.where["P2", "agreement_signature"].loaded(values, present)
    certified = (copies.spine.accounts["status_cd"].gather(copies.account.astype(np.int64)) == "CERTIFIED").to_numpy()
    return pl.Series(consent & certified)


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "G9": svi_active,
}

"""What a reconciliation found: every difference, and what was counted on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from etl.reconcile.compare.tables import Count
from etl.reconcile.engine.ledger import Tally
from etl.reconcile.objects.store import ObjectCount

EQUAL, DIFFERENT, NOT_CHECKED = "equal", "different", "not_checked"


@dataclass(frozen=True)
class Reconciliation:
    """`differences`: table, kind (missing, unexpected, changed, not_checked), legacy_portal, legacy_key, account_number, column, expected, actual.

    The last two only for values that are not personal; all differences, sorted. `sources` by (portal, table), `tables` by target table.
    """

    differences: pl.DataFrame
    tables: Mapping[str, Count]
    sources: Mapping[tuple[str, str], Tally]
    objects: ObjectCount
    profiles_checked: int
    logins_checked: int
    run_id: str | None
    not_ruled_out: Mapping[str, list[str]] = field(
        default_factory=dict
    )  # by portal: what could hide rows or bytes and cannot be queried from here

    @property
    def answer(self) -> str:
        """`equal` only if everything was compared and nothing differs; a difference takes precedence over a part that was not compared."""
        kinds = set(self.differences["kind"].to_list())
        return DIFFERENT if kinds - {NOT_CHECKED} else NOT_CHECKED if kinds else EQUAL

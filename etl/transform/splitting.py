"""The state of the split: the tables that it works on as a whole, and the decisions made so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import polars as pl
import pyarrow as pa

from etl.domain.decisions import NO_DECISIONS, Decisions
from etl.placement.account_directory import AccountDirectory
from etl.placement.account_index import AccountIndex
from etl.placement.held_rows import Odd
from etl.placement.row_placement import Bools, RowPlacement, start
from etl.placement.table_outcome import TableOutcome, account_for_rows, index_of_rows
from etl.placement.target_rows import Computed
from etl.rules.registry import COLUMNS
from mappings.model import Mappings, Portal, TableMapping

CATALOGUE_TABLES = ("criteria_version", "criteria_category", "profile_question", "cbp_user", "consultant_company")
SPINE_TABLES: tuple[tuple[Portal, str], ...] = (
    *(("P2", table) for table in CATALOGUE_TABLES),
    ("P2", "business_type"),
    ("P2", "question_applicability"),
    ("P2", "agreement_version"),
    ("P2", "trade_organization"),
    ("P2", "company_profile"),
    ("P2", "security_model"),
    ("P2", "model_entity"),
    ("P2", "portal_user"),
    ("P2", "company_contact"),
    ("P2", "entity_identifier"),
    ("P2", "agreement_signature"),
    ("TC", "tc_account"),
    ("TC", "tc_ior"),
    ("TC", "tc_contact"),
)


@dataclass
class Splitting:
    """The frames of the tables that the step splits, and the decisions made so far."""

    mappings: Mappings
    frames: dict[tuple[Portal, str], pl.DataFrame]
    spine: AccountDirectory
    odd: Odd
    outcomes: list[TableOutcome] = field(default_factory=list)
    types_added: set[str] = field(default_factory=set)
    decisions: Decisions = NO_DECISIONS
    problems: list[str] = field(default_factory=list)  # decisions that cannot be carried out (L3)

    def mapping(self, portal: Portal, table: str) -> TableMapping:
        """Returns the mapping of the source table."""
        return self.mappings.tables[portal, table]

    def begin(self, portal: Portal, table: str) -> RowPlacement:
        """Returns the table's rows without a decision, except unreadable ones, which are held (X2)."""
        return start(self.mapping(portal, table), self.frames[portal, table])

    def keep(self, rows: RowPlacement, where: AccountIndex | None = None) -> None:
        """Records the placement of the rows, for tables that refer to them."""
        found = where or index_of_rows(rows)
        if found is not None:
            self.spine.where[rows.mapping.portal, rows.mapping.table] = found

    def longest(self, table: str, column: str) -> int:
        """Returns the maximum length of a target column in characters."""
        return self.mappings.target.tables[table].by_name[column].length or 0

    def account_for(
        self,
        rows: RowPlacement,
        computed: dict[str, dict[str, Computed]] | None = None,
        excused: dict[str, Bools] | None = None,
        made: dict[str, pa.Table] | None = None,
    ) -> None:
        """Renders the rows and accounts for each of them. `made`: target tables whose rows do not correspond to these rows one to one."""
        made = made or {}
        self.keep(rows, self.spine.where.get((rows.mapping.portal, rows.mapping.table)))
        one = account_for_rows(rows, self.spine, self.odd, COLUMNS, computed, excused=excused, leave=frozenset(made))
        self.outcomes.append(replace(one, tables={**one.tables, **made}))

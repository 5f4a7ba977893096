"""What is known of the old portals while the expected side is computed: who refers to what, and which accounts there will be."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.reconcile.compare.hashing import ACCOUNT, Hashes, fingerprint, identity
from etl.reconcile.engine.decisions import NOTHING, Decided
from etl.reconcile.engine.ledger import Ledger
from etl.reconcile.engine.scopes import Index, Scopes
from etl.reconcile.engine.source import KEY, Source
from etl.reconcile.engine.spec import Spec

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ExpectedRows:
    """Rows that a target table must hold.

    `rows`: the target's columns and #key, one row per source row; `take`: the row index of each copy (None: each row once);
    `copies`: the columns that differ between copies. References are fingerprints of the referenced rows, accounts are entity ids.
    """

    table: str
    portal: str
    source: str
    rows: pl.DataFrame
    take: Ints | None = None
    copies: pl.DataFrame = field(default_factory=pl.DataFrame)

    def __len__(self) -> int:
        return len(self.rows) if self.take is None else len(self.take)

    def hashes(self, columns: tuple[str, ...]) -> Hashes:
        """Returns the fingerprint of these columns, one per copy."""
        own = fingerprint((self.rows[c] for c in columns if c in self.rows.columns), len(self.rows))
        of_copy = own if self.take is None else own[self.take]
        return of_copy + fingerprint((self.copies[c] for c in columns if c in self.copies.columns), len(self))

    def frame(self, chosen: Mask) -> pl.DataFrame:
        """Returns the chosen copies with all their columns."""
        if self.take is None:
            return self.rows.filter(pl.Series(chosen))
        return pl.concat([self.rows[self.take[chosen]], self.copies.filter(pl.Series(chosen))], how="horizontal")


@dataclass(init=False)
class Known:
    """Small tables that several rules use, each filled once, in the order of `Expected.first_pass`; AttributeError before that."""

    # decide_spine (A): profiles, models and organizations with #key; `loaded_*`: those that are not held
    organizations: pl.DataFrame
    profiles: pl.DataFrame
    models: pl.DataFrame
    loaded_profiles: pl.DataFrame
    loaded_models: pl.DataFrame
    # decide_people (B): loaded users with their login's key; all contacts; the loaded ones, with whether each stays primary
    users: pl.DataFrame
    every_contact: pl.DataFrame
    contacts: pl.DataFrame
    # decide_identifiers (H): loaded identifiers; one row for each account that carries one
    identifiers: pl.DataFrame
    carried: pl.DataFrame
    # decide_trade (I): loaded accounts, contacts and importer numbers of Trade Compliance; `login_keys`: every e-mail key that has a login
    tc_accounts: pl.DataFrame
    tc_contacts: pl.DataFrame
    tc_iors: pl.DataFrame
    login_keys: pl.DataFrame
    # survey (C): loaded document links
    links: pl.DataFrame

    def __init__(self) -> None:
        self.catalogues: dict[str, pl.DataFrame] = {}  # decide_catalogues: by source table, its loaded rows
        self.hashed: dict[str, pl.DataFrame] = {}  # hashed_contents: by portal, the digest and size of every content row
        self.contents: dict[str, pl.DataFrame] = {}  # by portal, those that belong to a document


@dataclass
class ExpectedState:
    """The state that the chapters of the rules share; each module fills its part, in the order of `expected.py`."""

    spec: Spec
    sources: dict[str, Source]
    files: Path | None
    freeze: tuple[date, date] | None
    began: datetime | None  # D11
    grace: tuple[int, int, int] | None = None  # E14: days before and after the freeze, days added; None: 0, 0 and its length
    decided: Decided = NOTHING  # chapter L
    padded: bool = False  # a database pads CHAR(n) with blanks, which have no meaning then
    ledger: Ledger = field(default_factory=Ledger)
    scopes: Scopes = field(default_factory=Scopes)
    index: dict[tuple[str, str], Index] = field(default_factory=dict)
    accounts: pl.DataFrame = field(default_factory=pl.DataFrame)  # by entity id: the columns of an account that rules use
    added_types: set[str] = field(default_factory=set)  # A12
    stubs: set[int] = field(default_factory=set)  # E10
    covered: set[int] = field(default_factory=set)  # D5: accounts under a voluntary agreement
    known: "Known" = field(default_factory=lambda: Known())  # small tables that several rules use
    not_checked: list[tuple[str, str, str]] = field(default_factory=list)  # table, column, why

    def entity_ids(self, account: Ints) -> pl.Series:
        """Returns the entity id of each account; null for a negative account (a document without account)."""
        ids = self.accounts["entity_id"].to_numpy()
        found = pl.Series(ACCOUNT, ids[np.maximum(account, 0)] if len(ids) else np.zeros(len(account), np.int64), dtype=pl.Int64)
        return found if not (account < 0).any() else pl.select(pl.when(pl.Series(account >= 0)).then(found)).to_series().alias(ACCOUNT)

    def reference(self, table: str, portal: str, key: pl.Series, account: pl.Series | None = None, kind: str = "") -> pl.Series:
        """Returns the fingerprint of the `table` row made from each key, in each account (entity ids) if given; null for a null key."""
        parts: list[pl.Series] = []
        for column in identity(self.spec, table):
            if column == "legacy_portal_cd":
                parts.append(pl.Series(column, [portal], dtype=pl.String).new_from_index(0, len(key)).alias(column))
            elif column == "group_kind_cd":
                parts.append(pl.Series(column, [kind], dtype=pl.String).new_from_index(0, len(key)).alias(column))
            elif column == "legacy_key":
                parts.append(key.cast(pl.String).alias(column))
            elif account is not None:
                parts.append(account.alias(column))
        total = pl.Series(fingerprint(parts, len(key)), dtype=pl.UInt64)
        return total if not key.null_count() else pl.select(pl.when(key.is_not_null()).then(total)).to_series()

    def rows(self, portal: str, table: str) -> Iterator[pl.DataFrame]:
        """Yields the typed rows of a source table in batches, as `Source.rows`."""
        return self.sources[portal].rows(table, self.ledger)

    def flag(self, rule: str, portal: str, table: str, rows: pl.DataFrame, where: Mask) -> None:
        """Records that the rule flags those of `rows` where `where` is true."""
        self.ledger.flag(rule, portal, table, rows[KEY].filter(pl.Series(where, dtype=pl.Boolean)))

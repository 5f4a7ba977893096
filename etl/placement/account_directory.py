"""The look-up tables of every later step: accounts, placements of each table's rows, logins, catalogues. Small and global."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.domain.grace import NO_GRACE, Grace
from etl.domain.id_recipe import tag
from etl.domain.ids import Ids, hashed_ids
from etl.placement.account_index import AccountIndex
from mappings.model import Mappings, Portal

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LOGIN_TAG = tag("login")
APPLICABILITY = {"question_id": pl.Int64, "business_type_cd": pl.String, "strength_cd": pl.String}


@dataclass
class AccountDirectory:
    """`accounts`: one row per account in the order of entity ids; a position is a row's place in it.

    Columns: entity_id, profile_id, model_id, business_type_cd (after A11), status_cd, created_at, account_number.
    `where`: by portal and source table. `logins`: user_id (sorted), email_key, invalid (held for its e-mail, B15). `freeze`: first and last day.
    """

    mappings: Mappings
    accounts: pl.DataFrame
    where: dict[tuple[Portal, str], AccountIndex] = field(default_factory=dict)
    logins: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"user_id": pl.Int64, "email_key": pl.String}))
    email_keys: frozenset[str] = frozenset()  # of all logins, those made for Trade Compliance contacts included
    applicability: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=APPLICABILITY))  # of loaded rows (E3)
    superseded: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # response ids, sorted (E7)
    contents: dict[Portal, pl.DataFrame] = field(default_factory=dict)  # of each portal's documents: key, sha256, size (C6)
    model_profiles: pl.DataFrame = field(
        default_factory=pl.DataFrame
    )  # of all models, held ones too: security_model_id, company_profile_id (C3)
    consultants: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"user_id": pl.Int64, "company_profile_id": pl.Int64})
    )  # users whose contacts on that profile, removed ones too, are consultants only (D4, E15)
    freeze: tuple[date, date] | None = None
    grace: Grace = NO_GRACE
    began: str = ""

    def entity_ids(self, positions: npt.NDArray[np.int32]) -> Ints:
        """Returns the entity id of each account position."""
        ids = self.accounts["entity_id"].to_numpy()
        return ids[positions] if len(ids) else np.zeros(len(positions), np.int64)

    def source_of(self, target: str, portal: Portal) -> tuple[Portal, str]:
        """Returns (portal, source table) whose rows fill the target table; of this portal if both fill it. Raises KeyError if no mapping does."""
        makers = self.mappings.makers(target)
        for mapping in sorted(makers, key=lambda mapping: mapping.portal != portal):
            return mapping.portal, mapping.table
        raise KeyError(f"no mapping fills {target}")

    def tag_of(self, target: str, portal: Portal) -> str:
        """Returns the three-digit tag of the ids of rows that this portal gives to the target table."""
        return tag(target, *self.source_of(target, portal))

    def login_keys(self, user_ids: Ints, present: Bools) -> pl.Series:
        """Returns the e-mail key of each user's login; null if there is no such user or the user has no login."""
        wanted = pl.DataFrame({"user_id": pl.Series(user_ids).set(pl.Series(~present), None)})
        return wanted.join(self.logins, on="user_id", how="left", maintain_order="left")["email_key"]


def login_ids(email_keys: pl.Series) -> tuple[Ids, Bools]:
    """Returns (login ids of these e-mail keys, whether each is valid); a null key gives an undefined, invalid id."""
    valid = email_keys.is_not_null().to_numpy()
    unique = email_keys.drop_nulls().unique().sort()
    ids = hashed_ids(LOGIN_TAG, unique.to_list())
    if not len(unique):
        return np.zeros((len(email_keys), 16), np.uint8), valid
    position = unique.search_sorted(email_keys.fill_null(unique[0])).to_numpy()
    return ids[position], valid

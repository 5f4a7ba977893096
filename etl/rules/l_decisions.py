"""Chapter L: applies decisions of people to their rows, and refuses decisions that cannot be applied (L3)."""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from etl.domain.decisions import Decisions
from etl.domain.emails import email_key
from etl.placement.account_directory import AccountDirectory
from etl.placement.row_placement import Bools, RowPlacement, keys

# Each rule of this module, and the source tables whose rows it flags. L3: here and domain/decisions.py; L4: the verifier's.
RULES: dict[str, tuple[str, ...]] = {
    "L1": ("TC.tc_account",),
    "L2": ("P2.portal_user",),
    "L3": (),
    "L4": (),
    "L5": (),
}
RECORD = ("rule", "portal", "table", "key", "by", "on", "reason")
_TABLES = {"tc_account": ("TC", "tc_account"), "user": ("P2", "portal_user"), "waiver": ("", "goal")}


def decided_names(user: RowPlacement, decisions: Decisions, longest: int, problems: list[str]) -> tuple[pl.Series, Bools]:
    """Returns (each user's name, the decided one if there is one; which are decided) (L2).

    Adds a sentence to `problems` for every decision that cannot be applied (L3).
    """
    names = user.frame["user_name"].to_list()
    decided = np.zeros(user.frame.height, bool)
    rows = _rows(user)
    for decision in decisions.of("user"):
        row = rows.get(decision.key)
        name = str(decision.value)
        if row is None:
            problems.append(decision.refused("there is no such row in portal_user; write the user_id of one"))
        elif user.reason[row] > 0:
            problems.append(
                decision.refused("the user is held for a value that cannot be read, which a name does not correct; leave the decision out")
            )
        elif names[row] is None:
            problems.append(decision.refused("the user has no name, so the alias would be empty; leave the decision out"))
        elif len(name) > longest or len(email_key(name) or "") > longest:
            problems.append(
                decision.refused(f"user_name is longer than the {longest} characters that a login's key may have; write a shorter one")
            )
        else:
            names[row] = name
            decided[row] = True
    return pl.Series("user_name", names, dtype=pl.String), decided


def decided_accounts(tc_account: RowPlacement, decisions: Decisions, spine: AccountDirectory, problems: list[str]) -> dict[int, int]:
    """Returns by row of the Trade Compliance account the position of the importer's account that a decision names (L1).

    Adds a sentence to `problems` for every decision that cannot be applied (L3).
    """
    types = spine.accounts["business_type_cd"].to_list() if spine.accounts.height else []
    position = {entity: position for position, entity in enumerate(spine.accounts["entity_id"].to_list())} if spine.accounts.height else {}
    rows = _rows(tc_account)
    found = {}
    for decision in decisions.of("tc_account"):
        row, entity = rows.get(decision.key), position.get(int(decision.value or 0))
        if row is None:
            problems.append(decision.refused("there is no such row in tc_account; write the tc_account_id of one"))
        elif tc_account.reason[row] > 0:
            problems.append(decision.refused("the row is held for a value that cannot be read; leave the decision out"))
        elif entity is None:
            problems.append(decision.refused(f"entity {decision.value} did not become an account; write the entity_id of an importer"))
        elif types[entity] != "IMP":
            problems.append(
                decision.refused(f"the account of entity {decision.value} is not of type IMP; write the entity_id of an importer")
            )
        else:
            found[row] = entity
    return found


def record(decisions: Decisions) -> bytes:
    """Returns the decisions as JSON bytes with author, date and row, for report and trace; without decided names."""
    rows = [(d.rule, *_TABLES[d.kind], d.key, d.by, d.on.isoformat(), d.reason) for d in decisions.every]
    return json.dumps([dict(zip(RECORD, row, strict=True)) for row in sorted(rows)], ensure_ascii=False, indent=1).encode()


def _rows(placed: RowPlacement) -> dict[str, int]:
    return {key: row for row, key in enumerate(keys(placed.mapping, placed.frame).to_list())}

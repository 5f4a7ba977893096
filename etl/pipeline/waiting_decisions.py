"""Rows that need a decision (chapter L), found without a run: the account step runs in memory, and writes nothing."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import polars as pl

from etl.databases import Source
from etl.domain.decisions import Decisions
from etl.extract.table_batch import stage_tables
from etl.objects.registry import open_objects
from etl.placement.account_directory import AccountDirectory
from etl.placement.held_rows import Odd
from etl.placement.row_placement import CODE, REASONS, keys
from etl.placement.stage_tables import empty
from etl.rules.h_identifiers import importer_numbers
from etl.transform.split import Undecided, undecided
from etl.transform.splitting import SPINE_TABLES, Splitting
from mappings.model import Mappings, Portal

_HEAD = """# Decisions that this migration is waiting for (chapter L of the rules). Fill in the lines, remove what is not decided,
# and give the file with --decisions. A line with "" is not filled in and is refused."""
_SIGNED = 'by     = ""\non     = 2000-01-01    # the day of the decision\nreason = ""'
_MOST = 20  # candidates of one account


def template(sources: Mapping[Portal, Source], mappings: Mappings, decisions: Decisions) -> str:
    """Returns the lines of a decisions file for every row that needs a decision, candidates as comments, without names; empty where none does.

    Raises DecisionError where one of `decisions` cannot be applied (L3).
    """
    frames: dict[tuple[Portal, str], pl.DataFrame] = {}
    odd: Odd = defaultdict(dict)
    with tempfile.TemporaryDirectory(prefix="portal-migrate-") as scratch:  # 0700; only texts that are not valid Unicode are stored there
        objects = open_objects(scratch)
        for portal, table in SPINE_TABLES:
            mapping = mappings.tables[portal, table]
            parts = [empty(mapping)]
            for rows, aside in stage_tables(sources[portal], mapping, objects) if portal in sources else ():
                parts.append(pl.DataFrame(rows))
                for of_portal, name, key, column, raw, unreadable in aside.odd:
                    odd[of_portal, name, key][column] = (json.loads(raw), unreadable)
            frames[portal, table] = pl.concat(parts, how="diagonal") if len(parts) > 1 else parts[0]
    spine = AccountDirectory(mappings, pl.DataFrame(), began="2000-01-01 00:00:00")
    found = undecided(Splitting(mappings, frames, spine, odd, decisions=decisions))
    parts_ = [*_accounts(found, spine), *_users(found)]
    return "\n\n".join([_HEAD, *parts_]) + "\n" if parts_ else ""


def _users(found: Undecided) -> list[str]:
    user, contact = found.user, found.contact
    names = user.frame["user_name"].is_not_null().to_numpy()
    waiting = np.flatnonzero((user.reason == CODE["INVALID_EMAIL"]) & names)
    rows = contact.frame.select(pl.col("user_id"), keys(contact.mapping, contact.frame).alias("key")).drop_nulls("user_id")
    of_user: dict[int, list[str]] = defaultdict(list)
    for user_id, key in rows.iter_rows():
        of_user[user_id].append(key)
    blocks = []
    for row in waiting.tolist():
        user_id = user.frame["user_id"][row]
        about = ", ".join(of_user.get(user_id, [])[:_MOST]) or "none"
        blocks.append(
            f"# P2 portal_user {user_id} is held (INVALID_EMAIL): the user name is not an e-mail address. The user's contacts (company_contact): {about}.\n"
            f'[[user]]\nuser_id   = {user_id}\nuser_name = ""    # the e-mail that he logs in with\n{_SIGNED}'
        )
    return blocks


def _accounts(found: Undecided, spine: AccountDirectory) -> list[str]:
    account = found.account
    waiting = np.flatnonzero(np.isin(account.reason, [CODE["TC_AMBIGUOUS"], CODE["TC_NO_IMPORTER"]]))
    if not len(waiting):
        return []
    importers = spine.accounts.with_row_index("position").filter(pl.col("business_type_cd") == "IMP")
    by_number: dict[str, set[int]] = defaultdict(set)
    for position, value in importer_numbers(found.identifier).select("account", "value").iter_rows():
        by_number[value].add(position)
    numbers: dict[int, set[str]] = defaultdict(set)
    for tc_id, value in found.numbers.iter_rows():
        numbers[tc_id].add(value)
    blocks = []
    for row in waiting.tolist():
        tc_id, profile = account.frame["tc_account_id"][row], account.frame["company_profile_id"][row]
        shared = {position for value in numbers[tc_id] if value for position in by_number.get(value, ())}
        own = pl.col("profile_id") == profile if profile is not None else pl.lit(False)
        chosen = importers.filter(own | pl.col("position").is_in(sorted(shared)))
        lines = [
            f"#   entity_id = {entity}    # account {number}, company profile {of}{', shares a number' if position in shared else ''}"
            for position, entity, number, of in chosen.select("position", "entity_id", "account_number", "profile_id")
            .head(_MOST)
            .iter_rows()
        ]
        blocks.append(
            f"# TC tc_account {tc_id} is held ({REASONS[account.reason[row]]}). Candidates:\n"
            + "\n".join(lines or ["#   none: any entity that becomes an account of type IMP"])
            + f"\n[[tc_account]]\ntc_account_id = {tc_id}\nentity_id     = 0\n{_SIGNED}"
        )
    return blocks

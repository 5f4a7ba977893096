"""Chapter L as the verifier reads it: under which name a user counts, and which rows a decision is about."""

import numpy as np
import polars as pl

from etl.reconcile.engine.source import KEY
from etl.reconcile.engine.world import ExpectedState, Mask

# Each rule of this module, and the source tables whose rows it flags. L3 and L5 are the run's; L4: compare/recorded_runs.py.
RULES: dict[str, tuple[str, ...]] = {
    "L1": ("TC.tc_account",),
    "L2": ("P2.portal_user",),
    "L3": (),
    "L4": (),
    "L5": (),
}


def names(world: ExpectedState, users: pl.DataFrame) -> pl.Series:
    """Returns the name under which each user counts: the decided one, else the recorded one (L2)."""
    decided = world.decided.names
    rows = users.select(KEY, "user_id", "user_name").iter_rows()
    return pl.Series("user_name", [decided.get(user, name) if key == str(user) else name for key, user, name in rows], dtype=pl.String)


def flag_users(world: ExpectedState, users: pl.DataFrame) -> None:
    """Flags the loaded users who count under a decided name (L2)."""
    decided = [user in world.decided.names and key == str(user) for key, user in users.select(KEY, "user_id").iter_rows()]
    world.flag("L2", "P2", "portal_user", users, np.array(decided, np.bool_))


def flag_accounts(world: ExpectedState, accounts: pl.DataFrame) -> Mask:
    """Returns which Trade Compliance accounts a decision assigned, and flags them (L1)."""
    decided = np.array([account in world.decided.accounts for account in accounts["tc_account_id"].to_list()], np.bool_)
    world.flag("L1", "TC", "tc_account", accounts, decided)
    return decided

"""Trade Compliance: which account an importer's second account belongs to, its contacts and their logins (chapter I)."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl

from etl.reconcile.compare.hashing import hashed
from etl.reconcile.engine.emails import LONGEST, email_keys
from etl.reconcile.engine.ledger import LOADED, REASON
from etl.reconcile.engine.ordinary import Copies, CopyRule, Note, OwnerRule, RowRule, Rulebook, of_rows, recorded, row_columns
from etl.reconcile.engine.scopes import MISSING, indexed
from etl.reconcile.engine.source import BAD
from etl.reconcile.engine.spec import Value
from etl.reconcile.engine.world import ExpectedRows, ExpectedState, Ints
from etl.reconcile.rules import l_decisions
from etl.reconcile.rules.h_identifiers import normalised

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "I1": ("TC.tc_account",),
    "I4": ("TC.tc_ior",),
    "I9": ("TC.tc_contact",),
}


def matched(world: ExpectedState, frame: pl.DataFrame) -> tuple[Ints, Ints]:
    """Returns (scope, hold reason) of each Trade Compliance account: the one importer account that a decision (L1) or I1 finds.

    The reason is TC_AMBIGUOUS if several accounts match equally well, TC_NO_IMPORTER if none does.
    """
    importers = np.flatnonzero((world.accounts["#type"] == "IMP").fill_null(False).to_numpy())
    of_profile: dict[int, list[int]] = {}
    for account in importers.tolist():
        of_profile.setdefault(world.accounts["company_profile_id"][account], []).append(account)
    numbers = _numbers(world)
    iors = world.known.tc_iors.filter("active").group_by("tc_account_id").agg(pl.col("norm").unique())
    by_account: dict[int, list[str]] = dict(iors.iter_rows())
    profiles = world.index["P2", "company_profile"]
    exists = profiles.find(frame["company_profile_id"]) != MISSING
    position_of = {entity: position for position, entity in enumerate(world.accounts["entity_id"].to_list())}
    scope, reason = np.full(len(frame), -1, np.int64), np.zeros(len(frame), np.int64)
    for row, (account, profile) in enumerate(frame.select("tc_account_id", "company_profile_id").iter_rows()):
        if account in world.decided.accounts:  # L1 goes first
            scope[row] = position_of[world.decided.accounts[account]]
            continue
        named = profile is not None and bool(exists[row])
        candidates = of_profile.get(profile, []) if named else importers.tolist()
        if named and len(candidates) == 1:
            scope[row] = candidates[0]
            continue
        among = set(candidates)
        common = Counter(a for number in by_account.get(account, []) for a in numbers.get(number, ()) if a in among)
        best = [a for a, count in common.items() if count == max(common.values())]
        if len(best) == 1:
            scope[row] = best[0]
        else:
            reason[row] = REASON["TC_AMBIGUOUS"] if best else REASON["TC_NO_IMPORTER"]
    return scope, reason  # the first lists of accounts are the accounts themselves, one each


def decide_trade(world: ExpectedState, rulebook: Rulebook) -> None:
    """Fills `world.known` with accounts, importer numbers and contacts of Trade Compliance, and records every row in the ledger (I1, I4, I9)."""
    source = world.sources["TC"]
    iors = source.whole("tc_ior", world.ledger)
    world.known.tc_iors = (
        iors.filter(~pl.col(BAD))
        .select(
            "tc_account_id",
            normalised(iors["ior_value"]).filter(~iors[BAD]).alias("norm"),
            (pl.col("active_ind") == "Y").fill_null(False).alias("active"),
        )
        .filter(pl.col("norm") != "")
    )  # fine print 35
    accounts = source.whole("tc_account", world.ledger)
    scope, reason = recorded(world, rulebook, world.spec.mappings["TC", "tc_account"], accounts)
    loaded = reason == LOADED
    world.index["TC", "tc_account"] = indexed(accounts["tc_account_id"], loaded, np.where(loaded, scope, -1))
    world.known.tc_accounts = accounts.filter(pl.Series(loaded)).with_columns(pl.Series("#scope", scope[loaded]))

    contacts = source.whole("tc_contact", world.ledger)
    mapping = world.spec.mappings["TC", "tc_contact"]
    scope, reason = recorded(world, rulebook, mapping, contacts)
    loaded = reason == LOADED
    keys = email_keys(contacts["email"])
    fitting = pl.select(pl.when(keys.str.len_chars() <= LONGEST).then(keys).alias("email_key")).to_series()  # fine print 50
    world.known.tc_contacts = contacts.with_columns(fitting, pl.Series("#scope", scope)).filter(pl.Series(loaded))
    world.known.login_keys = pl.DataFrame(
        {"email_key": pl.concat([world.known.users["email_key"], world.known.tc_contacts["email_key"]])}
    ).drop_nulls()


def trade_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """Yields the expected Trade Compliance programs and contacts, and a login for each e-mail key that Portal 2.0 lacks (I9; fine print 21)."""
    accounts, contacts = world.known.tc_accounts, world.known.tc_contacts
    yield from of_rows(world, rulebook, world.spec.mappings["TC", "tc_account"], accounts, accounts["#scope"].to_numpy())
    yield from of_rows(world, rulebook, world.spec.mappings["TC", "tc_contact"], contacts, contacts["#scope"].to_numpy())
    known = world.known.users["email_key"].unique()
    new = contacts.filter(pl.col("email_key").is_not_null() & ~pl.col("email_key").is_in(known.implode())).sort("tc_contact_id")
    new = new.unique("email_key", keep="first", maintain_order=True)
    mapping = world.spec.mappings["TC", "tc_contact"]
    for into in mapping.into:
        if into.table == "login":
            yield ExpectedRows("login", "TC", "tc_contact", row_columns(world, rulebook, mapping, into, new))


def active(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns ACTIVE for each login of a Trade Compliance contact."""
    return pl.Series(["ACTIVE"]).new_from_index(0, len(rows))


def login_of_contact(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the fingerprint of each contact's login; null without a valid e-mail (I9)."""
    return _login(rows["email_key"])


def login_of_uploader(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the fingerprint of the login with the uploader's e-mail key; null if there is none (I9)."""
    keys = email_keys(rows[value.source[0]])
    return _login(
        pl.select(pl.when(keys.is_in(world.known.login_keys["email_key"].unique().implode())).then(keys).alias("email_key")).to_series()
    )


def note_account(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags Trade Compliance accounts that name a profile which does not exist, unless a decision assigned them (I1, L1)."""
    position = world.index["P2", "company_profile"].find(rows["company_profile_id"])
    decided = l_decisions.flag_accounts(world, rows)
    world.flag("I1", "TC", "tc_account", rows, (position == MISSING) & ~decided)


def note_contact(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags Trade Compliance contacts without a valid e-mail, or with a key longer than its column (I9)."""
    world.flag("I9", "TC", "tc_contact", rows, rows["email_key"].is_null().to_numpy())


def note_ior(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags importer numbers that the account does not have among its identifiers, active or not (I4)."""
    iors = world.known.carried.filter(pl.col("identifier_type_cd") == "IOR").select("account", "norm").unique()
    has = set(iors.iter_rows())
    accounts = world.scopes.first(scope).tolist()
    numbers = normalised(rows["ior_value"]).to_list()
    world.flag("I4", "TC", "tc_ior", rows, np.array([(a, n) not in has for a, n in zip(accounts, numbers, strict=True)], np.bool_))


def tc_document(world: ExpectedState, copies: Copies) -> pl.Series:
    """Returns the fingerprint of the expected row of each Trade Compliance document, whichever account it belongs to (fine print 38)."""
    index = world.index["TC", "tc_document"]
    reference = copies.of("tc_document_id")
    account = world.scopes.first(index.scope_of(index.find(reference)))
    return world.reference("document", "TC", reference.cast(pl.String), world.entity_ids(account))


def _login(keys: pl.Series) -> pl.Series:
    value = pl.Series(hashed(keys), dtype=pl.UInt64)
    return pl.select(pl.when(keys.is_not_null()).then(value)).to_series()


def _numbers(world: ExpectedState) -> dict[str, set[int]]:
    """Returns by normalised active IOR number the accounts that carry it."""
    found: dict[str, set[int]] = {}
    chosen = world.known.carried.filter(pl.col("active") & (pl.col("identifier_type_cd") == "IOR") & (pl.col("norm") != ""))
    for account, number in chosen.select("account", "norm").iter_rows():
        found.setdefault(number, set()).add(account)
    return found


# By (source table, target column), or by number for any column that the rule fills: the same on every copy of a row.
ROW: dict[tuple[str, str] | str, RowRule] = {
    ("tc_document", "uploaded_by_login_id"): login_of_uploader,
    ("tc_contact", "login_id"): login_of_contact,
    ("tc_contact", "status_cd"): active,
}

# By (source table, target column): another value on each copy.
COPY: dict[tuple[str, str], CopyRule] = {
    ("tc_anl_document", "document_id"): tc_document,
}

# By source table: what flags its loaded rows.
NOTE: dict[str, Note] = {
    "tc_account": note_account,
    "tc_contact": note_contact,
    "tc_ior": note_ior,
}

# Rules that find the accounts of rows.
OWNER: dict[str, OwnerRule] = {
    "I1": matched,
}

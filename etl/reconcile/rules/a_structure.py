"""Profiles, models and entities: which of them become accounts, under which number and type (rules A1-A16, routes)."""

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.reconcile.engine.ledger import BROKEN_REFERENCE, LOADED, NO_OWNER, PARENT_HELD, REASON, UNREADABLE_VALUE, lowest
from etl.reconcile.engine.scopes import MISSING, UNSET, Index, indexed
from etl.reconcile.engine.source import BAD, KEY, mask
from etl.reconcile.engine.world import ExpectedState, Ints, Mask

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "A1": (),
    "A2": (),
    "A3": (),
    "A4": (),
    "A5": (),
    "A11": ("P2.model_entity",),
    "A16": ("P2.model_entity",),
    "A18": ("P2.company_profile",),
}

LONGEST_NUMBER = 20  # entity_account.account_number


def decide_spine(world: ExpectedState) -> None:
    """Fills `world.accounts` and the states and accounts of profiles, models, entities and organisations (A1 to A16)."""
    ledger, source = world.ledger, world.sources["P2"]
    organisations = source.whole("trade_organization", ledger)
    profiles = source.whole("company_profile", ledger)
    models = source.whole("security_model", ledger)
    entities = source.whole("model_entity", ledger)

    organisation = indexed(organisations["trade_org_id"], ~mask(organisations, BAD))
    readable = indexed(profiles["company_profile_id"], ~mask(profiles, BAD))
    model_profile = readable.find(models["company_profile_id"])
    model_reason = lowest(_bad(models), parent_reason(readable, model_profile))
    model = indexed(models["security_model_id"], model_reason == LOADED, profile=_or_none(models["company_profile_id"]))
    entity_model = model.find(entities["security_model_id"])
    entity_reason = lowest(_bad(entities), parent_reason(model, entity_model))
    numbers, lost = account_numbers(entities, entity_reason == LOADED)
    too_long = (numbers.str.len_chars() > LONGEST_NUMBER).fill_null(False).to_numpy()
    entity_reason = np.where(too_long & (entity_reason == LOADED), UNREADABLE_VALUE, entity_reason)  # fine print 44
    loaded = entity_reason == LOADED

    types, undecided = business_types(world, entities)
    whole = entities.with_columns(
        numbers.alias("#number"), types.alias("#type"), pl.Series("#lost", lost), pl.Series("#undecided", undecided)
    )
    accounts = whole.filter(pl.Series(loaded)).sort("entity_id")
    accounts = accounts.join(models.select("security_model_id", "company_profile_id").drop_nulls(), on="security_model_id", how="left")
    world.accounts = accounts.sort("entity_id")
    count = len(accounts)
    own = world.scopes.add(np.arange(count), np.arange(count), count)

    of_model = _scopes(world, models["security_model_id"], world.accounts["security_model_id"])
    of_profile = _scopes(world, profiles["company_profile_id"], world.accounts["company_profile_id"])
    model_reason = np.where((model_reason == LOADED) & (world.scopes.size(of_model) == 0), REASON["MODEL_WITHOUT_ENTITY"], model_reason)
    profile_reason = np.where(~mask(profiles, BAD) & (world.scopes.size(of_profile) == 0), REASON["PROFILE_WITHOUT_ENTITY"], _bad(profiles))

    entity_scope = np.full(len(entities), -1, np.int64)
    at = indexed(world.accounts["entity_id"], np.ones(count, np.bool_), own)
    entity_scope[loaded] = at.scope_of(at.find(entities["entity_id"].filter(pl.Series(loaded))))
    world.index |= {
        ("P2", "trade_organization"): organisation,
        ("P2", "company_profile"): indexed(profiles["company_profile_id"], profile_reason == LOADED, of_profile),
        ("P2", "security_model"): indexed(
            models["security_model_id"],
            model_reason == LOADED,
            of_model,
            profile=_or_none(models["company_profile_id"]),
            known=models["company_profile_id"].is_not_null().to_numpy().astype(np.int64),
        ),
        ("P2", "model_entity"): indexed(entities["entity_id"], loaded, entity_scope),
    }
    world.known.organizations, world.known.profiles, world.known.models = organisations, profiles, models
    for table, rows, reason in (
        ("trade_organization", organisations, _bad(organisations)),
        ("company_profile", profiles, profile_reason),
        ("security_model", models, model_reason),
        ("model_entity", entities, entity_reason),
    ):
        ledger.account_for("P2", table, rows, reason)
    world.known.loaded_profiles = profiles.filter(pl.Series(profile_reason == LOADED))
    world.known.loaded_models = models.filter(pl.Series(model_reason == LOADED))
    _flag(world, organisation)


def _flag(world: ExpectedState, organisation: Index) -> None:
    """Flags A11, A12, A16, A18 and X1 of profiles and entities."""
    accounts = world.accounts
    world.flag("A16", "P2", "model_entity", accounts, mask(accounts, "#lost"))
    world.flag("A11", "P2", "model_entity", accounts, mask(accounts, "#undecided"))
    profiles = world.known.profiles
    folded = pl.Series([None if name is None else name.strip().casefold() for name in profiles["company_name"].to_list()], dtype=pl.String)
    doubled = profiles.with_columns(folded.alias("#name")).filter(pl.col("#name").is_not_null() & pl.col("#name").is_duplicated())[KEY]
    loaded = world.known.loaded_profiles
    world.flag("A18", "P2", "company_profile", loaded, loaded[KEY].is_in(doubled.implode()).to_numpy())
    position = organisation.find(loaded["trade_org_id"])
    world.flag("X1", "P2", "company_profile", loaded, (position != UNSET) & ~organisation.is_loaded(position))


def parent_reason(index: Index, position: Ints) -> Ints:
    """Returns why each row with one hard reference is held: NO_OWNER (null), BROKEN_REFERENCE (no such row), PARENT_HELD, or LOADED."""
    held = np.where(index.is_loaded(position), LOADED, PARENT_HELD)
    return np.where(position == UNSET, NO_OWNER, np.where(position == MISSING, BROKEN_REFERENCE, held)).astype(np.int64)


def account_numbers(entities: pl.DataFrame, loaded: Mask) -> tuple[pl.Series, Mask]:
    """Returns (account number of each entity, whether it lost a duplicate one); null for held entities (A16; fine print 7, 20, 45, 48)."""
    rows = entities.select("entity_id", "account_number").with_row_index("row").filter(pl.Series(loaded)).sort("entity_id")
    numbers: list[str | None] = [None] * len(entities)
    lost = np.zeros(len(entities), np.bool_)
    own = {number for number in rows["account_number"] if number is not None and number.strip()}
    taken: set[str] = set()
    for row, entity, number in rows.iter_rows():
        if number is not None and number.strip() and number not in taken:
            numbers[row] = number
            taken.add(number)
            continue
        lost[row] = number is not None and bool(number.strip())
        made = f"M{'-' if entity < 0 else ''}{abs(entity):09d}"
        while made in own:
            made += "X"
        numbers[row] = made
    return pl.Series(numbers, dtype=pl.String), lost


def business_types(world: ExpectedState, entities: pl.DataFrame) -> tuple[pl.Series, Mask]:
    """Returns (type code of each entity after the split of HWY by border, whether the border is unknown) (A11)."""
    split = {row["border_crossed_cd"]: row["business_type_cd"] for row in world.spec.codes["highway_split"]}
    decided = entities["border_crossed_cd"].replace_strict(split, default=None, return_dtype=pl.String)
    carrier = entities["business_type_cd"] == "HWY"
    types = pl.select(pl.when(carrier & decided.is_not_null()).then(decided).otherwise(entities["business_type_cd"])).to_series()
    return types, (carrier & decided.is_null()).fill_null(False).to_numpy()


def _scopes(world: ExpectedState, key: pl.Series, of_account: pl.Series) -> Ints:
    """Returns for each key the number of the list of its accounts."""
    index = indexed(key, np.ones(len(key), np.bool_), np.arange(len(key), dtype=np.int64))
    owner = index.scope_of(index.find(of_account))
    return world.scopes.add(owner, np.arange(len(of_account), dtype=np.int64), len(key))


def _bad(rows: pl.DataFrame) -> npt.NDArray[np.int64]:
    return np.where(mask(rows, BAD), UNREADABLE_VALUE, LOADED).astype(np.int64)


def _or_none(reference: pl.Series) -> Ints:
    return reference.fill_null(0).to_numpy()

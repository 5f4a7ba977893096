"""Step 2: creates standalone accounts from profiles and logins from users, with unchanged access. Works on whole tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa

from etl.domain.decisions import NO_DECISIONS, DecisionError, Decisions
from etl.domain.grace import NO_GRACE, Grace
from etl.domain.identifier_values import normal
from etl.domain.ids import as_arrow
from etl.placement.account_directory import AccountDirectory, login_ids
from etl.placement.routing import place_by_routes
from etl.placement.row_placement import NO_ACCOUNT, Bools, Ints, RowPlacement, int_values_and_mask
from etl.placement.stage_tables import odd_values, whole, write_record, write_rows
from etl.placement.table_outcome import account_for_rows
from etl.placement.target_rows import Computed, TargetRows, arrow_type, as_column, render_target_rows
from etl.rules import a_accounts, a_catalogues, a_structure, l_decisions
from etl.rules import b_people as people
from etl.rules import d_agreements as agreements
from etl.rules import h_identifiers as identifiers
from etl.rules import i_trade_compliance as trade_compliance
from etl.rules.registry import COLUMNS
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, Step
from etl.runfolder.stage_file_io import StageFile
from etl.transform.splitting import CATALOGUE_TABLES, SPINE_TABLES, Splitting
from mappings.model import Mappings


@dataclass(frozen=True)
class _Catalogues:
    """`types`: the business types of the catalogue; `version`: the agreement versions."""

    types: set[str]
    version: RowPlacement


@dataclass(frozen=True)
class _Accounts:
    """The rows that accounts are made of."""

    profile: RowPlacement
    model: RowPlacement
    entity: RowPlacement


@dataclass(frozen=True)
class _People:
    """Users and contacts. By contact row: whether it stays primary (B7), whether its user's name is not an e-mail address (B15); by copy: whether
    it is restricted (B12); by account: whether an officer can act for it (B19). `columns`: of login and login_alias; `survivors`: rows of login.
    """

    user: RowPlacement
    contact: RowPlacement
    primary: Bools
    invalid: Bools
    restricted: Bools
    acting: Bools
    columns: dict[str, dict[str, Computed]]
    survivors: Ints


@dataclass(frozen=True)
class _Trade:
    """The Trade Compliance tables that the logins depend on."""

    account: RowPlacement
    ior: RowPlacement
    contact: RowPlacement


def split(
    folder: RunFolder, mappings: Mappings, freeze: tuple[date, date] | None, grace: Grace = NO_GRACE, decisions: Decisions = NO_DECISIONS
) -> Step:
    """Runs the step and returns its stage files: accounts, logins, contacts, catalogues, and the placement of every row of these tables.

    Raises DecisionError (1) if a decision cannot be applied (L3).
    """
    has_tc = "TC" in folder.steps["extract"].facts["marks"]
    frames = {key: whole(folder, mappings.tables[key]) for key in SPINE_TABLES}
    began = str(folder.steps["extract"].facts["began"])
    spine = AccountDirectory(mappings, pl.DataFrame(), began=began, freeze=freeze, grace=grace)
    work = Splitting(mappings, frames, spine, odd_values(folder.path, folder.files("extract")), decisions=decisions)
    split_frames(work)
    return Step(
        "", _written(folder, work), {"accounts": spine.accounts.height, "logins": len(spine.email_keys), "trade_compliance": has_tc}
    )


def split_frames(work: Splitting) -> None:
    """Decides every row of the step's tables; pure apart from `work`, which it fills. Each function uses the results of those before it."""
    catalogues = _catalogues(work)
    accounts = _accounts(work, catalogues)
    people = _people(work, accounts)
    identifier = _identifiers(work)
    signature, coverage = _signatures(work, catalogues, people)
    trade = _trade_compliance(work, identifier)
    if work.problems:
        raise DecisionError(work.problems)
    _account_rows(work, accounts, people, identifier, signature, catalogues)
    _people_rows(work, people)
    work.account_for(identifier)
    work.account_for(signature, {"account_agreement": {"coverage_cd": coverage}})
    _trade_compliance_rows(work, trade)


@dataclass(frozen=True)
class Undecided:
    """The rows among which some wait for a decision (L1, L2), and what candidates are found by: `numbers`: tc_account_id and normal form of each IOR."""

    user: RowPlacement
    contact: RowPlacement
    account: RowPlacement
    identifier: RowPlacement
    numbers: pl.DataFrame


def undecided(work: Splitting) -> Undecided:
    """Returns the rows among which some need a decision (L1, L2); raises DecisionError if a given decision cannot be applied (L3)."""
    catalogues = _catalogues(work)
    people = _people(work, _accounts(work, catalogues))
    identifier = _identifiers(work)
    trade = _trade_compliance(work, identifier)
    if work.problems:
        raise DecisionError(work.problems)
    values = pl.Series("value", [normal(value) for value in trade.ior.frame["ior_value"].to_list()], dtype=pl.String)
    return Undecided(people.user, people.contact, trade.account, identifier, pl.DataFrame([trade.ior.frame["tc_account_id"], values]))


def _catalogues(work: Splitting) -> _Catalogues:
    """Places the catalogues unchanged, and returns those that later functions need; adds missing business types (A12)."""
    for table in CATALOGUE_TABLES:
        rows = work.begin("P2", table)
        work.keep(rows)
        work.account_for(rows)
    types = work.begin("P2", "business_type")
    known = set(types.frame["business_type_cd"].filter(pl.Series(types.reason == 0)).to_list())
    work.account_for(types)
    applicability = place_by_routes(work.mapping("P2", "question_applicability"), work.frames["P2", "question_applicability"], work.spine)
    version = work.begin("P2", "agreement_version")
    for rows in (applicability, version):
        work.types_added |= a_catalogues.unknown_types(rows, rows.frame["business_type_cd"], known)
        work.keep(rows)
        work.account_for(rows)
    return _Catalogues(known, version)


def _identifiers(work: Splitting) -> RowPlacement:
    """Returns the placement of the identifiers (H1, H2, H7)."""
    identifier = work.begin("P2", "entity_identifier")
    identifiers.place_identifiers(identifier, work.spine, work.longest("account_identifier", "value_norm"))
    identifiers.flag_shared_identifiers(identifier, work.spine)
    return identifier


def _signatures(work: Splitting, catalogues: _Catalogues, people: _People) -> tuple[RowPlacement, pl.Series]:
    """Returns the placement of the signatures and the coverage of each copy (D1, D2, D4, D11, D12)."""
    spine = work.spine
    signature = work.begin("P2", "agreement_signature")
    coverage = agreements.place_signatures(signature, catalogues.version, spine)
    spine.consultants = agreements.consultants_only(people.contact.frame)
    agreements.flag_odd_signatures(signature, catalogues.version, spine.consultants, spine.began)
    work.keep(signature)
    return signature, coverage


def _accounts(work: Splitting, catalogues: _Catalogues) -> _Accounts:
    """Returns the placement of profiles, models and entities, from which the accounts are made (A1 to A18)."""
    spine, known = work.spine, catalogues.types
    profile, model, entity = (work.begin("P2", table) for table in ("company_profile", "security_model", "model_entity"))
    a_structure.hold_by_structure(profile, model, entity)
    accounts = a_structure.account_rows(profile, model, entity)
    numbers, lost = a_structure.numbers(entity, accounts)
    longest = work.longest("entity_account", "account_number")
    if a_structure.hold_long_numbers(entity, accounts, numbers, longest):
        a_structure.hold_by_structure(profile, model, entity)  # once more: entities held by now do not become accounts (fine print 24)
        number_by_row = dict(zip(accounts["entity_row"].to_list(), numbers, strict=True))
        accounts = a_structure.account_rows(profile, model, entity)
        numbers = [number_by_row[row] for row in accounts["entity_row"].to_list()]
    entity.flag("A16", lost, "account number already belongs to an entity with a lower id; a new one was given")
    types = a_structure.types_after_split(entity, accounts, work.mappings)
    row = accounts["entity_row"]
    spine.accounts = accounts.with_columns(
        types.alias("business_type_cd"),
        pl.Series("account_number", numbers, dtype=pl.String),
        entity.frame["status_cd"].gather(row),
        entity.frame["created_at"].gather(row),
    )
    by_row = pl.Series([None] * entity.frame.height, dtype=pl.String).scatter(row.to_numpy(), types) if len(row) else types.clear()
    work.types_added |= a_catalogues.unknown_types(
        entity, by_row if len(row) else pl.Series([None] * entity.frame.height, dtype=pl.String), known
    )
    a_structure.flag_equal_names(profile)
    positions = np.arange(accounts.height, dtype=np.int32)
    for rows, column in ((profile, "profile"), (model, "model"), (entity, "entity")):
        of_account = accounts[f"{column}_id"].to_numpy()
        where = a_structure.index_of_accounts(rows, rows.mapping.key[0], of_account)
        work.keep(rows, where)
        rows.copy_to(accounts[f"{column}_row"].to_numpy(), positions)
    return _Accounts(profile, model, entity)


def _organizations(work: Splitting) -> RowPlacement:
    """Places each organisation on the accounts of its profiles and returns the placement (A10)."""
    spine = work.spine
    rows = work.begin("P2", "trade_organization")
    organization, present = int_values_and_mask(work.frames["P2", "company_profile"], "trade_org_id")
    profile_row = spine.accounts["profile_row"].to_numpy()
    some = bool(len(profile_row))
    of_account, has_one = (organization[profile_row], present[profile_row]) if some else (np.zeros(0, np.int64), np.zeros(0, bool))
    where = a_structure.index_of_accounts(rows, "trade_org_id", of_account, has_one)
    position, exists = where.find(int_values_and_mask(rows.frame, "trade_org_id")[0])
    known = np.flatnonzero(exists & int_values_and_mask(rows.frame, "trade_org_id")[1])
    index, found = where.copies(position[known])
    rows.copy_to(known[index], found)
    work.keep(rows, where)
    return rows


def _people(work: Splitting, accounts: _Accounts) -> _People:
    """Returns users and contacts with their logins (B1 to B20)."""
    spine, profile = work.spine, accounts.profile
    longest = work.longest("login", "email_key")
    user = work.begin("P2", "portal_user")
    names, decided = l_decisions.decided_names(user, work.decisions, longest, work.problems)
    known = people.logins(user, longest, names)
    user.flag("L2", decided, "decided by a person: counts under the user name that the decision gives")
    spine.logins = known.users
    spine.email_keys = frozenset(known.logins["email_key"].to_list())
    contact = place_by_routes(work.mapping("P2", "company_contact"), work.frames["P2", "company_contact"], spine)
    access, invalid = people.contact_access(contact, known)
    primary = people.primary_contacts(contact)
    people.flag_profiles_without_fit_primary(profile, contact, primary, access)
    people.flag_users_without_contact(user, contact)
    people.flag_widened_logins(user, contact, known)
    suspended = (spine.accounts["status_cd"] == "SUSPENDED").to_numpy()[contact.account]
    freed, restricted = people.company_locks(user, contact, suspended)
    status, reason = people.statuses(user, freed)
    ids, valid = login_ids(user.frame.select("user_id").join(known.users, on="user_id", how="left", maintain_order="left")["email_key"])
    survivors = known.logins["row"].to_numpy()
    states = known.logins.select("email_key", status=status.gather(survivors), lock=reason.gather(survivors))
    of_contact = access.join(states, on="email_key", how="left", maintain_order="left")
    acting = people.acting_officers(contact, of_contact, restricted, spine.accounts.height)
    computed: dict[str, dict[str, Computed]] = {
        "login": {
            "login_id": as_arrow(ids[survivors]),
            "email_key": known.logins["email_key"],
            "email_display": names.gather(survivors),
            "status_cd": status.gather(survivors),
            "lock_reason_cd": reason.gather(survivors),
        },
        "login_alias": {"login_id": as_arrow(ids[user.loaded])},
    }
    assert valid[user.loaded].all()  # noqa: S101  # every loaded user has a login: B15 held the others
    _flag_missing_organizations(work, profile)
    return _People(user, contact, primary, invalid, restricted, acting, computed, survivors)


def _flag_missing_organizations(work: Splitting, profile: RowPlacement) -> None:
    values, present = int_values_and_mask(profile.frame, "trade_org_id")
    organization = work.begin("P2", "trade_organization")
    loaded = a_structure.existing(organization, "trade_org_id").loaded(values, present)
    profile.flag("X1", present & ~loaded, "in no organisation's group, no such row or it is held: trade_org_id")


def _people_rows(work: Splitting, found: _People) -> None:
    """Renders one login per e-mail with the attributes of the surviving user, every user as its alias (B2), and the contacts."""
    user, contact = found.user, found.contact
    logins = render_target_rows(_once(user, found.survivors, work.spine), user.mapping.block("login"), found.columns["login"], COLUMNS)
    work.account_for(user, found.columns, made={"login": logins})
    columns: dict[str, Computed] = {
        "primary_poc": pl.Series(found.primary).gather(contact.row),
        "restricted_reason_cd": pl.Series(np.where(found.restricted, "COMPANY_STATUS", "")).replace("", None),
    }
    work.account_for(contact, {"account_contact": columns}, excused={"user_id": found.invalid})


def _once(rows: RowPlacement, chosen: Ints, spine: AccountDirectory) -> TargetRows:
    return TargetRows(rows, spine, chosen, np.full(len(chosen), NO_ACCOUNT, np.int32))


def _trade_compliance(work: Splitting, identifier: RowPlacement) -> _Trade:
    """Returns the Trade Compliance accounts on their importers' accounts, and the tables that the logins depend on (I1, I4, I9)."""
    spine = work.spine
    numbers = identifiers.importer_numbers(identifier)
    tc_account, tc_ior = work.begin("TC", "tc_account"), work.begin("TC", "tc_ior")
    decided = l_decisions.decided_accounts(tc_account, work.decisions, spine, work.problems)
    trade_compliance.place_tc_accounts(tc_account, tc_ior, numbers, spine, decided)
    work.keep(tc_account)
    tc_ior = place_by_routes(work.mapping("TC", "tc_ior"), work.frames["TC", "tc_ior"], spine)
    trade_compliance.flag_unknown_numbers(tc_ior, numbers)
    tc_contact = place_by_routes(work.mapping("TC", "tc_contact"), work.frames["TC", "tc_contact"], spine)
    return _Trade(tc_account, tc_ior, tc_contact)


def _trade_compliance_rows(work: Splitting, trade: _Trade) -> None:
    """Renders the Trade Compliance accounts and numbers, the contacts, and the logins that only they have (I9)."""
    spine, contact = work.spine, trade.contact
    work.account_for(trade.account)
    work.account_for(trade.ior)
    email_keys, made = people.trade_compliance_logins(contact, set(spine.email_keys), work.longest("login", "email_key"))
    spine.email_keys |= frozenset(made["email_key"].to_list())
    ids, valid = login_ids(email_keys.gather(contact.row))
    rows = made["row"].to_numpy()
    new_ids, _ = login_ids(made["email_key"])
    columns: dict[str, Computed] = {
        "login_id": as_arrow(new_ids),
        "email_key": made["email_key"],
        "status_cd": pl.Series(["ACTIVE"] * len(rows), dtype=pl.String),
    }
    logins = render_target_rows(_once(contact, rows, spine), contact.mapping.block("login"), columns, COLUMNS)
    work.account_for(contact, {"account_contact": {"login_id": as_arrow(ids, valid)}}, made={"login": logins})


def _account_rows(
    work: Splitting, of: _Accounts, found: _People, identifier: RowPlacement, signature: RowPlacement, catalogues: _Catalogues
) -> None:
    """Renders the accounts from entity, model and profile (A17: value copies on every account), and the groups that they come from."""
    spine, profile, model, entity = work.spine, of.profile, of.model, of.entity
    accounts = spine.accounts
    complete = identifiers.complete(identifier, accounts["business_type_cd"], work.mappings)
    identifiers.entity_flags(entity, accounts, complete)
    officers = people.profiles_with_officer(found.contact)
    needs_officer = [profile_id not in officers for profile_id in accounts["profile_id"].to_list()]
    acting = pl.Series(found.acting, dtype=pl.Boolean)
    archived = (model.frame["deleted_ind"].gather(accounts["model_row"]) == "Y").fill_null(False) | (
        profile.frame["deleted_ind"].gather(accounts["profile_row"]) == "Y"
    ).fill_null(False)
    visible = a_accounts.visible(accounts["status_cd"], archived, work.mappings)
    people.flag_without_acting_officer(entity, accounts, visible, acting)
    columns: dict[str, Computed] = {
        "agreement_basis_cd": agreements.agreement_basis(signature, catalogues.version, spine),
        "needs_officer": pl.Series(needs_officer, dtype=pl.Boolean),
        "identifiers_complete": pl.Series(complete, dtype=pl.Boolean),
        "acting_officer": acting,
        "business_type_cd": accounts["business_type_cd"],
        "account_number": accounts["account_number"],
        "archived": archived,
        "trade_visible": visible,
    }
    result = account_for_rows(entity, spine, work.odd, COLUMNS, {"entity_account": columns})
    tables = [result.tables["entity_account"]]
    for rows in (model, profile):
        into = rows.mapping.block("entity_account")
        tables.append(render_target_rows(TargetRows(rows, spine, rows.row, rows.account), into, {"archived": archived}, COLUMNS))
    shape = work.mappings.target.tables["entity_account"]
    by_name = {name: table[name] for table in tables for name in table.column_names}
    result.tables["entity_account"] = pa.table({column.name: as_column(by_name[column.name], column) for column in shape.columns})
    work.outcomes.append(result)
    for rows in (_organizations(work), profile, model):
        work.account_for(rows)


def _written(folder: RunFolder, work: Splitting) -> list[StageFile]:
    spine = work.spine
    outcomes = work.outcomes
    files = [file for one in outcomes for file in write_rows(folder.path, "split", one, 0)]
    files += write_record(
        folder.path, "split", [one.held for one in outcomes], [one.flags for one in outcomes], [one.tally for one in outcomes]
    )
    added = sorted(work.types_added)
    values = {"business_type_cd": added, "name": added, "active": [False] * len(added)}
    shape = work.mappings.target.tables["business_type"]
    types = pa.table({column.name: pa.array(values[column.name], arrow_type(column)) for column in shape.columns})
    models = work.frames["P2", "security_model"].select("security_model_id", "company_profile_id").drop_nulls().sort("security_model_id")
    emails = pl.DataFrame({"email_key": sorted(spine.email_keys)}, schema={"email_key": pl.String})
    tables = {
        layout.ADDED_TYPES: types,
        layout.ACCOUNTS: spine.accounts.to_arrow(),
        layout.LOGINS: spine.logins.to_arrow(),
        layout.EMAIL_KEYS: emails.to_arrow(),
        layout.MODEL_PROFILES: models.to_arrow(),
        layout.CONSULTANTS: spine.consultants.to_arrow(),
        **{layout.index("split", portal, name): where.to_arrow() for (portal, name), where in spine.where.items()},
    }
    files.append(folder.write_bytes(layout.DECISIONS_MADE, l_decisions.record(work.decisions)))
    return files + [folder.write_table(path, table) for path, table in tables.items()]

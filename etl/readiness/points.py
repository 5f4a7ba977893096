"""The open points of a run: the problem, its rows, and who can correct it. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from etl.holding.held_roots import HeldRows, Row
from etl.readiness.store import StoreFacts
from etl.report.lists import without_personal
from mappings.model import Mappings
from mappings.readiness import WEIGHTS, PointKind

COLUMNS: dict[str, pl.DataType] = {
    "point_cd": pl.String(),
    "weight_cd": pl.String(),
    "who_cd": pl.String(),
    "company_profile_id": pl.Int64(),
    "account_number": pl.String(),
    "office_cd": pl.String(),
    "legacy_portal_cd": pl.String(),
    "legacy_table": pl.String(),
    "legacy_key": pl.String(),
    "followers": pl.Int64(),
    "sentence": pl.String(),
    "action": pl.String(),
}
_BASIS = {"CONTINUED_MEMBERSHIP": "continued membership", "NONE": "nothing"}
_DOCUMENT = {
    "MISSING": "is missing: the old portal has its record, but not its content",
    "DIGEST_MISMATCH": "differs from the file that was recorded at the upload: its digest differs",
    "SIZE_MISMATCH": "differs from the file that was recorded at the upload: its size differs",
}
_TC = {
    "TC_AMBIGUOUS": "several importers match it equally well",
    "TC_NO_IMPORTER": "no importer matches it",
}


@dataclass(frozen=True)
class Sources:
    """What points are made of. `users_of_contact`: the old user of each Portal 2.0 contact row (both keys as text).

    `profile_of_held`: the company profile of each held row that leads to one. `why_held`: in words, what is wrong with a held row.
    `bounced`: e-mail keys whose mail came back.
    """

    store: StoreFacts
    mappings: Mappings
    kinds: Mapping[str, PointKind]
    held: HeldRows
    profile_of_held: Mapping[Row, int]
    why_held: Mapping[Row, str]
    users_of_contact: Mapping[str, str]
    bounced: frozenset[str] = frozenset()


@dataclass
class _Found:
    """A point before its texts are made. `account`: its id."""

    code: str
    row: Row
    profile: int | None = None
    account: str | None = None
    followers: int | None = None
    blanks: dict[str, str] = field(default_factory=dict)


class Points:
    """Finds the open points of one store. Each finder yields `_Found`; `frame` makes the list from them."""

    def __init__(self, sources: Sources) -> None:
        self._s = sources
        self._accounts: dict[str, dict[str, Any]] = {row["account_id"]: row for row in sources.store.accounts.iter_rows(named=True)}

    def frame(self) -> pl.DataFrame:
        """Returns the points with COLUMNS: critical ones first, then sorted by all columns, nulls first."""
        finders = (
            self._by_account,
            self._nobody,
            self._shared_identifiers,
            self._primaries,
            self._widened,
            self._no_email,
            self._documents,
            self._email_differs,
            self._twins,
            self._bounces,
            self._waiting,
            self._held_roots,
        )
        rows = [self._row(found) for finder in finders for found in finder()]
        frame = pl.DataFrame(rows, schema=COLUMNS, orient="row")
        rank = pl.col("weight_cd").replace_strict({weight: position for position, weight in enumerate(WEIGHTS)}, return_dtype=pl.Int8)
        return without_personal(frame, "legacy_key", "sentence").sort(rank, *COLUMNS, nulls_last=False)

    def _row(self, found: _Found) -> tuple[Any, ...]:
        kind = self._s.kinds[found.code]
        account = self._accounts[found.account] if found.account is not None else None
        profile = account["legacy_profile_id"] if account is not None else found.profile
        office = account["office_cd"] if account is not None else self.office_by_profile.get(profile)
        blanks = {"company": self._company(profile), "key": found.row[2], **found.blanks}
        number = account["account_number"] if account is not None else None
        return (
            kind.code,
            kind.weight,
            kind.who,
            profile,
            number,
            office,
            *found.row,
            found.followers,
            kind.filled(**blanks),
            kind.action,
        )

    def _company(self, profile: int | None) -> str:
        return self.name_by_profile.get(profile) or (f"company profile {profile}" if profile is not None else "a company")

    @cached_property
    def _first_of_profile(self) -> dict[int | None, dict[str, Any]]:
        """By profile, the account of its lowest entity."""
        first: dict[int | None, dict[str, Any]] = {}
        for row in sorted(self._accounts.values(), key=lambda row: row["legacy_entity_id"]):
            first.setdefault(row["legacy_profile_id"], row)
        return first

    @cached_property
    def name_by_profile(self) -> dict[int | None, str]:
        """By profile, the legal name of its account with the lowest entity id."""
        return {profile: row["legal_name"] for profile, row in self._first_of_profile.items()}

    @cached_property
    def office_by_profile(self) -> dict[int | None, str | None]:
        """By profile, the office of its entity with the lowest id; None if there is none."""
        return {profile: row["office_cd"] for profile, row in self._first_of_profile.items()}

    @cached_property
    def _contacts(self) -> dict[str, list[dict[str, Any]]]:
        """Contacts in force, by account."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self._s.store.contacts.filter(pl.col("removed_at").is_null()).iter_rows(named=True):
            found[row["account_id"]].append(row)
        return found

    @cached_property
    def _logins(self) -> dict[str, dict[str, Any]]:
        return {row["login_id"]: row for row in self._s.store.logins.iter_rows(named=True)}

    @cached_property
    def usable(self) -> frozenset[str]:
        """The ids of logins that can open an account: ACTIVE, or LOCKED for a reason that activation removes."""
        return frozenset(
            key
            for key, row in self._logins.items()
            if row["status_cd"] == "ACTIVE" or (row["status_cd"] == "LOCKED" and row["lock_reason_cd"] in ("PASSWORD", "IDLE"))
        )

    @cached_property
    def _openers(self) -> dict[str, set[str]]:
        """By account, the usable logins to which the picker shows it."""
        found: dict[str, set[str]] = defaultdict(set)
        for login, account in self._s.store.picker.iter_rows():
            if login in self.usable:
                found[account].add(login)
        return found

    @cached_property
    def nobody_can_open(self) -> frozenset[str]:
        """The ids of accounts visible to trade that account_picker shows to no usable login."""
        return frozenset(key for key, row in self._accounts.items() if row["trade_visible"] and not self._openers.get(key))

    def _flagged(self, *rules: str) -> Iterator[Row]:
        chosen = self._s.store.exceptions.filter(pl.col("rule_cd").is_in(rules))
        yield from chosen.select("legacy_portal_cd", "legacy_table", "legacy_key").unique().iter_rows()

    def _entity(self, account: str) -> Row:
        return "P2", "model_entity", str(self._accounts[account]["legacy_entity_id"])

    def _by_account(self) -> Iterator[_Found]:
        for key, row in self._accounts.items():
            if not row["identifiers_complete"]:
                yield _Found("IDENTIFIERS_MISSING", self._entity(key), account=key, blanks={"missing": self._missing(row)})
            if row["trade_visible"] and not row["acting_officer"]:
                yield _Found("NO_ACTING_OFFICER", self._entity(key), account=key, blanks={"cause": self._no_officer(key)})
            if row["trade_visible"] and row["agreement_basis_cd"] != "SIGNED":
                basis = _BASIS.get(row["agreement_basis_cd"], row["agreement_basis_cd"])
                yield _Found("AGREEMENT_MISSING", self._entity(key), account=key, blanks={"basis": basis})

    def _missing(self, account: Mapping[str, Any]) -> str:
        """Returns the identifier types that the account's business type requires and that are not active on it."""
        groups: dict[str, list[str]] = defaultdict(list)
        for entry in self._s.mappings.codes["identifier_required"]:
            if entry["business_type_cd"] == account["business_type_cd"]:
                groups[entry["group_no"]].append(entry["identifier_type_cd"])
        there = self._active_types.get(account["account_id"], frozenset())
        return ", ".join(" or ".join(types) for types in groups.values() if not there.intersection(types)) or "see the account"

    @cached_property
    def _active_types(self) -> dict[str, frozenset[str]]:
        active = self._s.store.identifiers.filter(pl.col("active")).group_by("account_id").agg(pl.col("identifier_type_cd").unique())
        return {account: frozenset(types) for account, types in active.iter_rows()}

    def _no_officer(self, account: str) -> str:
        officers = [c for c in self._contacts.get(account, []) if c["scope_cd"] == "CTPAT" and c["contact_type_cd"] == "OFFICER"]
        if not officers:
            cause = "none of its contacts is an officer"
        elif all(c["login_id"] is None for c in officers):
            cause = "its officer has no login"
        elif all(c["restricted_reason_cd"] is not None for c in officers if c["login_id"] in self.usable):
            cause = "its officer's access is restricted or the officer's login cannot be activated"
        else:
            cause = "its officer's login cannot be activated"
        openers = [c for c in self._contacts.get(account, []) if c["login_id"] in self._openers.get(account, set())]
        if openers and all(c["scope_cd"] == "TC" for c in openers):
            return f"{cause}; only a Trade Compliance contact can open it"
        if openers and all(c["restricted_reason_cd"] is not None or c["scope_cd"] == "TC" for c in openers):
            return f"{cause}; only a contact whose access is restricted can open it"
        return cause

    def _nobody(self) -> Iterator[_Found]:
        for key in self.nobody_can_open:
            contacts = self._contacts.get(key, [])
            if not contacts:
                cause = "no contact is in force"
            elif all(c["login_id"] is None for c in contacts):
                cause = "none of its contacts has a login"
            else:
                cause = "the logins of its contacts are disabled, deleted or locked because of the company's status"
                openers = [c for c in contacts if c["login_id"] is not None]
                if all(c["scope_cd"] == "TC" for c in openers):
                    cause += "; the only opener is of Trade Compliance"
                elif all(c["restricted_reason_cd"] is not None or c["scope_cd"] == "TC" for c in openers):
                    cause += "; the only opener is restricted"
            yield _Found("NOBODY_CAN_OPEN", self._entity(key), account=key, blanks={"cause": cause})

    def _only(self, accounts: Iterable[str]) -> tuple[str | None, int | None]:
        """Returns (the account if there is exactly one, else None; the lowest profile)."""
        found = sorted(set(accounts))
        profiles = [self._accounts[key]["legacy_profile_id"] for key in found]
        return (found[0] if len(found) == 1 else None), min(profiles, default=None)

    def _shared_identifiers(self) -> Iterator[_Found]:
        where: dict[str, list[str]] = defaultdict(list)
        types: dict[str, str] = {}
        for account, kind, key in self._s.store.identifiers.select("account_id", "identifier_type_cd", "legacy_key").iter_rows():
            where[key].append(account)
            types[key] = kind
        for row in self._flagged("H7"):
            account, profile = self._only(where[row[2]])
            yield _Found("IDENTIFIER_SHARED", row, profile, account, blanks={"type": types.get(row[2], "identifier")})

    def _primaries(self) -> Iterator[_Found]:
        for row in self._flagged("B8"):
            yield _Found("PRIMARY_UNUSABLE", row, int(row[2]))

    @cached_property
    def _accounts_of_user(self) -> dict[str, set[str]]:
        """By old user, the accounts on which a contact in force names that user."""
        found: dict[str, set[str]] = defaultdict(set)
        for account, contacts in self._contacts.items():
            for contact in contacts:
                if contact["legacy_portal_cd"] == "P2" and (user := self._s.users_of_contact.get(contact["legacy_key"])) is not None:
                    found[user].add(account)
        return found

    @cached_property
    def _users_of_login(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for user, login in self._s.store.aliases.select("legacy_key", "login_id").iter_rows():
            found[login].append(user)
        return found

    def _widened(self) -> Iterator[_Found]:
        login_of = {user: login for login, users in self._users_of_login.items() for user in users}
        for row in self._flagged("B20"):
            own = self._accounts_of_user.get(row[2], set())
            every = set().union(*(self._accounts_of_user.get(user, set()) for user in self._users_of_login[login_of[row[2]]]))
            more = len(every - own)
            _, profile = self._only(own or every)
            yield _Found("LOGIN_WIDENED", row, profile, blanks={"more": f"{more:,} account{'s' if more != 1 else ''}"})

    def _no_email(self) -> Iterator[_Found]:
        for row, reason in self._s.held.reasons.items():
            if row[1] == "portal_user" and reason == "INVALID_EMAIL":
                _, profile = self._only(self._accounts_of_user.get(row[2], ()))
                yield _Found("NO_EMAIL", row, profile)

    def _documents(self) -> Iterator[_Found]:
        known: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for copy in self._s.store.broken_documents.iter_rows(named=True):
            known[copy["legacy_portal_cd"], copy["legacy_key"]].append(copy)
        for row in self._flagged("C6", "C8"):
            copies = known[row[0], row[2]]
            account, profile = self._only(copy["account_id"] for copy in copies if copy["account_id"] is not None)
            cause = _DOCUMENT.get(copies[0]["content_state_cd"] if copies else "MISSING", _DOCUMENT["MISSING"])
            yield _Found(
                "DOCUMENT_BROKEN", row, profile, account, blanks={"file": copies[0]["file_name"] if copies else "", "cause": cause}
            )

    def _email_differs(self) -> Iterator[_Found]:
        where: dict[str, list[str]] = defaultdict(list)
        for account, contacts in self._contacts.items():
            for contact in contacts:
                login = self._logins.get(contact["login_id"])
                if contact["scope_cd"] != "CTPAT" or login is None or not (own := (contact["email"] or "").strip().casefold()):
                    continue
                if own != login["email_display"].strip().casefold():
                    where[contact["legacy_key"]].append(account)
        for key, accounts in where.items():
            only, profile = self._only(accounts)
            yield _Found("EMAIL_DIFFERS", ("P2", "company_contact", key), profile, only)

    def _twins(self) -> Iterator[_Found]:
        for row in self._flagged("A18"):
            profile = int(row[2])
            name = self._company(profile)
            yield _Found("TWIN", row, profile, blanks={"cause": f"Another company profile has the same name as {name}."})
        alike: dict[tuple[Any, ...], list[str]] = defaultdict(list)
        for key, account in self._accounts.items():
            alike[account["legacy_profile_id"], account["business_type_cd"], account["account_label"]].append(key)
        for accounts in alike.values():
            for key in accounts if len(accounts) > 1 else ():
                account = self._accounts[key]
                cause = f"{account['legal_name']} has {len(accounts):,} accounts of the type {account['business_type_cd']} without distinct labels."
                yield _Found("TWIN", self._entity(key), account=key, blanks={"cause": cause})

    def _bounces(self) -> Iterator[_Found]:
        by_login: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for contacts in self._contacts.values():
            for contact in contacts:
                if contact["login_id"] is not None:
                    by_login[contact["login_id"]].append(contact)
        for key, login in self._logins.items():
            if login["email_key"] in self._s.bounced:
                _, profile = self._only(contact["account_id"] for contact in by_login[key])
                yield _Found("MAIL_BOUNCES", self.row_of_login(key), profile)

    @cached_property
    def _tc_contacts(self) -> dict[str, list[str]]:
        """By login, the keys of its Trade Compliance contacts."""
        found: dict[str, list[str]] = defaultdict(list)
        chosen = self._s.store.contacts.filter(pl.col("legacy_portal_cd") == "TC", pl.col("login_id").is_not_null())
        for login, key in chosen.select("login_id", "legacy_key").iter_rows():
            found[login].append(key)
        return found

    def row_of_login(self, login: str) -> Row:
        """Returns the login's old user with the lowest id; the contact of a login made for Trade Compliance."""
        users = self._users_of_login.get(login)
        if users:
            return "P2", "portal_user", min(users, key=lambda key: (len(key), key))
        return "TC", "tc_contact", min(self._tc_contacts.get(login, ()), key=lambda key: (len(key), key), default="")

    def _waiting(self) -> Iterator[_Found]:
        for row, reason in self._s.held.reasons.items():
            if reason in _TC:
                yield _Found(
                    "TC_WAITING",
                    row,
                    self._s.profile_of_held.get(row),
                    followers=self._s.held.followers[row],
                    blanks={"cause": _TC[reason]},
                )

    def _held_roots(self) -> Iterator[_Found]:
        for row, followers in self._s.held.followers.items():
            more = f", and {followers:,} row{'s' if followers != 1 else ''} because of it" if followers else ""
            blanks = {"table": row[1], "followers": more, "cause": self._s.why_held[row]}
            yield _Found("HELD_ROOT", row, self._s.profile_of_held.get(row), followers=followers, blanks=blanks)

"""What the company pages need of the new store, read in a dozen statements for one profile or for all of them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from etl.databases.reflected import as_id, tables_of
from mappings.model import Mappings

# The tables whose rows a company may see, and whose flags are therefore its business. Vetting, notes, findings, comments and events are CBP's.
SEEN = (
    "account_contact",
    "account_identifier",
    "account_address",
    "account_status_history",
    "account_program",
    "security_profile",
    "profile_response",
    "document",
    "validation",
    "portal_task",
)
_SEEN_SOURCES = frozenset(
    {
        "company_profile",
        "security_model",
        "model_entity",
        "company_contact",
        "company_address",
        "entity_identifier",
        "document",
        "agreement_signature",
        "security_profile",
        "profile_response",
        "validation",
        "portal_task",
        "program_participation",
        "svi_setting",
        "svi_link",
        "message_thread",
        "message",
        "finding_response",
    }
)
_OWN_KEYS = {"company_profile": "legacy_profile_id", "security_model": "legacy_model_id", "model_entity": "legacy_entity_id"}
_ACCOUNT = (
    "account_number",
    "legal_name",
    "account_label",
    "business_type_cd",
    "status_cd",
    "tier_cd",
    "agreement_basis_cd",
    "identifiers_complete",
    "needs_officer",
    "acting_officer",
    "trade_visible",
    "archived",
    "legacy_profile_id",
    "legacy_model_id",
    "legacy_entity_id",
)
_ADDRESS = ("street1", "street2", "city", "state_cd", "postal_code", "country_cd")
_CONTACT = (
    "scope_cd",
    "contact_type_cd",
    "primary_poc",
    "first_name",
    "last_name",
    "full_name",
    "email",
    "restricted_reason_cd",
    "removed_at",
    "legacy_portal_cd",
    "legacy_key",
)


@dataclass
class Books:
    """By profile: `accounts`, `flags` (rule -> rows), `held` (table -> rows); by account: `contacts`, and `counts[what]`.

    `held_reasons`: profile -> (table, reason) -> rows; `held_profiles`: profiles from which no account came, with the reason; `held_names`:
    their names; `types`: names of the business types; `addresses`: by profile, the mailing address; `documents`: by account, (state, file name)
    of each document that the company may see and whose content is missing or not what was recorded; `identifiers`: by account, the types that
    are active; `login_flags`: by login, the rules that flagged one of its old users; `contact_flags`: by old contact, its rules; `run`: the run
    in force.
    """

    accounts: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    contacts: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    flags: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    held: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    held_reasons: dict[int, Counter[tuple[str, str]]] = field(default_factory=lambda: defaultdict(Counter))
    held_profiles: dict[int, str] = field(default_factory=dict)
    held_names: dict[int, str] = field(default_factory=dict)
    addresses: dict[int, dict[str, str | None]] = field(default_factory=dict)
    documents: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    identifiers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    login_flags: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    contact_flags: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    run: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)


def read_books(connection: sa.Connection, mappings: Mappings, profile: int | None) -> Books:
    """Returns the rows that company pages need, for this profile or for all (None)."""
    reader = _Reader(connection, tables_of(mappings.target), profile)
    reader.read_accounts()
    reader.read_contacts()
    reader.read_counts()
    reader.read_particulars()
    reader.read_flags(mappings)
    reader.read_held()
    return reader.books


class _Reader:
    """Fills the books. Each statement reads one table once: the new store has no index by account, and a join would make one every time."""

    def __init__(self, connection: sa.Connection, tables: dict[str, sa.Table], profile: int | None) -> None:
        self._connection, self._tables, self._profile = connection, tables, profile
        self._profiles: dict[str, int] = {}  # by account
        self.books = Books()

    def _mine(self, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        if self._profile is None:
            return []
        account = self._tables["entity_account"]
        return [table.c.account_id.in_(sa.select(account.c.account_id).where(account.c.legacy_profile_id == self._profile))]

    def _dicts(self, statement: sa.Select[Any]) -> Iterator[dict[str, Any]]:
        """Yields the rows as dicts. Batches, and no object of the library for each row: half of the time of this reading."""
        found = self._connection.execute(statement)
        names = tuple(found.keys())
        for rows in found.partitions(5_000):
            for row in rows:
                yield dict(zip(names, row, strict=True))

    def read_accounts(self) -> None:
        account = self._tables["entity_account"]
        columns = [as_id(account.c.account_id).label("account_id"), *(account.c[name] for name in _ACCOUNT)]
        statement = sa.select(*columns).where(*self._mine(account)).order_by(account.c.account_number)
        for row in self._dicts(statement):
            self._profiles[row["account_id"]] = int(row["legacy_profile_id"])
            self.books.accounts[int(row["legacy_profile_id"])].append(row)
        types = self._connection.execute(sa.select(*self._tables["business_type"].c[:2]))
        self.books.types = {str(code): str(name) for code, name in types}

    def read_contacts(self) -> None:
        contact, login = self._tables["account_contact"], self._tables["login"]
        columns = [
            as_id(contact.c.account_id).label("account_id"),
            as_id(login.c.login_id).label("login_id"),
            login.c.status_cd.label("login_status"),
            login.c.lock_reason_cd.label("lock_reason"),
            login.c.email_display.label("login_email"),
            *(contact.c[name] for name in _CONTACT),
        ]
        joined = contact.outerjoin(login, login.c.login_id == contact.c.login_id)
        statement = sa.select(*columns).select_from(joined).where(*self._mine(contact)).order_by(contact.c.legacy_key)
        for row in self._dicts(statement):
            self.books.contacts[row["account_id"]].append(row)

    def read_counts(self) -> None:
        document = self._tables["document"]
        public = document.c.library_cd != "INTERNAL"
        wanted: dict[str, tuple[str, tuple[sa.ColumnElement[bool], ...]]] = {
            "documents": ("document", (public,)),
            "documents_missing": ("document", (public, document.c.content_state_cd == "MISSING")),
            "agreements": ("account_agreement", ()),
            "security_profiles": ("security_profile", ()),
            "responses": ("profile_response", ()),
            "identifiers": ("account_identifier", ()),
            "validations": ("validation", ()),
        }
        for what, (name, conditions) in wanted.items():
            table = self._tables[name]
            statement = (
                sa.select(as_id(table.c.account_id), sa.func.count()).where(*conditions, *self._mine(table)).group_by(table.c.account_id)
            )
            self.books.counts[what] = {account_id: int(count) for account_id, count in self._connection.execute(statement)}

    def read_particulars(self) -> None:
        """Reads addresses, broken documents, active identifiers, and the run in force."""
        address, document, identifier = (self._tables[name] for name in ("account_address", "document", "account_identifier"))
        columns = (as_id(address.c.account_id), *(address.c[name] for name in _ADDRESS))
        order = (address.c.mailing.desc(), address.c.is_primary.desc(), address.c.legacy_key)
        for account, *lines in self._connection.execute(sa.select(*columns).where(*self._mine(address)).order_by(*order)):
            self.books.addresses.setdefault(self._profiles[account], dict(zip(_ADDRESS, lines, strict=True)))
        broken = (
            document.c.content_state_cd != "PRESENT",
            document.c.library_cd != "INTERNAL",
            ~document.c.deleted,
            document.c.account_id.is_not(None),
        )
        named = (as_id(document.c.account_id), document.c.content_state_cd, document.c.file_name)
        for account, state, name in self._connection.execute(
            sa.select(*named).where(*broken, *self._mine(document)).order_by(document.c.legacy_key)
        ):
            self.books.documents[account].append((state, name))
        active = sa.select(as_id(identifier.c.account_id), identifier.c.identifier_type_cd).where(
            identifier.c.active, *self._mine(identifier)
        )
        for account, kind in self._connection.execute(active):
            self.books.identifiers[account].add(kind)
        run = self._tables["migration_run"]
        latest = sa.select(run.c.run_id, run.c.finished_at).where(run.c.state_cd == "PUBLISHED").order_by(run.c.finished_at.desc()).limit(1)
        for run_id, finished in self._connection.execute(latest):
            self.books.run = {"id": str(run_id), "date": str(finished)[:10]}

    def read_flags(self, mappings: Mappings) -> None:
        """Counts by profile and rule the flagged old rows of its accounts."""
        flag = self._tables["migration_exception"]
        rules: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        columns = (flag.c.legacy_portal_cd, flag.c.legacy_table, flag.c.legacy_key, flag.c.rule_cd)
        for portal, source, key, rule in self._connection.execute(sa.select(*columns)):
            rules[portal, source][key].append(rule)
            if source in ("company_contact", "tc_contact"):
                self.books.contact_flags[portal, key].add(rule)
        alias = self._tables["login_alias"]
        flagged = sa.select(as_id(alias.c.login_id), alias.c.legacy_key).where(alias.c.legacy_key.in_(self._flagged("P2", "portal_user")))
        for login, key in self._connection.execute(flagged):
            self.books.login_flags[login].update(rules["P2", "portal_user"].get(key, ()))
        for profile, rows in self.books.accounts.items():
            for source, column in _OWN_KEYS.items():
                for key in {str(row[column]) for row in rows}:
                    self.books.flags[profile].update(rules["P2", source].get(key, ()))
        for name in SEEN:
            for maker in mappings.makers(name):
                if rules[maker.portal, maker.table]:
                    self._count_flags(maker.portal, maker.table, self._tables[name], rules[maker.portal, maker.table])
        self._count_signed(rules["P2", "agreement_signature"])

    def _flagged(self, portal: str, source: str) -> sa.Select[Any]:
        flag = self._tables["migration_exception"]
        return sa.select(flag.c.legacy_key).where(flag.c.legacy_portal_cd == portal, flag.c.legacy_table == source)

    def _count_flags(self, portal: str, source: str, table: sa.Table, rules: dict[str, list[str]]) -> None:
        conditions = [table.c.legacy_key.in_(self._flagged(portal, source)), *self._mine(table)]
        conditions += [table.c.legacy_portal_cd == portal] if "legacy_portal_cd" in table.c else []
        conditions += [table.c.library_cd != "INTERNAL"] if table.name == "document" else []
        self._count(sa.select(as_id(table.c.account_id), table.c.legacy_key).where(*conditions), rules)

    def _count_signed(self, rules: dict[str, list[str]]) -> None:
        act, covers = self._tables["signature_act"], self._tables["account_agreement"]
        joined = covers.join(act, act.c.act_id == covers.c.act_id)
        conditions = [act.c.legacy_key.in_(self._flagged("P2", "agreement_signature")), *self._mine(covers)]
        statement = sa.select(as_id(covers.c.account_id), act.c.legacy_key).select_from(joined).where(*conditions)
        self._count(statement, rules)

    def _count(self, statement: sa.Select[Any], rules: dict[str, list[str]]) -> None:
        """Counts the old keys of a statement by profile; a row on several accounts of a profile counts once."""
        rows = self._connection.execute(statement)
        for profile, key in {(self._profiles[account], key) for account, key in rows if account in self._profiles}:
            self.books.flags[profile].update(rules.get(key, ()))

    def read_held(self) -> None:
        """Counts by table the rows held only that name the profile, one of its models or entities; rows that only CBP may see are left out."""
        hold, flag = self._tables["migration_holding"], self._tables["migration_exception"]
        same = [hold.c[name] == flag.c[name] for name in ("legacy_portal_cd", "legacy_table", "legacy_key")]
        loaded_too = sa.select(sa.literal(1)).where(flag.c.rule_cd == "X2", *same).exists()
        columns = (hold.c.legacy_table, hold.c.legacy_key, hold.c.reason_cd, hold.c.row_json)
        statement = sa.select(*columns).where(hold.c.legacy_portal_cd == "P2", hold.c.legacy_table.in_(sorted(_SEEN_SOURCES)), ~loaded_too)
        rows = [(table, key, reason, json.loads(text)) for table, key, reason, text in self._connection.execute(statement)]
        owner = self._owners(rows)
        for table, key, reason, row in rows:
            found = (
                row.get("company_profile_id")
                or owner.get(("model", row.get("security_model_id")))
                or owner.get(("entity", row.get("entity_id")))
            )
            if isinstance(found, int) and self._profile in (None, found) and row.get("library_cd") != "INTERNAL":
                self.books.held[found][table] += 1
                self.books.held_reasons[found][table, reason] += 1
                if table == "company_profile" and key == str(found) and found not in self.books.accounts:
                    self.books.held_profiles[found] = reason
                    self.books.held_names[found] = str(row.get("company_name") or "")

    def _owners(self, held: list[tuple[str, str, str, dict[str, Any]]]) -> dict[tuple[str, Any], Any]:
        """Returns the profile of each model and entity, loaded and held ones."""
        owner: dict[tuple[str, Any], Any] = {}
        for profile, accounts in self.books.accounts.items():
            for account in accounts:
                owner["model", account["legacy_model_id"]] = owner["entity", account["legacy_entity_id"]] = profile
        for table, _, _, row in held:
            if table == "security_model":
                owner["model", row["security_model_id"]] = row["company_profile_id"]
        for table, _, _, row in held:
            if table == "model_entity":
                owner["entity", row["entity_id"]] = owner.get(("model", row["security_model_id"]))
        return owner

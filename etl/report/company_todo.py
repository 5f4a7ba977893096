"""What a company has to do now, each thing with what it is about: the person, the document, the identifier, the account."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from etl.report.company_books import Books
from mappings.model import Mappings

_CURED = ("PASSWORD", "IDLE")  # a login that is locked for these opens again when it is activated


def todo(books: Books, profile_id: int, rows: list[dict[str, Any]], mappings: Mappings) -> list[dict[str, Any]]:
    """Returns the company's actions in their order: `code` of the text, and the lists that fill it (accounts, people, documents, identifiers, count)."""
    visible = [row for row in rows if row["trade_visible"]]
    people = _People(books, visible)
    codes = books.flags.get(profile_id, Counter())
    wanted = [
        ("B19", {"accounts": _numbers(row for row in visible if not row["acting_officer"])}),
        ("NOBODY", {"accounts": _numbers(row for row in visible if not people.can_open(row))}),
        ("B15", {"people": people.flagged_contacts("B15", "I9")}),
        ("B2", {"people": people.flagged_logins("B2")}),
        ("B12", {"people": people.flagged_logins("B12")}),
        ("H3", {"identifiers": [missing for row in rows if not row["archived"] for missing in _missing(books, row, mappings)]}),
        ("C6", {"documents": _documents(books, rows, "MISSING")}),
        ("C8", {"documents": _documents(books, rows, "SIZE_MISMATCH", "DIGEST_MISMATCH")}),
        ("D5", {"accounts": _numbers(row for row in visible if row["agreement_basis_cd"] != "SIGNED")}),
        ("A11", {"accounts": _numbers(row for row in rows if "A11" in codes and row["business_type_cd"] == "HWY")}),
        ("A16", {"accounts": _numbers(row for row in rows if "A16" in codes and row["account_number"].startswith("M"))}),
    ]
    found: list[dict[str, Any]] = [{"code": code, **lists} for code, lists in wanted if any(lists.values())]
    if codes.get("B8") and visible:
        found.append({"code": "B8"})
    if codes.get("X2"):
        found.append({"code": "X2", "count": codes["X2"]})
    if people.usable:
        found.append({"code": "ACTIVATE"})
    return found


def _numbers(rows: Any) -> list[str]:
    return [row["account_number"] for row in rows]


def _documents(books: Books, rows: list[dict[str, Any]], *states: str) -> list[str]:
    names = [name for row in rows for state, name in books.documents.get(row["account_id"], ()) if state in states]
    return list(dict.fromkeys(names))


def _missing(books: Books, row: dict[str, Any], mappings: Mappings) -> list[str]:
    """Returns `10000101: BOND` for each identifier that the account's business type requires and that is not active on it (H3)."""
    if row["identifiers_complete"]:
        return []
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in mappings.codes["identifier_required"]:
        if entry["business_type_cd"] == row["business_type_cd"]:
            groups[entry["group_no"]].append(entry["identifier_type_cd"])
    there = books.identifiers.get(row["account_id"], set())
    return [f"{row['account_number']}: {'/'.join(types)}" for types in groups.values() if not there.intersection(types)]


class _People:
    """The contacts in force on the accounts that the company sees."""

    def __init__(self, books: Books, rows: list[dict[str, Any]]) -> None:
        self._books = books
        self._by_account = {
            row["account_id"]: [contact for contact in books.contacts.get(row["account_id"], []) if contact["removed_at"] is None]
            for row in rows
        }
        self._all = {(c["legacy_portal_cd"], c["legacy_key"]): c for contacts in self._by_account.values() for c in contacts}
        self.usable = [contact for contact in self._all.values() if _usable(contact)]

    def can_open(self, row: dict[str, Any]) -> bool:
        return any(_usable(contact) for contact in self._by_account[row["account_id"]])

    def flagged_contacts(self, *rules: str) -> list[str]:
        return [_named(contact) for key, contact in self._all.items() if self._books.contact_flags.get(key, set()).intersection(rules)]

    def flagged_logins(self, rule: str) -> list[str]:
        return [_named(contact) for contact in self._all.values() if rule in self._books.login_flags.get(contact["login_id"] or "", ())]


def _usable(contact: dict[str, Any]) -> bool:
    status, reason = contact["login_status"], contact["lock_reason"]
    return status == "ACTIVE" or (status == "LOCKED" and reason in _CURED)


def _named(contact: dict[str, Any]) -> str:
    """Returns the person's name and e-mail, or the one that the old portal has."""
    name = contact["full_name"] or " ".join(filter(None, (contact["first_name"], contact["last_name"])))
    email = contact["email"] or contact["login_email"]
    return f"{name} ({email})" if name and email else name or email or f"contact {contact['legacy_key']}"

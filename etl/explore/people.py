"""How the explorer describes a person: whether a login can be used, its state, and why a contact's account is hidden."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]  # of the index, by column


def is_usable(login: Row) -> bool:
    """Returns whether the login can be used: ACTIVE, or LOCKED for a reason that activation removes."""
    return login["status_cd"] == "ACTIVE" or (login["status_cd"] == "LOCKED" and login["lock_reason_cd"] in ("PASSWORD", "IDLE"))


def login_state(login: Row) -> str:
    """Returns the state of a login in words."""
    if login["status_cd"] == "LOCKED":
        return "locked, opens with activation" if is_usable(login) else "locked because of the company's status"
    return {"ACTIVE": "to be activated", "DISABLED": "disabled", "DELETED": "deleted"}.get(
        login["status_cd"] or "", str(login["status_cd"])
    )


def by_account(contacts: Iterable[Row]) -> list[Row]:
    """Returns one entry per account with all `roles` of the person, who can be a contact of both programs."""
    found: dict[str, Row] = {}
    for contact in contacts:
        role = contact["contact_type_cd"] + (" (Trade Compliance)" if contact["scope_cd"] == "TC" else "")
        if contact["restricted_reason_cd"]:
            role += ", restricted (B12)"
        entry = found.setdefault(contact["account_number"], {**contact, "roles": []})
        entry["roles"].append(role)
    return list(found.values())


def why_hidden(contact: Row) -> str:
    """Returns why the contact's account is hidden from the login: contact removed (B18), archived (A8) or by status (A7)."""
    if contact["removed_at"] is not None:
        return "the contact was removed in the old portal (B18)"
    if contact["archived"]:
        return "the company profile or model was deleted in the old portal (A8)"
    return f"the account's status is {contact['status_cd']} (A7)"

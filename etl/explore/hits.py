"""The hits of a search as links: title and note of each, read in a few statements for all of them together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from etl.explore.people import Row
from etl.explore.personal import Personal
from etl.explore.search import Hit

_NAMES = """SELECT legacy_profile_id AS profile, legal_name AS name, min(legacy_entity_id) FROM entity_account
  WHERE legacy_profile_id IN :keys GROUP BY legacy_profile_id"""  # SQLite: the name is that of the row with the minimum
_HELD_NAMES = "SELECT legacy_key AS profile, name FROM migration_holding WHERE legacy_table = 'company_profile' AND legacy_key IN :keys"
_LOGINS = "SELECT login_id, first_name, last_name, email_display FROM login WHERE login_id IN :keys"
_DOCUMENTS = """SELECT legacy_portal_cd || ':' || legacy_key AS ref, min(file_name) AS name FROM document
  WHERE legacy_key IN :keys GROUP BY legacy_portal_cd, legacy_key"""


def company_names(connection: sa.Connection, profiles: Iterable[object]) -> dict[str, str]:
    """Returns by profile, as text, the legal name of its account with the lowest entity, or that of the held profile; others are left out."""
    wanted = {str(profile) for profile in profiles}
    numbers = [number for profile in wanted if (number := whole_number(profile)) is not None]
    found = {str(row["profile"]): str(row["name"]) for row in _rows(connection, _NAMES, numbers) if row["name"]}
    for row in _rows(connection, _HELD_NAMES, sorted(wanted - found.keys())):
        if row["name"]:
            found.setdefault(str(row["profile"]), str(row["name"]))
    return found


def links(connection: sa.Connection, personal: Personal, hits: Iterable[Hit]) -> list[Row]:
    """Returns each hit as a link: kind, href, title, note."""
    found = list(hits)
    names = company_names(connection, (hit.profile for hit in found if hit.profile))
    logins = {row["login_id"]: row for row in _rows(connection, _LOGINS, [hit.ref for hit in found if hit.kind == "person"])}
    keys = [hit.ref.partition(":")[2] for hit in found if hit.kind == "document"]
    files = {row["ref"]: row["name"] for row in _rows(connection, _DOCUMENTS, keys)}
    return [_link(hit, names.get(str(hit.profile), ""), logins, files, personal) for hit in found]


def _link(hit: Hit, company: str, logins: dict[str, Row], files: dict[str, str], personal: Personal) -> Row:
    ref = hit.ref
    match hit.kind:
        case "company":
            title, note, href = company or f"Company profile {ref}", f"profile {ref}", f"/company/{part(ref)}"
        case "account" | "identifier" | "program":
            title, note, href = ref, company, f"/account/{part(ref)}"
        case "person":
            login = logins[ref]
            title = f"{personal.name(login['first_name'], login['last_name'])} · {personal.email(login['email_display'])}"
            note, href = company or "no account", f"/person/{part(ref)}"
        case "contact":
            title, note, href = f"contact {ref.partition(':')[2]}", company, f"/company/{part(hit.profile)}#people"
            return {"kind": "person without login", "href": href, "title": title, "note": note}
        case "document":
            portal, _, key = ref.partition(":")
            title, note, href = files.get(ref) or key, company or "public library", f"/document/{part(portal)}/{part(key)}"
        case _:
            portal, table, key = ref.split(":", 2)
            href = f"/row/{part(portal)}/{part(table)}/{part(personal.reference(key))}"
            return {
                "kind": "row set aside" if hit.kind == "held" else "row",
                "href": href,
                "title": f"{table} {personal.text(key)}",
                "note": company,
            }
    return {"kind": "Trade Compliance" if hit.kind == "program" else hit.kind, "href": href, "title": title, "note": note}


def whole_number(text: object) -> int | None:
    """Returns the number if it is one that SQLite can hold."""
    try:
        number = int(str(text))
    except ValueError:
        return None
    return number if -(2**63) <= number < 2**63 else None


def part(text: object) -> str:
    """Returns a part of an address, escaped so that no character ends the part or moves a cursor."""
    return quote(str(text), safe="")


def _rows(connection: sa.Connection, statement: str, keys: list[Any]) -> list[Row]:
    if not keys:
        return []
    chosen = sa.text(statement).bindparams(sa.bindparam("keys", expanding=True))
    return [dict(row) for row in connection.execute(chosen, {"keys": keys}).mappings()]

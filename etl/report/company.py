"""The data of one company's letter: its accounts, its people and their access, the contents of each account, and what needs attention.

Read from the new store alone (the old portal, if given, adds which models and entities there were). Data that only CBP may see is neither
counted nor named, nor is any person who is not a contact of this company.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from etl.databases.reflected import reading, tables_of
from etl.errors import MigrationError
from etl.report.company_books import Books, read_books
from etl.report.company_letter import LetterHead, as_letter_html, as_letter_markdown
from etl.report.company_todo import todo
from etl.system.prefetch import prefetch
from etl.system.private_folder import PrivateFolder
from mappings.letters import LetterTexts, language_for, read_letters
from mappings.model import Mappings
from mappings.read import read_mappings

VERSION = 1
_COLUMNS = ("account_number", "legal_name", "account_label", "business_type_cd", "status_cd", "tier_cd")


def company(target_url: str, source_url: str | None, profile_id: int, mappings: Mappings | None = None) -> dict[str, Any]:
    """Returns one profile's page as data; raises MigrationError if the new store does not have the profile."""
    known = mappings or read_mappings()
    with reading(target_url) as connection:
        books = read_books(connection, known, profile_id)
    page = page_of(books, profile_id, known)
    if source_url is not None:
        page["before"] = _before(source_url, known, profile_id)
    return page


def companies(target_url: str, mappings: Mappings | None = None) -> Iterator[dict[str, Any]]:
    """Yields the pages of all profiles in the new store, in the order of their ids."""
    known = mappings or read_mappings()
    with reading(target_url) as connection:
        books = read_books(connection, known, None)
    for profile_id in sorted({*books.accounts, *books.held_profiles}):
        yield page_of(books, profile_id, known)


def write_companies(
    target_url: str,
    folder: Path,
    profile: int | None = None,
    source_url: str | None = None,
    mappings: Mappings | None = None,
    head: LetterHead | None = None,
) -> list[Path]:
    """Writes the letters of one profile, or of all (None), into the folder and returns their paths; folder 0700, files 0600: they name people.

    `letters.json` beside them lists letters, dates and languages, so that later letters can refer to those that they replace.
    """
    known = mappings or read_mappings()
    texts, output = read_letters(known.home), PrivateFolder(folder, "--folder")
    pages = companies(target_url, known) if profile is None else iter([company(target_url, source_url, profile, known)])
    written, index = [], {}

    def finished() -> Iterator[tuple[str, dict[str, str], dict[str, bytes]]]:
        for page in pages:
            language = language_for(texts, (page["address"] or {}).get("country_cd"))
            mine = (head or LetterHead()).of(page)
            yield str(page["profile"]["id"]), {"date": mine.date, "language": language.language}, as_files(page, language, mine)

    for number, entry, files in prefetch(finished()):  # creating the files takes as long as making the letters
        for name, content in files.items():
            output.write(name, content)
            written.append(output.path / name)
        index[number] = entry
    output.write("letters.json", (json.dumps({"version": VERSION, "letters": index}, indent=1, sort_keys=True) + "\n").encode())
    return written


def as_files(page: dict[str, Any], texts: LetterTexts, head: LetterHead) -> dict[str, bytes]:
    """Returns the page's two letters (Markdown, HTML) by file name."""
    name = f"company-{page['profile']['id']}"
    return {f"{name}.html": as_letter_html(page, texts, head).encode(), f"{name}.md": as_letter_markdown(page, texts, head).encode()}


def page_of(books: Books, profile_id: int, mappings: Mappings) -> dict[str, Any]:
    """Returns one profile's page from the rows already read."""
    rows = books.accounts.get(profile_id, [])
    reason = books.held_profiles.get(profile_id)
    if not rows and reason is None:
        raise MigrationError(f"The new store has no company profile {profile_id}.", "Give the profile's number in the old portal.")
    held = {"reason": reason, "meaning": mappings.reasons[reason].meaning} if reason else None
    return {
        "version": VERSION,
        "profile": {"id": profile_id, "name": rows[0]["legal_name"] if rows else books.held_names.get(profile_id) or None},
        "run": books.run,
        "address": books.addresses.get(profile_id),
        "held": held,
        "before": _models(rows),
        "accounts": [_account(books, row) for row in rows],
        "people": _people(books, rows),
        "todo": todo(books, profile_id, rows, mappings),
        "set_aside": dict(sorted(books.held.get(profile_id, {}).items())),
        "not_carried": [
            {"table": table, "reason": code, "rows": count}
            for (table, code), count in sorted(books.held_reasons.get(profile_id, {}).items())
        ],
    }


def _models(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the models behind the accounts, each with its entities."""
    models: dict[int, dict[str, Any]] = {}
    for row in rows:
        model = models.setdefault(row["legacy_model_id"], {"id": row["legacy_model_id"], "name": row["account_label"], "entities": []})
        model["entities"].append({"id": row["legacy_entity_id"], "type": row["business_type_cd"], "status": row["status_cd"]})
    return [models[model_id] for model_id in sorted(models)]


def _account(books: Books, row: dict[str, Any]) -> dict[str, Any]:
    flags = ("trade_visible", "archived", "identifiers_complete", "needs_officer", "acting_officer")
    return {
        **{name: row[name] for name in _COLUMNS},
        "business_type": books.types.get(row["business_type_cd"], row["business_type_cd"]),
        "model": row["legacy_model_id"],
        "agreement_basis": row["agreement_basis_cd"],
        **{name: bool(row[name]) for name in flags},
        "counts": {what: counts.get(row["account_id"], 0) for what, counts in books.counts.items()},
    }


def _people(books: Books, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns one entry per contact in force: its accounts, and those that the person sees after logging in."""
    people: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        for contact in books.contacts.get(row["account_id"], []):
            if contact["removed_at"] is not None:
                continue
            names = [contact["first_name"], contact["last_name"]]
            person = people.setdefault(
                (contact["legacy_portal_cd"], contact["legacy_key"]),
                {
                    "name": contact["full_name"] or " ".join(filter(None, names)),
                    "email": contact["email"] or contact["login_email"],
                    "type": contact["contact_type_cd"],
                    "scope": contact["scope_cd"],
                    "primary": bool(contact["primary_poc"]),
                    "login": contact["login_status"],
                    "lock_reason": contact["lock_reason"],
                    "restricted_on": [],
                    "on": [],
                    "sees": [],
                },
            )
            person["on"].append(row["account_number"])
            if contact["login_status"] is not None and row["trade_visible"]:
                person["sees"].append(row["account_number"])
            if contact["restricted_reason_cd"] is not None:
                person["restricted_on"].append(row["account_number"])
    return sorted(people.values(), key=lambda person: (not person["primary"], person["name"], person["email"] or ""))


def _before(url: str, mappings: Mappings, profile_id: int) -> list[dict[str, Any]]:
    """Returns the profile's models in the old portal, those without account included."""
    tables = tables_of(mappings.sources["P2"])
    model, entity = tables["security_model"], tables["model_entity"]
    with reading(url) as connection:
        _forgiving(connection)
        chosen = (model.c.security_model_id, model.c.model_name)
        rows = connection.execute(sa.select(*chosen).where(model.c.company_profile_id == profile_id).order_by(chosen[0])).all()
        columns = (entity.c.security_model_id, entity.c.entity_id, entity.c.business_type_cd, entity.c.status_cd)
        mine = sa.select(model.c.security_model_id).where(model.c.company_profile_id == profile_id)
        entities = connection.execute(sa.select(*columns).where(columns[0].in_(mine)).order_by(columns[0], columns[1])).all()
    return [
        {"id": number, "name": name, "entities": [{"id": e[1], "type": e[2], "status": e[3]} for e in entities if e[0] == number]}
        for number, name in rows
    ]


def _forgiving(connection: sa.Connection) -> None:
    """Makes a SQLite connection read invalid bytes in text columns as U+FFFD."""
    driver = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and driver is not None:
        driver.text_factory = lambda raw: raw.decode("utf-8", "replace")

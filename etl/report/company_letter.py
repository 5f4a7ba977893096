"""The letter that a company could get: one profile's page as Markdown and as HTML, in words that need no knowledge of the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from etl.report.html import environment
from etl.report.markdown import table
from etl.report.text import code, escaped, number, plural

# By rule: what the company should know or do. A rule without a sentence is not its business.
SENTENCES = {
    "A11": "The border that this highway carrier crosses is not on record: tell us whether it is the one to Mexico or to Canada.",
    "A12": "The business type is not one of the program's: it was kept as it was.",
    "A16": "The account number was already another account's: this account has a new one that begins with M.",
    "B7": "Several contacts were marked as primary: the one changed last stays primary.",
    "B8": "No primary contact can be reached: name one who is not a consultant and has a valid e-mail.",
    "B10": "No officer of the company is among the contacts: name one.",
    "B15": "This contact's user name is no e-mail: the contact is there, but cannot log in. Give a valid e-mail.",
    "C6": "The old portal has this document's record, but not the document: upload it again.",
    "C8": "This document is not the size, or not the content, that was recorded when it was uploaded: look at it.",
    "C11": "The earlier version that this document names cannot be found.",
    "D2": "This agreement was signed before the account was made.",
    "D4": "This agreement was signed by somebody who was with the company as a consultant only.",
    "D11": "The date of this signature cannot be right.",
    "D12": "This agreement was made for another business type.",
    "E7": "This question was answered more than once: the answer changed last is the current one, the others are kept.",
    "E8": "This text holds characters that cannot be shown: they were replaced, and the exact text is kept.",
    "F2": "This validation was of the whole company: it is on every account.",
    "H3": "An identifier that this business type needs is missing or inactive: add it.",
    "I4": "This importer-of-record number is known to Trade Compliance only.",
    "I9": "This Trade Compliance contact has no valid e-mail: the contact is there, but cannot log in.",
    "X2": "A value could not be read and was left out; the whole row is kept beside it.",
}
TABLES = {
    "company_profile": "the profile itself", "security_model": "security models", "model_entity": "entities", "company_contact": "contacts",
    "company_address": "addresses", "entity_identifier": "identifiers", "document": "documents", "agreement_signature": "signatures",
    "security_profile": "security profiles", "profile_response": "responses", "validation": "validations", "portal_task": "tasks",
}  # fmt: skip
BASIS = {"SIGNED": "signed agreement", "CONTINUED_MEMBERSHIP": "continued membership", "NONE": "none yet"}
COUNTED = {
    "documents": "Documents", "documents_missing": "of these missing", "agreements": "Agreements", "security_profiles": "Security profiles",
    "responses": "Responses", "validations": "Validations", "identifiers": "Identifiers",
}  # fmt: skip
Page = dict[str, Any]


def title(page: Page) -> str:
    """The company's name, or the profile's number where no account says its name."""
    return page["profile"]["name"] or f"Company profile {page['profile']['id']}"


def opening(page: Page) -> str:
    """The sentence that says what became of what."""
    models, accounts = page["before"], page["accounts"]
    if not accounts:
        return f"No account has come of company profile {page['profile']['id']}; everything of it is kept."
    return (
        f"{title(page)} was one company profile with {plural(len(models), 'security model')}. It is now {plural(len(accounts), 'account')}."
    )


def as_letter_markdown(page: Page) -> str:
    """The page as Markdown."""
    lines = [f"# {escaped(title(page))}", "", escaped(opening(page)), ""]
    if page["held"]:
        lines += [f"{escaped(page['held']['meaning'])} ({code(page['held']['reason'])})", ""]
    lines += ["## Before", "", *_models(page)]
    if page["accounts"]:
        lines += ["## Now", "", *_accounts(page), "## What each account holds", "", *_counts(page), "## People", "", *_people(page)]
    lines += ["## What needs attention", "", *_attention(page)]
    return "\n".join(lines) + "\n"


def as_letter_html(page: Page) -> str:
    """The page as one HTML file without script."""
    here = Path(__file__).parent
    style = (here / "report.css").read_text(encoding="utf-8")
    return environment().get_template("company.html.j2").render(
        page=page, title=title(page), opening=opening(page), counted=COUNTED, basis=BASIS, tables=TABLES, aside=aside(page),
        style=Markup(style),  # noqa: S704  # comes from this package
    )  # fmt: skip


def aside(page: Page) -> str:
    """Rows that no account could take yet, in words; empty where there are none."""
    return ", ".join(f"{TABLES[name]} ({number(rows)})" for name, rows in page["set_aside"].items())


def _models(page: Page) -> list[str]:
    rows = [
        (
            str(model["id"]),
            escaped(model["name"] or ""),
            ", ".join(escaped(f"{e['type']} ({e['status']})") for e in model["entities"]) or "none",
        )
        for model in page["before"]
    ]
    return table(("Security model", "Name", "Entities"), rows) if rows else ["No security model.", ""]


def _accounts(page: Page) -> list[str]:
    rows = [
        (code(a["account_number"]), escaped(a["business_type"]), escaped(a["account_label"] or ""), escaped(a["status_cd"]), escaped(a["tier_cd"] or "–"),
         BASIS.get(a["agreement_basis"], a["agreement_basis"]), "yes" if a["trade_visible"] else "no")
        for a in page["accounts"]
    ]  # fmt: skip
    return table(("Account", "Business type", "Name", "Status", "Tier", "Rests on", "Shown in the portal"), rows)


def _counts(page: Page) -> list[str]:
    rows = [(code(account["account_number"]), *(number(account["counts"][what]) for what in COUNTED)) for account in page["accounts"]]
    return table(("Account", *COUNTED.values()), rows)


def _people(page: Page) -> list[str]:
    if not page["people"]:
        return ["Nobody is on record.", ""]
    rows = [
        (escaped(p["name"]) or "–", code(p["email"]) if p["email"] else "–", escaped(p["type"]) + (", primary" if p["primary"] else ""),
         escaped(p["login"] or "none"), ", ".join(map(code, p["sees"])) or "nothing")
        for p in page["people"]
    ]  # fmt: skip
    return [*table(("Person", "E-mail", "As", "Login", "Sees"), rows), "Every login has to be activated anew.", ""]


def _attention(page: Page) -> list[str]:
    lines = [f"- {escaped(entry['sentence'])} ({number(entry['count'])})" for entry in page["attention"]]
    if page["set_aside"]:
        lines.append(f"- No account could take these rows yet; they are kept whole: {escaped(aside(page))}.")
    return lines or ["Nothing."]

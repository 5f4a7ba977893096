"""The letter to a company: what its profile has become, what each person sees, what to do now. Markdown and HTML, in the language of its country."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from etl.errors import MigrationError
from etl.report.markdown_table import table
from etl.report.templates import environment
from etl.report.text import code, escaped, number
from etl.system.given_file import given_bytes
from mappings.letters import LetterTexts

COUNTED = ("documents", "documents_missing", "agreements", "security_profiles", "responses", "validations", "identifiers")
_LISTED = 20  # names of documents, people and accounts in one sentence; the rest is counted
_USABLE = ("PASSWORD", "IDLE")
Page = dict[str, Any]


@dataclass(frozen=True)
class LetterHead:
    """The sender, the date, and the replaced letters. `replaces`: by profile, the date of the earlier letter."""

    sender: str | None = None
    date: str = ""
    replaces: Mapping[str, str] = field(default_factory=dict)

    def of(self, page: Page) -> LetterHead:
        """Returns the head of one letter: its date (default: the day of publishing), and the one letter that it replaces."""
        profile = str(page["profile"]["id"])
        earlier = {profile: self.replaces[profile]} if profile in self.replaces else {}
        return replace(self, date=self.date or page["run"].get("date", ""), replaces=earlier)


def earlier_letters(folder: Path) -> dict[str, str]:
    """Returns by profile the date of the letter in a folder that `company` wrote; raises MigrationError if it has none that can be read."""
    path = folder / "letters.json"
    try:
        letters = json.loads(given_bytes(path, 64 << 20))["letters"]
        return {str(profile): str(letter["date"])[:10] for profile, letter in letters.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise MigrationError(
            f"--replaces: {folder} holds no letters that can be read.", "Give the folder of the letters that these replace."
        ) from None


def title(page: Page, texts: LetterTexts) -> str:
    """Returns the company's name, or the profile's number if the old portal has no name."""
    return page["profile"]["name"] or texts.word("nameless", profile=page["profile"]["id"])


def opening(page: Page, texts: LetterTexts) -> str:
    """Returns the sentence that says how many accounts the models became."""
    models, accounts = len(page["before"]), len(page["accounts"])
    if not accounts:
        return texts.word("opening_none")
    sentence = texts.word(
        "opening",
        models=texts.word("model_one") if models == 1 else texts.word("model_many", count=number(models)),
        accounts=texts.word("account_one") if accounts == 1 else texts.word("account_many", count=number(accounts)),
    )
    if any(account["trade_visible"] for account in page["accounts"]):
        return sentence
    return f"{sentence} {texts.word('hidden_one' if accounts == 1 else 'hidden_many')}"


def address(page: Page) -> list[str]:
    """Returns the lines of the mailing address below the company's name; empty if the old portal has none."""
    lines = page["address"] or {}
    town = " ".join(filter(None, (lines.get("postal_code"), lines.get("city"), lines.get("state_cd"))))
    return [line for line in (lines.get("street1"), lines.get("street2"), town, lines.get("country_cd")) if line]


def actions(page: Page, texts: LetterTexts) -> list[str]:
    """Returns the actions to take now, one sentence each."""
    return [
        texts.of("todo", entry["code"]).format(**{name: _listed(value, texts) for name, value in entry.items() if name != "code"})
        for entry in page["todo"]
    ]


def _listed(value: Any, texts: LetterTexts) -> str:
    if not isinstance(value, list):
        return number(value)
    more = [texts.of("todo", "more").format(count=number(len(value) - _LISTED))] if len(value) > _LISTED else []
    return ", ".join([*value[:_LISTED], *more])


def not_carried(page: Page, texts: LetterTexts) -> list[tuple[str, str, str]]:
    """Returns (records, count, reason) of the records that are not in the accounts."""
    return [
        (texts.of("tables", entry["table"]), number(entry["rows"]), texts.of("reasons", entry["reason"])) for entry in page["not_carried"]
    ]


def people(page: Page, texts: LetterTexts) -> list[tuple[str, str, str, str, str]]:
    """Returns (person, e-mail, role, login, accessible accounts) of each contact in force."""
    return [_person(person, texts) for person in page["people"]]


def _person(person: Mapping[str, Any], texts: LetterTexts) -> tuple[str, str, str, str, str]:
    role = [texts.of("contact", person["type"])]
    role += [texts.word("primary")] if person["primary"] else []
    role += [texts.of("contact", "TC")] if person["scope"] == "TC" else []
    usable = person["login"] == "ACTIVE" or (person["login"] == "LOCKED" and person["lock_reason"] in _USABLE)
    locked_by_company = person["login"] == "LOCKED" and person["lock_reason"] == "COMPANY_STATUS"
    login = texts.of("login", "COMPANY_STATUS" if locked_by_company else person["login"] or "none")
    sees = ", ".join(person["sees"]) if usable and person["sees"] else texts.word("nothing")
    if usable and person["restricted_on"]:
        sees += f" ({texts.word('restricted', accounts=', '.join(person['restricted_on']))})"
    return person["name"] or "–", person["email"] or "–", ", ".join(role), login, sees


def accounts(page: Page, texts: LetterTexts) -> list[tuple[str, ...]]:
    """Returns (account, business type, name, status, tier, agreement, visibility) of each account."""
    return [
        (
            a["account_number"],
            texts.sections["business_types"].get(a["business_type_cd"], a["business_type"]),
            a["account_label"] or "–",
            texts.of("status", a["status_cd"]),
            a["tier_cd"] or "–",
            texts.of("basis", a["agreement_basis"]),
            texts.word("yes" if a["trade_visible"] else "no"),
        )
        for a in page["accounts"]
    ]


def head_lines(page: Page, texts: LetterTexts, head: LetterHead) -> list[tuple[str, str]]:
    """Returns (label, value) for the top of the letter."""
    run = page["run"].get("id", "–")
    found = [(texts.word("to"), ", ".join([title(page, texts), *address(page)]))]
    found += [(texts.word("date"), head.date)] if head.date else []
    return [*found, (texts.word("reference"), texts.word("reference_text", profile=page["profile"]["id"], run=run))]


def _closing(texts: LetterTexts, head: LetterHead) -> str:
    return texts.word("closing", sender=head.sender) if head.sender else texts.word("closing_default")


def _replaced(page: Page, texts: LetterTexts, head: LetterHead) -> str | None:
    earlier = head.replaces.get(str(page["profile"]["id"]))
    return texts.word("replaces", date=earlier) if earlier else None


_ACCOUNT_HEAD = ("account", "business_type", "name", "status", "tier", "agreement", "shown")
_PERSON_HEAD = ("person", "email", "as", "login", "sees")


def as_letter_markdown(page: Page, texts: LetterTexts, head: LetterHead) -> str:
    """Returns the letter as Markdown."""
    word = texts.word
    lines = [f"# {escaped(word('subject'))}", ""]
    lines += [f"{escaped(head.sender)}", ""] if head.sender else []
    lines += [f"- {escaped(name)}: {escaped(value)}" for name, value in head_lines(page, texts, head)]
    lines += ["", escaped(word("greeting", company=title(page, texts))), "", escaped(opening(page, texts))]
    if replaced := _replaced(page, texts, head):
        lines += ["", escaped(replaced)]
    lines += ["", f"## {escaped(word('todo'))}", ""]
    lines += [f"{number}. {escaped(sentence)}" for number, sentence in enumerate(actions(page, texts), 1)] or [
        escaped(word("todo_nothing"))
    ]
    if page["accounts"]:
        lines += ["", f"## {escaped(word('accounts'))}", "", escaped(word("accounts_note")), ""]
        rows = [(code(row[0]), *map(escaped, row[1:])) for row in accounts(page, texts)]
        lines += table(tuple(word(name) for name in _ACCOUNT_HEAD), rows)
        lines += [f"### {escaped(word('holds'))}", ""]
        counts = [(code(a["account_number"]), *(number(a["counts"][what]) for what in COUNTED)) for a in page["accounts"]]
        lines += table((word("account"), *(word(name) for name in COUNTED)), counts)
        lines += [f"## {escaped(word('people'))}", "", escaped(word("people_note")), ""]
        found = [(escaped(name), code(email), *map(escaped, rest)) for name, email, *rest in people(page, texts)]
        lines += table(tuple(word(name) for name in _PERSON_HEAD), found) if found else [escaped(word("people_none")), ""]
    if left := not_carried(page, texts):
        lines += [f"## {escaped(word('not_carried'))}", "", escaped(word("not_carried_note")), ""]
        lines += [f"- {escaped(records)} ({count}): {escaped(why)}" for records, count, why in left] + [""]
    lines += [f"## {escaped(word('before'))}", "", *_models(page, texts), escaped(_closing(texts, head))]
    return "\n".join(lines) + "\n"


def _models(page: Page, texts: LetterTexts) -> list[str]:
    word = texts.word
    rows = [(str(model["id"]), escaped(model["name"] or "–"), escaped(_entities(model, texts))) for model in page["before"]]
    return table((word("model"), word("name"), word("entities")), rows) if rows else [escaped(word("none")), ""]


def _entities(model: Mapping[str, Any], texts: LetterTexts) -> str:
    return ", ".join(f"{e['type']} ({texts.of('status', e['status'])})" for e in model["entities"]) or texts.word("none")


@lru_cache
def _style() -> Markup:
    return Markup((Path(__file__).parent / "report.css").read_text(encoding="utf-8"))  # noqa: S704  # comes from this package


def as_letter_html(page: Page, texts: LetterTexts, head: LetterHead) -> str:
    """Returns the letter as one HTML file without script."""
    return (
        environment()
        .get_template("company.html.j2")
        .render(
            page=page,
            word=texts.word,
            words=texts.plain,
            language=texts.language,
            title=title(page, texts),
            opening=opening(page, texts),
            head=head_lines(page, texts, head),
            sender=head.sender,
            replaced=_replaced(page, texts, head),
            actions=actions(page, texts),
            accounts=accounts(page, texts),
            counted=COUNTED,
            people=people(page, texts),
            not_carried=not_carried(page, texts),
            account_head=_ACCOUNT_HEAD,
            person_head=_PERSON_HEAD,
            models=[(model["id"], model["name"] or "–", _entities(model, texts)) for model in page["before"]],
            closing=_closing(texts, head),
            asked=any(entry["code"] != "ACTIVATE" for entry in page["todo"]) or not page["accounts"],
            style=_style(),
        )
    )

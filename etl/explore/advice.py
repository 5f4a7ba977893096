"""What the help desk says and does about each finding: "say this / do this"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_NAMED = 6  # accounts that an open point names
_HELD = {
    "BROKEN_REFERENCE": (
        "The record refers to something that did not exist in the old portal.",
        "Ask the migration team: the complete row is kept and can be corrected.",
    ),
    "PARENT_HELD": (
        "The record belongs to another record that was set aside.",
        "Look at the record that holds it: once that is corrected, this one follows.",
    ),
    "NO_OWNER": ("The record names no company.", "Ask the specialist which company it belongs to; the migration team can attach it."),
    "UNREADABLE_VALUE": (
        "A value in the record was damaged in the old portal and was not guessed.",
        "Ask the specialist for the true value.",
    ),
    "PROFILE_WITHOUT_ENTITY": (
        "The company had a profile, but no certification: there is no account.",
        "To join, the company submits a new application.",
    ),
    "MODEL_WITHOUT_ENTITY": ("The security model covered no certification.", "Nothing to do, unless the company names the missing entity."),
    "INVALID_EMAIL": (
        "The user name was not an e-mail address, so there is no login.",
        "Ask for the person's e-mail and have a contact added.",
    ),
    "CROSS_PROFILE": (
        "The document was linked to another company and is not shown there.",
        "Nothing to do; tell the specialist if the link was meant.",
    ),
    "ORPHAN_CONTENT": ("A document without a record: its company is unknown.", "Ask the migration team with the digest."),
    "NO_ACCOUNT": ("The status verification link names no account.", "Both companies send the request again."),
    "NO_ELIGIBLE_ACCOUNT": (
        "This identifier is not allowed on any of the company's accounts.",
        "Ask the specialist which account it belongs to.",
    ),
    "TC_AMBIGUOUS": ("Several importers match this Trade Compliance account.", "Ask the migration team for a decision; nothing is lost."),
    "TC_NO_IMPORTER": ("No importer matches this Trade Compliance account.", "Ask the migration team for a decision; nothing is lost."),
}


def said_of_held(reason: str) -> dict[str, str]:
    """Returns `say` and `do` for a held row with this reason."""
    say, do = _HELD.get(reason, ("The record was set aside.", "Ask the migration team."))
    return {"say": say, "do": do}


def advice(accounts: Sequence[dict[str, Any]], people: Sequence[dict[str, Any]], closed: Sequence[str]) -> list[dict[str, str]]:
    """Returns the open points of these accounts, worst first, each with `say` and `do`."""
    found = []
    visible = [account for account in accounts if account["trade_visible"]]
    if closed:
        cause = (
            "no contact in force has a login"
            if not any(person["login_id"] for person in people)
            else "the logins of its contacts are disabled, deleted or locked"
        )
        found.append(
            _point(
                "Nobody can open " + _some(closed),
                f"The account is there, but {cause}.",
                "Have the specialist add a contact with a valid e-mail, or reactivate the login.",
            )
        )
    no_officer = [account["account_number"] for account in visible if not account["acting_officer"]]
    if no_officer:
        found.append(
            _point(
                "No acting officer on " + _some(no_officer),
                "Only a company officer may sign and submit.",
                "Name an officer with a login, or have the officer's login reactivated.",
            )
        )
    restricted = [person["name"] for person in people if person["restricted"]]
    if restricted:
        found.append(
            _point(
                "Restricted access",
                "While the account is suspended this person's access stays restricted (B12).",
                "The specialist lifts it with the suspension.",
            )
        )
    unsigned = [account["account_number"] for account in visible if account["agreement_basis_cd"] != "SIGNED"]
    if unsigned:
        found.append(
            _point(
                "No signed agreement for " + _some(unsigned),
                "The basis of the membership is unchanged.",
                "A company officer signs in the new portal.",
            )
        )
    lacking = [account["account_number"] for account in accounts if not account["identifiers_complete"]]
    if lacking:
        found.append(
            _point(
                "Identifiers missing on " + _some(lacking),
                "A number that the business type needs is missing or inactive.",
                "The specialist enters it.",
            )
        )
    hidden = [account["account_number"] for account in accounts if not account["trade_visible"]]
    if hidden:
        found.append(
            _point(
                "Not shown: " + _some(hidden),
                "Rejected, removed, withdrawn or deleted accounts are kept and not shown.",
                "Nothing to do.",
            )
        )
    if visible and any(person["usable"] for person in people):
        found.append(
            _point(
                "Every login has to be activated again",
                "Old passwords do not work in the new portal.",
                "Use the invitation that went to the login's e-mail address.",
            )
        )
    return found


def _some(numbers: Sequence[str]) -> str:
    """Returns the first numbers and how many more there are, because a company can have hundreds of accounts; the page lists all below."""
    more = len(numbers) - _NAMED
    return ", ".join(numbers[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _point(what: str, say: str, do: str) -> dict[str, str]:
    return {"what": what, "say": say, "do": do}

"""What is planted: a function of the loader, and what it gives instead. Each is a mistake that a person could make in that function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Planted:
    """One fault. `function`: module and function (or attribute) of the loader; `wrong` gets the right function and gives the wrong one."""

    name: str
    function: str
    wrong: Callable[[Any], Any]


def _ids_shifted(right: Any) -> Any:
    def wrong(*given: Any, **named: Any) -> Any:
        ids = right(*given, **named)
        ids[:, 15] ^= 1
        return ids

    return wrong


def _answer(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The right answer, changed."""
    return lambda right: lambda *given, **named: change(right(*given, **named))


def _instead(value: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda right: value


def _reasons_swapped(right: Any) -> Any:
    def wrong(rows: Any, which: Any, reason: str) -> Any:
        return right(rows, which, {"PARENT_HELD": "NO_OWNER", "BROKEN_REFERENCE": "PARENT_HELD"}.get(reason, reason))

    return wrong


def _held_as_other(reason: str, other: str) -> Callable[[Any], Any]:
    def planted(right: Any) -> Any:
        return lambda rows, which, why: right(rows, which, other if why == reason else why)

    return planted


def _flag_lost(rule: str) -> Callable[[Any], Any]:
    def planted(right: Any) -> Any:
        return lambda rows, number, which, detail: None if number == rule else right(rows, number, which, detail)

    return planted


def _routes_reversed(right: Any) -> Any:
    return lambda rows, routes, spine: right(rows, tuple(reversed(routes)), spine)


def _one_later(series: Any) -> Any:
    return series.dt.offset_by("1d") if isinstance(series, pl.Series) and series.dtype == pl.Date else series


FAULTS = (
    # ids
    Planted("ids of rows per account", "etl.domain.ids.account_row_ids", _ids_shifted),
    Planted("ids of rows that are stored once", "etl.domain.ids.once_ids", _ids_shifted),
    Planted(
        "ids of logins and links",
        "etl.domain.ids.hashed_ids",
        lambda right: lambda mark, texts: right(mark, [f"{text} " for text in texts]),
    ),
    Planted("the tag of ids", "etl.domain.id_recipe.tag", _answer(lambda mark: f"{(int(mark, 16) ^ 1):03x}")),
    Planted(
        "key and account in another order",
        "etl.domain.ids.account_row_ids",
        lambda right: lambda mark, keys, accounts: right(mark, accounts, keys),
    ),
    # e-mail keys, normal forms, masks
    Planted("e-mails are not trimmed", "etl.domain.emails.email_key", lambda right: lambda text: right(text) and text.casefold()),
    Planted("e-mails are not folded", "etl.domain.emails.email_key", lambda right: lambda text: right(text) and text.strip()),
    Planted(
        "e-mails are lower-cased, not folded",
        "etl.domain.emails.email_key",
        lambda right: lambda text: right(text) and text.strip().lower(),
    ),
    Planted("any text is an e-mail", "etl.domain.emails.email_key", _instead(lambda text: (text or "").strip().casefold() or None)),
    Planted("normal forms in small letters", "etl.domain.identifier_values.normal", _answer(str.lower)),
    Planted("normal forms with hyphens", "etl.domain.identifier_values.normal", _instead(lambda value: (value or "").upper())),
    Planted("no number is personal", "etl.domain.identifier_values.is_personal", _instead(lambda kind, value: False)),
    Planted("every importer's number is personal", "etl.domain.identifier_values.is_personal", _instead(lambda kind, value: kind == "IOR")),
    # accounts
    Planted(
        "highways are not split",
        "etl.rules.a_structure.types_after_split",
        lambda right: lambda entity, accounts, mappings: entity.frame["business_type_cd"].gather(accounts["entity_row"]),
    ),
    Planted("every account is visible", "etl.rules.a_accounts.visible", _answer(lambda seen: pl.Series(seen.name, [True] * len(seen)))),
    Planted("numbers of employees one less", "etl.rules.a_accounts.employee_count", _answer(lambda count: count and count - 1)),
    Planted(
        "double account numbers stay",
        "etl.rules.a_structure.numbers",
        lambda right: lambda entity, accounts: (lambda found: ([f"X{text}" for text in found[0]], found[1]))(right(entity, accounts)),
    ),
    # people
    Planted("each contact is primary", "etl.rules.b_people.primary_contacts", _answer(lambda primary: np.ones_like(primary))),
    Planted(
        "nobody is freed of a company's lock",
        "etl.rules.b_people.company_locks",
        _answer(lambda found: (np.zeros_like(found[0]), found[1])),
    ),
    Planted(
        "every login is active",
        "etl.rules.b_people.statuses",
        _answer(lambda found: (pl.Series(found[0].name, ["ACTIVE"] * len(found[0])), found[1])),
    ),
    Planted("unused users are not flagged", "etl.rules.b_people.flag_users_without_contact", _instead(lambda user, contact: None)),
    # routes, holds, flags
    Planted("routes in another order", "etl.placement.routing.follow", _routes_reversed),
    Planted("unmet needs are not held", "etl.placement.routing.hold_unmet_needs", _instead(lambda rows, spine: None)),
    Planted("one hold reason for another", "etl.placement.row_placement.RowPlacement.hold", _reasons_swapped),
    Planted(
        "invalid e-mails are held for another reason",
        "etl.placement.row_placement.RowPlacement.hold",
        _held_as_other("INVALID_EMAIL", "NO_OWNER"),
    ),
    Planted("flags of C6 are lost", "etl.placement.row_placement.RowPlacement.flag", _flag_lost("C6")),
    Planted("flags of X1 are lost", "etl.placement.row_placement.RowPlacement.flag", _flag_lost("X1")),
    Planted(
        "broken soft references are not flagged", "etl.placement.target_rows.flag_broken_soft_references", _instead(lambda *given: None)
    ),
    # documents, agreements, answers, links, Trade Compliance
    Planted(
        "documents of a profile stay where they are", "etl.rules.c_documents._inherit", _answer(lambda inherited: np.zeros_like(inherited))
    ),
    Planted("no document has an earlier version", "etl.rules.c_documents._previous", _answer(lambda previous: np.full_like(previous, -1))),
    Planted(
        "every agreement is signed",
        "etl.rules.d_agreements.agreement_basis",
        _answer(lambda basis: pl.Series(basis.name, ["SIGNED"] * len(basis))),
    ),
    Planted("nothing is superseded", "etl.rules.e_responses.superseded", _answer(lambda found: found[:0])),
    Planted("no link is superseded", "etl.rules.g_status_verification._superseded", _answer(lambda found: np.zeros_like(found))),
    Planted("every identifier is complete", "etl.rules.h_identifiers.complete", _answer(lambda found: [True] * len(found))),
    Planted("importers match by no number", "etl.rules.i_trade_compliance._active_numbers", _instead(lambda tc_ior: {})),
    # dates and codes
    Planted("no due date is adjusted", "etl.rules.e_responses.due_date_adjusted", _answer(lambda found: found.clear(len(found)))),
    Planted(
        "internal notes are for trade", "etl.rules.c_documents.internal", _answer(lambda found: pl.Series(found.name, [False] * len(found)))
    ),
    Planted(
        "moments in New York time",
        "etl.rules.j_event_times.occurred_at",
        _answer(lambda found: found.dt.offset_by("-5h") if isinstance(found, pl.Series) else found),
    ),
    Planted("days one later", "etl.placement.target_rows._plain", _answer(_one_later)),
    Planted(
        "each uncertain moment is certain",
        "etl.rules.j_event_times.occurred_certain",
        _answer(lambda found: pl.Series(found.name, [True] * len(found))),
    ),
    Planted(
        "applicability is always MUST",
        "etl.rules.e_responses.applicability",
        _answer(lambda found: pl.Series(found.name, ["MUST"] * len(found))),
    ),
    Planted(
        "contents are all present",
        "etl.rules.c_contents.content_state",
        _answer(lambda found: pl.Series(found.name, ["PRESENT"] * len(found))),
    ),
)

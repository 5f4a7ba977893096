"""Numbers that identify a company: which accounts may carry them, what is missing on an account (chapter H)."""

import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from etl.reconcile.engine.ledger import LOADED, REASON, UNREADABLE_VALUE
from etl.reconcile.engine.ordinary import Copies, OwnerRule, RowRule, Rulebook, of_rows, recorded, route
from etl.reconcile.engine.source import KEY
from etl.reconcile.engine.spec import Value
from etl.reconcile.engine.world import ExpectedRows, ExpectedState, Ints, Mask

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "H1": (),
    "H2": (),
    "H3": ("P2.model_entity",),
    "H4": (),
    "H6": (),
    "H7": ("P2.entity_identifier",),
}

LONGEST = 60  # account_identifier.value_norm
_SSN = re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}")
_RFC = re.compile(r"[A-Z\u00d1&]{4}[0-9]{6}[A-Z0-9\u00d1&]{3}")  # thirteen characters; a company's has twelve
_OTHER = re.compile(r"[^A-Z0-9]")


def decide_identifiers(world: ExpectedState, rulebook: Rulebook) -> None:
    """Fills `world.known.identifiers` and `world.known.carried`, records every row in the ledger, and flags H7."""
    mapping = world.spec.mappings["P2", "entity_identifier"]
    rows = world.sources["P2"].whole("entity_identifier", world.ledger)
    scope, reason = recorded(world, rulebook, mapping, rows)
    loaded = reason == LOADED
    world.known.identifiers = rows.filter(pl.Series(loaded)).with_columns(pl.Series("#scope", scope[loaded]))
    kept = world.known.identifiers
    copies = Copies(kept, *world.scopes.expand(kept["#scope"].to_numpy()))
    world.known.carried = pl.DataFrame(
        [
            pl.Series("account", copies.account),
            copies.of("identifier_type_cd"),
            normalised(copies.of("identifier_value")).alias("norm"),
            (copies.of("active_ind") == "Y").fill_null(False).alias("active"),
            copies.of(KEY),
        ]
    )
    _flag_one_number_of_several_companies(world)


def _flag_one_number_of_several_companies(world: ExpectedState) -> None:
    """Flags rows whose active number, of a type unique to a company, is on accounts of different profiles (H7; fine print 57)."""
    kinds = [row["identifier_type_cd"] for row in world.spec.codes["identifier_unique"]]
    carried = world.known.carried.filter(pl.col("active") & pl.col("identifier_type_cd").is_in(kinds) & (pl.col("norm") != ""))
    carried = carried.with_columns(world.accounts["company_profile_id"][carried["account"].to_numpy()].alias("profile"))
    companies = carried.group_by("identifier_type_cd", "norm").agg(pl.col("profile").n_unique().alias("companies"))
    doubled = carried.join(companies.filter(pl.col("companies") > 1), on=["identifier_type_cd", "norm"], how="semi")[KEY]
    rows = world.known.identifiers
    world.flag("H7", "P2", "entity_identifier", rows, rows[KEY].is_in(doubled.unique().implode()).to_numpy())


def identifier_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """Yields the expected identifiers, one per loaded row and carrying account."""
    rows = world.known.identifiers
    yield from of_rows(world, rulebook, world.spec.mappings["P2", "entity_identifier"], rows, rows["#scope"].to_numpy())


def carriers(world: ExpectedState, frame: pl.DataFrame) -> tuple[Ints, Ints]:
    """Returns (scope, hold reason) of each identifier: the entity's account, else the profile's accounts whose type may carry it (H1, H2).

    NO_ELIGIBLE_ACCOUNT if no type may; UNREADABLE_VALUE if the normal form is longer than its column (fine print 44).
    """
    scope, reason = route(world, "P2", {"entity_id": "model_entity", "company_profile_id": "company_profile"}, frame)
    chosen = frame["entity_id"].is_null().to_numpy() & (reason == LOADED)
    may: dict[str, set[str]] = {}
    for row in world.spec.codes["identifier_carrier"]:
        may.setdefault(row["identifier_type_cd"], set()).add(row["business_type_cd"])
    scope, none = chosen_accounts(world, scope, chosen, frame["identifier_type_cd"], may)
    reason = np.where(none, REASON["NO_ELIGIBLE_ACCOUNT"], reason)
    long = (normalised(frame["identifier_value"]).str.len_chars() > LONGEST).fill_null(False).to_numpy()
    return scope, np.where(long, UNREADABLE_VALUE, reason)  # fine print 44


def chosen_accounts(world: ExpectedState, scope: Ints, chosen: Mask, label: pl.Series, may: dict[str, set[str]]) -> tuple[Ints, Mask]:
    """Returns (scope, whether it is empty): in the `chosen` rows only accounts whose type `may` lists for the row's label ('*': every type)."""
    wanted = pl.DataFrame({"scope": scope, "label": label}).filter(pl.Series(chosen))
    kinds = wanted.unique(maintain_order=True)
    row, account = world.scopes.expand(kinds["scope"].to_numpy())
    types, labels = world.accounts["#type"].to_list(), kinds["label"].to_list()
    fits = np.array([bool({"*", types[a]} & may.get(labels[r] or "", set())) for r, a in zip(row, account, strict=True)], np.bool_)
    made = world.scopes.add(row[fits], account[fits], len(kinds))
    numbers = wanted.join(
        kinds.with_columns(pl.Series("made", made)), on=["scope", "label"], how="left", nulls_equal=True, maintain_order="left"
    )["made"]
    narrowed = scope.copy()
    narrowed[chosen] = numbers.to_numpy()
    none = chosen & (world.scopes.size(narrowed) == 0)
    return narrowed, none


def value_norm(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the normal form of each identifier (H4)."""
    return normalised(rows[value.source[0]])


def normalised(values: pl.Series) -> pl.Series:
    """Returns each text in upper case, reduced to A-Z and 0-9; null stays null (H4)."""
    return pl.Series([None if text is None else _OTHER.sub("", text.upper()) for text in values.to_list()], dtype=pl.String)


def pii(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns true for values with the form of a social security number, and for RFC values with the form of a natural person's tax number (H6)."""
    texts = zip(rows["identifier_type_cd"].to_list(), rows["identifier_value"].to_list(), strict=True)
    return pl.Series([_is_of_a_person(kind, (text or "").strip()) for kind, text in texts], dtype=pl.Boolean)


def _is_of_a_person(kind: str | None, text: str) -> bool:
    return bool(_SSN.fullmatch(text)) or (kind == "RFC" and bool(_RFC.fullmatch(text.upper())))


def complete(world: ExpectedState) -> pl.Series:
    """Returns for each account whether its active identifiers include all that its type requires; flags the entities whose do not (H3)."""
    groups: dict[str, dict[str, set[str]]] = {}
    for row in world.spec.codes["identifier_required"]:
        groups.setdefault(row["business_type_cd"], {}).setdefault(row["group_no"], set()).add(row["identifier_type_cd"])
    active: dict[int, set[str]] = {}
    for account, kind in world.known.carried.filter("active").select("account", "identifier_type_cd").iter_rows():
        active.setdefault(account, set()).add(kind)
    found = [
        all(needed & active.get(account, set()) for needed in groups.get(kind, {}).values())
        for account, kind in enumerate(world.accounts["#type"].to_list())
    ]
    covered = pl.Series("identifiers_complete", found, dtype=pl.Boolean)
    world.flag("H3", "P2", "model_entity", world.accounts, ~covered.to_numpy())
    return covered


# By (source table, target column), or by number for any column that the rule fills: the same on every copy of a row.
ROW: dict[tuple[str, str] | str, RowRule] = {
    "H4": value_norm,
    ("entity_identifier", "pii"): pii,
}

# Rules that find the accounts of rows.
OWNER: dict[str, OwnerRule] = {
    "H1": carriers,
}

"""The expected side: every row that the new store must contain, recomputed from the old portals in the order of the chapters."""

from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter

import polars as pl

from etl.reconcile.compare.hashing import own_id
from etl.reconcile.engine.ledger import Ledger, Tally
from etl.reconcile.engine.ordinary import expected_rows
from etl.reconcile.engine.source import KEY
from etl.reconcile.engine.world import ExpectedRows, ExpectedState
from etl.reconcile.rules.a_accounts import account_rows, group_rows
from etl.reconcile.rules.a_catalogues import added_types, catalogue_rows, decide_catalogues
from etl.reconcile.rules.a_structure import decide_spine
from etl.reconcile.rules.b_people import contact_rows, decide_people, login_rows
from etl.reconcile.rules.c_contents import hashed_contents
from etl.reconcile.rules.c_documents import document_rows, link_rows, survey, tc_document_rows
from etl.reconcile.rules.e_responses import response_rows, stub_rows
from etl.reconcile.rules.g_status_verification import link_rows as svi_batches
from etl.reconcile.rules.h_identifiers import decide_identifiers, identifier_rows
from etl.reconcile.rules.i_trade_compliance import decide_trade, trade_rows
from etl.reconcile.rules.registry import rulebook

KEEP = 100_000  # rows
Producer = Callable[[], Iterator[ExpectedRows]]
# Tables with a separate module; all others need only their mapping file.
OWN = {
    "P2": {
        "trade_organization",
        "company_profile",
        "security_model",
        "model_entity",
        "business_type",
        "profile_question",
        "question_applicability",
        "agreement_version",
        "portal_user",
        "company_contact",
        "entity_identifier",
        "agreement_signature",
        "profile_response",
        "document",
        "document_content",
        "document_link",
        "svi_link",
    },
    "TC": {"tc_account", "tc_contact", "tc_document", "tc_document_content"},
}


class Expected:
    """The rows that the target must hold. `first_pass` must be consumed once; `again` gives the rows of some tables a second time."""

    def __init__(self, world: ExpectedState) -> None:
        self.world = world
        self._producers: list[tuple[frozenset[str], Producer]] = []  # the target tables that it feeds, and how
        self._rules = rulebook()
        self._kept: list[ExpectedRows] | None = []  # all pieces, while they are few; None: too many, they are computed once more
        self._rows = 0

    def first_pass(self, progress: Callable[[str], None] = lambda _: None) -> Iterator[ExpectedRows]:
        """Yields every expected row, source table by source table; afterwards the ledger accounts for every source row."""
        world, rules = self.world, self._rules
        self._look_for_tables()
        progress("profiles, models, entities")
        decide_spine(world)
        decide_catalogues(world, rules)
        progress("users, contacts, identifiers")
        yield from self._take("catalogues", lambda: catalogue_rows(world, rules), self._targets("P2", *CATALOGUES))
        yield from self._plain("P2", lambda m: not m.owner and not m.needs)
        decide_people(world)
        decide_identifiers(world, rules)
        world.known.login_keys = world.known.users.select("email_key")
        if "TC" in world.sources:
            decide_trade(world, rules)
        yield from self._take("logins", lambda: login_rows(world, rules), self._targets("P2", "portal_user"))
        yield from self._take("contacts", lambda: contact_rows(world, rules), self._targets("P2", "company_contact"))
        yield from self._take("identifiers", lambda: identifier_rows(world, rules), self._targets("P2", "entity_identifier"))
        if "TC" in world.sources:
            yield from self._take("trade", lambda: trade_rows(world, rules), self._targets("TC", "tc_account", "tc_contact"))
        yield from self._take(
            "signatures", lambda: expected_rows(world, rules, "P2", "agreement_signature"), self._targets("P2", "agreement_signature")
        )
        yield from self._take("accounts", lambda: account_rows(world, rules), {"entity_account"})
        yield from self._take("groups", lambda: group_rows(world, rules), {"account_group", "account_group_member"})
        progress("security profiles and responses")
        yield from self._plain("P2", lambda m: True, before="profile_response")
        yield from self._take("responses", lambda: response_rows(world, rules), {"profile_response"})
        progress("validations, messages, events")
        yield from self._plain("P2", lambda m: True)
        yield from self._take("svi", lambda: svi_batches(world, rules), {"svi_link"})
        progress("documents")
        for portal in world.sources:
            world.known.hashed[portal] = hashed_contents(world, portal)
        library = survey(world)
        self._rules = rules = rulebook(library)
        yield from self._take("documents", lambda: document_rows(world, rules, library), {"document"})
        yield from self._take("links", lambda: link_rows(world, rules), {"document_link"})
        if "TC" in world.sources:
            progress("Trade Compliance")
            yield from self._take("tc documents", lambda: tc_document_rows(world, rules), {"document"})
            yield from self._plain("TC", lambda m: True)
        yield from self._take("stubs", lambda: iter([stub_rows(world)]), {"profile_question"})
        yield from self._take("types", lambda: iter([added_types(world)]), {"business_type"})
        objects = world.ledger.objects()
        yield from self._take("objects", lambda: iter([_objects(objects)]), {"stored_object"})

    def unread(self) -> dict[tuple[str, str], str]:
        """Returns by (target table, column) why it is not compared: the mapping names a rule that the verifier does not implement."""
        found = {}
        for mapping in self.world.spec.mappings.values():
            for into in mapping.into:
                for column, value in into.columns.items():
                    if column != own_id(self.world.spec.target[into.table]) and not self._rules.knows(mapping.table, column, value):
                        found[into.table, column] = f"rule {value.of} of {mapping.table} is unknown to the verifier"
        return found

    def again(self, tables: set[str]) -> Iterator[ExpectedRows]:
        """Yields the expected rows of these target tables once more, without changing the ledger."""
        if self._kept is not None:
            yield from (batch for batch in self._kept if batch.table in tables)
            return
        kept = self.world.ledger
        self.world.ledger = Ledger(mute=True)
        try:
            for fed, producer in self._producers:
                if fed & tables:
                    yield from (batch for batch in producer() if batch.table in tables)
        finally:
            self.world.ledger = kept

    def _take(self, _: str, producer: Producer, targets: set[str] | frozenset[str]) -> Iterator[ExpectedRows]:
        self._producers.append((frozenset(targets), producer))
        for batch in producer():
            self._rows += len(batch)
            if self._kept is not None:
                self._kept.append(batch)
            if self._rows > KEEP:
                self._kept = None
            yield batch

    def _targets(self, portal: str, *tables: str) -> set[str]:
        return {into.table for table in tables for into in self.world.spec.mappings[portal, table].into}

    def _plain(self, portal: str, wanted: Callable[..., bool], before: str = "") -> Iterator[ExpectedRows]:
        """Yields the rows of tables that need only their mapping file, in reference order. `before`: only the tables that this one depends on."""
        world = self.world
        mappings = {name: m for (owner, name), m in world.spec.mappings.items() if owner == portal and name not in OWN[portal]}
        parents = {
            name: sorted(
                {
                    *mapping.owner.values(),
                    *mapping.needs.values(),
                    *(
                        world.spec.source_of(portal, v.of)
                        for i in mapping.into
                        for v in i.columns.values()
                        if v.form == "soft" and v.of != "login"
                    ),
                }
                & (mappings.keys() - {name})
            )
            for name, mapping in sorted(mappings.items())
        }
        chosen = set(mappings)
        if before:
            chosen = {*world.spec.mappings[portal, before].owner.values()} & mappings.keys()
            while more := {parent for name in chosen for parent in parents[name]} - chosen:
                chosen |= more
        for name in TopologicalSorter(parents).static_order():
            if name in chosen and wanted(mappings[name]) and (portal, name) not in world.ledger.tallies:
                yield from self._table(portal, name)

    def _table(self, portal: str, name: str) -> Iterator[ExpectedRows]:
        world = self.world
        world.ledger.tallies[portal, name] = Tally()
        if not world.spec.mappings[portal, name].into:
            for frame in world.rows(portal, name):
                world.ledger.tallies[portal, name].retire(len(frame))
            return
        yield from self._take(name, lambda: expected_rows(world, self._rules, portal, name), self._targets(portal, name))

    def _look_for_tables(self) -> None:
        """Records tables and columns that mappings and databases do not both have: they cannot be compared (K5)."""
        for portal, source in self.world.sources.items():
            for owner, table in self.world.spec.mappings:
                if owner == portal:
                    for name in source.absent(table):
                        missing = "the source has no such table" if name == table else f"the source has no column {name}"
                        self.world.not_checked.append((f"{portal}.{table}", "" if name == table else name, missing))
            for table, column in source.unknown():
                self.world.not_checked.append((f"{portal}.{table}", column, "no mapping file names it"))


CATALOGUES = ("business_type", "profile_question", "question_applicability", "agreement_version")


def _objects(objects: pl.DataFrame) -> ExpectedRows:
    return ExpectedRows("stored_object", "", "", objects.with_columns(pl.col("sha256").alias(KEY)))

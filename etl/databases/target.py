"""The new store as the load step needs it: staging beside the real tables, one publish that shows all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from etl.databases.conditions import Conditions
from etl.domain.id_recipe import tag
from etl.errors import MigrationError, Refused
from mappings.model import Mappings
from mappings.schema import Schema, Table

Rows = Callable[[Table], Iterator[pa.Table]]  # the new rows of a table, piece by piece
RUN_COLUMNS = (
    "run_id",
    "state_cd",
    "started_at",
    "finished_at",
    "freeze_from",
    "freeze_to",
    "grace_before",
    "grace_after",
    "grace_add",
    "fresh",
    "mappings_sha256",
    "decisions_sha256",
    "manifest_sha256",
)


@dataclass(frozen=True)
class RunRecord:
    """One row of `migration_run`."""

    run_id: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    freeze: tuple[date, date] | None
    manifest_sha256: str
    grace: tuple[int, int, int] | None = None  # days before, after, added (E14); None without a freeze
    mappings_sha256: str = ""
    decisions_sha256: str | None = None
    fresh: bool = False  # set by `publish`: whether it published into an empty store (fine print 66)

    def row(self) -> dict[str, str | int | None]:
        """By column: days and moments as ISO 8601 writes them, as the run's folder keeps them and the verifier compares them."""
        first, last = self.freeze or (None, None)
        return {
            "run_id": self.run_id,
            "state_cd": self.state,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "freeze_from": first.isoformat() if first else None,
            "freeze_to": last.isoformat() if last else None,
            "manifest_sha256": self.manifest_sha256,
            **dict(zip(("grace_before", "grace_after", "grace_add"), self.grace or (None, None, None), strict=True)),
            "mappings_sha256": self.mappings_sha256,
            "decisions_sha256": self.decisions_sha256,
            "fresh": self.fresh,
        }


Agree = Callable[["list[Change]"], None]  # told what a publish changes before it is committed; raises where that must not be


def agreed(changes: list[Change]) -> None:
    """Agrees to any change."""


class Tell(Protocol):
    """Takes what is at work, how much of it is done, of how much, and what is counted."""

    def __call__(self, what: str, done: int, total: int, unit: str = "rows") -> None: ...


@dataclass(frozen=True)
class Images:
    """What a delta keeps of one table for its rollback: how many before-images, and how many keys of rows that it brought."""

    table: str
    before: int
    new: int


UNDO = "migration_undo"  # the table that says what each delta keeps; with numbers behind it, the tables in which that lies
KEPT = (
    f"CREATE TABLE IF NOT EXISTS {UNDO} (run_id VARCHAR(40) NOT NULL, number INTEGER NOT NULL, table_name VARCHAR(63) NOT NULL,"
    " before_rows BIGINT NOT NULL, new_rows BIGINT NOT NULL, PRIMARY KEY (run_id, table_name))"
)


def undo_tables(number: int, table: str) -> tuple[str, str]:
    """Where the before-images lie that the delta of that number keeps of the table, and where the keys of the rows that it brought."""
    return f"{UNDO}__{number}_{table}", f"{UNDO}__{number}_new_{table}"


def record_tables(number: int) -> tuple[str, str]:
    """Where the delta of that number keeps what the store recorded of its run, where it was published before: its row of migration_run, its images."""
    return f"{UNDO}__{number}_run", f"{UNDO}__{number}_images"


def volatile(table: Table) -> tuple[str, ...]:
    """Columns that may differ between runs of the same rows: which run it was that held or flagged the row."""
    return ("run_id",) if table.name in ("migration_holding", "migration_exception") else ()


def orphaned(where: str) -> Refused:
    """The refusal of a change after which rows of others would refer to nothing."""
    return Refused(
        f"Rows of {where} would refer to rows that no longer exist. Nothing was changed.",
        "Resolve those rows with their owners first, then run the same command again.",
    )


def written_meanwhile() -> Refused:
    """The refusal of a rollback of a store that others wrote to between the look at it and its change."""
    return Refused("Others write to the new store. Nothing was changed.", "Let them end, then run the same command again.")


def refuse_ineffective(tables: list[str]) -> None:
    """Refuses a rollback after which these tables do not have exactly the rows that they had before the run (exit 7)."""
    if tables:
        raise Refused(
            f"The rows of {', '.join(tables)} cannot be rolled back: the store keeps or alters them (a trigger or a rule). Nothing was changed.",
            "Disable the trigger or the rule, then run the same command again.",
        )


def nothing_to_restore(run_id: str, what: str) -> Refused:
    """The refusal of a rollback that cannot give back what was there before."""
    return Refused(
        f"{run_id} changed a store that held an earlier run, and {what}. Nothing was changed.",
        "Restore the store's backup from before that run: without its before-images a rollback cannot restore the earlier rows.",
    )


@dataclass(frozen=True)
class Change:
    """What a publish changes in one table: rows that come, that become others, that go."""

    table: str
    inserted: int
    updated: int
    removed: int


@dataclass(frozen=True)
class Difference:
    """What differs in one table between a run and the one before: whole rows that come or change (`came`), keys of rows that go or change, and
    of rows that go."""

    came: pa.Table
    before: pa.Table
    gone: pa.Table

    @property
    def changed(self) -> int:
        """How many rows change."""
        return len(self.before) - len(self.gone)


@dataclass(frozen=True)
class Known:
    """What differs by table, where anything does, from a store that holds exactly the rows of these marks."""

    marks: dict[str, str]
    differences: dict[str, Difference]

    def changes(self, tables: Sequence[Table]) -> list[Change]:
        """The same as numbers, of all these tables."""
        found = [(table.name, self.differences.get(table.name)) for table in tables]
        return [
            Change(name, len(one.came) - one.changed, one.changed, len(one.gone)) if one is not None else Change(name, 0, 0, 0)
            for name, one in found
        ]


Foreknown = Callable[[RunRecord], Known | None]  # what is known to differ from that run; None where nothing is


def run_values(record: RunRecord) -> tuple[str | int | bool | date | datetime | None, ...]:
    """The record's values in the order of RUN_COLUMNS."""
    return (
        record.run_id,
        record.state,
        record.started_at,
        record.finished_at,
        *(record.freeze or (None, None)),
        *(record.grace or (None, None, None)),
        record.fresh,
        record.mappings_sha256,
        record.decisions_sha256,
        record.manifest_sha256,
    )


def run_record(values: Sequence[Any]) -> RunRecord:
    """The record with these values, in the order of RUN_COLUMNS."""
    named = dict(zip(RUN_COLUMNS, values, strict=True))
    freeze = (named["freeze_from"], named["freeze_to"])
    grace = (named["grace_before"], named["grace_after"], named["grace_add"])
    return RunRecord(
        named["run_id"],
        named["state_cd"],
        named["started_at"],
        named["finished_at"],
        freeze if None not in freeze else None,
        named["manifest_sha256"],
        grace if None not in grace else None,
        named["mappings_sha256"],
        named["decisions_sha256"],
        bool(named["fresh"]),
    )


class Target(Protocol):
    """A new store. Nothing of it changes before `publish` or `take_back`, and each of them changes all or nothing."""

    def differences_from(self, schema: Schema) -> list[str]:
        """Where existing tables differ from the contract: sentences; empty where they agree or where there are none yet."""
        ...

    def conditions(self, schema: Schema) -> Conditions:
        """What it has besides the contract's tables: what stands in the way of a load, and what does not."""
        ...

    def runs(self) -> list[RunRecord]:
        """The runs that the store knows, the latest last; none where it has no tables yet."""
        ...

    def rows(self, table: str) -> int:
        """Rows of the table; 0 where it does not exist yet."""
        ...

    def foreign_rows(self, mappings: Mappings) -> list[str]:
        """The tables that hold rows whose ids no migration gave."""
        ...

    def stage(self, tables: Sequence[Table], rows: Rows) -> Generator[int, None, None]:
        """Stages these tables' rows, in this order as far as it goes; what was staged before is forgotten. Numbers of rows come back on the way."""
        ...

    def publish(self, schema: Schema, record: RunRecord, tell: Tell, agree: Agree = agreed) -> list[Change]:
        """Makes the real tables equal to the staged ones, in one transaction together with the run's record; `agree` is asked before its commit."""
        ...

    def differs_from_staged(self, schema: Schema) -> list[str]:
        """The tables whose rows are not exactly the staged ones."""
        ...

    def take_back(self, schema: Schema, record: RunRecord, tell: Tell) -> list[Change]:
        """Undoes the publish of that run, in one transaction; `removed`: rows that it brought, `updated` and `inserted`: rows that are back.

        Refused where what it kept for that is not all there.
        """
        ...

    def would_take_back(self, schema: Schema, record: RunRecord) -> list[Change]:
        """What `take_back` would remove (`removed`) and restore (`updated`), and the same refusal; nothing is changed."""
        ...

    @property
    def marks(self) -> dict[str, str]:
        """By table: what tells the rows of the last publish from rows that others wrote since; empty where the database has no such thing."""
        ...

    def unchanged_since(self, schema: Schema, marks: dict[str, str]) -> bool:
        """Whether the store certainly holds the very rows of these marks, and still does in `take_back`.

        False does not say that others wrote: only a comparison does then.
        """
        ...

    def unknown_objects(self, digests: list[str]) -> list[str]:
        """Those of the digests to which no row of `stored_object` refers."""
        ...

    def identity(self, objects: str) -> str:
        """What tells this store from every other one with that object store. A file's stays the same where both are moved together."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class TakesDifferences(Protocol):
    """A new store that can be changed by what is known to differ, without all rows of the run."""

    def publish_difference(self, schema: Schema, record: RunRecord, known: Known, tell: Tell, agree: Agree = agreed) -> list[Change] | None:
        """As `publish`; None, with nothing changed, where the store does not hold the very rows that the run is known to differ from."""
        ...


def in_reference_order(schema: Schema) -> list[Table]:
    """The tables, each after those that its foreign keys name."""
    order = TopologicalSorter({name: {c.refers_to for c in table.columns if c.refers_to} - {name} for name, table in schema.tables.items()})
    try:
        order.prepare()
    except CycleError as error:
        raise MigrationError(f"The contract's foreign keys form a circle: {error.args[1]}.") from None
    ordered: list[Table] = []
    place = {name: number for number, name in enumerate(schema.tables)}
    while ready := sorted(order.get_ready(), key=place.__getitem__):
        ordered += [schema.tables[name] for name in ready]
        order.done(*ready)
    return ordered


def id_tags(mappings: Mappings) -> dict[str, set[str]]:
    """For each target table whose key is one id: the tags that ids of this migration have there."""
    tags: dict[str, set[str]] = {}
    for mapping in mappings.tables.values():
        for into in mapping.into:
            shape = mappings.target.tables[into.table]
            if len(shape.key) == 1 and shape.by_name[shape.key[0]].family == "uuid" and into.per != "part":
                tags.setdefault(into.table, set()).add(tag(into.table, mapping.portal, mapping.table))
    tags["login"] = {tag("login")}
    tags["svi_membership"] = {tag("entity_account", "P2", "model_entity")}
    return tags

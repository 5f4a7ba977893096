"""The protocol of the new store for the load step: staging tables beside the real ones, one publish that shows all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
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

Rows = Callable[[Table], Iterator[pa.Table]]  # the new rows of a table, batch by batch
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
    fresh: bool = False  # set by `publish`: whether the store was empty before (fine print 66)

    def row(self) -> dict[str, str | int | None]:
        """Returns the record by column; days and moments in ISO 8601, the form of the run folder and the verifier."""
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


Agree = Callable[["list[Change]"], None]  # receives the changes of a publish before its commit; raises where they are not allowed


def agreed(changes: list[Change]) -> None:
    """Accepts any change."""


class Tell(Protocol):
    """Receives progress: the step's name, the number done, the total, and the unit that is counted."""

    def __call__(self, what: str, done: int, total: int, unit: str = "rows") -> None: ...


@dataclass(frozen=True)
class Images:
    """What a delta keeps of one table for its rollback: the numbers of before-images and of keys of inserted rows."""

    table: str
    before: int
    new: int


UNDO = "migration_undo"  # the table that records what each delta keeps; this name with the delta's number begins the names of the tables of kept rows
KEPT = (
    f"CREATE TABLE IF NOT EXISTS {UNDO} (run_id VARCHAR(40) NOT NULL, number INTEGER NOT NULL, table_name VARCHAR(63) NOT NULL,"
    " before_rows BIGINT NOT NULL, new_rows BIGINT NOT NULL, PRIMARY KEY (run_id, table_name))"
)


def undo_tables(number: int, table: str) -> tuple[str, str]:
    """Returns the names of the tables with the delta's before-images of a table, and with the keys of its inserted rows."""
    return f"{UNDO}__{number}_{table}", f"{UNDO}__{number}_new_{table}"


def kept_tables(number: int, images: Iterable[Images]) -> dict[str, int]:
    """Returns the tables that the delta of that number keeps, with their rows; a table without rows does not exist."""
    counts = [zip(undo_tables(number, image.table), (image.before, image.new), strict=True) for image in images]
    return {name: count for both in counts for name, count in both if count}


def record_tables(number: int) -> tuple[str, str]:
    """Returns the tables in which the delta of that number keeps the earlier record of a run that is published again: its migration_run row, its images."""
    return f"{UNDO}__{number}_run", f"{UNDO}__{number}_images"


def volatile(table: Table) -> tuple[str, ...]:
    """Returns the columns that may differ between two runs of the same rows: the run that held or flagged the row."""
    return ("run_id",) if table.name in ("migration_holding", "migration_exception") else ()


def orphaned(where: str) -> Refused:
    """Returns the refusal of a change that would leave foreign keys of other tables without their row."""
    return Refused(
        f"Rows of {where} would refer to rows that no longer exist. Nothing was changed.",
        "Resolve those rows with their owners first, then run the same command again.",
    )


def written_meanwhile() -> Refused:
    """Returns the refusal of a rollback where another session wrote between the comparison and the change."""
    return Refused("Others write to the new store. Nothing was changed.", "Let them end, then run the same command again.")


def refuse_ineffective(tables: list[str]) -> None:
    """Refuses a rollback after which these tables do not hold exactly the rows from before the run (exit 7)."""
    if tables:
        raise Refused(
            f"The rows of {', '.join(tables)} cannot be rolled back: the store keeps or alters them (a trigger or a rule). Nothing was changed.",
            "Disable the trigger or the rule, then run the same command again.",
        )


def nothing_to_restore(run_id: str, what: str) -> Refused:
    """Returns the refusal of a rollback whose before-images are incomplete."""
    return Refused(
        f"{run_id} changed a store that held an earlier run, and {what}. Nothing was changed.",
        "Restore the store's backup from before that run: without its before-images a rollback cannot restore the earlier rows.",
    )


def refuse_other_images(run_id: str, wanted: Mapping[str, str] | None, digests: Callable[[], Mapping[str, str]]) -> None:
    """Refuses a rollback whose before-images do not have the digests that the run recorded, by table, when it kept them (exit 7).

    `wanted`: None where the run's folder has none. `digests`: computes those of the present tables.
    """
    if wanted is None:
        raise nothing_to_restore(run_id, "the run's folder has no digests of its before-images")
    found = digests()
    others = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if others:
        raise nothing_to_restore(run_id, f"its before-images were altered since ({', '.join(others)})")


@dataclass(frozen=True)
class Change:
    """The numbers of rows that a publish inserts, updates and removes in one table."""

    table: str
    inserted: int
    updated: int
    removed: int


@dataclass(frozen=True)
class Difference:
    """The difference of one table between a run and the one before.

    `came`: new and changed rows, all columns. `before`: keys of changed and removed rows. `gone`: keys of removed rows.
    """

    came: pa.Table
    before: pa.Table
    gone: pa.Table

    @property
    def changed(self) -> int:
        """Returns the number of changed rows."""
        return len(self.before) - len(self.gone)


@dataclass(frozen=True)
class Known:
    """The differences by table (only tables with one) from a store that holds exactly the rows with these marks."""

    store_state: dict[str, str]
    differences: dict[str, Difference]

    def changes(self, tables: Sequence[Table]) -> list[Change]:
        """Returns the differences as numbers, for all these tables."""
        found = [(table.name, self.differences.get(table.name)) for table in tables]
        return [
            Change(name, len(one.came) - one.changed, one.changed, len(one.gone)) if one is not None else Change(name, 0, 0, 0)
            for name, one in found
        ]


Foreknown = Callable[[RunRecord], Known | None]  # returns the known differences from that run; None where nothing is known


def run_values(record: RunRecord) -> tuple[str | int | bool | date | datetime | None, ...]:
    """Returns the record's values in the order of RUN_COLUMNS."""
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
    """Returns the record with these values, in the order of RUN_COLUMNS."""
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
    """A new store; only `publish` and `roll_back` change it, each of them all or nothing."""

    def differences_from(self, schema: Schema) -> list[str]:
        """Returns one sentence for each difference between existing tables and the contract; empty for an equal or empty store."""
        ...

    def conditions(self, schema: Schema) -> Conditions:
        """Returns what the store has besides the contract's tables: what prevents a load, and what does not."""
        ...

    def runs(self) -> list[RunRecord]:
        """Returns the runs that the store records, the latest last; empty where it has no tables yet."""
        ...

    def rows(self, table: str) -> int:
        """Returns the number of rows in the table; 0 where it does not exist yet."""
        ...

    def foreign_rows(self, mappings: Mappings) -> list[str]:
        """Returns the names of the tables with rows whose ids no migration assigned."""
        ...

    def stage(self, tables: Sequence[Table], rows: Rows) -> Generator[int, None, None]:
        """Stages these tables' rows, replacing staged ones; yields numbers of rows as they are sent. Tables begin in the given order."""
        ...

    def publish(self, schema: Schema, record: RunRecord, tell: Tell, agree: Agree = agreed) -> list[Change]:
        """Publishes the staged rows and the run's record in one transaction, after `agree`; returns the changes by table.

        Afterwards the real tables equal the staged ones. An exception of `agree` rolls everything back.
        """
        ...

    @property
    def perhaps_committed(self) -> bool:
        """Returns whether a COMMIT was sent that the store did not refuse; False: it holds nothing of this session."""
        ...

    def differs_from_staged(self, schema: Schema) -> list[str]:
        """Returns the names of the tables whose rows are not exactly the staged ones."""
        ...

    @property
    def images(self) -> dict[str, str] | None:
        """Returns, by table, the SHA-256 of what the last publish keeps for its rollback, from its `agree` on; None where the store was empty."""
        ...

    def roll_back(self, schema: Schema, record: RunRecord, tell: Tell, images: Mapping[str, str] | None = None) -> list[Change]:
        """Rolls back the publish of that run in one transaction; returns `removed` rows that it inserted, `updated` and `inserted` rows that it restored.

        `images`: as after its publish. Raises Refused where the before-images are incomplete, or others.
        """
        ...

    def would_roll_back(self, schema: Schema, record: RunRecord, images: Mapping[str, str] | None = None) -> list[Change]:
        """Returns what `roll_back` would remove (`removed`) and restore (`updated`), or raises as it does; changes nothing."""
        ...

    @property
    def store_state(self) -> dict[str, str]:
        """Returns, by table, the marks that distinguish rows of the last publish from later writes; empty where the database has no such marks."""
        ...

    def unchanged_since(self, schema: Schema, store_state: dict[str, str]) -> bool:
        """Returns True where the store certainly holds the rows with these marks, until `roll_back` has ended.

        False does not prove a write: then only a comparison can tell.
        """
        ...

    def unknown_objects(self, digests: list[str]) -> list[str]:
        """Returns those of the digests (SHA-256) to which no row of `stored_object` refers."""
        ...

    def identity(self, objects: str) -> str:
        """Returns the identity of this store with that object store; it stays the same where a file and its objects are moved together."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class TakesDifferences(Protocol):
    """A new store that can apply known differences without reading all rows of the run."""

    def publish_difference(self, schema: Schema, record: RunRecord, known: Known, tell: Tell, agree: Agree = agreed) -> list[Change] | None:
        """Publishes the known differences as `publish` does; returns None, with nothing changed, where the store's rows are not those of `known.marks`."""
        ...


def in_reference_order(schema: Schema) -> list[Table]:
    """Returns the tables, each after those that its foreign keys name; raises MigrationError where these form a circle."""
    order = TopologicalSorter({name: {c.refers_to for c in table.columns if c.refers_to} - {name} for name, table in schema.tables.items()})
    try:
        order.prepare()
    except CycleError as error:
        raise MigrationError(f"The contract's foreign keys form a circle: {error.args[1]}.") from None
    ordered: list[Table] = []
    position = {name: number for number, name in enumerate(schema.tables)}
    while ready := sorted(order.get_ready(), key=position.__getitem__):
        ordered += [schema.tables[name] for name in ready]
        order.done(*ready)
    return ordered


def id_tags(mappings: Mappings) -> dict[str, set[str]]:
    """Returns, by target table whose key is one id, the tags that ids of this migration have there."""
    tags: dict[str, set[str]] = {}
    for mapping in mappings.tables.values():
        for into in mapping.into:
            shape = mappings.target.tables[into.table]
            if len(shape.key) == 1 and shape.by_name[shape.key[0]].family == "uuid" and into.per != "part":
                tags.setdefault(into.table, set()).add(tag(into.table, mapping.portal, mapping.table))
    tags["login"] = {tag("login")}
    tags["svi_membership"] = {tag("entity_account", "P2", "model_entity")}
    return tags

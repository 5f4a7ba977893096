"""The whole comparison: the expected side is computed once, and any number of stores are compared with it."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy.engine import make_url

from etl.reconcile.compare.actual import Store
from etl.reconcile.compare.audit import logins_audited, profiles_audited
from etl.reconcile.compare.difference import CHANGED, NOT_CHECKED, differences, sorted_differences
from etl.reconcile.compare.hashing import ACCOUNT, Hashes, identity, own_id
from etl.reconcile.compare.holdings import EXCEPTION, HOLDING, exceptions_compared, holdings_compared
from etl.reconcile.compare.picker import VIEW as PICKER
from etl.reconcile.compare.picker import picker_compared
from etl.reconcile.compare.recorded_runs import TABLE as RUN
from etl.reconcile.compare.recorded_runs import Recorded, Runs, recorded_runs, refuse_other_decisions
from etl.reconcile.compare.tables import Count, Names, actual_numbers, detailed, unmatched
from etl.reconcile.databases.folder import PREFIX as FOLDER
from etl.reconcile.databases.folder import FolderDatabase
from etl.reconcile.engine.background import Look, run_in_background
from etl.reconcile.engine.decisions import NOTHING, Decided, read_decided
from etl.reconcile.engine.expected import Expected
from etl.reconcile.engine.frames import Database
from etl.reconcile.engine.source import Source
from etl.reconcile.engine.spec import Spec, read_spec
from etl.reconcile.engine.world import ExpectedState
from etl.reconcile.errors import Hidden, ReconcileError
from etl.reconcile.objects.store import ObjectCount, objects_read_back
from etl.reconcile.present.binding import refuse_others
from etl.reconcile.present.database import left_out, presented, written
from etl.reconcile.present.words import adapter_files
from etl.reconcile.result import Reconciliation

Progress = Callable[[str, int, int], None]
_OLD_PORTALS = {  # by portal: its option, and tables that no other of the three databases has
    "P2": ("--source", ("company_profile", "security_model", "model_entity")),
    "TC": ("--tc", ("tc_account", "tc_contact", "tc_event")),
}
_UNMISTAKABLE = (RUN, "entity_account", "login")  # no old portal has a table of these names
OF_THE_RUN = (RUN, HOLDING, EXCEPTION)


@dataclass
class Side:
    """The expected side: one sorted number for each row of each target table, and the state to compute any row again."""

    expected: Expected
    columns: dict[str, tuple[str, ...]]
    numbers: dict[str, Hashes] = field(default_factory=dict)


@dataclass(frozen=True)
class Actual:
    """The actual side: one sorted number for each row of each table that could be read, why others could not, and the objects read back."""

    numbers: dict[str, Hashes]
    unread: list[tuple[str | None, ...]]
    objects: ObjectCount
    altered: pl.DataFrame


def open_database(
    url: str, left_out: Mapping[str, frozenset[str]] = MappingProxyType({}), written: tuple[str, str] = (",", "utf-8")
) -> Database:
    """Returns the database behind a SQLAlchemy URL, or a folder of files, opened for reading in one snapshot.

    `left_out`: by table, the columns that are never read (B17); `written`: delimiter and encoding of CSV files. Raises ReconcileError
    if it cannot be opened.
    """
    if url.startswith(FOLDER):
        return FolderDatabase(Path(url.removeprefix(FOLDER)), *written)
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            from etl.reconcile.databases.sqlite import SqliteDatabase

            return SqliteDatabase(Path(parsed.database or ""), left_out)
        case "postgresql":
            from etl.reconcile.databases.postgresql import PostgresDatabase

            return PostgresDatabase(parsed, left_out)
    from etl.reconcile.databases.portable import PortableDatabase

    return PortableDatabase(parsed, left_out)


def _left_out(spec: Spec, portal: str) -> dict[str, frozenset[str]]:
    """Returns by mapped table the columns that are never read (B17)."""
    return {name: spec.never_read(of, name) for of, name in spec.mappings if of == portal}


def refuse_hidden(option: str, source: Source) -> None:
    """Raises Hidden (7) if an old portal's database does not show all rows or bytes of a mapped table (K9)."""
    hiding = source.database.hiding()
    found = [
        f"{table}: {why}" if table else why
        for table, why in sorted(hiding.items())
        if not table or (source.portal, table) in source.spec.mappings
    ]
    if found:
        message = f"{option}: some rows are not visible:\n  " + "\n  ".join(found)
        policies = " (ALTER ROLE ... BYPASSRLS for the reading role)" if "row-level security" in message else ""
        logs = " (copy a file together with its log)" if "log" in message else ""
        raise Hidden(message, f"Correct what is named{policies}{logs}, then reconcile again.")


def expected_side(
    spec: Spec,
    sources: dict[str, Source],
    files: str | None,
    freeze: tuple[date, date] | None,
    began: datetime | None,
    padded: bool = False,
    grace: tuple[int, int, int] | None = None,
    decided: Decided = NOTHING,
) -> Side:
    """Returns the expected side without its numbers, which `compute` adds."""
    parts = urlsplit(files or "")
    share = Path(unquote(parts.path) if parts.scheme == "file" else files).absolute() if files else None
    world = ExpectedState(spec, sources, share, freeze, began, grace, decided, padded)
    if share is not None and not share.is_dir():
        world.not_checked.append(("file share", "", "the folder does not exist"))
    expected = Expected(world)
    unread = expected.unread()
    world.not_checked += [(table, column, why) for (table, column), why in unread.items()]
    return Side(expected, {t: compared_columns(spec, t, set(unread)) for t in spec.target if t not in OF_THE_RUN})


def compute(side: Side, progress: Progress) -> None:
    """Computes every expected row as `side.numbers`; afterwards the ledger accounts for every source row."""
    numbers: dict[str, list[Hashes]] = {table: [] for table in side.columns}
    for batch in side.expected.first_pass(lambda what: progress(f"expected: {what}", 0, 0)):
        numbers[batch.table].append(batch.hashes(side.columns[batch.table]))
    side.numbers = {table: _sorted(parts) for table, parts in numbers.items()}


def actual_side(columns: dict[str, tuple[str, ...]], store: Store, objects: str, progress: Progress, look: Look = lambda: None) -> Actual:
    """Returns the numbers of every row of the new store, each table read once, and the state of its objects."""
    numbers: dict[str, Hashes] = {}
    unread: list[tuple[str | None, ...]] = []
    tables = store.order()
    for n, table in enumerate(tables):
        progress(f"read {table}", n, len(tables))
        if not store.absent(table) and table not in OF_THE_RUN:
            try:
                parts = []
                for _, part in actual_numbers(store, table, columns[table]):
                    look()
                    parts.append(part)
                numbers[table] = _sorted(parts)
            except READING as error:
                unread.append(_unread(table, error))
        store.forget(known for known in tables if store.referring(known) <= set(tables[: n + 1]))
    read_back, altered = ObjectCount(), differences([])
    if "stored_object" in numbers:
        total = len(numbers["stored_object"])

        def told(done: int) -> None:
            look()
            progress("objects", done, total)

        told(0)
        read_back, altered = objects_read_back(store, objects, told)
    return Actual(numbers, unread, read_back, altered)


def _sorted(parts: list[Hashes]) -> Hashes:
    """Returns the numbers of all parts, sorted, and releases the parts: no number is in memory three times."""
    whole = np.concatenate([np.zeros(0, np.uint64), *parts])
    parts.clear()
    whole.sort()
    return whole


# What a database's module lets through where a table cannot be read.
READING = (OSError, sqlite3.DatabaseError, pa.ArrowException)


def _unread(table: str, error: Exception) -> tuple[str | None, ...]:
    return _not_checked(table, "", f"the table cannot be read ({type(error).__name__})")


def compared_columns(spec: Spec, table: str, unread: set[tuple[str, str]]) -> tuple[str, ...]:
    """Returns the columns of a target table that are compared: all but the row's generated id, an object's key, and those in `unread`."""
    declared = spec.target[table]
    names = [
        c for c in declared.columns if c != own_id(declared) and (table, c) not in unread and (table, c) != ("stored_object", "object_key")
    ]
    return tuple([*names, ACCOUNT] if ACCOUNT in identity(spec, table) else names)


def compared(side: Side, actual: Actual, store: Store, runs: Runs, progress: Progress) -> Reconciliation:
    """Returns the reconciliation of one store: tables whose numbers differ are compared value by value."""
    expected, world, spec = side.expected, side.expected.world, side.expected.world.spec
    names = Names(dict(world.accounts.select("entity_id", "#number").iter_rows()))
    found: list[pl.DataFrame] = [runs.differences]
    counts: dict[str, Count] = {}
    rows = [*actual.unread, *(_not_checked(*what) for what in world.not_checked)]
    rows += [_not_checked(table, column, "the contract has no such column") for table, column in store.unknown()]
    rows += [_not_checked(relation, "", why) for relation, why in store.database.conditions(list(spec.target), spec.views)]
    tables = store.order()
    for n, table in enumerate(tables):
        progress(f"compare {table}", n, len(tables))
        lacking = store.absent(table)
        rows += [
            _not_checked(table, "" if column == table else column, store.hiding.get(table) or _LACKING[column == table])
            for column in lacking
        ]
        if table in actual.numbers:
            expect, there = side.numbers[table], actual.numbers[table]
            equal, odd = unmatched(expect, there)
            counts[table] = Count(len(expect), len(there), equal, len(spec.target[table].columns))
            if len(odd):
                try:
                    found += detailed(spec, store, table, side.columns[table], odd, expected.again, names)
                except READING as error:
                    rows.append(_unread(table, error))
        if store.doubled.get(table):
            rows.append((table, CHANGED, None, None, None, own_id(spec.target[table]), None, "an id occurs twice"))
        store.forget(known for known in tables if store.referring(known) <= set(tables[: n + 1]))
    sources = world.sources
    if not store.absent(HOLDING):
        counts[HOLDING], held = holdings_compared(store, sources, world.ledger.held(), set(runs.known))
        found.append(held)
    if not store.absent(EXCEPTION):
        counts[EXCEPTION], flagged = exceptions_compared(store, world.ledger.flags(), set(runs.known))
        found.append(flagged)
    found.append(actual.altered)
    profiles, of_profiles = (0, differences([])) if "entity_account" not in counts else profiles_audited(world, store)
    logins, of_logins = (0, differences([])) if not {"account_contact", "login"} <= counts.keys() else logins_audited(world, store)
    try:
        picked = picker_compared(expected, store)
    except READING as error:
        picked = differences([_unread(PICKER, error)])
    every = sorted_differences([*found, of_profiles, of_logins, picked, differences(rows)], spec)
    doubts = {portal: source.database.doubts() for portal, source in sources.items()}
    return Reconciliation(every, counts, world.ledger.tallies, actual.objects, profiles, logins, runs.published, doubts)


_LACKING = {True: "the store has no such table", False: "the store has no such column"}


def _not_checked(table: str, column: str, why: str) -> tuple[str | None, ...]:
    return (table, NOT_CHECKED, None, None, None, column or None, None, why)


def _refuse_by_record(spec: Spec, target: str, adapter: Mapping[str, bytes] | None) -> None:
    """Raises OtherInputs (7) if the store's record names another adapter for these tables; reports nothing else about the store."""
    database = open_database(target)
    try:
        store = Store(spec, database, database.pads)
        refuse_others(recorded_runs(store, None).mappings_sha256, spec.sha256, adapter)
    finally:
        database.close()


def old_portals(
    spec: Spec, source: str, tc: str | None, databases: list[Database], adapter: Mapping[str, bytes] | None = None, target: str = ""
) -> dict[str, Source]:
    """Returns the old portals, opened; each database is also appended to `databases`, which the caller closes.

    Raises ReconcileError if a database is not the old portal, Hidden (7) if it hides rows (K9).
    """
    sources = {}
    for portal, url in (("P2", source), ("TC", tc)):
        if url is not None:
            if adapter is None:
                databases.append(open_database(url, _left_out(spec, portal)))
            else:
                # The portable reader copies tables; the others select what they need, by name.
                copied = not url.startswith(("sqlite", "postgres", FOLDER))
                never = left_out(adapter, spec, portal) if copied else {}
                databases.append(open_database(url, never, written(adapter, spec, portal)))
                databases[-1] = presented(adapter, spec, portal, databases[-1])
            option, tables = _OLD_PORTALS[portal]
            if not databases[-1].tables().keys() & set(tables):
                if target:
                    _refuse_by_record(spec, target, adapter)
                message = f"{option} is not the old portal that was migrated: it has none of the tables {', '.join(tables)}."
                raise ReconcileError(message, "Give the database that was migrated.")
            sources[portal] = Source(spec, portal, databases[-1])
            refuse_hidden(option, sources[portal])
    return sources


def reconcile(
    source: str,
    tc: str | None,
    files: str | None,
    target: str,
    objects: str,
    freeze: tuple[date, date] | None = None,
    progress: Progress | None = None,
    mappings: Path | None = None,
    adapter: Path | None = None,
    grace: tuple[int, int, int | None] | None = None,
    recorded: Recorded | None = None,
    decisions: Path | None = None,
) -> Reconciliation:
    """Returns every difference between the new store with its objects and the rows expected from the old portals and the rules; read-only (K10).

    `recorded`: the run's record as its folder knows it, which is compared too. Raises ReconcileError (1), Hidden or OtherInputs (7).
    """
    decided = read_decided(decisions)
    tell = progress or (lambda what, done, total: None)
    spec = read_spec(mappings)
    presenting = adapter_files(adapter) if adapter is not None else None
    databases: list[Database] = []
    try:
        sources = old_portals(spec, source, tc, databases, presenting, target)
        databases.append(open_database(target))
        padded = any(database.pads for database in databases)
        store = Store(spec, databases[-1], padded)
        if all(store.absent(table) == [table] and table not in store.hiding for table in _UNMISTAKABLE):
            raise ReconcileError(
                f"--target is not the new store: it has none of the tables {', '.join(_UNMISTAKABLE)}.",
                "Give the store that was published.",
            )
        if why := store.hiding.get(""):
            raise Hidden(
                f"--target: {why}.",
                "Set back what is named (ALTER ROLE or DATABASE ... RESET), or give the file itself, or a copy with all that lies beside it.",
            )
        runs = recorded_runs(store, freeze, grace, recorded)
        refuse_other_decisions(runs, decided.sha256)
        refuse_others(runs.mappings_sha256, spec.sha256, presenting)
        side = expected_side(spec, sources, files, runs.freeze, runs.began, padded, runs.grace, decided)
        with run_in_background(lambda look: actual_side(side.columns, store, objects, tell, look)) as reading:
            compute(side, tell)
            return compared(side, reading.result(), store, runs, tell)
    finally:
        for database in databases:
            database.close()

"""A test of the verifier with an adapter: faults are planted in the loader's copy of the adapter, and the verifier's evaluation must show them."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from etl.databases import sqlite_url
from etl.databases.registry import open_source
from etl.present import with_adapter
from etl.present.grammar import read_adapter
from etl.present.model import Adapter, Form
from etl.reconcile.engine.ledger import Ledger
from etl.reconcile.engine.source import KEY, Source
from etl.reconcile.engine.spec import read_spec
from etl.reconcile.present.database import presented as presented_again
from etl.reconcile.present.words import adapter_files
from etl.reconcile.verifier import open_database
from mappings.model import Mappings, TableMapping
from mappings.read import read_mappings

FILE = "portal2.sqlite"


@dataclass(frozen=True)
class Fault:
    """A fault in the adapter's lines for one contract table; `adapter`: the loader's copy with that fault."""

    kind: str
    table: str
    column: str
    adapter: Adapter


def adapter_faults(foreign: Path, size: int, seed: int) -> tuple[Counter[str], Counter[str], int]:
    """Returns (planted, found, false alarms) by kind of fault, planted one at a time in a synthetic adapter, for the loader only.

    A fault is found where a row of the loader differs from the verifier's row for the same physical row.
    """
    mappings = read_mappings()
    adapter = read_adapter(foreign / "adapter", mappings)
    spec = read_spec()
    database = presented_again(adapter_files(foreign / "adapter"), spec, "P2", open_database(sqlite_url(foreign / FILE)))
    planted, found, alarms = Counter[str](), Counter[str](), 0
    try:
        verifier = Source(spec, "P2", database)
        expected: dict[str, pl.DataFrame] = {}
        faults = list(_faults(adapter, mappings))
        random.Random(seed).shuffle(faults)  # noqa: S311  # a repeatable choice, no secret
        by_kind = [[fault for fault in faults if fault.kind == kind] for kind in sorted({fault.kind for fault in faults})]
        turns = [fault for turn in itertools.zip_longest(*by_kind) for fault in turn if fault is not None]
        clean: set[str] = set()
        for fault in itertools.islice(turns, size):
            mapping = mappings.tables["P2", fault.table]
            if fault.table not in expected:
                expected[fault.table] = pl.concat(list(verifier.rows(fault.table, Ledger(mute=True))))
            if fault.table not in clean:
                clean.add(fault.table)
                alarms += _differs(foreign, adapter, mappings, mapping, expected[fault.table])
            planted[fault.kind] += 1
            found[fault.kind] += _differs(foreign, fault.adapter, mappings, mapping, expected[fault.table])
    finally:
        database.close()
    return planted, found, alarms


def _differs(foreign: Path, adapter: Adapter, mappings: Mappings, mapping: TableMapping, expected: pl.DataFrame) -> bool:
    """Returns whether a row of the loader differs from the verifier's row with the same key."""
    with open_source(sqlite_url(foreign / FILE), "Portal 2.0") as source:
        presented = with_adapter({"P2": source}, adapter, mappings=mappings)["P2"]
        binary = frozenset(column.name for column in mapping.columns if column.family == "binary")
        frames = []
        for batch in presented.read(mapping, 1 << 20, binary):
            keys = batch.keys if batch.keys is not None else batch.typed.columns[mapping.key[0]].cast(pl.String).to_list()
            columns = [batch.typed.columns[column.name] for column in mapping.columns if column.name not in binary]
            frames.append(pl.DataFrame([pl.Series(KEY, keys, dtype=pl.String), *columns]))
    if not frames:
        return not expected.is_empty()
    ours = pl.concat(frames).sort(KEY)
    theirs = expected.select(ours.columns).sort(KEY)
    return not ours.equals(theirs)


def _faults(adapter: Adapter, mappings: Mappings) -> Iterator[Fault]:
    """Yields every fault for which the adapter's Portal 2.0 files have a line."""
    files = adapter.portals["P2"]
    for table, file in sorted(files.tables.items()):
        for number, block in enumerate(file.blocks):
            for column, form in sorted(block.columns.items()):
                for kind, damaged in _damaged(form):
                    yield Fault(kind, table, column, _with(adapter, table, number, {column: damaged}))
                if form.kind == "code":
                    length = mappings.tables["P2", table].shape.by_name[column].length or 0
                    # A word that the column cannot store is unreadable with and without its line.
                    fitting = [
                        legacy for legacy, contract in sorted(adapter.codes[form.by].items()) if not length or len(contract) <= length
                    ]
                    for word in fitting[:3]:
                        lines = {legacy: contract for legacy, contract in adapter.codes[form.by].items() if legacy != word}
                        yield Fault("code line gone", table, column, replace(adapter, codes={**adapter.codes, form.by: lines}))
            declared = mappings.tables["P2", table].shape.by_name
            alike = [c for c, form in block.columns.items() if form.kind == "plain" and declared[c].family in ("text", "integer")]
            for one, other in itertools.combinations(sorted(alike), 2):
                if declared[one].family == declared[other].family and {one, other}.isdisjoint(mappings.tables["P2", table].key):
                    swapped = {one: block.columns[other], other: block.columns[one]}
                    yield Fault("columns swapped", table, f"{one}, {other}", _with(adapter, table, number, swapped))


def _damaged(form: Form) -> Iterator[tuple[str, Form]]:
    if form.kind == "flag":
        yield "yes and no exchanged", replace(form, yes=form.no, no=form.yes)
    if form.pivot is not None:
        yield "another century", replace(form, pivot=form.pivot - 100)
    if form.kind == "moment" and not form.form.startswith("epoch"):
        yield "another zone", replace(form, zone="Asia/Tokyo" if form.zone != "Asia/Tokyo" else "UTC")


def _with(adapter: Adapter, table: str, number: int, columns: dict[str, Form]) -> Adapter:
    """Returns the adapter with these columns in that block."""
    files = adapter.portals["P2"]
    blocks = list(files.tables[table].blocks)
    blocks[number] = replace(blocks[number], columns={**blocks[number].columns, **columns})
    tables = {**files.tables, table: replace(files.tables[table], blocks=tuple(blocks))}
    return replace(adapter, portals={**adapter.portals, "P2": replace(files, tables=tables)})

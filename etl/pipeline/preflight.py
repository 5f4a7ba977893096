"""The plan of a run: sources compared with mappings (K5), rows, steps, space. Read-only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etl.databases import Source, backend
from etl.databases.conditions import refuse_conditions, refuse_stopped
from etl.databases.editions import refuse_differences
from etl.databases.quoting import quoted
from etl.databases.registry import contract_differences, open_source, reading_rights, store_conditions, writing_rights
from etl.databases.rights import Rights
from etl.databases.source_conditions import SourceConditions
from etl.errors import MigrationError
from etl.extract.source_contract import refuse_hidden as refuse_hidden  # used by the command freeze check too
from etl.extract.source_contract import refuse_problems
from etl.objects.share import Share
from etl.options import Options
from etl.present import presented
from etl.present.foreign_values import foreign_values
from etl.present.physical import physical_whole
from etl.present.problem import AdapterWrong
from etl.present.questions import asked
from etl.present.source import PresentedSource
from etl.runfolder.disk_space import STAGED_PER_ROW, loaded_bytes, staged_bytes
from etl.system.other_writers import other_writers
from etl.system.visible import listed
from etl.system.worker_pool import WORTH_WORKERS
from mappings.model import Mappings, Portal


@dataclass(frozen=True)
class Plan:
    """A plan. `rows`: by `PORTAL.table`; `mapped`, `columns`: source columns with a mapping, and all; `retired`: with reasons.

    `staged`: bytes in the run folder, by step. `loaded_bytes`: in the new store. `documents_bytes`: in the object store, at most.
    """

    rows: dict[str, int]
    levels: dict[str, str]
    mapped: int
    columns: int
    retired: dict[str, str]
    staged: dict[str, int]
    loaded_bytes: int
    documents_bytes: int
    presented: dict[str, dict[str, int]] = field(default_factory=dict)  # by portal, the adapter's counts
    grants: list[str] = field(default_factory=list)  # SQL for the reading role on the physical tables of PostgreSQL
    will_be_held: list[dict[str, Any]] = field(default_factory=list)  # portal, table, column, rows: values that do not fit
    foreign_values: list[str] = field(
        default_factory=list
    )  # without an adapter: columns with other words, with the line that would present them
    unlisted_codes: list[str] = field(default_factory=list)  # code lines of the adapter whose contract word is in no catalogue (A12)
    conditions: dict[Portal, SourceConditions] = field(
        default_factory=dict
    )  # what hides or alters rows, what exists besides tables, and what could not be ruled out
    rights: dict[str, Rights] = field(default_factory=dict)  # rights of the URLs' roles, by option
    beside: list[str] = field(default_factory=list)  # what the new store has besides the contract, where it prevents nothing
    foreseen: list[str] = field(default_factory=list)  # of the new store's server: settings and their effect; sessions that hold locks
    decisions_template: str = ""  # lines of a decisions file to complete (chapter L); empty where no decision is missing
    changeable: list[str] = field(default_factory=list)  # files and folders of the settings that other users can change
    goals: list[dict[str, Any]] = field(default_factory=list)  # signed goals, with the step that judges each


def rights(options: Options, mappings: Mappings) -> dict[str, Rights]:
    """Returns, by option, the rights that the roles of the sources and the target (where given) lack, and those beyond their need.

    Raises MigrationError with all of them where a right is missing, before anything is read or written.
    """
    found = {}
    portals: tuple[tuple[str, str | None, Portal, str], ...] = (
        ("--source", options.source, "P2", "Portal 2.0"),
        ("--tc", options.tc, "TC", "Trade Compliance"),
    )
    for option, url, portal, name in portals:
        if url is not None:
            wanted = {mapping.table: tuple(column.name for column in mapping.columns) for mapping in mappings.of(portal)}
            if options.adapter is not None:
                with open_source(url, name) as source:
                    behind = presented({portal: source}, options.adapter, mappings)[portal]
                    wanted = physical_wanted(behind) if isinstance(behind, PresentedSource) else wanted
            found[option] = reading_rights(url, name, wanted)
    if options.target is not None:
        found["--target"] = writing_rights(options.target, tuple(mappings.target.tables))
    missing = [f"{option}: role {of.role} {sentence}" for option, of in found.items() for sentence in of.missing]
    if missing:
        raise MigrationError(
            listed("Rights are missing:", missing),
            "Grant the roles exactly the rights in the SQL of runbooks/roles.md; then run again. Nothing was read or written.",
        )
    return found


def physical_wanted(source: PresentedSource) -> dict[str, tuple[str, ...]]:
    """Returns, by physical table, the columns that are read, without those that retirements and B17 omit."""
    return {name: tuple(sorted(columns)) for name, columns in sorted(source.bound.selected.items())}


def grants(source: PresentedSource) -> list[str]:
    """Returns the SQL that grants a reading role exactly these rights on PostgreSQL, including the columns for the freeze check."""
    found = []
    for name, columns in physical_wanted(source).items():
        relation = source.bound.read[name]
        listed = ", ".join(map(quoted, columns)) + ("" if relation.view else ", ctid, xmin")
        found.append(f"GRANT SELECT ({listed}) ON {quoted(physical_whole(relation, source.catalog))} TO migration_reader;")
    return found


def refuse_other_tables(target: str, mappings: Mappings) -> tuple[list[str], list[str]]:
    """Raises Refused (7) for a store whose tables differ from the contract or have conditions that alter rows; changes nothing in it.

    Returns two lists of sentences that do not stop the run: what else the store holds; session settings of roles and databases, and lock holders.
    """
    known = store_conditions(target, mappings.target)
    refuse_stopped([f"--target: {sentence}" for sentence in known.foreseen.stopping])
    refuse_differences(contract_differences(target, mappings.target), mappings.target)
    return refuse_conditions(known), known.foreseen.notes


def changeable(options: Options) -> list[str]:
    """Returns a sentence for each file or folder of the settings that other users can change: it decides what becomes of every row."""
    names = ("mappings", "adapter", "decisions", "acceptance", "approver", "config")
    return [sentence for name in names if (path := getattr(options, name)) is not None for sentence in other_writers(f"--{name}", path)]


def refuse_few_connections(options: Options, rows: int | None = None) -> None:
    """Raises where the limit of a role or a database leaves fewer sessions than a run needs; without `rows`, than the smallest run needs."""
    number = options.workers or os.cpu_count() or 1
    workers = number if number > 1 and rows is not None and rows >= WORTH_WORKERS else 0
    needs = {"--source": (options.source, 2 + 2 * workers), "--tc": (options.tc, 2 + 2 * workers), "--target": (options.target, 4)}
    found: list[str] = []
    for option, (url, needed) in needs.items():
        if url is not None and backend(url) == "postgresql":
            from etl.databases.postgresql.obstacles import too_few_connections

            found += too_few_connections(url, option, needed)
    refuse_stopped(found)


def plan(sources: Mapping[Portal, Source], mappings: Mappings, share: Share | None, whole: bool = False) -> Plan:
    """Returns the plan; raises MigrationError where sources and mappings do not match. Counts documents of the file share only where it is given.

    `whole`: reads all rows once, to count the values that will not fit.
    """
    known = refuse_hidden(sources, mappings)
    refuse_problems(sources, mappings)
    answers = {portal: asked(source, whole) for portal, source in sources.items()}
    if found := [problem for answer in answers.values() for problem in answer.problems]:
        raise AdapterWrong(found)
    foreign = {p: foreign_values(s, p, mappings) for p, s in sources.items() if whole and not isinstance(s, PresentedSource)}
    chosen = [mapping for portal in sources for mapping in mappings.of(portal)]
    rows = {f"{m.portal}.{m.table}": sources[m.portal].count(m.table) for m in chosen}
    columns = sum(len(mapping.shape.columns) for mapping in chosen)
    # Every column has a mapping: read_mappings refuses a column that is neither mapped, used nor retired.
    retired = {f"{m.portal}.{m.table}.{column}": reason for m in chosen for column, reason in m.retired.items()}
    total = sum(rows.values())
    levels: dict[str, str] = {portal: source.level for portal, source in sources.items()}
    documents = sum(sources[m.portal].bytes_in(m.table, column) for m in chosen for column in m.content_columns)
    return Plan(
        rows,
        levels,
        columns,
        columns,
        retired,
        {step: staged_bytes(step, total) for step in STAGED_PER_ROW},
        loaded_bytes(total),
        documents + (share.size() if share is not None else 0),
        {
            portal: {
                **source.bound.counts,
                "rows_presented": sum(rows[f"{portal}.{m.table}"] for m in mappings.of(portal)),
                "rows_left_out": answers[portal].left_out,
            }
            for portal, source in sources.items()
            if isinstance(source, PresentedSource)
        },
        [
            statement
            for source in sources.values()
            if isinstance(source, PresentedSource) and source.catalog.server
            for statement in grants(source)
        ],
        [
            {"portal": portal, "table": table, "column": column, "rows": count}
            for portal in sources
            for table, column, count in (*answers[portal].will_be_held, *(foreign[portal].held if portal in foreign else ()))
        ],
        [sentence for of in foreign.values() for sentence in of.sentences],
        [sentence for answer in answers.values() for sentence in answer.unlisted],
        known,
    )

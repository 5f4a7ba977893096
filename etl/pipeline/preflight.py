"""What would happen: the sources held against the mappings (K5), rows, steps, space. Reads, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl.databases import Source
from etl.databases.conditions import Conditions
from etl.databases.editions import refuse_differences
from etl.databases.rights import Rights, reading_rights, writing_rights
from etl.databases.target import contract_differences
from etl.errors import MigrationError, Refused
from etl.extract.table_batch import content_columns
from etl.objects.share import Share
from etl.options import Options
from etl.runfolder.disk_space import STAGED_PER_ROW, loaded_bytes, staged_bytes
from mappings.model import Mappings, Portal, TableMapping
from mappings.schema import FAMILY_BY_TYPE


@dataclass(frozen=True)
class Plan:
    """`rows`: by `PORTAL.table`; `mapped`, `columns`: how many source columns are accounted for, and how many there are; `retired`: with reasons.

    `staged`: bytes in the run's folder, by step; `loaded_bytes`: in the new store; `documents_bytes`: in the object store, at most.
    """

    rows: dict[str, int]
    levels: dict[str, str]
    mapped: int
    columns: int
    retired: dict[str, str]
    staged: dict[str, int]
    loaded_bytes: int
    documents_bytes: int
    conditions: dict[Portal, Conditions] = field(default_factory=dict)  # by portal
    rights: dict[str, Rights] = field(default_factory=dict)  # of the roles that the URLs name, by option


def rights(options: Options, mappings: Mappings) -> dict[str, Rights]:
    """What the roles of the sources and, where it is given, of the target lack and have too much, by option.

    Raises MigrationError with the whole list where something is missing; nothing was read or written then.
    """
    found = {}
    portals: tuple[tuple[str, str | None, Portal, str], ...] = (
        ("--source", options.source, "P2", "Portal 2.0"), ("--tc", options.tc, "TC", "Trade Compliance"),
    )  # fmt: skip
    for option, url, portal, name in portals:
        if url is not None:
            wanted = {mapping.table: tuple(column.name for column in mapping.columns) for mapping in mappings.of(portal)}
            found[option] = reading_rights(url, name, wanted)
    if options.target is not None:
        found["--target"] = writing_rights(options.target, tuple(mappings.target.tables))
    missing = [f"{option}: role {of.role} {sentence}" for option, of in found.items() for sentence in of.missing]
    if missing:
        raise MigrationError(
            "Rights are missing:\n  " + "\n  ".join(missing),
            "Give the roles exactly the rights that the SQL in runbooks/roles.md gives; then run again. Nothing was read or written.",
        )
    return found


def refuse_hidden(sources: Mapping[Portal, Source], mappings: Mappings, deep: bool = True) -> dict[Portal, Conditions]:
    """Raises where something keeps rows or bytes of a mapped table from us (K9); else what is to be known of each old portal."""
    found = {portal: source.conditions(mappings.of(portal), deep) for portal, source in sources.items()}
    if hiding := [f"{portal}: {sentence}" for portal, known in found.items() for sentence in known.hiding]:
        raise Refused(
            "Not everything of the old portals can be seen (K9):\n  " + "\n  ".join(hiding),
            "Mend what is named, then run the same command again (row-level security: ALTER ROLE ... BYPASSRLS, runbooks/roles.md). Nothing was published.",
        )
    return found


def refuse_other_tables(target: str, mappings: Mappings) -> None:
    """Refuses a store that has tables of the contract's names which are not the contract's (exit 7); nothing of it is changed."""
    refuse_differences(contract_differences(target, mappings.target), mappings.target)


def problems(source: Source, portal: Portal, mappings: Mappings) -> list[str]:
    """Where the database is not what the mappings say: tables and columns that no mapping names, mapped ones that are gone, other types."""
    there, kinds = source.shapes(), source.kinds()
    # What is no table by itself is named by the plan, and no obstacle (fine print 60).
    strange = [name for name in there if (portal, name) not in mappings.tables and name not in kinds]
    found = [f"{portal}.{name}: no mapping names this table" for name in strange]
    for mapping in mappings.of(portal):
        if mapping.table not in there:
            found.append(f"{portal}.{mapping.table}: the table is gone ({mapping.file})")
        else:
            found += _column_problems(portal, mapping, there[mapping.table], kinds.get(mapping.table) == "view")
    return found


def _column_problems(portal: Portal, mapping: TableMapping, there: dict[str, str], is_view: bool) -> list[str]:
    name = f"{portal}.{mapping.table}"
    found = [f"{name}.{column}: no mapping names this column ({mapping.file})" for column in there if column not in mapping.shape.by_name]
    for column in mapping.shape.columns:
        if column.name not in there:
            found.append(f"{name}.{column.name}: the column is gone ({mapping.file})")
        elif (
            there[column.name] != "ANY"
            and not (is_view and not there[column.name])
            and FAMILY_BY_TYPE.get(there[column.name].split("(")[0]) != column.family
        ):
            found.append(f"{name}.{column.name}: found type {there[column.name] or 'none'}, expected {column.sql_type}")
    return found


def refuse_problems(sources: Mapping[Portal, Source], mappings: Mappings) -> None:
    """Raises before any data is read where sources and mappings do not fit (K5)."""
    found = [problem for portal, source in sources.items() for problem in problems(source, portal, mappings)]
    if found:
        raise MigrationError(
            "The sources are not what the mappings say:\n  " + "\n  ".join(found),
            "Map each new table or column, or retire it with a reason (runbooks/extend.md); then run again. No data was read.",
        )


def plan(sources: Mapping[Portal, Source], mappings: Mappings, share: Share | None) -> Plan:
    """The plan; raises MigrationError where sources and mappings do not fit. Without the old file share its documents are not in it."""
    known = refuse_hidden(sources, mappings)
    refuse_problems(sources, mappings)
    chosen = [mapping for portal in sources for mapping in mappings.of(portal)]
    rows = {f"{m.portal}.{m.table}": sources[m.portal].count(m.table) for m in chosen}
    columns = sum(len(mapping.shape.columns) for mapping in chosen)
    # Everything is accounted for: read_mappings refuses a column that is neither mapped, used nor retired.
    retired = {f"{m.portal}.{m.table}.{column}": reason for m in chosen for column, reason in m.retired.items()}
    total = sum(rows.values())
    levels: dict[str, str] = {portal: source.level for portal, source in sources.items()}
    documents = sum(sources[m.portal].bytes_in(m.table, column) for m in chosen for column in content_columns(m))
    return Plan(
        rows, levels, columns, columns, retired, {step: staged_bytes(step, total) for step in STAGED_PER_ROW}, loaded_bytes(total),
        documents + (share.size() if share is not None else 0), known,
    )  # fmt: skip

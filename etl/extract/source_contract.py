"""K5: whether an old portal has exactly the tables, columns and types that the mappings name; checked before any data is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from etl.databases import Source
from etl.databases.conditions import refuse_stopped
from etl.databases.source_conditions import SourceConditions
from etl.errors import MigrationError, Refused
from etl.present.guesses import suggested_lines
from etl.system.visible import listed
from mappings.model import Mappings, Portal, TableMapping
from mappings.schema import FAMILY_BY_TYPE


def problems(source: Source, portal: Portal, mappings: Mappings) -> list[str]:
    """Returns a sentence for every difference between database and mappings: unmapped and missing tables and columns, other types (K5)."""
    there, kinds = source.shapes(), source.relation_kinds()
    # Relations that are not tables are listed by the plan and do not stop a run (fine print 60); a virtual table has rows of its own.
    strange = {name: kinds.get(name, "table") for name in there if (portal, name) not in mappings.tables}
    found = [
        f"{portal}.{name}: this {kind} is not in any mapping"
        for name, kind in strange.items()
        if kind == "table" or kind.startswith(_VIRTUAL)
    ]
    if not there:
        found.append(f"{portal}: the database has no tables at all: an empty file, or another database or schema than the portal's")
    for mapping in mappings.of(portal):
        if mapping.table not in there:
            found.append(f"{portal}.{mapping.table}: the table is missing ({mapping.file})")
        elif not there[mapping.table] and mapping.table in kinds:
            found.append(f"{portal}.{mapping.table}: a {kinds[mapping.table]} ({mapping.file})")
        else:
            found += _column_problems(portal, mapping, there[mapping.table], kinds.get(mapping.table) == "view")
    return found


def _column_problems(portal: Portal, mapping: TableMapping, there: dict[str, str], is_view: bool) -> list[str]:
    name = f"{portal}.{mapping.table}"
    found = [
        f"{name}.{column}: this column is not in any mapping ({mapping.file})" for column in there if column not in mapping.shape.by_name
    ]
    for column in mapping.shape.columns:
        if column.name not in there:
            found.append(f"{name}.{column.name}: the column is missing ({mapping.file})")
        elif there[column.name] == "ANY" or (is_view and not there[column.name]):
            continue  # SQLite: a STRICT table has no date types, a view's column may have no type; each value is checked instead
        elif FAMILY_BY_TYPE.get(there[column.name].split("(")[0]) != column.family:
            found.append(f"{name}.{column.name}: found type {there[column.name] or 'none'}, expected {column.sql_type}")
    return found


def refuse_hidden(sources: Mapping[Portal, Source], mappings: Mappings, deep: bool = True) -> dict[Portal, SourceConditions]:
    """Raises Refused (7) if rows or bytes of a mapped table are hidden (K9); otherwise returns the notes about each old portal."""
    found = {portal: source.conditions(mappings.of(portal), deep) for portal, source in sources.items()}
    if hiding := [f"{portal}: {sentence}" for portal, known in found.items() for sentence in known.hiding]:
        raise Refused(
            "Parts of the old portals are not visible (K9):\n  " + "\n  ".join(hiding),
            f"Correct what is named{_way_out(hiding)}, then run the same command again. Nothing was published.",
        )
    refuse_stopped([f"{portal}: {sentence}" for portal, known in found.items() for sentence in known.stopping])
    return found


def _way_out(hiding: list[str]) -> str:
    policies = any("row-level security" in sentence for sentence in hiding)
    return " (row-level security: ALTER ROLE ... BYPASSRLS, runbooks/roles.md)" if policies else ""


def refuse_problems(sources: Mapping[Portal, Source], mappings: Mappings) -> None:
    """Raises MigrationError (1) if sources and mappings do not match (K5); no data is read."""
    refuse_swapped({portal: source.shapes().keys() for portal, source in sources.items()}, mappings)
    found = [problem for portal, source in sources.items() for problem in problems(source, portal, mappings)]
    if found:
        lines = [line for portal, source in sources.items() for line in suggested_lines(source.shapes(), portal, mappings)]
        found += ["an adapter (--adapter DIR) with these lines would resolve it:", *(f"  {line}" for line in lines)] if lines else []
        raise MigrationError(
            listed("The sources do not match the mappings:", found),
            f"{_next_step(found)} Then run again. No data was read.",
        )


_VIRTUAL = "virtual table"  # of SQLite
_OPTION = {"P2": "--source", "TC": "--tc"}
_STEPS = (
    ("has no tables at all", "Check the URL of the database without tables."),
    ("is not in any mapping", "Map each new table or column, or retire it with a reason (runbooks/extend.md)."),
    ("found type", "For a different type, give a form that reads it (--adapter DIR, runbooks/adapter.md): a mapping cannot change a type."),
    (
        f"this {_VIRTUAL}",
        'A virtual table that is only an index over other tables: [ignored] NAME = "why" in source.toml of an adapter (--adapter DIR, runbooks/adapter.md).',
    ),
    (
        "cannot be opened",
        "A view that cannot be opened: in a copy of the database, put a table with its rows in its place, then give the copy.",
    ),
    (" is missing (", "For a missing table or column, give its present name or declare it absent (--adapter DIR, runbooks/adapter.md)."),
)


def _next_step(found: list[str]) -> str:
    """Returns the next step for exactly the differences found."""
    return " ".join(step for words, step in _STEPS if any(words in problem for problem in found))


def refuse_swapped(there: Mapping[Portal, Collection[str]], mappings: Mappings) -> None:
    """Raises MigrationError (1) if a database has mostly the other portal's tables: one message instead of a hundred."""
    own = {portal: {mapping.table.lower() for mapping in mappings.of(portal)} for portal in mappings.sources}
    looks: dict[str, str] = {}
    for portal, tables in there.items():
        names = {table.lower() for table in tables}
        for other in own.keys() - {portal}:
            if 2 * len(names & own[other]) > len(own[other]) and 2 * len(names & own[portal]) < len(own[portal]):
                looks[_OPTION[portal]] = _OPTION[other]
    if len(looks) == 2:
        raise MigrationError("--source and --tc appear to be swapped.", "Swap the two URLs. No data was read.")
    for option, right in looks.items():
        raise MigrationError(
            f"The database given as {option} appears to be the one for {right}.", f"Check the URL of {option}. No data was read."
        )

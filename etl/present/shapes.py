"""Tables of another shape than the contract's: keys of several columns, rows in several tables, columns in a second table; each with a ready line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from etl.present.draft import Match, TableDraft, quoted_text
from etl.present.evidence import targets
from etl.present.kept import PROPOSED, Kept
from etl.present.problem import toml_key
from mappings.model import Mappings

_SAME = 0.6  # of the columns of two tables: one table's rows in two


def key_line(draft: TableDraft, about: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """Returns (the key's line, its physical columns) where only several columns together are unique and the contract's key is one number."""
    several, mapping = list(about.get("key_of_several", ())), draft.mapping
    if not several or len(mapping.key) != 1 or mapping.shape.by_name[mapping.key[0]].family != "integer":
        return None
    match = draft.columns.get(mapping.key[0])
    if match is not None and match.physical in several:
        several = [match.physical, *(name for name in several if name != match.physical)]
    return f"{mapping.key[0]} = {{ number = [{', '.join(map(quoted_text, several))}] }}", several


def references_to(
    draft: TableDraft, drafts: list[TableDraft], several: list[str], tables: Mapping[str, Any], mappings: Mappings
) -> Iterator[str]:
    """Yields a line of the work list for each column that refers to a key of several columns: it needs the same form."""
    for other in drafts:
        if not other.table or other is draft:
            continue
        there = {name.casefold(): name for name in tables[other.table]["columns"]}
        names = [there.get(name.casefold(), "...") for name in several]
        for column in other.mapping.shape.columns:
            if draft.mapping.table in targets(other.mapping, column.name, other.mapping.portal, mappings):
                form = f"{column.name} = {{ number = [{', '.join(map(quoted_text, names))}] }}"
                yield f"OPEN {other.mapping.table}.{column.name} refers to {draft.mapping.table}: it needs the same form: {form}"


def twins(left: list[str], drafts: list[TableDraft], tables: Mapping[str, Any]) -> dict[str, TableDraft]:
    """Returns, by physical table that no contract table has, the draft whose table has most of the same columns."""
    found = {}
    for name in left:
        own = _columns(tables[name])
        scores = {
            draft.mapping.table: len(own & _columns(tables[draft.table])) / max(len(own), len(tables[draft.table]["columns"]), 1)
            for draft in drafts
            if draft.table
        }
        best = max(scores, key=lambda table: scores[table], default="")
        if best and scores[best] >= _SAME:
            found[name] = next(draft for draft in drafts if draft.mapping.table == best)
    return found


def _columns(about: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(name.casefold(), says["kind"]) for name, says in about["columns"].items()}


def proposed_block(name: str, draft: TableDraft, about: Mapping[str, Any], kept: Kept) -> list[str]:
    """Returns the lines of a second `[[from]]` for that table, each behind PROPOSED."""
    there = {column.casefold(): column for column in about["columns"]}
    lines, used = ["[[from]]", f"table = {quoted_text(name)}", *kept.head, "[from.columns]"], set[str]()
    for column in draft.mapping.shape.columns:
        match: Match | None = draft.columns.get(column.name)
        own = there.get(match.physical.casefold()) if match is not None else None
        if column.name in kept.columns:
            lines.append(kept.columns[column.name])
        elif match is not None and own is not None:
            lines.append(f"{column.name} = {match.line.replace(quoted_text(match.physical), quoted_text(own))}")
        else:
            lines.append(f"# OPEN {column.name} = ...")
        used |= {one for one in about["columns"] if quoted_text(one) in lines[-1]}
    lines.append("[from.retired]")
    lines += [f'# OPEN {toml_key(one)} = "why it is not migrated"' for one in about["columns"] if one not in used]
    return [f"{PROPOSED}{line}" for line in lines]


def look_ups(left: list[str], drafts: list[TableDraft], tables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields (table, a line of the work list) for tables with one row for a row of another, whose contract table still lacks columns."""
    for name in left:
        for column, says in tables[name]["columns"].items():
            if not says.get("unique"):
                continue
            for target in says.get("refers_to", ()):
                for draft in drafts:
                    lacking = [one.name for one in draft.mapping.shape.columns if one.name not in draft.columns]
                    key = target.removeprefix(f"{draft.table}.")  # either name may have points of its own
                    if draft.table and key != target and key in tables[draft.table]["columns"] and lacking:
                        look = (
                            f"lookup = {{ more = {{ table = {quoted_text(name)}, key = {quoted_text(column)}, by = {quoted_text(key)} }} }}"
                        )
                        yield name, f"OPEN {draft.mapping.table}.{', '.join(lacking)}: perhaps in {name}; a row of it by its key: {look}"

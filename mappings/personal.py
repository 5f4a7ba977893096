"""The inventory of personal data, read strictly from `personal.toml`: it has an entry for every column that can contain any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mappings.errors import MappingError, MappingErrors
from mappings.model import Mappings, TableMapping
from mappings.schema import Column
from mappings.toml_text import loads

FILE = "personal.toml"
NONE = "NONE"  # the kind of columns without personal data
_WORDS = {"code": str, "name": str, "care": str, "columns": list}
_CODED = ("_cd", "_ind", "sha256", "sha256_hex")


@dataclass(frozen=True)
class PersonalColumn:
    """An old column with personal data of that kind; `becomes`: the new store's columns that take it, as table.column, in the order of the files."""

    kind: str
    portal: str
    table: str
    column: str
    becomes: tuple[str, ...]
    ends: str  # why no column stores it: the reason of a retired or used column, else ""


@dataclass(frozen=True)
class PersonalKind:
    """A kind of personal data; `care`: its treatment outside of the two databases."""

    code: str
    name: str
    care: str
    columns: tuple[PersonalColumn, ...]


def read_personal(mappings: Mappings) -> tuple[PersonalKind, ...]:
    """Returns the kinds in the file's order; raises MappingErrors with every unknown word, and every unknown, missing or duplicate column."""
    problems: list[tuple[str, str, str, str]] = []
    by_name = {
        f"{mapping.portal}.{mapping.table}.{column.name}": (mapping, column)
        for mapping in mappings.tables.values()
        for column in mapping.shape.columns
    }
    kinds: list[PersonalKind] = []
    decided: set[str] = set()
    for number, entry in enumerate(_entries(mappings, problems), 1):
        wrong = _wrong(number, entry)
        problems += wrong
        if wrong:
            continue
        for name in entry["columns"]:
            if name not in by_name:
                problems.append((FILE, f"kind {entry['code']}.columns", str(name), "PORTAL.table.column of an old portal"))
            elif name in decided:
                problems.append((FILE, f"kind {entry['code']}.columns", f"{name} a second time", "each column once"))
            decided.add(name)
        columns = tuple(_column(entry["code"], *by_name[name]) for name in entry["columns"] if name in by_name)
        kinds.append(PersonalKind(entry["code"], entry["name"], entry["care"], columns))
    missing = [name for name, (_, column) in by_name.items() if _can_be_personal(column) and name not in decided]
    problems += [(FILE, "kind", f"no {name}", "every column of texts or bytes that is not a code") for name in missing]
    if problems:
        raise MappingErrors(problems)
    return tuple(kinds)


def _entries(mappings: Mappings, problems: list[tuple[str, str, str, str]]) -> list[Any]:
    content = mappings.files.get(FILE)
    if content is None:
        raise MappingError(FILE, "file", "nothing", "a readable file")
    try:
        words = loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise MappingError(FILE, "file", str(error), "TOML in UTF-8") from None
    problems += [(FILE, word, "an unknown word", "[[kind]]") for word in words if word != "kind"]
    found = words.get("kind", [])
    return found if isinstance(found, list) else [found]


def _wrong(number: int, entry: Any) -> list[tuple[str, str, str, str]]:
    if not isinstance(entry, dict):
        return [(FILE, f"kind {number}", "another type", "a table")]
    found = [(FILE, f"kind {number}.{word}", "an unknown word", f"one of {', '.join(_WORDS)}") for word in entry if word not in _WORDS]
    return found + [
        (FILE, f"kind {number}.{word}", "nothing, or another type", f"a {'text' if kind is str else 'list of texts'}")
        for word, kind in _WORDS.items()
        if not isinstance(entry.get(word), kind)
    ]


def _can_be_personal(column: Column) -> bool:
    return column.family in ("text", "binary") and not column.name.endswith(_CODED)


def _column(kind: str, mapping: TableMapping, column: Column) -> PersonalColumn:
    becomes = [f"{into.table}.{name}" for into in mapping.into for name, form in into.columns.items() if column.name in form.columns]
    ends = mapping.retired.get(column.name) or mapping.used.get(column.name, "")
    return PersonalColumn(kind, mapping.portal, mapping.table, column.name, tuple(dict.fromkeys(becomes)), ends)

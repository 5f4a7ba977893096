"""Reads an adapter folder for the verifier: exactly what the files declare."""

import csv
import io
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from etl.reconcile.engine.given_folder import files_of, toml
from etl.reconcile.engine.spec import PORTALS, Table
from etl.reconcile.errors import SpecError

FORMS = (
    "text",
    "integer",
    "flag",
    "code",
    "date",
    "moment",
    "number",
    "join",
    "part",
    "trim",
    "path",
    "bytes",
    "constant",
    "absent",
)


@dataclass(frozen=True)
class Recipe:
    """How one contract column is made: the form's name (`same`: the cell itself), the physical columns, and the form's other words."""

    form: str
    columns: tuple[str, ...]
    words: Map[str, Any] = field(default_factory=dict)
    codes: Map[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """One [[from]] of an adapter file: a physical table, its condition and look-ups, and a recipe for each contract column."""

    table: str
    where: Map[str, Any]
    lookups: Map[str, Map[str, str]]
    recipes: Map[str, Recipe]  # of every contract column, named or not
    retired: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Presentation:
    """The folder's declarations for one portal. `blocks`: by contract table; an empty list if the old portal has no such table."""

    null: frozenset[str]
    exact: bool
    blocks: Map[str, tuple[Block, ...]]
    ignored: frozenset[str]
    delimiter: str
    encoding: str


def adapter_files(root: Path) -> dict[str, bytes]:
    """Returns by path the bytes of every file of an adapter folder, read once; raises SpecError where the folder or a file cannot be read."""
    if not root.is_dir():
        raise SpecError(f"--adapter: {root} is not an existing folder")
    return files_of(root, lambda name: not name.startswith("."))


def presentations(adapter: Map[str, bytes], tables: Map[str, Map[str, Table]]) -> dict[str, Presentation]:
    """Returns by portal what the adapter with these files declares; raises SpecError if one cannot be understood."""
    codes = {PurePosixPath(name).stem: _codes(name, adapter[name]) for name in _within(adapter, "codes", ".csv")}
    found = {}
    for portal, (folder, _) in PORTALS.items():
        files = {PurePosixPath(name).stem: _toml(name, adapter[name]) for name in _within(adapter, folder, ".toml")}
        about = files.pop("source", {})
        for name in files:
            if name not in tables[portal]:
                raise SpecError(f"{folder}/{name}.toml: not the name of a contract table")
        absent = set(about.get("absent", {}))
        blocks = {
            name: ()
            if name in absent
            else tuple(_block(f"{folder}/{name}.toml", table, raw, codes) for raw in files.get(name, {}).get("from", [{}]))
            for name, table in tables[portal].items()
        }
        files_of = about.get("csv", {})
        found[portal] = Presentation(
            frozenset(about.get("null", [])),
            about.get("case", "fold") == "exact",
            blocks,
            frozenset(about.get("ignored", {})),
            files_of.get("delimiter", ","),
            files_of.get("encoding", "utf-8"),
        )
    return found


def _within(files: Map[str, bytes], folder: str, suffix: str) -> list[str]:
    return sorted(name for name in files if str(PurePosixPath(name).parent) == folder and name.endswith(suffix))


def _toml(name: str, content: bytes) -> dict[str, Any]:
    try:
        return toml(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{name}: cannot be read as TOML ({type(error).__name__})") from None


def _block(file: str, table: Table, raw: Map[str, Any], codes: Map[str, Map[str, str]]) -> Block:
    named = raw.get("columns", {})
    recipes = {column: _recipe(f"{file}: {column}", named.get(column, column), codes) for column in table.columns}
    return Block(raw.get("table", table.name), raw.get("where", {}), raw.get("lookup", {}), recipes, frozenset(raw.get("retired", {})))


def _recipe(location: str, raw: Any, codes: Map[str, Map[str, str]]) -> Recipe:
    if isinstance(raw, str):
        return Recipe("same", (raw,))
    if not isinstance(raw, dict):
        raise SpecError(f"{location}: neither a column nor a form")
    form = "part" if "part" in raw else next((name for name in FORMS if name in raw), "")
    if not form:
        raise SpecError(f"{location}: not a form of the adapter grammar")
    of = raw[form]
    words = {word: value for word, value in raw.items() if word != form}
    if form in ("constant", "absent"):
        return Recipe(form, (), {"value": of})
    if form == "code" and raw.get("by") not in codes:
        raise SpecError(f"{location}: codes/{raw.get('by')}.csv is missing")
    return Recipe(form, (of,) if isinstance(of, str) else tuple(of), words, codes[raw["by"]] if form == "code" else {})


def _codes(name: str, content: bytes) -> dict[str, str]:
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
    except (ValueError, csv.Error):
        raise SpecError(f"{name}: cannot be read as CSV") from None
    if not lines or lines[0] != ["legacy", "contract"] or any(len(line) != 2 for line in lines):
        raise SpecError(f"{name}: its lines must have the columns legacy,contract")
    return {line[0]: line[1] for line in lines[1:]}

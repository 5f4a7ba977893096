"""Reads an adapter folder for the verifier: exactly what the files declare."""

import csv
import hashlib
import io
import tomllib
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


def folder_digest(root: Path) -> str:
    """Returns the SHA-256 over all files of an adapter folder, their names and sizes included."""
    total = hashlib.sha256()
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    files = {name: path for name, path in files.items() if not name.startswith(".")}
    for name in sorted(files):
        content = files[name].read_bytes()
        total.update(b"%s\0%d\0" % (name.encode(), len(content)))
        total.update(content)
    return total.hexdigest()


def presentations(root: Path, tables: Map[str, Map[str, Table]]) -> dict[str, Presentation]:
    """Returns by portal what the adapter in this folder declares; raises SpecError if a file cannot be understood."""
    if not root.is_dir():
        raise SpecError(f"--adapter: there is no folder {root}")
    codes = {path.stem: _codes(path) for path in sorted((root / "codes").glob("*.csv"))}
    found = {}
    for portal, (folder, _) in PORTALS.items():
        files = {path.stem: _toml(path) for path in sorted((root / folder).glob("*.toml"))}
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


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(f"{path.parent.name}/{path.name}: cannot be read as TOML ({type(error).__name__})") from None


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


def _codes(path: Path) -> dict[str, str]:
    try:
        lines = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))
    except (OSError, ValueError, csv.Error):
        raise SpecError(f"codes/{path.name}: cannot be read as CSV") from None
    if not lines or lines[0] != ["legacy", "contract"] or any(len(line) != 2 for line in lines):
        raise SpecError(f"codes/{path.name}: its lines must have the columns legacy,contract")
    return {line[0]: line[1] for line in lines[1:]}

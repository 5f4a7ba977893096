"""The school's portal (sample_data/school) under other names, as files or in a database, with its adapter: a small world for hostile input."""

from __future__ import annotations

import csv
import shutil
import sqlite3
import tomllib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.present.problem import toml_key, toml_text
from mappings.model import Mappings
from tests.support.command import ROOT, Done, command

SCHOOL = ROOT / "sample_data" / "school"
_FORMS = ("text", "integer", "flag", "code", "date", "moment", "number", "join", "part", "trim", "path", "bytes", "constant", "absent")


@dataclass
class School:
    """A copy in `folder`: `portal/`, `adapter/`. `source`: its URL."""

    folder: Path
    source: str

    @property
    def words(self) -> tuple[str, ...]:
        return ("--source", self.source, "--adapter", str(self.folder / "adapter"))

    def plan(self) -> Done:
        return command("plan", *self.words)

    def run(self) -> Done:
        stores = ("--target", f"sqlite:///{self.folder}/store.sqlite", "--objects", str(self.folder / "objects"))
        return command("run", *self.words, *stores, "--run", str(self.folder / "run"))

    @property
    def untouched(self) -> bool:
        """Nothing was published, no document copied, no row staged."""
        left = [*(self.folder / "objects").glob("*"), *(self.folder / "run").rglob("*.parquet")]
        return not (self.folder / "store.sqlite").exists() and not left


def school(folder: Path) -> School:
    """Copies it as it is."""
    for part in ("portal", "adapter"):
        shutil.copytree(SCHOOL / part, folder / part)
    return School(folder, f"folder:{folder}/portal")


@dataclass(frozen=True)
class Renamed:
    """`tables`: new names by old ones; `columns`: by table, new names by old ones."""

    tables: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]]


def portal_rows() -> dict[str, tuple[list[str], list[list[str]]]]:
    """By table, the header and the rows."""
    found = {}
    for file in sorted((SCHOOL / "portal").glob("*.csv")):
        with file.open(newline="", encoding="utf-8") as lines:
            head, *rows = csv.reader(lines, delimiter=";")
        found[file.stem] = head, rows
    return found


def renamed_school(folder: Path, names: Renamed, mappings: Mappings, source: str = "") -> School:
    """Writes the portal under those names as a SQLite file, or to the PostgreSQL database `source`, with its adapter."""
    made = School(folder, source or f"sqlite:///{folder}/school.sqlite")
    tables = portal_rows()
    created = {
        table: f"CREATE TABLE {_quoted(names.tables[table])} ({', '.join(f'{_quoted(names.columns[table][c])} TEXT' for c in head)})"
        for table, (head, _) in tables.items()
    }
    if source:
        import psycopg

        with psycopg.connect(source) as session:
            for table, (_, rows) in tables.items():
                session.execute(created[table].encode())
                with session.cursor().copy(f"COPY {_quoted(names.tables[table])} FROM STDIN".encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
    else:
        with closing(sqlite3.connect(folder / "school.sqlite")) as portal, portal:
            for table, (head, rows) in tables.items():
                portal.execute(created[table])
                portal.executemany(f"INSERT INTO {_quoted(names.tables[table])} VALUES ({', '.join('?' * len(head))})", rows)
    shutil.copytree(SCHOOL / "adapter", folder / "adapter")
    for file in (folder / "adapter" / "portal2").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        if file.stem == "source":
            text = 'case = "exact"\n' + text.replace("zz_backup_2018 =", f"{toml_key(names.tables['zz_backup_2018'])} =")
        else:
            columns = list(mappings.sources["P2"].tables[file.stem].by_name)
            text = "".join(_block(block, names, columns) for block in tomllib.loads(text)["from"])
        file.write_text(text, encoding="utf-8")
    return made


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _block(block: Mapping[str, Any], names: Renamed, contract: list[str]) -> str:
    columns = dict(names.columns[block["table"]])
    for alias, look in block.get("lookup", {}).items():
        columns |= {f"{alias}.{old}": f"{alias}.{new}" for old, new in names.columns[look["table"]].items()}
    lines = ["[[from]]", f"table = {toml_text(names.tables[block['table']])}"]
    lines += [f"rest = {toml_text(block['rest'])}"] if "rest" in block else []
    if "where" in block:
        lines.append(f"where = {{ {', '.join(f'{toml_key(columns[c])} = {_value(v)}' for c, v in block['where'].items())} }}")
    looks = [
        f"{alias} = {{ table = {toml_text(names.tables[look['table']])}, key = {toml_text(names.columns[look['table']][look['key']])}, "
        f"by = {toml_text(columns[look['by']])} }}"
        for alias, look in block.get("lookup", {}).items()
    ]
    lines += [f"lookup = {{ {', '.join(looks)} }}"] if looks else []
    lines.append("[from.columns]")
    for column in contract:
        form = block["columns"].get(column, column)
        lines.append(f"{column} = {toml_text(columns[form]) if isinstance(form, str) else _form(form, columns)}")
    lines.append("[from.retired]")
    lines += [f"{toml_key(columns[column])} = {toml_text(reason)}" for column, reason in block.get("retired", {}).items()]
    return "\n".join(lines) + "\n"


def _form(form: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    kind = next(word for word in _FORMS if word in form and not (word == "trim" and "part" in form))
    words = {word: value for word, value in form.items() if word != kind}
    first = form[kind]
    if kind not in ("constant", "absent"):
        first = [columns[name] for name in first] if isinstance(first, list) else columns[first]
    return "{ " + ", ".join(f"{word} = {_value(value)}" for word, value in {kind: first, **words}.items()) + " }"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(toml_text, value))}]"
    return toml_text(value) if isinstance(value, str) else str(value).lower()

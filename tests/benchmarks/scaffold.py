"""`python -m tests.benchmarks.scaffold`: how many columns `scaffold` draws right at its first suggestion, in naming styles that it was not made with.

A disguised world of 30 profiles, its tables and columns called in four ways: with prefixes of types and small words (`tblCompanyProfile.lngCompanyProfileId`), at
length (`TheCompanyProfileIdentifierOfRecord`), by words of another language (each word a code of four letters that means nothing here, the same everywhere), and by
numbers alone (`F0001`, columns in another order). Prints a table; exit code 1 below the goals.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from sample_data.disguise import disguise
from tests.support.command import command

GOALS = {"prefixed": 0.95, "verbose": 0.95, "coded": 0.75, "opaque": 0.75}
PORTALS = ("portal2", "tc")
_FORMS = ("text", "integer", "flag", "code", "date", "moment", "number", "part", "trim", "path", "bytes")
_PREFIXES = {
    "VARCHAR": "str",
    "CHAR": "str",
    "TEXT": "str",
    "BIGINT": "lng",
    "INTEGER": "int",
    "DATE": "dat",
    "TIMESTAMP": "dtm",
    "BLOB": "bin",
    "BYTEA": "bin",
}


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[_\W]+", name.lower()) if word]


def _prefixed(name: str, kind: str, number: int) -> str:
    cut = "".join(word[:5].capitalize() for word in _words(name))
    return f"{'tbl' if kind == 'table' else _PREFIXES.get(kind.partition('(')[0], 'var')}{cut}"


def _verbose(name: str, kind: str, number: int) -> str:
    long = {"cd": "Code", "id": "Identifier", "dt": "Date", "ind": "Indicator", "no": "Number", "nm": "Name", "at": "Timestamp"}
    said = "".join(long.get(word, word.capitalize()) for word in _words(name))
    return f"the{said}{'Table' if kind == 'table' else 'Value'}"


def _coded(name: str, kind: str, number: int) -> str:
    return "_".join(_code(word) for word in _words(name)).upper()


def _code(word: str) -> str:
    digest = hashlib.sha256(f"other language {word}".encode()).digest()
    return "".join("BKLMNRSTVZ"[digest[n] % 10] if n % 2 == 0 else "AEIOU"[digest[n] % 5] for n in range(4))


def _opaque(name: str, kind: str, number: int) -> str:
    return f"{'T' if kind == 'table' else 'F'}{number:04}"


STYLES: dict[str, Callable[[str, str, int], str]] = {"prefixed": _prefixed, "verbose": _verbose, "coded": _coded, "opaque": _opaque}
Truth = dict[
    str, tuple[str, dict[str, str]]
]  # by contract table: its physical table, and the column behind each contract column; lower case


def first_block(file: Path) -> tuple[str, dict[str, str]]:
    """The physical table of a file's first block and the first physical column of each contract column; lower case."""
    block: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))["from"][0]
    found = {}
    for column, form in block["columns"].items():
        of = form if isinstance(form, str) else next(form[word] for word in _FORMS if word in form)
        found[column] = (of if isinstance(of, str) else of[0]).lower()
    return block["table"].lower(), found


def renamed(foreign: Path, to: Path, portal: str, style: str) -> Truth:
    """The portal again, called in that style; its truth."""
    name_of, chance, number = STYLES[style], Random(style), 0
    contract = {file.stem: first_block(file) for file in sorted((foreign / "adapter" / portal).glob("*.toml")) if file.stem != "source"}
    tables = {table: name for name, (table, _) in contract.items()}
    truth: Truth = {}
    with closing(sqlite3.connect(foreign / f"{portal}.sqlite")) as old, closing(sqlite3.connect(to / f"{portal}.sqlite")) as new:
        old.text_factory = bytes
        names = [row[0].decode() for row in old.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")]
        taken: set[str] = set()
        for table in names:
            number += 1
            own = tables.get(table.lower(), table)
            called = _once(name_of(own, "table", number), taken)
            behind = {physical: column for column, physical in contract[own][1].items()} if own in contract else {}
            columns = [(row[1].decode(), row[2].decode()) for row in old.execute(f'PRAGMA table_info("{table}")')]
            if style == "opaque":
                chance.shuffle(columns)
            within: set[str] = set()
            new_names = {}
            for column, kind in columns:
                number += 1
                new_names[column] = _once(name_of(behind.get(column.lower(), column), kind, number), within)
            new.execute(f'CREATE TABLE "{called}" ({", ".join(f"{json.dumps(new_names[c])} {kind}" for c, kind in columns)})')
            listed = ", ".join(f'"{column}"' for column, _ in columns)
            rows = old.execute(f'SELECT {", ".join(f"typeof({chr(34)}{c}{chr(34)})" for c, _ in columns)}, {listed} FROM "{table}"')
            width = len(columns)
            cells = [tuple(v.decode() if t == b"text" else v for t, v in zip(r[:width], r[width:], strict=True)) for r in rows]
            new.executemany(f'INSERT INTO "{called}" VALUES ({", ".join("?" * width)})', cells)
            if own in contract:
                spelled = {column.lower(): name for column, name in new_names.items()}
                truth[own] = (called.lower(), {column: spelled[physical].lower() for column, physical in contract[own][1].items()})
        new.commit()
    return truth


def _once(name: str, taken: set[str]) -> str:
    while name.lower() in taken:
        name += "X"
    taken.add(name.lower())
    return name


def figures(foreign: Path, path: Path, style: str) -> tuple[int, int, int, int, float]:
    """(tables right, tables, columns right, columns, seconds) of a draft in that style."""
    path.mkdir()
    truths = {portal: renamed(foreign, path, portal, style) for portal in PORTALS}
    began = time.monotonic()
    done = command(
        "scaffold", "--source", f"sqlite:///{path}/portal2.sqlite", "--tc", f"sqlite:///{path}/tc.sqlite", "--to", str(path / "draft")
    )
    seconds = time.monotonic() - began
    assert done.code == 0, done.err
    tables = columns = right_tables = right = 0
    for portal, truth in truths.items():
        for table, (physical, behind) in truth.items():
            file = path / "draft" / portal / f"{table}.toml"
            other, found = first_block(file) if file.is_file() else ("", {})
            tables, columns = tables + 1, columns + len(behind)
            right_tables += other == physical
            right += sum(found.get(column) == name for column, name in behind.items()) if other == physical else 0
    return right_tables, tables, right, columns, seconds


def main() -> int:
    """1 where a style stays below its goal, else 0."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="scaffold-") as name:
        folder = Path(name)
        world = (
            "--source",
            f"sqlite:///{folder}/portal2.sqlite",
            "--tc",
            f"sqlite:///{folder}/tc.sqlite",
            "--files",
            str(folder / "files"),
        )
        assert command("sample", *world, "--profiles", "30").code == 0
        disguise(folder, folder / "foreign")
        for style, goal in GOALS.items():
            right_tables, tables, right, columns, seconds = figures(folder / "foreign", folder / style, style)
            missed += right / columns < goal
            sys.stdout.write(
                f"{style:9} tables {right_tables}/{tables}, columns {right}/{columns} = {right / columns:.1%} (goal {goal:.0%}), {seconds:.1f} s\n"
            )
            sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Without an adapter: each single rename of a table or column is refused by `plan`, with the line to add; and changes that `plan` accepts can be migrated.

Types, lengths and nullability are changed many at a time: those that `plan` refuses alone are left out, all others have to migrate and be equal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

from tests.support.command import FREEZE, Done, command
from tests.support.legacy import MAPPINGS

FOLDERS = {"P2": "portal2", "TC": "tc"}


class World(Protocol):
    """The cast or a sample in two databases that can be changed."""

    @property
    def urls(self) -> dict[str, str]:
        """By portal."""
        ...

    @property
    def files(self) -> Path:
        """The file share."""
        ...

    def do(self, portal: str, statements: Sequence[str]) -> None:
        """Carries them out, in one transaction."""
        ...

    def retype(self, portal: str, table: str, column: str, declared: str) -> None:
        """Gives the column another declared type and takes NOT NULL away; raises where its values cannot be of that type."""
        ...


@dataclass
class OnSqlite:
    """Two files in `folder`."""

    folder: Path

    @property
    def urls(self) -> dict[str, str]:
        return {portal: f"sqlite:///{self.folder / name}.sqlite" for portal, name in FOLDERS.items()}

    @property
    def files(self) -> Path:
        return self.folder / "files"

    def do(self, portal: str, statements: Sequence[str]) -> None:
        with closing(sqlite3.connect(self.folder / f"{FOLDERS[portal]}.sqlite")) as database, database:
            for statement in statements:
                database.execute(statement)

    def retype(self, portal: str, table: str, column: str, declared: str) -> None:
        with closing(sqlite3.connect(self.folder / f"{FOLDERS[portal]}.sqlite")) as database, database:
            columns = [(row[1], row[2], row[5]) for row in database.execute(f'PRAGMA table_info("{table}")')]
            listed = [f'"{name}" {declared if name == column else kind}' for name, kind, _ in columns]
            keys = [f'"{name}"' for name, _, path in sorted(columns, key=lambda one: one[2]) if path]
            key = [f"PRIMARY KEY ({', '.join(keys)})"] if keys else []
            database.execute(f'CREATE TABLE "#new" ({", ".join([*listed, *key])})')
            database.execute(f'INSERT INTO "#new" SELECT * FROM "{table}"')
            database.execute(f'DROP TABLE "{table}"')
            database.execute(f'ALTER TABLE "#new" RENAME TO "{table}"')


@dataclass
class OnPostgresql:
    """Two databases of a server."""

    of: dict[str, str]
    share: Path

    @property
    def urls(self) -> dict[str, str]:
        return self.of

    @property
    def files(self) -> Path:
        return self.share

    def do(self, portal: str, statements: Sequence[str]) -> None:
        import psycopg

        with psycopg.connect(self.of[portal]) as session:
            for statement in statements:
                session.execute(statement.encode())

    def retype(self, portal: str, table: str, column: str, declared: str) -> None:
        drop = f'ALTER TABLE "{table}" ALTER COLUMN "{column}" DROP NOT NULL'
        key = column in MAPPINGS.tables[portal, table].key  # type: ignore[index]  # the portals are these two
        self.do(
            portal,
            [*([] if key else [drop]), f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE {declared} USING "{column}"::{declared}'],
        )


def planned(world: World) -> Done:
    return command("plan", "--source", world.urls["P2"], "--tc", world.urls["TC"], "--files", str(world.files))


def renames() -> Iterator[tuple[str, str, str, str, str]]:
    """(portal, what is renamed, to, back, the line to add) of each table and each column."""
    for mapping in MAPPINGS.tables.values():
        table = mapping.table
        new = f"ct_{table[:12]}"
        line = f'{FOLDERS[mapping.portal]}/{table}.toml: [[from]] table = "{new}"'
        yield mapping.portal, table, f'ALTER TABLE "{table}" RENAME TO "{new}"', f'ALTER TABLE "{new}" RENAME TO "{table}"', line
        for column in mapping.shape.columns:
            name, to = column.name, f"{column.name}_x"
            line = f'{FOLDERS[mapping.portal]}/{table}.toml: [[from]] [from.columns] {name} = "{to}"'
            rename = f'ALTER TABLE "{table}" RENAME COLUMN '
            yield mapping.portal, f"{table}.{name}", f'{rename}"{name}" TO "{to}"', f'{rename}"{to}" TO "{name}"', line


def rename_missed(world: World, portal: str, what: str, there: str, back: str, line: str) -> str:
    """Returns why the response to that rename is wrong; empty if it is correct. The portal is restored."""
    world.do(portal, [there])
    try:
        done = planned(world)
    finally:
        world.do(portal, [back])
    named = f"{portal}.{what}: the {'column' if '.' in what else 'table'} is missing"
    if done.code not in (1, 7) or "Internal error" in done.err:
        return f"{what}: exit code {done.code}: {done.err[-300:]}"
    return "" if named in done.err and line in done.err else f"{what}: {named!r} or {line!r} is not in {done.err[:600]}"


# Other declared types of each family, lengths too; and of other families.
_TYPES: dict[str, tuple[str, ...]] = {
    "integer": ("BIGINT", "INTEGER", "SMALLINT", "VARCHAR(40)", "NUMERIC(12,0)"),
    "text": ("TEXT", "VARCHAR(4000)", "CHAR(20)", "BIGINT"),
    "date": ("DATE", "TIMESTAMP", "VARCHAR(40)"),
    "timestamp": ("TIMESTAMP", "DATE", "VARCHAR(40)"),
    "binary": ("TEXT",),
}


def retypes(chance: Random, some: int) -> list[tuple[str, str, str, str]]:
    """(portal, table, column, declared type) of changes drawn by chance, each of another column."""
    columns = [(mapping.portal, mapping.table, column) for mapping in MAPPINGS.tables.values() for column in mapping.columns]
    return [(portal, table, column.name, chance.choice(_TYPES[column.family])) for portal, table, column in chance.sample(columns, some)]


def emptied(chance: Random, world: World, some: int) -> list[str]:
    """NULLs where none may be, and texts longer than the contract's, in a row each of columns drawn by chance; which those are."""
    done = []
    columns = [(m.portal, m.table, c) for m in MAPPINGS.tables.values() for c in m.columns if c.name not in m.key and c.family != "binary"]
    for portal, table, column in chance.sample(columns, some):
        key = MAPPINGS.tables[portal, table].key[0]
        where = f'WHERE "{key}" = (SELECT max("{key}") FROM "{table}")'
        long = column.family == "text" and chance.random() < 0.5
        declared = "TEXT" if column.family == "text" else {"integer": "BIGINT", "date": "DATE"}.get(column.family, "TIMESTAMP")
        world.retype(portal, table, column.name, declared)
        value = "'" + "x" * ((column.length or 10) + 1) + "'" if long else "NULL"
        world.do(portal, [f'UPDATE "{table}" SET "{column.name}" = {value} {where}'])
        done.append(f"{table}.{column.name}: {'longer' if long else 'NULL'}")
    return done


def migrated(world: World, path: Path) -> Done:
    """`run` of that world into stores of its own."""
    stores = ("--target", f"sqlite:///{path}/store.sqlite", "--objects", str(path / "objects"), "--run", str(path / "run"))
    return command("run", "--source", world.urls["P2"], "--tc", world.urls["TC"], "--files", str(world.files), *stores, *FREEZE)


def changes_missed(world: World, chance: Random, path: Path, some: int = 30) -> tuple[int, int, list[str]]:
    """(changes taken, changes refused by `plan` by name, what came out wrong) of one world, which is changed."""
    taken, refused, wrong = 0, 0, []
    for portal, table, column, declared in retypes(chance, some):
        try:
            was = declared_type(portal, table, column)
            world.retype(portal, table, column, declared)
        except Exception as error:  # the database itself says that its values cannot be of that type
            del error
            continue
        done = planned(world)
        if done.code == 0:
            taken += 1
            continue
        refused += 1
        if f"{portal}.{table}.{column}: found type" not in done.err or "Internal error" in done.err:
            wrong.append(f"{table}.{column} {declared}: {done.err[:400]}")
        world.retype(portal, table, column, was)
    said = emptied(chance, world, some // 2)
    taken += len(said)
    done = planned(world)
    if done.code != 0:
        return taken, refused, [*wrong, f"plan: {done.err[:800]} after {said}"]
    done = migrated(world, path)
    if done.code != 0:
        wrong.append(f"run: exit code {done.code}: {done.err[-1500:]} after {said}")
    return taken, refused, wrong


def declared_type(portal: str, table: str, column: str) -> str:
    """As the contract declares it."""
    found: Any = MAPPINGS.tables[portal, table].shape.by_name[column]  # type: ignore[index]  # the portals are these two
    return f"{found.sql_type}({found.length})" if found.length and "(" not in found.sql_type else str(found.sql_type)

"""One table, column, type, key or code of the old portal is changed, so that its adapter no longer fits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from random import Random

from tests.disguised.damages import Damage, Files, typed_wrong

_FILES = {"portal2": "portal2.sqlite", "tc": "tc.sqlite"}
_BLOCK_TABLE = re.compile(r'^table = "([^"]+)"', re.MULTILINE)
Tables = Mapping[str, Mapping[str, Mapping[str, str]]]


def of_the_portal(files: Files, tables: Tables) -> Iterator[Damage]:
    """Each kind of change on a few tables of both portals."""
    for portal in _FILES:
        readers = _readers(files, portal)
        names = Random(5).sample(sorted(readers), len(readers))
        for table in names[:10]:
            yield from _of_a_table(portal, table, readers[table])
        for table in names[:16]:
            yield from _of_its_columns(portal, table, readers[table], files, tables[portal][table])
        for kind, name in (("TABLE", "STRANGER"), ("TABLE", 'ODD "NAME"'), ("TABLE", "X" * 200)):
            shown = name if len(name) < 80 else "X" * 77 + "..."
            quoted = name.replace('"', '""')
            says = (f"{portal}/source.toml", shown, "which no file reads", "suggested line")
            yield Damage(f"{portal}: a {kind} {shown} more", says, sql={portal: (f'CREATE {kind} "{quoted}" (A INTEGER)',)})
        yield from _of_codes(portal, files)
    yield Damage(
        "portal2: a key of a look-up there twice",
        ("portal2/model_entity.toml", "from[0].lookup.off.key", "1 keys of OFFICE.OFFICE_ID", "occur more than once"),
        sql={
            "portal2": (
                "CREATE TABLE O2 AS SELECT * FROM OFFICE",
                "INSERT INTO O2 SELECT * FROM OFFICE LIMIT 1",
                "DROP TABLE OFFICE",
                "ALTER TABLE O2 RENAME TO OFFICE",
            )
        },
    )
    yield Damage(
        "portal2: the look-up's table gone",
        ("portal2/model_entity.toml", "from[0].lookup.off.table", "no table or view OFFICE"),
        sql={"portal2": ("DROP TABLE OFFICE",)},
    )
    yield Damage(
        "portal2: a column of the look-up's table more",
        ("portal2/model_entity.toml", "retired.off.PHONE", "neither used nor retired", '"off.PHONE" ='),
        sql={"portal2": ("ALTER TABLE OFFICE ADD COLUMN PHONE TEXT",)},
    )


def _readers(files: Files, portal: str) -> dict[str, str]:
    """By physical table (as the database spells it) the first file that reads it."""
    found: dict[str, str] = {}
    for name, text in sorted(files.items()):
        if name.startswith(f"{portal}/") and not name.endswith("source.toml"):
            for table in _BLOCK_TABLE.findall(text):
                found.setdefault(table.upper(), name)
    return found


def _of_a_table(portal: str, table: str, file: str) -> Iterator[Damage]:
    new = typed_wrong(table)
    drop = "DROP VIEW IF EXISTS V_FIRST"
    yield Damage(
        f"{portal}: {table} is now {new}",
        (file, "from[", "no table or view", f"nearest: {new}"),
        sql={portal: (drop, f'ALTER TABLE "{table}" RENAME TO "{new}"')},
    )
    yield Damage(f"{portal}: {table} gone", (file, "from[", "no table or view"), sql={portal: (drop, f'DROP TABLE "{table}"')})
    yield Damage(
        f"{portal}: a column more in {table}",
        (file, "retired.EXTRA", f"{table}.EXTRA", "neither used nor retired", "suggested line"),
        sql={portal: (f'ALTER TABLE "{table}" ADD COLUMN EXTRA TEXT',)},
    )


# By form (plain ones by the contract column's type) a declared type that it cannot read.
_CANNOT = {
    "code": "BLOB",
    "flag": "BLOB",
    "date": "REAL",
    "moment": "REAL",
    "number": "BLOB",
    "integer": "BLOB",
    "trim": "INTEGER",
    "path": "DATE",
    "bytes": "DATE",
    "join": "BLOB",
    "text": "BLOB",
    "part": "DATE",
}


def _of_its_columns(portal: str, table: str, file: str, files: Files, columns: Mapping[str, str]) -> Iterator[Damage]:
    lines = [line for line in files[file].splitlines() if re.match(r'[a-z0-9_]+ = (\{ [a-z]+ = )?\[?"', line) and " = { absent" not in line]
    chance = Random(table)
    for line in chance.sample(lines, min(3, len(lines))):
        column = line.partition(" = ")[0]
        match = re.match(r'[a-z0-9_]+ = (?:\{ ([a-z]+) = )?\[?"([^"]+)"', line)
        if match is None or column in ("table", "rest", "where") or match[2].upper() not in columns or column == "password_hash":
            continue
        form, physical = match[1] or "plain", match[2].upper()
        new, location = typed_wrong(physical), f"columns.{column}"
        view = "DROP VIEW IF EXISTS V_FIRST"
        yield Damage(
            f"{portal}: {table}.{physical} is now {new}",
            (file, location, f"no column {match[2]} in {table}", f"nearest: {new}"),
            sql={portal: (view, f'ALTER TABLE "{table}" RENAME COLUMN "{physical}" TO "{new}"')},
        )
        yield Damage(
            f"{portal}: {table}.{physical} gone",
            (file, location, f"no column {match[2]} in {table}"),
            sql={portal: (view, *_without(table, physical, columns))},
        )
        declared = _CANNOT.get(form, "TEXT" if columns[physical] in ("BLOB", "BYTEA") else "BLOB")
        yield Damage(
            f"{portal}: {table}.{physical} is now a {declared}",
            (file, location, f"{table}.{physical} {declared}", "cannot read"),
            sql={portal: (view, *_retyped(table, physical, declared, columns))},
        )


def _without(table: str, gone: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    listed = ", ".join(f'"{name}"' for name in columns if name != gone)
    return (f'CREATE TABLE "#new" AS SELECT {listed} FROM "{table}"', f'DROP TABLE "{table}"', f'ALTER TABLE "#new" RENAME TO "{table}"')


def _retyped(table: str, column: str, declared: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    listed = ", ".join(f'"{name}" {declared if name == column else kind}' for name, kind in columns.items())
    return (
        f'CREATE TABLE "#new" ({listed})',
        f'INSERT INTO "#new" SELECT * FROM "{table}"',
        f'DROP TABLE "{table}"',
        f'ALTER TABLE "#new" RENAME TO "{table}"',
    )


def _of_codes(portal: str, files: Files) -> Iterator[Damage]:
    """A word that no line of the code list has, in one row of each column of codes."""
    for name, text in sorted(files.items()):
        if not name.startswith(f"{portal}/") or name.endswith("source.toml"):
            continue
        table = _BLOCK_TABLE.findall(text)[0].upper()
        for match in re.finditer(r'^([a-z0-9_]+) = \{ code = "(\w+)", by = "(\w+)" \}', text, re.MULTILINE):
            column, physical, by = match.groups()
            where = f'(SELECT min(rowid) FROM "{table}" WHERE "{physical}" IS NOT NULL)'
            yield Damage(
                f"{portal}: an unknown word in {table}.{physical}",
                (name, f"columns.{column}", "'#7' (1)", f"codes/{by}.csv"),
                sql={portal: (f'UPDATE "{table}" SET "{physical}" = \'#7\' WHERE rowid = {where}',)},
            )

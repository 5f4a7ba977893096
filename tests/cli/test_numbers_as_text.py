"""Physical numbers with fractions that a form reads as text: both sides of the project give the same digits."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.support.school import School, portal_rows, school

DOUBLES = (1e16, 0.1, -0.0, 1e22, float("inf"), 123456789012345680.0)
SINGLES = (0.1, 16777216.0, 1.5, 1e-7, 1e10, 0.0)
TEXTS = {"10000000000000000", "0.1", "0", "10000000000000000000000", "123456789012345680"}
SINGLE_TEXTS = {"0.1", "16777216", "1.5", "1e-07", "10000000000", "0"}


def _rows() -> dict[str, tuple[list[str], list[list[object]]]]:
    """The school's rows, with the guardians' names as numbers."""
    found: dict[str, tuple[list[str], list[list[object]]]] = {
        table: (head, [list(row) for row in rows]) for table, (head, rows) in portal_rows().items()
    }
    head, rows = found["guardian"]
    for row, double, single in zip(rows, DOUBLES, SINGLES, strict=True):
        row[head.index("first")], row[head.index("last")] = double, single
    return found


def _written(world: School, source: str, double: str, single: str) -> School:
    def kind(table: str, column: str) -> str:
        return {("guardian", "first"): double, ("guardian", "last"): single}.get((table, column), "TEXT")

    created = {
        table: f"CREATE TABLE {table} ({', '.join(f'{name} {kind(table, name)}' for name in head)})" for table, (head, _) in _rows().items()
    }
    if source.startswith("postgresql"):
        import psycopg

        with psycopg.connect(source) as session:
            for table, (head, rows) in _rows().items():
                session.execute(created[table].encode())
                session.cursor().executemany(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(head))})".encode(), rows)
    else:
        with closing(sqlite3.connect(make_url(source).database or "")) as portal, portal:
            for table, (head, rows) in _rows().items():
                portal.execute(created[table])
                portal.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(head))})", rows)
    return School(world.folder, source)


@pytest.mark.parametrize("kind", ["sqlite", "sqlite without types", "postgresql"])
def test_numbers_read_as_text_have_all_digits_of_a_whole_number_on_both_sides(kind: str, postgres: str, tmp_path: Path) -> None:
    world = school(tmp_path)
    for table in ("portal_user", "company_contact"):
        file = tmp_path / "adapter" / "portal2" / f"{table}.toml"
        text = re.sub(r'(?m)^(first|last)_name = "(.*)"$', r'\1_name = { text = "\2" }', file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")
    file = tmp_path / "adapter" / "portal2" / "agreement_signature.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace('{ join = ["who.first", "who.last"] }', '{ text = "who.last" }'), encoding="utf-8"
    )
    if kind == "postgresql":
        import psycopg

        with psycopg.connect(postgres, autocommit=True) as session:
            session.execute(b"CREATE DATABASE fractions")
        world = _written(world, make_url(postgres).set(database="fractions").render_as_string(hide_password=False), "FLOAT8", "FLOAT4")
    else:
        types = ("DOUBLE", "REAL") if kind == "sqlite" else ("", "")
        world = _written(world, f"sqlite:///{tmp_path}/portal.sqlite", *types)
    for done in (world.plan(), world.run()):
        assert done.code == 0, done.err
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as store:
        names = store.execute("SELECT first_name, last_name FROM login").fetchall()
        signed = {name for (name,) in store.execute("SELECT signer_name FROM signature_act")}
    assert len(names) == 5
    assert {first for first, _ in names} < TEXTS | {"inf", "Infinity"}
    assert {last for _, last in names} | signed <= SINGLE_TEXTS

"""The ends of what a portal's columns can hold: first and last days, infinities, the ends of 64 bits. They are data, and both sides read them alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from sample_data import contract
from tests.support.command import FREEZE, Workspace, command
from tests.support.legacy import MAPPINGS, Legacy
from tests.unit.checks.test_checks_stage import world

DAYS = ("-infinity", "infinity", "0001-01-01", "9999-12-31", "4713-01-01 BC", "5874897-12-31", "0001-12-31 BC", "10000-01-01")
MOMENTS = (
    "-infinity",
    "infinity",
    "0001-01-01 00:00:00",
    "9999-12-31 23:59:59.999999",
    "4713-01-01 00:00:00 BC",
    "294276-12-31 23:59:59.999999",
    "0001-12-31 23:59:59.999999 BC",
    "10000-01-01 00:00:00",
)


@pytest.fixture
def databases(postgres: str) -> Iterator[dict[str, str]]:
    """Three new databases of a server: two old portals of the contract's tables, and an empty one."""
    urls = {
        name: make_url(postgres).set(database=f"ends_{name}").render_as_string(hide_password=False) for name in ("portal2", "tc", "portal3")
    }
    with psycopg.connect(postgres, autocommit=True) as server:
        for name in urls:
            server.execute(f"CREATE DATABASE ends_{name}".encode())
        yield urls
        for name in urls:
            server.execute(f"DROP DATABASE ends_{name} WITH (FORCE)".encode())


def _filled(urls: dict[str, str], legacy: Legacy) -> None:
    for schema in ("portal2", "tc"):
        with psycopg.connect(urls[schema]) as connection:
            for statement in contract.statements(contract.ddl(schema)):
                connection.execute(statement.encode())
            for table in contract.tables(schema):
                for row in legacy.tables.get(table, ()):
                    marks = ", ".join(["%s"] * len(row))
                    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})".encode(), list(row.values()))


def _at_the_ends() -> Legacy:
    """A row in every table, each of its dates and moments the next of the ends."""
    legacy, days, moments = world(), cycle(DAYS), cycle(MOMENTS)
    for table, rows in legacy.tables.items():
        shape = next(schema.tables[table] for schema in MAPPINGS.sources.values() if table in schema.tables)
        for row in rows:
            row.update({c.name: next(days) for c in shape.columns if c.family == "date" and c.name not in shape.key})
            row.update({c.name: next(moments) for c in shape.columns if c.family == "timestamp" and c.name not in shape.key})
    return legacy


def test_every_date_and_moment_of_the_contract_may_be_infinite_or_the_last_that_postgresql_knows(
    databases: dict[str, str], tmp_path: Path
) -> None:
    legacy = _at_the_ends()
    for row, day in zip(legacy.tables["agreement_version"], ("-infinity", "infinity"), strict=True):
        row["effective_dt"] = day
    for row, moment in zip(legacy.tables["agreement_signature"], ("2021-01-01", "2021-01-01", "-infinity"), strict=True):
        row["signed_at"] = moment
    _filled(databases, legacy)
    (tmp_path / "files").mkdir()
    words = ("--source", databases["portal2"], "--tc", databases["tc"], "--files", "files", *FREEZE)
    for target, name in ((databases["portal3"], "one"), (f"sqlite:///{tmp_path}/p3.sqlite", "two")):
        done = command("run", *words, "--target", target, "--objects", f"{name}-objects", "--run", name, folder=tmp_path)
        assert done.code == 0, done.err
    with psycopg.connect(databases["portal3"]) as store:
        effective = store.execute("SELECT effective_dt::text FROM agreement_version ORDER BY agreement_version_id").fetchall()
        flagged = store.execute("SELECT legacy_key FROM migration_exception WHERE rule_cd = 'D11'").fetchall()
    assert effective == [("-infinity",), ("infinity",)]
    assert flagged == [("2",)]  # before a version that is never in force; -infinity is not before -infinity
    with closing(sqlite3.connect(tmp_path / "p3.sqlite")) as store_too:
        assert store_too.execute("SELECT legacy_key FROM migration_exception WHERE rule_cd = 'D11'").fetchall() == flagged


def test_J4_a_moment_beyond_year_9999_in_utc_is_not_valid(tmp_path: Path) -> None:
    clocks = {
        1: "9999-12-31 23:59:59",
        2: "9999-12-31 18:59:59",
        3: "9999-12-31 19:00:00",
        4: "0001-01-01 00:00:00",
        5: "2020-02-02 02:02:02",
    }
    legacy = Legacy().profile(1).model(11).entity(101, type="IMP")
    for key, clock in clocks.items():
        legacy.event(key, profile=1, entity=101, updated_local=clock)
    legacy.write(tmp_path / "legacy")
    workspace = Workspace(tmp_path)
    done = workspace.command("run")
    assert done.code == 0, done.err
    with workspace.database("portal3.sqlite") as store:
        events = {row[0]: row[1:] for row in store.execute("SELECT legacy_key, occurred_at, occurred_certain FROM event_history")}
        flagged = {key for (key,) in store.execute("SELECT legacy_key FROM migration_exception WHERE rule_cd = 'J4'")}
    assert events["1"] == events["3"] == (None, 0)
    assert events["2"] == ("9999-12-31 23:59:59", 1)
    assert events["4"][0].startswith("0001-01-01 0")
    assert flagged == {"1", "3"}


ENDS = (-(2**63), 2**63 - 1, 0, -1, -(2**63) + 1, 2**60, 2**60 - 1, 2**48, -(10**18), 10**18, -(10**18) + 1, 999_999_999, -999_999_999)


@pytest.mark.parametrize("turned", [0, 5])
def test_keys_may_have_the_extreme_values_of_64_bits(turned: int, tmp_path: Path) -> None:
    """The entities have no number: `M` and the id make one (A16, fine print 45); one of 21 characters does not fit (fine print 44)."""
    legacy = world()
    numbers = sorted(
        {v for rows in legacy.tables.values() for row in rows for c, v in row.items() if c.endswith("_id") and isinstance(v, int)}
    )
    ends = dict(zip(numbers, ENDS[turned:] + ENDS[:turned], strict=True))
    for table, rows in legacy.tables.items():
        shape = next(schema.tables[table] for schema in MAPPINGS.sources.values() if table in schema.tables)
        for row in rows:
            row.update(
                {
                    name: ends[v]
                    for name, v in row.items()
                    if isinstance(v, int) and name.endswith("_id") and shape.by_name[name].sql_type == "BIGINT"
                }
            )
            if table == "model_entity":
                row["account_number"] = None
    legacy.write(tmp_path / "legacy")
    workspace = Workspace(tmp_path)
    done = workspace.command("run")
    assert done.code == 0, done.err
    with workspace.database("portal3.sqlite") as store:
        accounts = dict(store.execute("SELECT legacy_entity_id, account_number FROM entity_account"))
        held = {int(key) for (key,) in store.execute("SELECT legacy_key FROM migration_holding WHERE legacy_table = 'model_entity'")}
    entities = {ends[number] for number in (101, 102, 201)}
    assert held == {key for key in entities if key <= -(10**18)}
    assert accounts == {key: f"M{'-' * (key < 0)}{abs(key):09d}" for key in entities - held}
    traced = command("trace", "P2", "document", str(ends[1]), "--run", "run", folder=tmp_path)
    assert traced.code == 0, traced.err
    assert workspace.command("rollback").code == 0


def test_E14_a_due_date_that_would_lie_beyond_year_9999_is_not_adjusted(tmp_path: Path) -> None:
    """Fine print 53; the last day that there is can still be reached."""
    legacy = Legacy().profile(1).model(11).entity(101, type="IMP").task(1, profile=1, entity=101, due_dt="9999-12-31")
    legacy.task(3, profile=1, entity=101, due_dt="9999-12-30").task(2, profile=1, entity=101, due_dt="9999-12-29").write(
        tmp_path / "legacy"
    )
    workspace = Workspace(tmp_path)
    done = workspace.command("run", "--freeze-from", "9999-12-29", "--freeze-to", "9999-12-30")
    assert done.code == 0, done.err
    with workspace.database("portal3.sqlite") as store:
        assert dict(store.execute("SELECT legacy_key, due_dt_adjusted FROM portal_task")) == {"1": None, "2": "9999-12-31", "3": None}

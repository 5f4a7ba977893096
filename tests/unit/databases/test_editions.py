"""A store of the contract's first edition is refused with the DDL that brings it up; a store whose picker is not the contract's is refused too."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from etl.databases.editions import VIEW_DIFFERS, upgrade
from etl.databases.registry import contract_differences
from etl.errors import Refused
from etl.pipeline.preflight import refuse_other_tables
from mappings.read import HOME
from tests.support.legacy import MAPPINGS

_ADDED = re.compile(
    r" acting_officer BOOLEAN NOT NULL,| share_more BOOLEAN NOT NULL,| blocked BOOLEAN NOT NULL,|,\n    a.dba_name, a.office_cd, a.legacy_profile_id"
    r"|\n  grace_before INTEGER[^\n]*|\n  fresh BOOLEAN[^\n]*|mappings_sha256 CHAR\(64\) NOT NULL, decisions_sha256 CHAR\(64\), "
)
CONTRACT = (HOME / "schemas" / "portal3.sql").read_text(encoding="utf-8")
FIRST_EDITION = _ADDED.sub("", CONTRACT)


class Database:
    """An empty database of either kind: its URL, and statements run in it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, script: str) -> None:
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as lite:
                lite.executescript(script.replace("BYTEA", "BLOB").replace(" UUID", " TEXT"))
        else:
            with psycopg.connect(self.url, autocommit=True) as server:
                server.execute(script.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path}/store.sqlite")
        return
    server: Any = request.getfixturevalue("postgres")
    with psycopg.connect(server, autocommit=True) as session:
        session.execute("CREATE DATABASE edition")
        try:
            yield Database(make_url(server).set(database="edition").render_as_string(hide_password=False))
        finally:
            session.execute("DROP DATABASE edition WITH (FORCE)")


def test_K5_fp66_a_store_of_the_first_edition_is_refused_with_the_ddl_that_brings_it_up(database: Database) -> None:
    assert FIRST_EDITION.count("\n") < CONTRACT.count("\n")
    database.run(FIRST_EDITION)
    with pytest.raises(Refused, match=r"acting_officer: no such column") as refused:
        refuse_other_tables(database.url, MAPPINGS)
    heading, *statements = refused.value.next_step.splitlines()
    assert "first edition" in heading
    database.run("\n".join(statements))
    assert contract_differences(database.url, MAPPINGS.target) == []


def test_K5_fp62_a_picker_that_is_not_the_contracts_is_refused(database: Database) -> None:
    database.run(CONTRACT)
    assert contract_differences(database.url, MAPPINGS.target) == []
    database.run("DROP VIEW account_picker")
    assert contract_differences(database.url, MAPPINGS.target) == [f"account_picker: {VIEW_DIFFERS}"]
    database.run(MAPPINGS.target.views["account_picker"].replace("IS NOT NULL AND", "IS NOT NULL OR", 1))
    with pytest.raises(Refused, match=f"account_picker: {VIEW_DIFFERS}") as refused:
        refuse_other_tables(database.url, MAPPINGS)
    assert "first edition" not in refused.value.next_step
    assert upgrade([f"account_picker: {VIEW_DIFFERS}"], MAPPINGS.target) == []

"""`portal-migrate sql` prints what the pages say, under one's own names, and a server takes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.support.command import command


@pytest.fixture
def portal(postgres: str) -> Iterator[str]:
    """A database with one table, and a role that reads it."""
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute("CREATE DATABASE sql_texts")
        server.execute("CREATE ROLE frozen_reader LOGIN")
        url = make_url(postgres).set(database="sql_texts").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("CREATE TABLE message (message_id int)")
        yield url
        server.execute("DROP DATABASE sql_texts WITH (FORCE)")
        server.execute("DROP ROLE frozen_reader")


def _script(name: str, *more: str) -> str:
    done = command("sql", name, *more)
    assert (done.code, done.err) == (0, "")
    head, _, rest = done.out.partition("\n")
    assert head == "\\set ON_ERROR_STOP on"
    return rest


def test_the_printed_sql_freezes_and_unfreezes_a_portal(portal: str) -> None:
    notices: list[str] = []
    with psycopg.connect(portal, autocommit=True) as owner:
        owner.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        owner.execute(_script("freeze", "--reader", "frozen_reader").encode())
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            owner.execute("INSERT INTO message VALUES (1)")
        cursor = owner.execute(_script("frozen", "--reader", "frozen_reader").encode())
        counts = [cursor.fetchone()]
        while cursor.nextset():
            counts.append(cursor.fetchone())
        assert counts == [(0,)] * 3
        owner.execute(_script("unfreeze").encode())
        owner.execute("INSERT INTO message VALUES (1)")
    assert notices == []


def test_the_roles_script_uses_the_given_names_in_every_part() -> None:
    text = _script(
        "roles",
        "--reader",
        "r1",
        "--writer",
        "w1",
        "--auditor",
        "a1",
        "--rehearser",
        "h1",
        "--portal2",
        "old",
        "--tc-database",
        "trade",
        "--portal3",
        "new",
        "--portal-schema",
        "legacy",
        "--store-schema",
        "store",
    )
    assert [line for line in text.splitlines() if line.startswith("\\connect")] == [
        "\\connect postgres",
        "\\connect old",
        "\\connect trade",
        "\\connect new",
    ]
    assert "migration_" not in text.replace("migration_freeze", "")
    assert "CREATE SCHEMA store AUTHORIZATION w1" in text
    assert "REVOKE ALL ON SCHEMA public FROM PUBLIC" in text  # the new store's own schema public keeps its name
    assert "'legacy'::regnamespace" in text
    assert "public" not in text.split("\\connect old")[1].split("\\connect trade")[0]


def test_names_that_need_quotes_are_refused(tmp_path: Path) -> None:
    for name in ("Reader", "a b", "x; DROP ROLE y", 'q"', "1a", "é"):
        done = command("sql", "freeze", "--reader", name, folder=tmp_path)
        assert (done.code, done.out, "--reader" in done.err) == (2, "", True), name
    assert command("sql", "roles", "--output", "json", folder=tmp_path).data["sql"].count("CREATE ROLE") == 4

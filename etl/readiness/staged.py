"""What the open points are made of, from a run's staged rows: the same as the store's after publishing, before anything is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from etl.readiness.store import ACCOUNT, CONTACT, DOCUMENT, EXCEPTION, HOLDING, IDENTIFIER, LOGIN, RUN, TYPES, StoreFacts
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns

_RECORD = {"legacy_portal_cd": "portal", "legacy_table": "table", "legacy_key": "key", "reason_cd": "reason", "rule_cd": "rule"}


def staged_facts(folder: RunFolder) -> StoreFacts:
    """Returns the facts of a run that is done with reattach. Ids are texts of another form than the store's; `runs` and `due` are empty."""
    accounts = _staged(folder, "entity_account", ACCOUNT)
    contacts = _staged(folder, "account_contact", CONTACT)
    shown = contacts.filter(pl.col("login_id").is_not_null(), pl.col("removed_at").is_null())
    visible = accounts.filter(pl.col("trade_visible")).select("account_id")
    return StoreFacts(
        accounts=accounts,
        contacts=contacts,
        logins=_staged(folder, "login", LOGIN),
        aliases=_staged(folder, "login_alias", {"legacy_key": "text", "login_id": "id"}),
        picker=shown.join(visible, on="account_id", how="semi").select("login_id", "account_id").unique(),
        identifiers=_staged(folder, "account_identifier", IDENTIFIER),
        broken_documents=_staged(folder, "document", DOCUMENT).filter(pl.col("content_state_cd") != "PRESENT"),
        holding=_recorded(folder, "held", HOLDING),
        exceptions=_recorded(folder, "flag", EXCEPTION),
        runs=_empty(RUN),
        due={},
    )


def _staged(folder: RunFolder, table: str, columns: Mapping[str, str]) -> pl.DataFrame:
    return _frame(folder, [layout.made(step, table) for step in layout.MADE_BY], columns, {})


def _recorded(folder: RunFolder, record: str, columns: Mapping[str, str]) -> pl.DataFrame:
    return _frame(folder, [layout.record(step, record) for step in layout.MADE_BY], columns, _RECORD)


def _frame(folder: RunFolder, prefixes: Iterable[str], columns: Mapping[str, str], staged_as: Mapping[str, str]) -> pl.DataFrame:
    names = {staged_as.get(name, name): name for name in columns}
    frames = [
        pl.DataFrame(read_columns(folder.path, file, list(names))).select(list(names)).rename(names)
        for prefix in prefixes
        for file in folder.files(prefix.partition("/")[0], prefix)
    ]
    return pl.concat([_empty(columns), *(frame.select(_text(frame[name], kind) for name, kind in columns.items()) for frame in frames)])


def _empty(columns: Mapping[str, str]) -> pl.DataFrame:
    return pl.DataFrame(schema={name: TYPES[kind] for name, kind in columns.items()})


def _text(values: pl.Series, kind: str) -> pl.Series:
    return values.bin.encode("hex") if values.dtype == pl.Binary else values.cast(TYPES[kind])

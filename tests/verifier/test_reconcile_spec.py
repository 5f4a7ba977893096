"""The verifier's reader of the mapping files; and the files compared with the contract, column by column."""

import shutil
import sqlite3
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from etl.reconcile.compare.hashing import account_path, identity, own_id
from etl.reconcile.databases.sqlite import SqliteDatabase
from etl.reconcile.engine.expected import Expected
from etl.reconcile.engine.source import Source
from etl.reconcile.engine.spec import read_spec
from etl.reconcile.engine.world import ExpectedState
from etl.reconcile.errors import SpecError
from sample_data.world import write_cast

SPEC = read_spec()
MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"

# Written down from the contract by hand, not from the mapping files: where a value gets another name. A flag `x_ind` becomes `x`.
RENAMED = {
    ("company_profile", "entity_account"): {
        "company_name": {"legal_name"},
        "company_profile_id": {"legacy_profile_id"},
        "created_at": {"profile_created_at"},
        "modified_at": {"profile_modified_at"},
    },
    ("company_profile", "account_group"): {"company_name": {"name"}},
    ("security_model", "entity_account"): {
        "model_name": {"account_label"},
        "security_model_id": {"legacy_model_id"},
        "origin_cd": {"model_origin_cd"},
        "origin_model_id": {"legacy_origin_model_id"},
        "effective_at": {"model_effective_at"},
        "modified_at": {"model_modified_at"},
    },
    ("security_model", "account_group"): {"model_name": {"name"}, "effective_at": {"created_at"}},
    ("trade_organization", "account_group"): {"org_name": {"name"}},
    ("model_entity", "entity_account"): {"entity_id": {"legacy_entity_id"}},
    ("portal_user", "login"): {"user_name": {"email_display"}},
    ("portal_user", "login_alias"): {"user_name": {"email_as_typed"}},
    ("company_contact", "account_contact"): {"ctpat_mail_ind": {"receives_mail"}},
    ("company_address", "account_address"): {"primary_ind": {"is_primary"}},
    ("entity_identifier", "account_identifier"): {"identifier_value": {"value_raw"}},
    ("security_profile", "security_profile"): {"current_ind": {"is_current"}},
    ("document", "document"): {"size_bytes": {"recorded_size_bytes"}, "sha256_hex": {"recorded_sha256"}},
    ("svi_link", "svi_link"): {"request_status_cd": {"status_cd"}},
    ("event_history", "event_history"): {"updated_local": {"occurred_raw"}},
    ("tc_contact", "login"): {"email": {"email_display"}},
    ("tc_contact", "account_contact"): {"tc_mail_ind": {"receives_mail"}},
    ("tc_document", "document"): {"size_bytes": {"recorded_size_bytes"}, "sha256_hex": {"recorded_sha256"}},
}


def test_column_names_are_those_of_the_contract() -> None:
    for (_, table), mapping in SPEC.mappings.items():
        for into in mapping.into:
            renamed = RENAMED.get((table, into.table), {})
            for target, value in into.columns.items():
                if value.form == "column":
                    [source] = value.source
                    assert target in renamed.get(source, {source, source.removesuffix("_ind")}), (
                        f"{table}.{source} -> {into.table}.{target}"
                    )


def test_every_column_of_the_store_has_a_source() -> None:
    made = {"stored_object", "migration_run", "migration_holding", "migration_exception"}
    for table in SPEC.target.values():
        fed = {c for mapping in SPEC.mappings.values() for into in mapping.into if into.table == table.name for c in into.columns}
        assert fed == set(table.columns) or table.name in made, f"{table.name}: {set(table.columns) ^ fed}"


def test_the_verifier_implements_every_rule_of_the_mappings(tmp_path: Path) -> None:
    old = write_cast(tmp_path)
    sources = {"P2": Source(SPEC, "P2", SqliteDatabase(Path(old.source.removeprefix("sqlite:///"))))}
    assert Expected(ExpectedState(SPEC, sources, None, None, None)).unread() == {}


def test_what_identifies_a_row() -> None:
    assert identity(SPEC, "account_contact") == ("legacy_portal_cd", "legacy_key", "#account")
    assert identity(SPEC, "finding_response") == ("legacy_key", "#account")
    assert identity(SPEC, "svi_link") == ("legacy_key", "monitor_account_id", "monitored_account_id")
    assert identity(SPEC, "login") == ("email_key",)
    assert identity(SPEC, "tc_ior") == ("tc_program_id", "ior_value")
    assert account_path(SPEC, "finding_response") == "finding_id"
    assert own_id(SPEC.target["svi_membership"]) is None


def test_a_new_ordinary_table_needs_no_python(tmp_path: Path) -> None:
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    old = "CREATE TABLE seal_check (seal_id BIGINT PRIMARY KEY, entity_id BIGINT, seen_dt DATE, note VARCHAR(9), cbp_user_id BIGINT);\n"
    new = (
        "CREATE TABLE account_seal_check (check_id UUID PRIMARY KEY, account_id UUID NOT NULL REFERENCES entity_account, seen_dt DATE,"
        " seen_dt_adjusted DATE, note VARCHAR(9), cbp_user_id BIGINT REFERENCES cbp_user, legacy_key VARCHAR(80) NOT NULL);\n"
    )
    for name, ddl in (("portal2", old), ("portal3", new)):
        with (folder / "schemas" / f"{name}.sql").open("a", encoding="utf-8") as file:
            file.write(ddl)
    (folder / "portal2" / "seal_check.toml").write_text(
        """rules = ["E14"]
[owner]
entity_id = "model_entity"
[[into]]
table = "account_seal_check"
per   = "account"
[into.columns]
check_id         = { id = "self" }
account_id       = { id = "account" }
seen_dt          = "seen_dt"
seen_dt_adjusted = { rule = "E14", from = ["seen_dt"] }
note             = "note"
cbp_user_id      = { soft = "cbp_user_id", of = "cbp_user" }
legacy_key       = { legacy_key = true }
""",
        encoding="utf-8",
    )
    written = write_cast(tmp_path / "legacy")
    path = Path(written.source.removeprefix("sqlite:///"))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(old)
    db.executemany(
        "INSERT INTO seal_check VALUES (?, ?, ?, ?, ?)",
        [(1, 101, "2023-09-20", "x", 1), (2, 999999, None, "y", 1), (3, 101, "soon", "z", 77)],
    )
    db.close()
    spec = read_spec(folder)
    world = ExpectedState(spec, {"P2": Source(spec, "P2", SqliteDatabase(path))}, None, (date(2023, 9, 16), date(2023, 9, 30)), None)
    rows = [
        row
        for part in Expected(world).first_pass()
        if part.table == "account_seal_check"
        for row in part.frame(np.ones(len(part), np.bool_))
        .select("legacy_key", "account_id", "seen_dt_adjusted", "note", "cbp_user_id")
        .rows()
    ]
    assert rows == [("1", 101, date(2023, 10, 5), "x", 1), ("3", 101, None, "z", None)]
    held = world.ledger.held()
    assert {r["key"]: r["reason"] for r in held.to_dicts() if r["table"] == "seal_check"} == {
        "2": "BROKEN_REFERENCE",
        "3": "UNREADABLE_VALUE",
    }
    assert {r["rule"] for r in world.ledger.flags().to_dicts() if r["table"] == "seal_check"} == {"X1", "X2"}
    assert world.not_checked == []


@pytest.mark.parametrize("text", ['[[into]]\ntable = "login"\nper = "once"\n[into.columns]\nlogin_id = { magic = true }\n'])
def test_unknown_words_are_errors(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    (folder / "portal2" / "message.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"portal2/message\.toml: into\.login\.login_id"):
        read_spec(folder)

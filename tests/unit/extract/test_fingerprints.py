"""K1, the freeze guard: what each old table was when it was read, and whether it still is before publishing and when old and new are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from etl.databases.registry import open_source
from tests.support.command import Workspace
from tests.support.legacy import MAPPINGS
from tests.support.servers import READER, Portals, portals

__all__ = ["portals"]  # a fixture


def prints(run: Path) -> dict[str, dict[str, Any]]:
    return dict(json.loads((run / "manifest.json").read_bytes())["run"]["steps"]["extract"]["facts"]["fingerprints"])


def guard(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "report" / "report.json").read_bytes())["freeze_guard"])


def test_K1_every_table_has_a_fingerprint_and_one_cell_changes_that_of_its_table_alone(cast: Workspace, published: Workspace) -> None:
    before = prints(cast.run)
    assert set(before) == {f"{m.portal}.{m.table}" for portal in ("P2", "TC") for m in MAPPINGS.of(portal)}  # type: ignore[arg-type]
    with cast.database("legacy/portal2.sqlite") as source:
        for table, key in (("document", "document_id"), ("message", "message_id"), ("validation", "validation_id")):
            rows, highest = source.execute(f"SELECT count(*), max({key}) FROM {table}").fetchone()
            assert (before[f"P2.{table}"]["rows"], before[f"P2.{table}"]["highest_key"]) == (rows, str(highest))
    with published.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE message SET body = body || '.' WHERE message_id = (SELECT max(message_id) FROM message)")
        source.execute("UPDATE document_content SET content = x'00' WHERE document_id = (SELECT max(document_id) FROM document_content)")
    assert published.command("extract", "--run", "other").code == 0
    after = prints(published.folder / "other")
    assert {name for name in before if before[name] != after[name]} == {"P2.message", "P2.document_content"}


def test_K1_the_report_states_the_evidence_for_the_freeze(cast: Workspace) -> None:
    looks = guard(cast.run)["looks"]
    assert [(look["moment"], look["portal"]) for look in looks] == [
        (moment, portal) for moment in ("before publishing", "in reconcile") for portal in ("P2", "TC")
    ]
    assert {(look["how"], *look["changed"]) for look in looks} == {("the file is the same, bit by bit",)}
    assert "Portal 2.0 in reconcile: unchanged" in (cast.run / "report" / "report.html").read_text(encoding="utf-8")


def test_K1_reconcile_distinguishes_a_changed_portal_from_a_wrong_store(published: Workspace) -> None:
    first = "message_id = (SELECT min(message_id) FROM message)"
    with published.database("legacy/portal2.sqlite") as source:
        ((body,),) = source.execute(f"SELECT body FROM message WHERE {first}")
        source.execute(f"UPDATE message SET body = 'written behind the freeze' WHERE {first}")
    done = published.command("reconcile", "--run", "run")
    assert done.code == 4
    assert "Written to since the extract: P2.message; the old portal is not frozen." in done.err
    with published.database("portal3.sqlite") as store:
        store.execute("UPDATE message SET body = 'wrong'")
    with published.database("legacy/portal2.sqlite") as source:
        source.execute(f"UPDATE message SET body = ? WHERE {first}", (body,))
    done = published.command("reconcile", "--run", "run")
    assert done.code == 4
    assert "Written to" not in done.err


def test_K1_reconcile_names_a_table_created_after_publishing(published: Workspace) -> None:
    with published.database("legacy/tc.sqlite") as source:
        source.execute("CREATE TABLE tc_new (id BIGINT PRIMARY KEY)")
    done = published.json("reconcile", "--run", "run")
    assert done.data["changed_since_extract"] == ["TC.tc_new"]


def test_K1_writes_without_a_changed_value_are_detected_on_postgresql(portals: Portals) -> None:
    """Old and new are equal, and the report still states that the portal was written to."""
    assert portals.run("run").code == 0
    run = portals.folder / "run"
    known = prints(run)
    with portals.session("portal2") as connection:
        for table, key in (("message", "message_id"), ("business_type", 'business_type_cd COLLATE "C"')):
            ((rows, highest),) = connection.execute(f"SELECT count(*), max({key})::text FROM {table}").fetchall()
            assert (known[f"P2.{table}"]["rows"], known[f"P2.{table}"]["highest_key"]) == (rows, highest)
    assert known["P2.message"]["counted"].startswith(f"{known['P2.message']['rows']} inserted")
    portals.do("portal2", "UPDATE portal_user SET password_hash = password_hash")
    done = portals.run("reconcile")
    assert done.code == 4, done.err
    assert "Written to since the extract: P2.portal_user" in done.err
    assert portals.run("report").code == 0
    looks = {(look["moment"], look["portal"]): look["changed"] for look in guard(run)["looks"]}
    assert looks["before publishing", "P2"] == []
    assert looks["in reconcile", "P2"] == ["P2.portal_user"]


def test_K1_a_restored_server_counts_as_changed_in_every_table(portals: Portals) -> None:
    with open_source(portals.url("portal2", READER), "Portal 2.0") as source:
        later = ":".join(str(int(part) + 1_000_000) for part in source.freeze_mark().split(":")[:2]) + ":"
        assert source.changed_since(later, {"message": 1, "document": 2}).changed == ["message", "document"]


def test_H6_no_highest_key_looks_like_a_social_security_number(published: Workspace) -> None:
    with published.database("legacy/tc.sqlite") as source:
        columns = [row[1] for row in source.execute("PRAGMA table_info(tc_ior)")]
        ((account,),) = source.execute("SELECT max(tc_account_id) FROM tc_account")
        row = {**dict.fromkeys(columns), "tc_account_id": account, "ior_value": "999-45-6789"}
        source.execute(f"DELETE FROM tc_ior WHERE tc_account_id = {account}")
        kinds = source.execute("SELECT * FROM tc_ior LIMIT 1").fetchone()
        row = {name: row[name] if row[name] is not None else value for name, value in zip(columns, kinds, strict=True)}
        source.execute(f"INSERT INTO tc_ior VALUES ({', '.join('?' for _ in columns)})", [row[name] for name in columns])
    assert published.command("extract", "--run", "other").code == 0
    assert prints(published.folder / "other")["TC.tc_ior"]["highest_key"] == f"{account}|***"

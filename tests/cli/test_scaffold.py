"""`scaffold`: how much of a foreign portal it draws right, what it never tells, and that it keeps what people approved."""

from __future__ import annotations

import json
import re
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from sample_data.disguise import disguise
from tests.benchmarks.scaffold import PORTALS, first_block, renamed
from tests.support.command import Done, command, said
from tests.support.legacy import Legacy
from tests.support.small_worlds import one_company_workspace


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic world, disguised: names as old systems abbreviate them."""
    folder = tmp_path_factory.mktemp("scaffold")
    world = ("--source", f"sqlite:///{folder}/portal2.sqlite", "--tc", f"sqlite:///{folder}/tc.sqlite", "--files", str(folder / "files"))
    assert command("sample", *world, "--profiles", "30").code == 0
    disguise(folder, folder / "foreign")
    return folder / "foreign"


def scaffolded(foreign: Path, to: Path, *more: str) -> Done:
    sources = ("--source", f"sqlite:///{foreign}/portal2.sqlite", "--tc", f"sqlite:///{foreign}/tc.sqlite")
    return command("scaffold", *(more or sources), "--to", str(to), "--output", "json")


def test_a_file_in_place_of_the_folder_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    done = command("scaffold", "--source", "sqlite:///none.sqlite", "--to", "file", folder=tmp_path)
    assert (done.code, "--to: file is not a folder." in done.err) == (7, True), done.err


def right(draft: Path, truth: Path) -> float:
    """The share of the contract's columns whose first suggestion is the correct physical column."""
    hits = total = 0
    for file in [*(truth / "portal2").glob("*.toml"), *(truth / "tc").glob("*.toml")]:
        if file.stem != "source":
            table, columns = first_block(file)
            suggested = draft / file.parent.name / file.name
            other, found = first_block(suggested) if suggested.is_file() else ("", {})
            total += len(columns)
            hits += sum(found.get(column) == name for column, name in columns.items()) if other == table else 0
    return hits / total


def test_abbreviated_names_are_right_at_the_first_suggestion(foreign: Path, tmp_path: Path) -> None:
    done = scaffolded(foreign, tmp_path / "draft")
    assert done.code == 0, done.out
    assert right(tmp_path / "draft", foreign / "adapter") >= 0.95
    assert done.data["coverage"]["columns"] > 95


def test_opaque_names_are_matched_by_the_columns_contents(foreign: Path, tmp_path: Path) -> None:
    """Neither names nor the order of columns are informative; personal data is recognised by its likely content."""
    truths = {portal: renamed(foreign, tmp_path, portal, "opaque") for portal in PORTALS}
    assert scaffolded(tmp_path, tmp_path / "draft").code == 0
    hits = total = 0
    for portal, truth in truths.items():
        for table, (physical, behind) in truth.items():
            file = tmp_path / "draft" / portal / f"{table}.toml"
            other, found = first_block(file) if file.is_file() else ("", {})
            total += len(behind)
            hits += sum(found.get(column) == name for column, name in behind.items()) if other == physical else 0
    assert hits / total >= 0.8
    scan = json.loads((tmp_path / "draft" / "scan.json").read_text(encoding="utf-8"))["portals"]["P2"]["tables"]
    user, behind = truths["portal2"]["portal_user"]
    assert "values" in scan[user.upper()]["columns"][behind["user_status_cd"].upper()]
    assert "values" not in scan[user.upper()]["columns"][behind["first_name"].upper()]


def test_the_scan_contains_no_personal_secret_or_free_text_values(foreign: Path, tmp_path: Path) -> None:
    assert scaffolded(foreign, tmp_path / "draft").code == 0
    text = (tmp_path / "draft" / "scan.json").read_text(encoding="utf-8")
    assert re.search(r"[^\"\s@]+@[^\"\s@]+", text) is None
    assert re.search(r"\b\d{3}-\d{2}-\d{4}\b", text) is None
    user = json.loads(text)["portals"]["P2"]["tables"]["CT_PRTL_USR"]["columns"]
    assert user["PSSW_HSH"] == {"kind": "text", "length": 200, "secret": True, "type": "VARCHAR(200)"}
    assert "values" not in user["FRST_NM"]
    assert 'password_hash = "PSSW_HSH"' in (tmp_path / "draft" / "portal2" / "portal_user.toml").read_text(encoding="utf-8")
    assert all(
        count >= 5
        for table in json.loads(text)["portals"]["P2"]["tables"].values()
        for c in table["columns"].values()
        for count in c.get("values", {}).values()
    )


def test_approved_lines_are_kept_drift_is_reported_and_a_scan_suffices(foreign: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    assert scaffolded(foreign, draft).code == 0
    entity = draft / "portal2" / "model_entity.toml"
    lines = entity.read_text(encoding="utf-8").splitlines()
    approved = 'account_number = { trim = "ACCN_NMBR" }'
    lines = [approved if line.startswith("account_number = ") else line for line in lines]
    entity.write_text("\n".join(lines) + "\n", encoding="utf-8")
    scan = json.loads((draft / "scan.json").read_text(encoding="utf-8"))
    scan["portals"]["P2"]["tables"]["NEW_ONE"] = {"rows": 0, "view": False, "columns": {}, "keys": []}
    scan["portals"]["P2"]["tables"]["CT_MDL_ENTT"]["columns"]["STTS_CD"]["type"] = "CHAR(9)"
    (tmp_path / "scan.json").write_text(json.dumps(scan), encoding="utf-8")
    done = scaffolded(foreign, draft, "--scan", str(tmp_path / "scan.json"))
    assert done.code == 0, done.out
    assert done.data["approved"] == 1
    assert approved in entity.read_text(encoding="utf-8").splitlines()
    work = (draft / "worklist.md").read_text(encoding="utf-8")
    assert "the table NEW_ONE is new" in work
    assert "CT_MDL_ENTT.STTS_CD was CHAR(2), is CHAR(9)" in work
    (tmp_path / "bad.json").write_text("{}", encoding="utf-8")
    assert scaffolded(foreign, draft, "--scan", str(tmp_path / "bad.json")).code == 1


def test_keys_of_several_columns_and_rows_in_two_tables_have_ready_lines_and_what_a_person_wrote_stays(
    foreign: Path, tmp_path: Path
) -> None:
    """Of a second `[[from]]`, conditions and retirements nothing was left when the draft was made again."""
    draft = tmp_path / "draft"
    assert scaffolded(foreign, draft).code == 0
    work = (draft / "worklist.md").read_text(encoding="utf-8")
    history = (draft / "portal2" / "entity_status_history.toml").read_text(encoding="utf-8")
    line = re.search(r'^history_id = \{ number = \["\w+", "\w+"\] \}', history, re.MULTILINE)
    assert line
    assert f"a key of several columns: {line[0]}" in work
    assert "physical table CT_CMPN_ADDR_OLD" in work
    assert "if its rows are company_address's too, take `#+` away in portal2/company_address.toml" in work

    address = draft / "portal2" / "company_address.toml"
    lines = [part.removeprefix("#+ ") for part in address.read_text(encoding="utf-8").splitlines()]
    lines = ['ROW_CHK = "technical"' if part.startswith("# OPEN ROW_CHK") else part for part in lines]
    table = lines.index('table = "CT_CMPN_ADDR"')
    lines[table + 1 : table + 1] = ['where = { CTY = "not null" }', 'rest = "no city, no address"']
    address.write_text("\n".join(lines) + "\n", encoding="utf-8")
    written = tomllib.loads(address.read_text(encoding="utf-8"))["from"]
    assert [block["table"] for block in written] == ["CT_CMPN_ADDR", "CT_CMPN_ADDR_OLD"]
    assert written[0]["columns"].keys() == written[1]["columns"].keys()
    for _ in range(2):
        assert scaffolded(foreign, draft).code == 0
        again = tomllib.loads(address.read_text(encoding="utf-8"))["from"]
        assert (again[0]["where"], again[0]["rest"], again[0]["retired"]) == (
            {"CTY": "not null"},
            "no city, no address",
            {"ROW_CHK": "technical"},
        )
        assert again[1] == written[1]
        assert "CT_CMPN_ADDR_OLD" not in (draft / "worklist.md").read_text(encoding="utf-8")
        assert "#+" not in address.read_text(encoding="utf-8")


def _small_portal(folder: Path) -> Path:
    """Profiles with a declared key behind a column that is unique by chance, a table with a key of two columns, and columns in a second table."""
    legacy = Legacy().user(5, user_name="a@x.example")
    for number in range(1, 13):
        legacy.profile(number, website=f"https://{number}.example").model(100 + number, profile=number)
        legacy.entity(1000 + number, type="IMP").contact(number, profile=number, user=5)
        legacy.task(number, profile=number)
    legacy.write(folder)
    with closing(sqlite3.connect(folder / "portal2.sqlite")) as portal, portal:
        declared = {name: [row[1:3] for row in portal.execute(f"PRAGMA table_info({name})")] for name in ("company_profile", "portal_task")}
        first = ", ".join(f"{name} {kind}" for name, kind in declared["company_profile"] if name not in ("website", "company_profile_id"))
        portal.executescript(
            # A sequence number stands first, is unique and looks like a key; the declared key stands last.
            f"""CREATE TABLE p (seq_id BIGINT, {first}, company_profile_id BIGINT PRIMARY KEY);
            INSERT INTO p (seq_id, {", ".join(n for n, _ in declared["company_profile"] if n != "website")})
                SELECT 7000 - company_profile_id, {", ".join(n for n, _ in declared["company_profile"] if n != "website")} FROM company_profile;
            CREATE TABLE profile_more (profile_id BIGINT PRIMARY KEY, site VARCHAR(300));
            INSERT INTO profile_more SELECT company_profile_id, website FROM company_profile;
            DROP TABLE company_profile; ALTER TABLE p RENAME TO company_profile;
            CREATE TABLE t (office_no BIGINT, {", ".join(f"{n} {k}" for n, k in declared["portal_task"])}, PRIMARY KEY (task_id, office_no));
            INSERT INTO t SELECT task_id % 3, * FROM portal_task;
            DROP TABLE portal_task; ALTER TABLE t RENAME TO portal_task;"""
        )
    return folder


def test_declared_keys_go_before_columns_that_are_unique_by_chance(tmp_path: Path) -> None:
    """Previously the first set of unique columns was taken, whatever the database declares."""
    portal = _small_portal(tmp_path / "legacy")
    done = command("scaffold", "--source", f"sqlite:///{portal}/portal2.sqlite", "--to", str(tmp_path / "draft"))
    assert done.code == 0, done.err
    tables = json.loads((tmp_path / "draft" / "scan.json").read_text(encoding="utf-8"))["portals"]["P2"]["tables"]
    assert tables["company_profile"]["primary_key"] == ["company_profile_id"]
    assert tables["portal_task"]["primary_key"] == tables["portal_task"]["key_of_several"] == ["task_id", "office_no"]
    draft = tmp_path / "draft" / "portal2"
    assert 'company_profile_id = "company_profile_id"' in (draft / "company_profile.toml").read_text(encoding="utf-8")
    assert 'task_id = { number = ["task_id", "office_no"] }' in (draft / "portal_task.toml").read_text(encoding="utf-8")


def test_a_proposed_look_up_is_a_line_that_works(tmp_path: Path) -> None:
    portal = _small_portal(tmp_path / "legacy")
    source = ("--source", f"sqlite:///{portal}/portal2.sqlite")
    assert command("scaffold", *source, "--to", str(tmp_path / "draft")).code == 0
    work = (tmp_path / "draft" / "worklist.md").read_text(encoding="utf-8")
    line = next(line for line in work.splitlines() if "perhaps in profile_more" in line)
    look = line.partition("a row of it by its key: ")[2]
    assert line.startswith("- OPEN company_profile.website: ")
    adapter = tmp_path / "adapter" / "portal2"
    adapter.mkdir(parents=True)
    (adapter / "company_profile.toml").write_text(
        f'[[from]]\ntable = "company_profile"\n{look}\n[from.columns]\nwebsite = "more.site"\n[from.retired]\nseq_id = "technical"\n'
    )
    key = 'task_id = { number = ["task_id", "office_no"] }\n'
    (adapter / "portal_task.toml").write_text(f'[[from]]\ntable = "portal_task"\n[from.columns]\n{key}')
    store = ("--target", f"sqlite:///{tmp_path}/store.sqlite", "--objects", str(tmp_path / "objects"), "--run", str(tmp_path / "run"))
    done = command("run", *source, "--files", f"{portal}/files", "--adapter", str(tmp_path / "adapter"), *store)
    assert done.code == 0, done.err
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as new:
        sites = {site for (site,) in new.execute("SELECT website FROM entity_account")}
    assert sites == {f"https://{number}.example" for number in range(1, 13)}


def test_a_scan_that_was_edited_into_another_form_is_refused_with_the_place(tmp_path: Path) -> None:
    """A scan may leave the secure zone and come back: a wrong type or a missing word was an internal error."""
    one_company_workspace(tmp_path)
    assert command("scaffold", "--source", "sqlite:///legacy/portal2.sqlite", "--to", "draft", folder=tmp_path).code == 0
    exact = (tmp_path / "draft" / "scan.json").read_text()
    at = "portals.P2.tables.message"
    for path, value, named in (
        (("portals",), 5, "portals"),
        (("portals", "P2"), -1, "portals.P2"),
        (("portals", "P9"), {"tables": {}}, "portals.P9"),
        (("portals", "P2", "tables", "message"), [], at),
        (("portals", "P2", "tables", "message", "rows"), "many", f"{at}.rows"),
        (("portals", "P2", "tables", "message", "primary_key"), ["gone"], f"{at}.primary_key"),
        (("portals", "P2", "tables", "message", "columns", "subject"), {}, f"{at}.columns.subject.type"),
        (("portals", "P2", "tables", "message", "columns", "message_id", "nulls"), None, f"{at}.columns.message_id.nulls"),
        (("portals", "P2", "tables", "message", "columns", "message_id", "forms"), [5], f"{at}.columns.message_id.forms"),
        (("portals", "P2", "tables", "message", "columns", "message_id", "values"), {"1": "x"}, f"{at}.columns.message_id.values"),
    ):
        scan = json.loads(exact)
        inner = scan
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        (tmp_path / "edited.json").write_text(json.dumps(scan))
        done = command("scaffold", "--scan", "edited.json", "--to", "again", folder=tmp_path)
        said(done, 1, f"edited.json: {named} is missing, or not as `scaffold` writes it")
        assert not (tmp_path / "again").exists()
    assert command("scaffold", "--scan", "draft/scan.json", "--to", "again", folder=tmp_path).code == 0
    (tmp_path / "again" / "portal2" / "message.toml").write_bytes(b"\xff\xfe")  # was an internal error
    assert command("scaffold", "--scan", "draft/scan.json", "--to", "again", folder=tmp_path).code == 0

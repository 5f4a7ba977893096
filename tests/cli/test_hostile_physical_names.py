"""Physical names with quotes, brackets, control characters, line breaks, points and 200 characters: presented, migrated, equal, traced."""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from sqlalchemy.engine import make_url

from etl.present.problem import toml_text
from tests.support.command import command
from tests.support.legacy import MAPPINGS
from tests.support.school import Renamed, School, portal_rows, renamed_school

ODD = """q"uote|apo'str|br[ack]et|new\nline|esc\x1b[31m|tab\there|per%cent %s|cur{ly}|:colon|a.b|semi;--|back\\slash|sp ace | lead|$1|#n|`tick`
ünï\u202ecode|null|select|"|'|\\|*|=|()|/*x*/|--|\r|\x7f|😀|%|?""".replace("`tick`\n", "`tick`|").split("|")


def _names(longest: int, odd: list[str] = ODD) -> Renamed:
    """Each name another one; those of 200 characters cut to what the database takes."""
    tables, columns = {}, {}
    number = 0
    for table, (head, _) in portal_rows().items():
        tables[table] = f"{odd[len(tables) % len(odd)]}T{len(tables)}"
        columns[table] = {}
        for column in head:
            base = "x" * (longest - 4) if number % 7 == 6 else odd[number % len(odd)]
            columns[table][column] = f"{base}{number}" if number >= len(odd) or base[0] == "x" else base
            number += 1
    return Renamed(tables, columns)


def _migrated(world: School) -> None:
    assert world.plan().code == 0
    done = world.run()
    assert done.code == 0, done.err
    assert "Published and equal" in done.out


def test_hostile_names_of_tables_and_columns_are_only_names(tmp_path: Path) -> None:
    names = _names(200)
    world = renamed_school(tmp_path, names, MAPPINGS)
    _migrated(world)
    store = ("--target", f"sqlite:///{tmp_path}/store.sqlite", "--adapter", str(tmp_path / "adapter"), "--output", "json")
    done = command("trace", "P2", names.tables["paper"], "91", *store)
    assert (done.code, done.data["table"]) == (0, "document")
    assert command("scaffold", "--source", world.source, "--to", str(tmp_path / "draft")).code == 0
    done = command("plan", "--source", world.source, "--adapter", str(tmp_path / "draft"))
    assert done.code == 1
    assert "TOML" not in done.err  # whatever the names, the draft can be read
    assert "Internal error" not in done.err


def test_hostile_names_in_mariadb_are_only_names_and_none_is_hidden(mariadb: str, tmp_path: Path) -> None:
    """SQLAlchemy's reading of CREATE TABLE left out a column with a line break in its name (K5), on both sides, and doubled backticks."""
    import sqlalchemy as sa

    odd = [
        name.replace("😀", "ß").rstrip(" ") if name != "\r" else "r\re" for name in ODD
    ]  # without what this server does not take as a name
    names = _names(60, odd)
    world = renamed_school(tmp_path, names, MAPPINGS)
    url = f"mysql+pymysql://root@/hostile?unix_socket={mariadb}&charset=utf8mb4"
    server = sa.create_engine(url.replace("/hostile?", "/?"), isolation_level="AUTOCOMMIT")
    with server.connect() as root:
        root.exec_driver_sql("CREATE DATABASE hostile CHARACTER SET utf8mb4")
        root.exec_driver_sql("USE hostile")
        for table, (head, rows) in portal_rows().items():
            columns = [names.columns[table][column] for column in head]
            listed = ", ".join(f"{_ticked(column)} LONGTEXT" for column in columns)
            root.connection.cursor().execute(f"CREATE TABLE {_ticked(names.tables[table])} ({listed})")
            for row in rows:
                marks = ", ".join("%s" for _ in row)
                root.connection.cursor().execute(
                    f"INSERT INTO {_ticked(names.tables[table]).replace('%', '%%')} VALUES ({marks})", tuple(row)
                )
        adapter, store = ("--adapter", str(tmp_path / "adapter")), ("--target", f"sqlite:///{tmp_path}/store.sqlite")
        assert command("plan", "--source", url, *adapter).code == 0
        done = command("run", "--source", url, *adapter, *store, "--objects", str(tmp_path / "objects"), "--run", str(tmp_path / "run"))
        assert (done.code, "Published and equal" in done.out) == (0, True), done.err
        assert command("trace", "P2", names.tables["paper"], "91", *store, *adapter).code == 0
        done = command("freeze", "check", "--source", url, *adapter, "--seconds", "0")
        assert (done.code, "whether rows were altered" in done.out) == (0, True), done.err  # previously 5 on a quiet portal
        assert command("scaffold", "--source", url, "--to", str(tmp_path / "draft")).code == 0
        done = command("plan", "--source", url, "--adapter", str(tmp_path / "draft"))
        assert (done.code, "TOML" in done.err, "Internal error" in done.err) == (1, False, False)
        root.connection.cursor().execute(f"ALTER TABLE {_ticked(names.tables['paper'])} ADD `secret\nx` TEXT, ADD `y``z` TEXT")
        done = command("plan", "--source", url, *adapter)
        assert (done.code, "secret\\nx" in done.err, "y`z" in done.err, "y``z" in done.err) == (1, True, True, False), done.err
    server.dispose()
    assert world.folder == tmp_path


def _ticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def test_a_document_in_a_text_under_a_key_of_two_texts_comes_whole_from_a_server(postgres: str, tmp_path: Path) -> None:
    """The text was an internal error, and of a key of several columns, or of text, only small documents and the first column were read."""
    import psycopg

    names = _names(60)
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute("CREATE DATABASE hostile_names")
    portal = make_url(postgres).set(database="hostile_names").render_as_string(hide_password=False)
    world = renamed_school(tmp_path, names, MAPPINGS, portal)
    number, family = (names.columns["paper"][column] for column in ("no", "fam_no"))
    for name in ("document", "document_content"):
        file = tmp_path / "adapter" / "portal2" / f"{name}.toml"
        lines = file.read_text(encoding="utf-8").splitlines()
        (line,) = [line for line in lines if line.startswith("document_id = ")]
        text = line[line.index('"') : -2]
        lines[lines.index(line)] = f"document_id = {{ number = [{text}, {toml_text(family)}] }}"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    large = bytes(range(256)) * 28_000  # more than the eight megabytes that are read at once, as base64
    with psycopg.connect(portal) as session:
        quoted = [f'"{name}"'.replace("%", "%%") for name in (names.tables["paper"], names.columns["paper"]["bytes"], number)]
        session.execute(f"UPDATE {quoted[0]} SET {quoted[1]} = %s WHERE {quoted[2]} = '91'".encode(), (b64encode(large).decode(),))
    _migrated(world)
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as store:
        digests = {digest for (digest,) in store.execute("SELECT sha256 FROM document")}
    assert len(digests) == 3
    assert sha256(large).hexdigest() in digests

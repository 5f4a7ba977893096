"""A portal of another schema on PostgreSQL and MariaDB: the identical store, by a role that may read what the adapter reads and nothing else."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg
import sqlalchemy

from sample_data.disguise import disguised, write_adapter, write_csv, write_postgresql, write_twin
from tests.support.command import FREEZE, command
from tests.support.presented import as_sqlite, different_tables, migrated, write_mariadb

FOLDERS = {"portal2": "portal2.sqlite", "tc": "tc.sqlite"}


def _database(postgres: str, name: str) -> str:
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute(f"DROP DATABASE IF EXISTS {name}".encode())
        session.execute(f"CREATE DATABASE {name}".encode())
    return sqlalchemy.make_url(postgres).set(database=name).render_as_string(hide_password=False)


def test_69_a_disguised_portal_on_a_server_gives_the_identical_store(postgres: str, mariadb: str, tmp_path: Path) -> None:
    contract = {folder: _database(postgres, f"contract_{folder}") for folder in FOLDERS}
    foreign = {folder: _database(postgres, f"foreign_{folder}") for folder in FOLDERS}
    done = command("sample", "--source", contract["portal2"], "--tc", contract["tc"], "--files", str(tmp_path / "files"), "--profiles", "5")
    assert done.code == 0, done.err
    (tmp_path / "twin").mkdir()
    for folder, file in FOLDERS.items():
        as_sqlite(contract[folder], folder, tmp_path / file)
        made = disguised(tmp_path / file, folder)
        write_postgresql(made, foreign[folder])
        write_adapter(made, tmp_path / "adapter")
        write_twin(made, folder, tmp_path / "twin" / file)
    migrated(tmp_path / "twin", tmp_path / "files")

    planned = command(
        "plan", *_sources(foreign), "--files", str(tmp_path / "files"), "--adapter", str(tmp_path / "adapter"), "--output", "json"
    )
    assert planned.code == 0, planned.out
    with closing(psycopg.connect(foreign["portal2"], autocommit=True)) as portal:
        portal.execute("DROP ROLE IF EXISTS migration_reader")
        portal.execute("CREATE ROLE migration_reader LOGIN")
    for folder in FOLDERS:
        with psycopg.connect(foreign[folder], autocommit=True) as portal:
            known = {row[0] for row in portal.execute("SELECT relname FROM pg_class WHERE relkind = 'r'")}
            for statement in planned.data["grants"]:
                if statement.rpartition('"')[0].rpartition('"')[2] in known:
                    portal.execute(statement.encode())
    reader = {
        folder: sqlalchemy.make_url(url).set(username="migration_reader").render_as_string(hide_password=False)
        for folder, url in foreign.items()
    }
    stores = ("--target", f"sqlite:///{tmp_path}/store.sqlite", "--objects", str(tmp_path / "objects"), "--files", str(tmp_path / "files"))
    more = ("--adapter", str(tmp_path / "adapter"))
    done = command("run", *_sources(reader), *stores, "--run", str(tmp_path / "run"), *FREEZE, *more, "--workers", "2")
    assert done.code == 0, done.err
    assert different_tables(tmp_path / "twin" / "store.sqlite", tmp_path / "store.sqlite") == []
    _a_folder_of_files_gives_the_identical_store(tmp_path)
    _a_mariadb_gives_the_identical_store(tmp_path, mariadb)
    with psycopg.connect(foreign["portal2"], autocommit=True) as portal:
        portal.execute('REVOKE SELECT ("STTS_CD") ON "CT_MDL_ENTT" FROM migration_reader')
    done = command("plan", *_sources(reader), *more)
    assert done.code == 1
    assert "may not SELECT STTS_CD of CT_MDL_ENTT" in done.err


def _a_folder_of_files_gives_the_identical_store(world: Path) -> None:
    """The same world again, as CSV and Parquet files."""
    path = world / "exported"
    for folder, file in FOLDERS.items():
        made = disguised(world / file, folder, texts=True)
        write_csv(made, path / folder)
        write_adapter(made, path / "adapter")
    sources = _sources({folder: f"folder:{path}/{folder}" for folder in FOLDERS})
    stores = ("--target", f"sqlite:///{path}/store.sqlite", "--objects", str(path / "objects"), "--files", str(world / "files"))
    done = command("run", *sources, *stores, "--run", str(path / "run"), *FREEZE, "--adapter", str(path / "adapter"))
    assert done.code == 0, done.err
    assert different_tables(world / "twin" / "store.sqlite", path / "store.sqlite") == []
    with (path / "portal2" / "TMP_LOAD_2019.csv").open("a", encoding="utf-8") as file_:
        file_.write("one more\n")
    assert command("freeze", "check", *sources, "--adapter", str(path / "adapter"), "--seconds", "0").code == 0


def _a_mariadb_gives_the_identical_store(world: Path, socket: str) -> None:
    """And once more, read by the portable reader; the verifier with it."""
    path = world / "mariadb"
    urls = {}
    for folder, file in FOLDERS.items():
        made = disguised(world / file, folder)
        urls[folder] = write_mariadb(made, socket, f"presented_{folder}")
        write_adapter(made, path / "adapter")
    stores = ("--target", f"sqlite:///{path}/store.sqlite", "--objects", str(path / "objects"), "--files", str(world / "files"))
    more = ("--adapter", str(path / "adapter"))
    assert command("plan", *_sources(urls), *more).code == 0
    done = command("run", *_sources(urls), *stores, "--run", str(path / "run"), *FREEZE, *more)
    assert done.code == 0, done.err
    assert different_tables(world / "twin" / "store.sqlite", path / "store.sqlite") == []
    assert command("reconcile", *_sources(urls), *stores, *more, "--output", "json").data["total"] == 0


def _sources(urls: dict[str, str]) -> tuple[str, ...]:
    return ("--source", urls["portal2"], "--tc", urls["tc"])

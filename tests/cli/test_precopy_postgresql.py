"""Row versions as evidence: unchanged rows are not read again, and rows that only seem unchanged are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from etl.databases.postgresql.source import PostgresSource
from etl.databases.registry import open_source
from etl.extract.precopied import contents, precopied
from etl.extract.precopy import precopy
from etl.objects import Objects
from etl.objects.registry import open_objects
from etl.runfolder.folder import RunFolder, open_locked
from etl.runfolder.layout import PRECOPY
from tests.support.legacy import MAPPINGS
from tests.support.servers import READER, Portals, portals

__all__ = ["portals"]  # a fixture
MAPPING = MAPPINGS.tables["P2", "document_content"]
FIRST = "(SELECT min(document_id) FROM document_content)"


class Precopy:
    """A folder that documents are precopied into, and the source's own answer to what it would read again."""

    def __init__(self, portals: Portals, folder: Path) -> None:
        self._portals, self._folder = portals, folder
        self.objects: Objects = open_objects(str(folder / "objects"))

    def __call__(self) -> dict[str, int]:
        with open_source(self.url, "Portal 2.0") as source, open_locked(self._folder / "run") as run:
            return precopy({"P2": source}, None, self.objects, MAPPINGS, run, lambda *_: None)

    @property
    def url(self) -> str:
        return self._portals.url("portal2", READER)

    def not_read(self) -> int:
        """Returns the number of documents whose bytes are not read again; the result equals that of reading all of them."""
        with open_source(self.url, "Portal 2.0") as source, open_locked(self._folder / "run") as run:
            stored, count = contents(source, MAPPING, "content", self.objects, precopied(run))
            whole, none = contents(source, MAPPING, "content", self.objects, None)
        assert none == 0
        assert {key: put.sha256 for key, put in stored.items()} == {key: put.sha256 for key, put in whole.items()}
        return count


@pytest.fixture
def ahead(portals: Portals, tmp_path: Path) -> Iterator[Precopy]:
    """Documents that were precopied; what is done to the table is undone by its owner."""
    portals.do("portal2", "CREATE TABLE kept AS TABLE document_content")
    made = Precopy(portals, tmp_path)
    made()
    yield made
    portals.do(
        "portal2",
        "TRUNCATE document_content",
        "INSERT INTO document_content (document_id, content) SELECT document_id, content FROM kept",
        "DROP TABLE kept",
    )


def test_only_changed_rows_are_read_again_also_of_equal_length(ahead: Precopy, portals: Portals) -> None:
    rows = int(one(portals, "SELECT count(*) FROM document_content")[0])
    assert ahead.not_read() == rows > 2
    portals.do("portal2", "VACUUM (FREEZE) document_content")  # xmin stays what it was
    assert ahead.not_read() == rows
    portals.do("portal2", f"UPDATE document_content SET content = decode(repeat('00', length(content)), 'hex') WHERE document_id = {FIRST}")
    assert ahead.not_read() == rows - 1
    portals.do("portal2", f"DELETE FROM document_content WHERE document_id = {FIRST}")
    again = ahead()
    assert (again["documents"] - again["unchanged"], again["read"]) == (again["read"], 0)
    assert ahead.not_read() == rows - 1
    portals.do(
        "portal2",
        "INSERT INTO document_content (document_id, content) SELECT document_id, content FROM kept WHERE document_id = (SELECT min(document_id) FROM kept)",
    )
    assert ahead.not_read() == rows - 1, "the old bytes under another transaction are read again"
    assert ahead()["read"] == 1
    assert ahead.not_read() == rows


@pytest.mark.parametrize(
    "statements",
    [
        ["VACUUM FULL document_content"],
        ["ALTER TABLE document_content ALTER document_id TYPE numeric", "ALTER TABLE document_content ALTER document_id TYPE bigint"],
        ["TRUNCATE document_content", "INSERT INTO document_content (document_id, content) SELECT document_id, content FROM kept"],
        ["ALTER TABLE document_content SET UNLOGGED"],
    ],
    ids=["vacuumed full", "rewritten", "restored", "unlogged"],
)
def test_a_rewritten_table_is_read_again(statements: list[str], ahead: Precopy, portals: Portals) -> None:
    assert ahead.not_read() > 0
    portals.do("portal2", *statements)
    try:
        assert ahead.not_read() == 0
    finally:
        portals.do("portal2", "ALTER TABLE document_content SET LOGGED")


def test_a_column_that_is_dropped_and_added_again_with_a_default_is_read_again(ahead: Precopy, portals: Portals) -> None:
    """It changes every row's bytes and no row's version."""
    before = one(portals, "SELECT xmin::text, ctid::text FROM document_content ORDER BY document_id LIMIT 1")
    portals.do(
        "portal2", "ALTER TABLE document_content DROP content", "ALTER TABLE document_content ADD content bytea NOT NULL DEFAULT '\\x00'"
    )
    portals.do("portal2", f"GRANT SELECT ON document_content TO {READER}")
    assert one(portals, "SELECT xmin::text, ctid::text FROM document_content ORDER BY document_id LIMIT 1") == before
    assert ahead.not_read() == 0


def test_missing_evidence_or_a_missing_object_causes_a_second_read(ahead: Precopy, portals: Portals) -> None:
    rows = ahead.not_read()
    ((sha256, *_),) = one_row = [one(portals, f"SELECT encode(sha256(content), 'hex') FROM document_content WHERE document_id = {FIRST}")]
    assert one_row
    assert ahead.objects.remove(sha256)
    assert 0 < ahead.not_read() < rows
    assert ahead.objects.size(sha256) is not None, "read again, it is there again"
    for statement, undo in (
        ("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC"),
        ("CREATE TABLE child () INHERITS (document_content)", "DROP TABLE child"),
    ):
        portals.do("portal2", statement)
        try:
            assert ahead.not_read() == 0, statement
        finally:
            portals.do("portal2", undo)
        assert ahead.not_read() == rows, "a server forgets only by ANALYZE that a table had a child; its list of children is right at once"


def one(portals: Portals, statement: str) -> tuple[str, ...]:
    with portals.session("portal2") as session:
        return tuple(session.execute(statement.encode()).fetchone())


def recorded(run: RunFolder, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """The record, changed as another server's would be, and vouched for by the manifest."""
    (file,) = run.files(PRECOPY)
    run.steps[PRECOPY].files = [run.write_table(file.path, change(pl.DataFrame(run.read_table(file))).to_arrow())]
    run.save()


def moved(frame: pl.DataFrame, by: int) -> pl.DataFrame:
    return frame.with_columns(transactions=pl.col("transactions") + by)


def test_evidence_of_another_server_or_after_wraparound_is_not_used(ahead: Precopy, tmp_path: Path) -> None:
    """As after a restored dump or a copy of the server's files; xmin has 32 bits."""
    rows = ahead.not_read()
    with open_locked(tmp_path / "run") as run:
        recorded(run, lambda frame: frame.with_columns(transactions=pl.col("transactions") - (1 << 31) + 10_000))
    assert ahead.not_read() == rows
    for change in (-(1 << 31), (1 << 31) + (1 << 20)):
        with open_locked(tmp_path / "run") as run:
            recorded(run, partial(moved, by=change))
        assert ahead.not_read() == 0
        ahead()
    with open_locked(tmp_path / "run") as run:
        recorded(run, lambda frame: frame.with_columns(relation=pl.lit("0" * 32)))
    assert ahead.not_read() == 0


def test_a_killed_precopy_resumes_with_unread_documents(portals: Portals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.extract.precopy._TOGETHER", 1)
    made = Precopy(portals, tmp_path)
    whole, groups = PostgresSource.contents_of, 0

    def killed(*given: object) -> object:
        nonlocal groups
        groups += 1
        if groups == 3:
            raise KeyboardInterrupt
        return whole(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(PostgresSource, "contents_of", killed)
        with pytest.raises(KeyboardInterrupt):
            made()
    again = made()
    assert again["unchanged"] == 2
    assert made()["read"] == 0
    assert len(list((tmp_path / "run" / PRECOPY).iterdir())) == 1


def test_a_precopied_run_of_worker_processes_publishes_and_says_what_it_did_not_read(portals: Portals) -> None:
    old = (*portals.sources(), "--objects", "ahead-objects", "--run", "ahead")
    from tests.support.command import command

    done = command("precopy", *old, "--output", "json", folder=portals.folder)
    assert done.code == 0, done.err
    done = command("run", *old, "--target", "sqlite:///ahead.sqlite", "--workers", "2", folder=portals.folder)
    assert done.code == 0, done.err
    assert "documents not read again" in done.err
    assert "; 0 documents not read again" not in done.err

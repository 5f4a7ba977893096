"""Paths of a migration must not overlap, and a refused folder is not changed."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest

from etl.commands.sample_audit import free_name
from tests.support.command import Workspace, command


def everything(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Returns mode, time and bytes of all files there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        seen = path.lstat()
        found[str(path.relative_to(folder))] = (seen.st_mode, seen.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
    return found


OVERLAPS = {
    "objects are the share": {"--objects": "legacy/files"},
    "objects in the share": {"--objects": "legacy/files/deep/new"},
    "objects by a link into the share": {"--objects": "alias/new"},
    "objects above the share": {"--objects": "legacy"},
    "objects in the run": {"--objects": "cutover/objects"},
    "objects are the run": {"--objects": "cutover"},
    "objects by a URI": {"--objects": "file://{folder}/legacy/files"},
    "run in the share": {"--run": "legacy/files/cutover"},
    "run above the share": {"--run": "legacy"},
    "run in the objects": {"--run": "objects/cutover"},
    "target in the share": {"--target": "sqlite:///legacy/files/new.sqlite"},
    "target in the objects": {"--target": "sqlite:///objects/new.sqlite"},
    "target in the run": {"--target": "sqlite:///cutover/new.sqlite"},
    "target is the old portal": {"--target": "sqlite:///legacy/portal2.sqlite"},
    "target is the old portal by a hard link": {"--target": "sqlite:///hard.sqlite"},
    "target is the old portal by a link": {"--target": "sqlite:///soft.sqlite"},
    "an old portal in the objects": {"--source": "sqlite:///objects/portal2.sqlite"},
}


def test_K1_overlapping_paths_are_refused_before_any_write(cast: Workspace, tmp_path: Path) -> None:
    """The old share got `sha256/` and a note; exit 0."""
    shutil.copytree(
        cast.folder / "legacy", tmp_path / "legacy", ignore=lambda folder, names: ["files"] if folder.endswith("legacy") else []
    )
    (tmp_path / "legacy" / "files" / "deep").mkdir(parents=True)
    (tmp_path / "objects").mkdir()
    shutil.copy(tmp_path / "legacy" / "portal2.sqlite", tmp_path / "objects" / "portal2.sqlite")
    (tmp_path / "alias").symlink_to("legacy/files/deep")
    os.link(tmp_path / "legacy" / "portal2.sqlite", tmp_path / "hard.sqlite")
    (tmp_path / "soft.sqlite").symlink_to("legacy/portal2.sqlite")
    plain = {
        "--source": "sqlite:///legacy/portal2.sqlite",
        "--tc": "sqlite:///legacy/tc.sqlite",
        "--files": "legacy/files",
        "--target": "sqlite:///new.sqlite",
        "--objects": "objects",
        "--run": "cutover",
    }
    before = everything(tmp_path)
    for name, other in OVERLAPS.items():
        given = {**plain, **{option: value.format(folder=tmp_path) for option, value in other.items()}}
        for step in ("run", "extract", "load"):
            words = [word for pair in given.items() for word in pair]
            done = command(step, *words, folder=tmp_path)
            assert (done.code, "Paths overlap" in done.err) == (7, True), (name, step, done.err)
            assert everything(tmp_path) == before, (name, step)
        if "--run" not in other and "run" not in name:
            words = [word for pair in given.items() if pair[0] != "--run" for word in pair]
            done = command("plan", *words, folder=tmp_path)
            assert (done.code, "Paths overlap" in done.err) == (7, True), (name, done.err)
            assert everything(tmp_path) == before, name


LOGS = (
    "legacy/files/talk",
    "alias/talk",
    "objects/talk",
    "run/talk",
    "adapter/talk",
    "export/talk",
    "new.sqlite",
    "new.sqlite-journal",
    "legacy/portal2.sqlite",
    "hard.sqlite",
    "legacy/tc.sqlite-wal",
    "decisions.toml",
    "migration.toml",
)


def test_K1_a_log_inside_a_path_of_the_migration_is_refused_before_any_write(published: Workspace, tmp_path: Path) -> None:
    """Its lines were appended to the old portal's file, to the decisions, and to the file that --log was given as a hard link to."""
    legacy = tmp_path / "legacy"
    for folder in (legacy / "files", tmp_path / "objects", tmp_path / "adapter", tmp_path / "export"):
        folder.mkdir(parents=True)
    for name in ("portal2.sqlite", "tc.sqlite"):
        shutil.copy(published.folder / "legacy" / name, legacy / name)
    (tmp_path / "alias").symlink_to("legacy/files")
    os.link(legacy / "portal2.sqlite", tmp_path / "hard.sqlite")
    (tmp_path / "decisions.toml").write_text("")
    (tmp_path / "migration.toml").write_text('source = "sqlite:///legacy/portal2.sqlite"\nfiles = "legacy/files"\n')
    os.mkfifo(tmp_path / "pipe")
    before = everything(tmp_path)
    stores = ("--target", "sqlite:///new.sqlite", "--objects", "objects", "--run", "run", "--config", "migration.toml")
    for log in LOGS:
        more: tuple[str, ...] = ("--tc", "folder:export") if "export" in log else ("--tc", "sqlite:///legacy/tc.sqlite")
        if log.startswith("adapter"):
            more = (*more, "--adapter", "adapter")
        done = command("run", *stores, *more, "--decisions", "decisions.toml", "--log", log, folder=tmp_path)
        assert (done.code, "Paths overlap: --log" in done.err) == (7, True), (log, done.err)
        assert everything(tmp_path) == before, log
    done = command("run", *stores, "--log", "pipe", folder=tmp_path)  # which nobody reads: it was waited for
    assert (done.code, "--log: pipe cannot be written" in done.err) == (2, True), done.err
    settled = everything(published.folder)
    for log in (
        "legacy/files/talk",
        "portal3.sqlite",
        "objects/talk",
        "legacy/portal2.sqlite",
        "run/talk",
    ):  # only the run's settings name them
        done = command("rollback", "--run", "run", "--yes", "--log", log, folder=published.folder)
        assert (done.code, "Paths overlap: --log" in done.err) == (7, True), (log, done.err)
        assert everything(published.folder) == settled, log


def test_a_folder_of_another_kind_is_refused_and_unchanged(tmp_path: Path) -> None:
    """`purge --run www` closed a web server's folder to everybody else."""
    for held in ("index.html", ".profile"):
        www = tmp_path / held.strip(".")
        www.mkdir(mode=0o755)
        (www / held).write_text("x")
        before = (www.stat().st_mode, www.stat().st_mtime_ns, everything(www))
        for words in (
            ("purge",),
            ("rollback",),
            ("status",),
            ("report",),
            ("load",),
            ("extract", "--source", "sqlite:///x"),
            ("run", "--rehearse", "--source", "sqlite:///x"),
        ):
            done = command(*words, "--run", str(www), folder=tmp_path)
            assert done.code in (1, 7), (words, done.err)
            assert (www.stat().st_mode, www.stat().st_mtime_ns, everything(www)) == before, words
    for name in ("purge", "rollback"):
        assert command(name, "--yes", "--run", "nothing", folder=tmp_path).code == 1
        assert not (tmp_path / "nothing").exists()


def test_outputs_are_not_written_into_stores(published: Workspace) -> None:
    for words in (
        ("company", "--folder", "objects/letters"),
        ("company", "--folder", "legacy/files/letters"),
        ("sample-audit", "--out", "legacy/files/a.csv"),
        ("evidence", "pack", "--key", "key", "--bundle", "objects/bundle"),
    ):
        done = command(*words, "--run", "run", folder=published.folder)
        assert (done.code, "Paths overlap" in done.err) == (7, True), (words, done.err)
    assert not [name for name in ("objects/letters", "legacy/files/letters", "objects/bundle", "key") if (published.folder / name).exists()]


def test_purge_removes_what_is_not_evidence_and_lists_the_rest(published: Workspace) -> None:
    """The sample and the letters stayed, under "nothing of the old portals' data is left"."""
    folder = published.folder
    for words in (("sample-audit", "--size", "5"), ("company", "--folder", "run/letters")):
        assert command(*words, "--run", "run", folder=folder).code == 0
    (folder / "run" / "notes").mkdir()
    (folder / "run" / "notes" / "people.txt").write_text("somebody")
    done = command("purge", "--run", "run", "--yes", folder=folder)
    assert done.code == 0, done.err
    left = {path.relative_to(folder / "run").as_posix() for path in (folder / "run").rglob("*") if path.is_file()}
    assert left - {".lock", ".workers"} == {"manifest.json", "events.jsonl", "report/report.json", "report/summary.md", "report/junit.xml"}
    assert "report/report.json" in done.out
    assert max(map(len, done.out.splitlines())) < 400


def test_a_ticked_sample_is_never_overwritten(published: Workspace) -> None:
    folder = published.folder
    words = ("sample-audit", "--size", "5", "--out", "ticks.csv", "--run", "run")
    assert command(*words, folder=folder).code == 0
    with (folder / "ticks.csv").open("a", encoding="utf-8") as file:
        file.write("ticked\n")
    before = (folder / "ticks.csv").read_bytes()
    done = command(*words, folder=folder)
    assert done.code == 7
    assert "may contain an auditor's marks" in done.err
    assert "--out another name" in done.next
    assert (folder / "ticks.csv").read_bytes() == before
    assert free_name(folder / "ticks.csv") == folder / "ticks-2.csv"


def test_bytes_and_texts_of_a_sample_are_sealed_and_documents_are_among_them(published: Workspace) -> None:
    """Vetting content stood there in the clear; loaded documents as held; a digest without key gives a short text away."""
    folder = published.folder
    with published.database("portal3.sqlite") as store:
        store.execute("UPDATE vetting_record SET sealed_content = ?", (b"\xff\xfe not text",))
        store.commit()
    for name in ("a.csv", "b.csv"):
        done = command("sample-audit", "--size", "5000", "--seed", "1", "--out", name, "--run", "run", folder=folder)
        assert done.code == 0, done.err
    rows, others = ([*csv.DictReader((folder / name).open(encoding="utf-8-sig", newline=""))] for name in ("a.csv", "b.csv"))
    sealed = [row for row in rows if row["column"] == "sealed_content" and row["old"] != "NULL"]
    assert sealed
    assert all("bytes, " in row["old"] and row["new"].startswith("11 bytes, ") for row in sealed)
    documents = [row for row in rows if row["table"] == "document_content" and row["new_table"] == "stored_object"]
    assert documents
    assert all(row["old"] == row["new"] and "bytes, " in row["old"] for row in documents)
    texts = {row["key"]: row["old"] for row in rows if (row["table"], row["column"]) == ("company_contact", "last_name")}
    again = {row["key"]: row["old"] for row in others if (row["table"], row["column"]) == ("company_contact", "last_name")}
    assert texts.keys() == again.keys()
    assert not set(texts.values()) & set(again.values()) - {"NULL"}
    held = {row["key"] for row in rows if row["table"] == "document_content" and row["new_table"] == "migration_holding"}
    with published.database("portal3.sqlite") as store:
        assert held == {key for (key,) in store.execute("SELECT legacy_key FROM migration_holding WHERE legacy_table = 'document_content'")}


@pytest.mark.parametrize(
    "uri", ["file://user:Hunter2@host/share", "https://user:Hunter2@host/x", "file://host/x?token=Hunter2", "user:Hunter2://x"]
)
def test_an_address_with_a_secret_is_never_repeated(uri: str, tmp_path: Path) -> None:
    for option in ("--files", "--objects"):
        for words in (("run", "--run", "run"), ("plan",)):
            done = command(*words, "--source", "sqlite:///x.sqlite", "--target", "sqlite:///y.sqlite", option, uri, folder=tmp_path)
            assert (done.code, "Hunter2" in done.err + done.out) == (2, False), (words, done.err)
            assert not (tmp_path / "run").exists()

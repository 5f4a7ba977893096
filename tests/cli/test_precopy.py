"""Documents copied before the freeze: the store equals one without precopy, also if documents change in between."""

from __future__ import annotations

import os
from pathlib import Path

from etl.objects.registry import open_objects
from sample_data.world import write_cast
from tests.support.command import Workspace, command
from tests.support.legacy import content_of_store


def inodes(workspace: Workspace) -> dict[str, tuple[int, int]]:
    """Every object's file: another one, or one written to, shows."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (workspace.folder / "objects" / "sha256").rglob("*")
        if path.is_file()
    }


def begun(folder: Path) -> Workspace:
    folder.mkdir()
    write_cast(folder / "legacy")
    return Workspace(folder)


def test_a_precopied_run_gives_the_store_of_one_without_and_writes_each_object_once(cast: Workspace, tmp_path: Path) -> None:
    workspace = begun(tmp_path / "cutover")
    first = workspace.json("precopy")
    assert first.code == 0, first.err
    assert not workspace.target.exists()
    settings = {"source", "tc", "files", "objects", "adapter"}
    assert set(workspace.json("status").data["settings"]) == settings
    brought = inodes(workspace)
    assert first.data["objects"] == len(brought) > 0
    again = workspace.json("precopy")
    assert (again.data["objects"], again.data["documents"]) == (0, first.data["documents"])
    assert workspace.command("precopy", "--objects", "elsewhere").code == 7
    done = workspace.command("run")
    assert done.code == 0, done.err
    assert content_of_store(workspace.target) == content_of_store(cast.target)
    after = inodes(workspace)
    assert set(after) == set(inodes(cast))
    assert {name: after[name] for name in brought} == brought
    assert workspace.command("precopy").code == 7, "has already extracted"
    assert all(path.stat().st_mode & 0o077 == 0 for path in (workspace.run / "precopy").iterdir())


def test_a_document_changed_after_a_precopy_is_read_again_and_its_old_object_is_removed(cast: Workspace, tmp_path: Path) -> None:
    """Equal length and a modification time put back, in the database and on the share; one document vanishes."""
    workspace = begun(tmp_path / "cutover")
    assert workspace.command("precopy").code == 0
    early = set(inodes(workspace))
    with workspace.database("legacy/portal2.sqlite") as portal:
        portal.execute(
            "UPDATE document_content SET content = zeroblob(length(content)) WHERE document_id = (SELECT min(document_id) FROM document_content)"
        )
        (path,) = portal.execute(
            "SELECT object_path FROM document WHERE object_path IS NOT NULL AND document_id NOT IN (SELECT document_id FROM document_content)"
        ).fetchone()
    shared = workspace.folder / "legacy" / "files" / path
    before = shared.stat()
    shared.write_bytes(bytes(before.st_size))
    os.utime(shared, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = workspace.json("run")
    assert done.code == 0, done.err
    fresh = Workspace(tmp_path / "fresh")
    fresh.folder.mkdir()
    (fresh.folder / "legacy").symlink_to(workspace.folder / "legacy")
    assert fresh.command("run").code == 0
    assert content_of_store(workspace.target) == content_of_store(fresh.target)
    assert set(inodes(workspace)) == set(inodes(fresh)), "unreferenced objects were removed when the run published"
    assert early - set(inodes(workspace))
    assert workspace.command("rollback").code == 0
    assert inodes(workspace) == {}
    assert workspace.command("run").code == 0, "the precopied objects are gone, and are brought again"
    assert set(inodes(workspace)) == set(inodes(fresh))


def test_an_altered_record_of_the_precopy_ends_the_run_with_6(tmp_path: Path) -> None:
    workspace = begun(tmp_path / "cutover")
    assert workspace.command("precopy").code == 0
    (record,) = (workspace.run / "precopy").iterdir()
    record.write_bytes(record.read_bytes()[:-1] + b"?")
    assert workspace.command("run").code == 6
    assert workspace.command("precopy").code == 6


def test_an_unreferenced_object_is_kept_if_another_store_may_refer_to_it(cast: Workspace, tmp_path: Path) -> None:
    workspace = begun(tmp_path / "cutover")
    assert workspace.command("precopy").code == 0
    early = set(inodes(workspace))
    open_objects(str(workspace.folder / "objects")).record_store("another", "sqlite:///other.sqlite")
    with workspace.database("legacy/portal2.sqlite") as portal:
        portal.execute("UPDATE document_content SET content = zeroblob(1 + length(content))")
    done = workspace.command("run")
    assert done.code == 0, done.err
    assert "kept because sqlite:///other.sqlite may need them" in done.err
    assert early <= set(inodes(workspace))


def test_objects_of_an_abandoned_precopy_are_removed_on_request(published: Workspace, tmp_path: Path) -> None:
    """Nothing unasked, nothing that another store may refer to, nothing of a run that has published."""
    workspace = begun(tmp_path / "given-up")
    first = workspace.json("precopy")
    assert first.code == 0, first.err
    early = set(inodes(workspace))
    unasked = command("precopy", "--forget", "--run", "run", folder=workspace.folder)
    assert (unasked.code, "--yes" in unasked.next, set(inodes(workspace))) == (2, True, early)
    objects = open_objects(str(workspace.folder / "objects"))
    objects.record_store("another", "sqlite:///other.sqlite")
    kept = workspace.json("precopy", "--forget", "--yes")
    assert kept.code == 0, kept.err
    assert (kept.data["removed"], kept.data["kept"], kept.data["others"]) == (0, len(early), ["sqlite:///other.sqlite"])
    objects.record_store("another", "")
    gone = workspace.command("precopy", "--forget", "--yes")
    assert gone.code == 0, gone.err
    assert f"{len(early)} objects removed" in gone.out
    assert not inodes(workspace)
    again = workspace.json("precopy")
    assert (again.code, again.data["objects"]) == (0, first.data["objects"]), again.err
    before = set(inodes(published))
    refused = published.command("precopy", "--forget", "--yes")
    assert (refused.code, "rollback" in refused.next, set(inodes(published))) == (7, True, before)
    # An abandoned run beside one that published: with its --target only objects to which its rows do not refer are removed.
    with published.database("legacy/portal2.sqlite") as portal:
        portal.execute("UPDATE document_content SET content = zeroblob(1 + length(content)) WHERE document_id % 2 = 0")
    assert published.command("precopy", "--run", "later").code == 0
    assert set(inodes(published)) > before
    beside = published.json("precopy", "--run", "later", "--forget", "--yes")
    assert (beside.code, beside.data["kept"]) == (0, 0), beside.err
    assert set(inodes(published)) == before


def test_a_journal_with_paths_outside_the_store_removes_nothing(published: Workspace) -> None:
    """Its words became names of files below the object store, wherever they led: `../` too."""
    secret = published.folder / "secret"
    secret.write_text("kept")
    journal = published.run / "objects.journal"
    true = journal.read_bytes()
    before = set(inodes(published))
    for word in ("../../../secret", "..", "/etc/passwd", "A" * 64, "a" * 65):
        journal.write_bytes(true + f"\n{word}\n".encode())
        done = published.command("rollback", "--yes")
        assert (done.code, "objects.journal" in done.err) == (6, True), done
    journal.unlink()
    journal.symlink_to(secret)
    assert published.command("rollback", "--yes").code == 6
    assert (secret.read_text(), set(inodes(published))) == ("kept", before)

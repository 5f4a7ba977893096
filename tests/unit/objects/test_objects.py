"""The new object store: many small documents at once are as safe as one, and no document is taken for another (C7, C12)."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.errors import Refused, Unreadable
from etl.objects import folder as objects
from etl.objects import object_key
from etl.objects import transfer as contents
from etl.objects.folder import FolderObjects
from etl.objects.journal import journaled
from etl.objects.transfer import store_all
from etl.system import durable_files as durable


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def there(root: Path) -> dict[str, bytes]:
    """Every file of the store by its place."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def documents(*some: bytes) -> Iterator[tuple[str, Iterator[bytes]]]:
    return ((str(number), iter([content])) for number, content in enumerate(some, start=1))


@pytest.mark.parametrize("whole", [True, False], ids=["all at once", "one by one"])
def test_batched_storing_equals_single_storing(whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "syncs_whole", lambda: whole)
    store = FolderObjects(tmp_path / "objects", tmp_path / "journal")
    assert store.put([b"o", b"ld"]).created
    put = store.put_all([b"one", b"", b"old", b"one"])
    assert [(one.sha256, one.size) for one in put] == [(digest(content), len(content)) for content in (b"one", b"", b"old", b"one")]
    assert [one.created for one in put][:3] == [True, True, False]
    store.make_durable()
    assert there(tmp_path / "objects") == {object_key(digest(content)): content for content in (b"old", b"one", b"")}
    assert journaled(tmp_path / "journal") == {digest(content) for content in (b"old", b"one", b"")}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "objects").rglob("*") if path.is_file()} == {0o600}


def test_an_altered_object_is_replaced(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    (put,) = store.put_all([b"right"])
    (tmp_path / object_key(put.sha256)).write_bytes(b"wrong")
    assert store.put_all([b"right"])[0].created
    assert there(tmp_path) == {object_key(digest(b"right")): b"right"}


def test_without_a_durable_file_system_nothing_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(objects, "syncs_whole", lambda: True)
    monkeypatch.setattr(objects, "sync_whole", broken)
    store = FolderObjects(tmp_path / "objects", tmp_path / "journal")
    with pytest.raises(OSError, match="Input/output error"):
        store.put_all([b"one", b"two"])
    assert there(tmp_path / "objects") == {}
    assert journaled(tmp_path / "journal") == set()


@pytest.mark.skipif(not durable.syncs_whole(), reason="this system cannot make a whole file system durable")
def test_a_removed_folder_is_a_failure(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    durable.sync_whole(folder)
    os.close(folder)
    with pytest.raises(OSError, match="Bad file descriptor"):
        durable.sync_whole(folder)


def test_only_temporary_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    (put,) = store.put_all([b"one"])
    folder = (tmp_path / object_key(put.sha256)).parent
    machine, dead = objects._MACHINE, 2**22 + 1  # no process has that number: it is above Linux's highest
    # In a container the process that was killed and this one may well have the same number.
    gone = [
        tmp_path / f".writing-{machine}-{dead}-0",
        folder / f".writing-{machine}-{dead}-1",
        tmp_path / f".writing-{machine}-{os.getpid()}-0",
    ]
    stay = [tmp_path / f".writing-{machine}-{os.getppid()}-0", folder / f".writing-elsewher-{dead}-1"]
    for path in (*gone, *stay):
        path.touch()
    store.clean()
    assert [path.exists() for path in (*gone, *stay)] == [False, False, False, True, True]
    assert there(tmp_path)[object_key(put.sha256)] == b"one"


@pytest.mark.parametrize("together", [1, 2, 500])
def test_every_document_in_a_batch_gets_its_own_bytes(together: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_TOGETHER", together)
    monkeypatch.setattr(contents, "_SMALL", 8)
    some = (b"one", b"two", b"", b"one", b"longer than small", b"three")
    stored = store_all(documents(*some), FolderObjects(tmp_path))
    assert {key: (put.sha256, put.size) for key, put in stored.items()} == {
        str(number): (digest(content), len(content)) for number, content in enumerate(some, start=1)
    }
    assert there(tmp_path) == {object_key(digest(content)): content for content in some}


def test_a_document_that_cannot_be_read_to_its_end_is_left_out_and_its_neighbours_are_stored(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"begun"
        raise Unreadable

    stored = store_all(iter([("1", iter([b"one"])), ("2", broken()), ("3", iter([b"three"]))]), FolderObjects(tmp_path))
    assert sorted(stored) == ["1", "3"]
    assert there(tmp_path) == {object_key(digest(content)): content for content in (b"one", b"three")}


@pytest.mark.parametrize("kind", ["link", "fifo", "socket"])
@pytest.mark.parametrize("together", [True, False])
def test_a_non_file_at_an_objects_path_is_replaced(kind: str, together: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / object_key(digest(b"paper"))
    path.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(b"paper")
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        monkeypatch.chdir(path.parent)  # a socket's path may not be long
        socket.socket(socket.AF_UNIX).bind(path.name)
    store = FolderObjects(tmp_path)
    (put,) = store.put_all([b"paper"]) if together else [store.put([b"paper"])]
    assert put.created
    assert path.is_file()
    assert not path.is_symlink()
    assert path.read_bytes() == b"paper"


def test_records_of_referring_stores_are_not_objects(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    store.record_store("one", "sqlite:///one.sqlite")
    store.record_store("two", "sqlite:///two.sqlite")
    store.record_store("two", "sqlite:///two.sqlite")
    assert store.others("one") == ["sqlite:///two.sqlite"]
    assert sorted(store.others("three")) == ["sqlite:///one.sqlite", "sqlite:///two.sqlite"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    store.record_store("two", "")
    store.record_store("two", "")
    assert store.others("one") == []
    assert FolderObjects(tmp_path).others("two") == ["sqlite:///one.sqlite"]


def test_predictable_names_and_foreign_folders_are_not_written_to(tmp_path: Path) -> None:
    """Previously another user could create a file with the predictable name first, and read and alter every document after it was read back."""
    root = tmp_path / "objects"
    root.mkdir()
    root.chmod(0o777)
    for number in range(50):
        planted = root / f".writing-{objects._MACHINE}-{os.getpid()}-{number}"
        planted.touch()
        planted.chmod(0o666)
    store = FolderObjects(root)
    assert root.stat().st_mode & 0o777 == 0o700
    (put,) = store.put_all([b"one"])
    path = root / object_key(put.sha256)
    assert [folder.stat().st_mode & 0o777 for folder in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]
    path.chmod(0o666)  # the same bytes in a file that others may write are not an object
    assert store.put(iter([b"one"])).created
    assert path.stat().st_mode & 0o777 == 0o600
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "sha256").rename(tmp_path / "aside")
    (root / "sha256").symlink_to(elsewhere)
    for one in (store, FolderObjects(root)):
        with pytest.raises(Refused, match="sha256 is not a folder"):
            one.put_all([b"two"])
    assert list(elsewhere.iterdir()) == []
    if os.geteuid() == 0:
        os.chown(root, 65534, 65534)
        with pytest.raises(Refused, match="belongs to another user"):
            FolderObjects(root)


def test_a_documents_copy_is_a_file_of_its_own(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path / "objects")
    (put,) = store.put_all([b"paper"])
    store.copy(put.sha256, tmp_path / "copy")
    assert ((tmp_path / "copy").read_bytes(), (tmp_path / "copy").stat().st_nlink, (tmp_path / "copy").stat().st_mode & 0o777) == (
        b"paper",
        1,
        0o600,
    )
    with pytest.raises(FileExistsError):
        store.copy(put.sha256, tmp_path / "copy")

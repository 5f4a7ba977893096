"""The old file share, read by loader and verifier: files below its root only, also while others rename folders."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.errors import SourceChanged
from etl.objects import beneath
from etl.objects.share import Share
from etl.reconcile.objects import below
from etl.reconcile.objects.share import Moving, digest_at
from tests.support.background import in_background

Reader = Callable[[str], "tuple[str, int] | None"]


def readers(root: Path) -> dict[str, Reader]:
    share = Share(str(root))

    def loader(path: str) -> tuple[str, int] | None:
        chunks = share.chunks(path)
        if chunks is None:
            return None
        content = b"".join(chunks)
        return hashlib.sha256(content).hexdigest(), len(content)

    return {"loader": loader, "verifier": lambda path: digest_at(root.resolve(), path)}


@pytest.fixture(params=["by the kernel", "name by name"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of opening: by openat2, and as where the kernel has no such call (the number is that of none)."""
    if request.param == "name by name":
        monkeypatch.setattr(beneath, "NUMBER", 100_000)
        monkeypatch.setattr(below, "CALL", 100_000)
    return str(request.param)


def test_C6_the_kernel_opens_only_paths_without_links(tmp_path: Path, way: str) -> None:
    root = tmp_path / "share"
    (root / "a").mkdir(parents=True)
    (root / "a" / "f").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "link").symlink_to("a")
    (root / "out").symlink_to("../secret")
    (root / "proc").symlink_to("/proc/self/root")
    has = way == "by the kernel" and tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (5, 6)
    folder = below.folder_of(os.fsencode(root))
    try:
        for path in ("a/f", "a/../a/f", "a//./f"):
            for opened in (beneath.opened_beneath(folder, path, os.O_RDONLY), below.below(folder, path.encode(), os.O_RDONLY)):
                assert (opened is not None and opened >= 0) == has, path
                if has:
                    assert opened is not None
                    assert os.read(opened, 100) == b"inside"
                    os.close(opened)
        for path in ("link/f", "out", "../secret", "a/../../secret", str(root / "a/f"), "proc/etc/passwd", "", "missing"):
            assert beneath.opened_beneath(folder, path, os.O_RDONLY) is None, path
            assert below.below(folder, path.encode(), os.O_RDONLY) == -1, path
    finally:
        os.close(folder)


def of(content: bytes) -> tuple[str, int]:
    return hashlib.sha256(content).hexdigest(), len(content)


def test_C6_links_below_the_root_are_read_and_links_outside_are_not(tmp_path: Path) -> None:
    root, secret = tmp_path / "real" / "share", tmp_path / "real" / "secret"
    for folder in (root / "a" / "b", secret):
        folder.mkdir(parents=True)
    (root / "a" / "b" / "f").write_bytes(b"inside")
    (root / "back\\slash").write_bytes(b"slash")
    (secret / "f").write_bytes(b"secret")
    (tmp_path / "alias").symlink_to("real")  # the share's own name goes through a link
    (root / "near").symlink_to("a/b/f")
    (root / "folder").symlink_to("a")
    (root / "absolute").symlink_to(root / "a" / "b" / "f")
    (root / "through").symlink_to(tmp_path / "alias" / "share" / "a")
    (root / "round").symlink_to("../share/a/b/f")
    (root / "bounce").symlink_to(secret / "home")
    (secret / "home").symlink_to(root / "a")
    (root / "out").symlink_to(secret)
    (root / "out-file").symlink_to("../secret/f")
    (root / "slash").symlink_to("/")
    (root / "circle").symlink_to("circle")
    (root / "nowhere").symlink_to("missing")
    os.mkfifo(root / "pipe")
    for name, read in readers(tmp_path / "alias" / "share").items():
        for path in (
            "a/b/f",
            "a//./b/f",
            "near",
            "folder/b/f",
            "absolute",
            "through/b/f",
            "round",
            "bounce/b/f",
            "folder/../a/b/f",
            "a/../a/b/f",
        ):
            assert read(path) == of(b"inside"), (name, path)
        assert read("back\\slash") == of(b"slash"), name
        for path in (
            "",
            "/",
            "..",
            "a",
            "a/b",
            "pipe",
            "circle",
            "nowhere",
            "out/f",
            "out-file",
            "../share/a/b/f",
            "a/../../secret/f",
            "slash/etc/passwd",
            "folder/../../secret/f",
            "near/f",
            "/etc/passwd",
            str(root / "a/b/f"),
            "a\0b",
            "out/../share/a/b",
            "\udfff",
        ):
            assert read(path) is None, (name, path)
    before = sorted(Path("/proc/self/fd").iterdir())
    for path in ("folder/b/f", "circle", "out/f", "a"):
        digest_at(root, path)
        list(Share(str(root)).chunks(path) or ())
    assert sorted(Path("/proc/self/fd").iterdir()) == before  # every descriptor is closed


def test_C6_a_folder_swapped_with_a_link_gives_no_byte_from_outside(tmp_path: Path) -> None:
    """Checked by path and used by path, one read in a hundred had the secret."""
    root, secret = tmp_path / "share", tmp_path / "secret"
    for folder in (root / "d", secret):
        folder.mkdir(parents=True)
    (root / "d" / "f").write_bytes(b"inside")
    (secret / "f").write_bytes(b"secret")
    (root / "link").symlink_to("../secret")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for one, other in (("d", "aside"), ("link", "d"), ("d", "link"), ("aside", "d")):
                (root / one).rename(root / other)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for name, read in readers(root).items():
            found = [read("d/f") for _ in range(4_000)]
            assert set(found) <= {None, of(b"inside")}, name
            assert of(b"inside") in found, name
    finally:
        over.set()
        swapping.join()


def test_a_file_that_changes_while_it_is_read_is_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * (3 << 20))
    chunks = Share(str(tmp_path)).chunks("f")
    assert chunks is not None
    next(chunks)
    with path.open("r+b") as file:
        file.write(b"other")
    with pytest.raises(SourceChanged, match="changed while it was being read"):
        list(chunks)
    path.write_bytes(b"")
    os.truncate(path, 256 << 20)

    def grow(over: threading.Event) -> None:
        while not over.is_set():
            os.utime(path)

    with in_background(grow), pytest.raises(Moving):
        digest_at(tmp_path, "f")


def test_C6_a_missing_folder_never_leads_to_a_file_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "share"
    root.mkdir()
    (tmp_path / "f").write_bytes(b"of the current folder")
    monkeypatch.chdir(tmp_path)
    assert {path: digest_at(root, path) for path in ("f", "missing/f", "missing/too/f")} == dict.fromkeys(
        ("f", "missing/f", "missing/too/f")
    )

"""Rows 24, 25 and 28 of faults.md: a document that is missing, unreadable or no file at all never stops the others and never vanishes; zero bytes stay zero bytes."""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .calls import injected, injecting, needs_strace
from .conftest import Reference
from .scene import Scene, ended, has_open
from .tally import DOCUMENTS, ZERO, tried

Scenes = Callable[[Scene], Scene]
_FIRST = 700_000


def shared(scene: Scene) -> Path:
    """A file share of the scene's own, empty."""
    files = scene.own_world() / "files"
    files.unlink()
    files.mkdir()
    return files


def refer(scene: Scene, paths: list[str | bytes], contents: list[bytes] = ()) -> list[int]:  # type: ignore[assignment]
    """The keys of new documents of company 1: some on the share, some with bytes in the database."""
    keys = list(range(_FIRST, _FIRST + len(paths) + len(contents)))
    with sqlite3.connect(scene.own_world() / "portal2.sqlite") as lite:
        for key, path in zip(keys, [*paths, *[None] * len(contents)], strict=True):
            place = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
            lite.execute(
                "INSERT INTO document VALUES (?, 'PARTNER', 1, 101, 'X', ?, NULL, NULL, NULL, ?, 1, NULL, NULL, NULL, '2020-01-01 00:00:00', 'N')",
                (key, f"{key}.bin", place),
            )
        for key, content in zip(keys[len(paths) :], contents, strict=True):
            lite.execute("INSERT INTO document_content VALUES (?, ?)", (key, content))
    lite.close()
    return keys


def arrived(scene: Scene) -> dict[int, tuple[str | None, str]]:
    """Key -> (digest, state) of each new document in the new store; its object read and compared."""
    with sqlite3.connect(scene.store) as lite:
        rows = lite.execute(
            "SELECT DISTINCT CAST(legacy_key AS INTEGER), sha256, content_state_cd FROM document WHERE legacy_portal_cd = 'P2' AND CAST(legacy_key AS INTEGER) >= ?",
            (_FIRST,),
        ).fetchall()
    lite.close()
    for _, sha256, _ in rows:
        assert sha256 is None or hashlib.sha256((scene.objects / f"sha256/{sha256[:2]}/{sha256}").read_bytes()).hexdigest() == sha256
    return {key: (sha256, state) for key, sha256, state in rows}


def test_unreadable_documents_among_readable_ones(reference: Reference, scenes: Scenes) -> None:
    """One of each kind among 40 good ones: each is there with its true digest, or counts as missing; nothing hangs (a FIFO), nothing leaves the root."""
    scene = scenes(reference.before("extract"))
    files = shared(scene)
    outside = scene.folder / "outside.txt"
    outside.write_bytes(b"outside")
    expected: dict[str, bytes | None] = {}
    for number in range(40):
        expected[f"good/{number}.bin"] = f"content {number}".encode() * number
    expected |= {"zero.bin": b"", "new\nline": b"newline", "sp ace#?%.bin": b"odd name", "é.bin": b"composed", "e\u0301.bin": b"decomposed"}
    for name, content in expected.items():
        (files / name).parent.mkdir(exist_ok=True)
        (files / name).write_bytes(content or b"")
    (files / "folder.bin").mkdir()
    os.mkfifo(files / "fifo.bin")
    (files / "dangling.bin").symlink_to("nowhere")
    (files / "loop.bin").symlink_to("loop.bin")
    (files / "out.bin").symlink_to(outside)
    (files / "in.bin").symlink_to("good/7.bin")
    here = os.getcwd()  # noqa: PTH109
    os.chdir(files)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.bin")  # its path has to be short
    os.chdir(here)
    expected |= dict.fromkeys(("missing.bin", "folder.bin", "fifo.bin", "dangling.bin", "loop.bin", "out.bin", "socket.bin"))
    expected |= dict.fromkeys(
        ("../outside.txt", "good/../../outside.txt", str(outside), "x" * 300 + ".bin", "", "good", "good/", "zero.bin/x")
    )
    expected |= {"in.bin": b"content 7" * 7, "./good//8.bin": b"content 8" * 8, "good/../good/9.bin": b"content 9" * 9}
    keys = refer(scene, list(expected), [b"", b"\0", b"in the database"])
    with tried(DOCUMENTS, len(expected)), tried(ZERO, 2):
        scene.run("run", code=0)
        found = arrived(scene)
        assert sorted(found) == keys, "documents vanished"
        for key, (path, content) in zip(keys, expected.items(), strict=False):
            digest = None if content is None else hashlib.sha256(content).hexdigest()
            assert found[key] == (digest, "MISSING" if content is None else "PRESENT"), path
        for key, content in zip(keys[-3:], (b"", b"\0", b"in the database"), strict=True):
            assert found[key] == (hashlib.sha256(content).hexdigest(), "PRESENT"), content


def test_unreadable(reference: Reference, scenes: Scenes) -> None:
    """The disk under one of them fails while it is read (EIO), at the first piece or later: it counts as missing, the others are there."""
    needs_strace()
    for number, size in ((1, 100), (2, 3 << 20)):
        scene = scenes(reference.before("extract"))
        files = shared(scene)
        for name in ("a.bin", "bad.bin", "c.bin"):
            (files / name).write_bytes(name.encode() * (size // 5))
        keys = refer(scene, ["a.bin", "bad.bin", "c.bin"])
        with tried(DOCUMENTS):
            end = injected(scene, "extract", "read", f"error=EIO:when={number}+", path=files / "bad.bin")
            assert end.code == 0, end
            for step in ("split", "reattach"):
                scene.run(step, code=0)
            recovered = scenes(scene)  # there the verifier reads the file, and the staged rows say that it is missing
            recovered.run("check", code=3)
            end = injected(scene, "check", "read", "error=EIO:when=1+", path=files / "bad.bin")
            assert end.code == 0, end
            scene.run("load", code=0)
            assert {key: state for key, (_, state) in arrived(scene).items()} == dict(
                zip(keys, ("PRESENT", "MISSING", "PRESENT"), strict=True)
            )


@pytest.mark.parametrize("how", ["truncated", "longer", "other bytes", "gone"])
def test_changed_while_read(how: str, reference: Reference, scenes: Scenes) -> None:
    """A file that changed while it was read ends the extract with 5. A removed file was read completely: reconcile reports the changed share (4)."""
    needs_strace()
    scene = scenes(reference.before("extract"))
    files = shared(scene)
    for name in ("a.bin", "moving.bin", "c.bin"):
        (files / name).write_bytes(name.encode() * 600_000)
    keys = refer(scene, ["a.bin", "moving.bin", "c.bin"])
    process = scene.start("extract", traced=injecting("read", "delay_enter=1500000:when=2", path=files / "moving.bin"))
    while process.poll() is None and not has_open(process, files / "moving.bin"):
        time.sleep(0.002)
    time.sleep(0.5)
    match how:
        case "truncated":
            os.truncate(files / "moving.bin", 1_500_000)
        case "longer":
            with (files / "moving.bin").open("ab") as file:
                file.write(b"more")
        case "other bytes":
            with (files / "moving.bin").open("r+b") as file:
                file.seek(4_000_000)
                file.write(b"other")
        case "gone":
            (files / "moving.bin").unlink()
    with tried(DOCUMENTS):
        end = ended(process)
        assert end.code == (0 if how == "gone" else 5), end
        codes = [scene.run(step).code for step in ("split", "reattach", "check", "load")] if how == "gone" else []
        assert codes in ([], [0, 0, 0, 0], [0, 0, 0, 5], [0, 0, 3, 3])  # 3: the verifier, asked about the staged rows, misses the file
        if codes and codes[-1] == 0:
            found = arrived(scene)
            assert sorted(found) == keys
            assert {found[keys[0]][1], found[keys[2]][1]} == {"PRESENT"}
            now = files / "moving.bin"
            same = now.exists() and hashlib.sha256(now.read_bytes()).hexdigest() == found[keys[1]][0]
            assert scene.run("reconcile").code == (0 if same else 4)


@pytest.mark.parametrize("what", ["other bytes", "gone", "came"])
def test_share_changed_after_the_extract(what: str, reference: Reference, scenes: Scenes) -> None:
    """Row 5 for the share: a file that changes between extract and the end never ends with exit 0."""
    scene = scenes(reference.before("extract"))
    files = shared(scene)
    for name in ("a.bin", "b.bin"):
        (files / name).write_bytes(name.encode())
    refer(scene, ["a.bin", "b.bin", "later.bin"])
    for step in ("extract", "split", "reattach", "check"):
        scene.run(step, code=0)
    match what:
        case "other bytes":
            (files / "b.bin").write_bytes(b"other")
        case "gone":
            (files / "b.bin").unlink()
        case "came":
            (files / "later.bin").write_bytes(b"came")
    with tried(DOCUMENTS):
        assert scene.run("run").code in (4, 5)


@pytest.mark.full
def test_two_gigabytes(reference: Reference, scenes: Scenes) -> None:
    """Row 25: more than 2 GB on the share within 256 MB of memory beyond what an extract needs anyway; digest and size true."""
    scene = scenes(reference.before("extract"))
    files = shared(scene)
    with (files / "large.bin").open("wb") as file:
        file.truncate((2 << 30) + 1)
    (keys,) = refer(scene, ["large.bin"])
    with tried(DOCUMENTS):
        process = subprocess.Popen(
            scene.argv("extract"), cwd=scene.folder, env=scene.env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert usage.ru_maxrss < (256 + 200) << 10, f"{usage.ru_maxrss >> 10} MB"
        for step in ("split", "reattach", "check", "load"):
            scene.run(step, code=0)
        digest = hashlib.sha256()
        for _ in range(2 << 10):
            digest.update(bytes(1 << 20))
        digest.update(b"\0")
        with sqlite3.connect(scene.store) as lite:
            rows = lite.execute("SELECT DISTINCT sha256 FROM document WHERE legacy_key = ?", (str(keys),)).fetchall()
            sizes = lite.execute("SELECT size_bytes FROM stored_object WHERE sha256 = ?", (digest.hexdigest(),)).fetchall()
        lite.close()
        assert rows == [(digest.hexdigest(),)]
        assert sizes == [((2 << 30) + 1,)]

"""The old file share of the cast: the committed files, and those that no version control system holds well."""

import os
import shutil
from pathlib import Path

# Paths below the root that the cast's `document.object_path` values name. Bytes, because one of them is not valid UTF-8.
ODD_NAMES: dict[bytes, bytes] = {
    b"odd/scan\\2014\\seal.txt": b"A backslash is an ordinary character here.\n",
    b"odd/new\nline.txt": b"A name of two lines.\n",
    b"odd/caf\xc3\xa9.txt": b"The composed spelling.\n",
    b"odd/cafe\xcc\x81.txt": b"The decomposed spelling: another file.\n",
    b"odd/latin1-\xe9.txt": b"No UTF-8 text can name this file.\n",
    b"odd/empty.bin": b"",
    b"odd/...": b"Three dots are a name.\n",
    b"odd/" + b"n" * 251 + b".txt": b"The longest name that a file system takes.\n",
}
OUTSIDE = b"Not on the share: a path or a link that leads here must never be followed.\n"


def write_share(committed: Path, root: Path) -> None:
    """Writes the committed and the odd files under `root`, and outside.txt beside it; existing files are left unchanged."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(committed, root, dirs_exist_ok=True, copy_function=_copy_once)
    (root / "odd" / "folder.pdf").mkdir(parents=True, exist_ok=True)
    _write_once(os.fsencode(root.parent / "outside.txt"), OUTSIDE)
    for name, content in ODD_NAMES.items():
        _write_once(os.fsencode(root) + b"/" + name, content)
    _link_once(root / "odd" / "leads-out.txt", "../../outside.txt")
    _link_once(root / "odd" / "leads-in.txt", "../2016/plan.txt")
    _link_once(root / "odd" / "leads-nowhere.txt", "never-was.txt")
    _link_once(root / "odd" / "way-out", "../..")
    pipe = root / "odd" / "pipe.pdf"
    if not os.path.lexists(pipe):
        os.mkfifo(pipe)


def _copy_once(source: str, target: str) -> str:
    if not os.path.lexists(target):
        shutil.copyfile(source, target)
    return target


def _write_once(path: bytes, content: bytes) -> None:
    if not os.path.lexists(path):
        Path(os.fsdecode(path)).write_bytes(content)


def _link_once(path: Path, target: str) -> None:
    if not os.path.lexists(path):
        path.symlink_to(target)

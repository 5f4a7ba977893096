"""Whether the places of a migration lie apart: what is only read, what is written, what is thrown away.

Asked before anything is made. Places are compared by where they really are, links followed, and by what the file system says is one and the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from etl.databases import FOLDER, database_identity
from etl.errors import Refused
from etl.objects.place import bucket_of, folder_of
from etl.options import Options
from etl.runfolder import layout
from etl.runfolder.settings import RunSettings

_READ = frozenset({"--source", "--tc", "--files"})  # read, never written
_NEXT = "Give each a separate path, none inside another; then run the same command again."


@dataclass(frozen=True)
class Place:
    """A place of the migration: the option that names it, and where it really is."""

    option: str
    path: Path
    is_folder: bool = True


def refuse_overlap(options: Options, *outs: tuple[str, Path]) -> None:
    """Refused where two places of these options lie within each other, one of which is written to. `outs`: further ones that are going to be written."""
    folders, files = list(_folders(options)), list(_files(options))
    own = options.run.resolve() / layout.REHEARSAL if options.run is not None else None
    for number, one in enumerate(folders):
        for other in folders[number + 1 :]:
            both_read = {one.option, other.option} <= _READ
            if not both_read and not _is_own(own, one, other) and (_within(one, other) or _within(other, one)):
                raise _overlap(one, other)
        for file in files:
            # An old database in the old share: both are only read.
            read_only = one.option in _READ and file.option != "--target"
            if not read_only and not _is_own(own, one, file) and _within(file, one):
                raise _overlap(file, one)
    target = next((file for file in files if file.option == "--target"), None)
    for file in files:
        if target is not None and file is not target and _is_same(file.path, target.path):
            raise _overlap(target, file)
    kept = [folder for folder in folders if folder.option != "--run"]  # what is written into a run's folder goes with it
    for option, path in outs:
        out = Place(option, path.resolve())
        for folder in kept:
            if not _is_own(own, out, folder) and _within(out, folder):
                raise _overlap(out, folder)
        for file in files:
            if _is_same(out.path, file.path):
                raise _overlap(out, file)
        run = next((folder for folder in folders if folder.option == "--run"), None)
        if run is not None and _is_same(out.path, run.path):
            raise _overlap(out, run)


_BESIDE_SQLITE = ("", "-journal", "-wal", "-shm")


def refuse_log(options: Options, log: Path, *given: tuple[str, Path]) -> None:
    """Raises Refused (7) for a `--log` in a folder of the migration, or in place of a file that it reads or writes. `given`: further such files."""
    place = Place("--log", log.resolve(), is_folder=False)
    settings = (("--mappings", options.mappings), ("--adapter", options.adapter))
    for folder in (*_folders(options), *(Place(option, path.resolve()) for option, path in settings if path is not None)):
        if _within(place, folder):
            raise _overlap(place, folder)
    names = ("decisions", "acceptance", "approver", "approval")
    files = [
        Place(file.option, file.path.with_name(file.path.name + end), is_folder=False) for file in _files(options) for end in _BESIDE_SQLITE
    ]
    files += [Place(f"--{name}", path.resolve(), is_folder=False) for name in names if (path := getattr(options, name)) is not None]
    for file in (*files, *(Place(option, path.resolve(), is_folder=False) for option, path in given)):
        if _is_same(place.path, file.path):
            raise _overlap(place, file)


def of_run(options: Options, settings: RunSettings) -> Options:
    """The options, completed with those of the run's start; a URL with a hidden password still identifies a path."""
    return replace(
        options,
        source=options.source if options.source is not None else settings.source,
        tc=options.tc if options.tc is not None else settings.tc,
        target=options.target if options.target is not None else settings.target,
        files=options.files if options.files is not None else settings.files,
        objects=options.objects if options.objects is not None else settings.objects,
    )


def _folders(options: Options) -> Iterator[Place]:
    if options.run is not None:
        yield Place("--run", options.run.resolve())
    if options.objects is not None and bucket_of(options.objects) is None:
        yield Place("--objects", folder_of(options.objects, "--objects").resolve())
    if options.files is not None:
        yield Place("--files", folder_of(options.files, "--files").resolve())
    for option, url in (("--source", options.source), ("--tc", options.tc)):
        if url is not None and url.startswith(FOLDER):
            yield Place(option, Path(url.removeprefix(FOLDER)).resolve())


def _files(options: Options) -> Iterator[Place]:
    for option, url in (("--source", options.source), ("--tc", options.tc), ("--target", options.target)):
        if url is None:
            continue
        kind, *rest = database_identity(url)
        if kind == "sqlite" and rest and ":memory:" not in url and url.rstrip("/") != "sqlite:":
            yield Place(option, Path(str(rest[0])), is_folder=False)


def _is_own(own: Path | None, one: Place, other: Place) -> bool:
    """Whether one of them is the run's folder and the other a rehearsal's own place in it."""
    if own is None or "--run" not in (one.option, other.option):
        return False
    inner = other if one.option == "--run" else one
    return inner.option not in _READ and inner.path.is_relative_to(own) and inner.path != own


def _within(inner: Place, outer: Place) -> bool:
    return inner.path.is_relative_to(outer.path) or any(_is_same(folder, outer.path) for folder in (inner.path, *inner.path.parents))


def _is_same(one: Path, other: Path) -> bool:
    """Whether both are one and the same: by name, or by the file system's number, as of hard links and of folders that are mounted twice."""
    if one == other:
        return True
    try:
        return os.path.samestat(one.stat(), other.stat())
    except OSError:
        return False


def _overlap(one: Place, other: Place) -> Refused:
    return Refused(f"Paths overlap: {one.option} ({one.path}) and {other.option} ({other.path}).", _NEXT)

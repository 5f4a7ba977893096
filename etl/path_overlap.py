"""Refuses paths of a migration that overlap: databases, folders and outputs, before anything is written.

Paths are compared after following links, and by device and inode, so that hard links and folders mounted twice are recognised.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from etl.databases import FOLDER, database_identity
from etl.errors import Refused
from etl.objects.address import bucket_of, folder_of
from etl.options import Options
from etl.runfolder import layout
from etl.runfolder.settings import RunSettings

_READ = frozenset({"--source", "--tc", "--files"})  # read, never written
_NEXT = "Give each a separate path, none inside another; then run the same command again."


@dataclass(frozen=True)
class NamedPath:
    """A path of the migration, resolved, with the option that gives it."""

    option: str
    path: Path
    is_folder: bool = True


def refuse_overlap(options: Options, *outs: tuple[str, Path]) -> None:
    """Raises Refused if one path of these options is inside another and either is written to. `outs`: further paths that will be written."""
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
    kept = [folder for folder in folders if folder.option != "--run"]  # the run folder's own content
    for option, path in outs:
        out = NamedPath(option, path.resolve())
        for folder in kept:
            if not _is_own(own, out, folder) and _within(out, folder):
                raise _overlap(out, folder)
        for file in files:
            if _is_same(out.path, file.path):
                raise _overlap(out, file)
        run = next((folder for folder in folders if folder.option == "--run"), None)
        if run is not None and (_is_same(out.path, run.path) or _is_in_a_step(out, run)):
            raise _overlap(out, run)


_BESIDE_SQLITE = ("", "-journal", "-wal", "-shm")


def refuse_log(options: Options, log: Path, *given: tuple[str, Path]) -> None:
    """Raises Refused (7) for a `--log` in a folder of the migration, or in place of a file that it reads or writes. `given`: further such files."""
    located = NamedPath("--log", log.resolve(), is_folder=False)
    settings = (("--mappings", options.mappings), ("--adapter", options.adapter))
    for folder in (*_folders(options), *(NamedPath(option, path.resolve()) for option, path in settings if path is not None)):
        if _within(located, folder):
            raise _overlap(located, folder)
    names = ("decisions", "acceptance", "approver", "approval")
    files = [
        NamedPath(file.option, file.path.with_name(file.path.name + end), is_folder=False)
        for file in _files(options)
        for end in _BESIDE_SQLITE
    ]
    files += [NamedPath(f"--{name}", path.resolve(), is_folder=False) for name in names if (path := getattr(options, name)) is not None]
    for file in (*files, *(NamedPath(option, path.resolve(), is_folder=False) for option, path in given)):
        if _is_same(located.path, file.path):
            raise _overlap(located, file)


def of_run(options: Options, settings: RunSettings) -> Options:
    """Returns the options, completed with those that the run began with; a URL with a hidden password still identifies a path."""
    return replace(
        options,
        source=options.source if options.source is not None else settings.source,
        tc=options.tc if options.tc is not None else settings.tc,
        target=options.target if options.target is not None else settings.target,
        files=options.files if options.files is not None else settings.files,
        objects=options.objects if options.objects is not None else settings.objects,
    )


def _folders(options: Options) -> Iterator[NamedPath]:
    if options.run is not None:
        yield NamedPath("--run", options.run.resolve())
    if options.objects is not None and bucket_of(options.objects) is None:
        yield NamedPath("--objects", folder_of(options.objects, "--objects").resolve())
    if options.files is not None:
        yield NamedPath("--files", folder_of(options.files, "--files").resolve())
    for option, url in (("--source", options.source), ("--tc", options.tc)):
        if url is not None and url.startswith(FOLDER):
            yield NamedPath(option, Path(url.removeprefix(FOLDER)).resolve())


def _files(options: Options) -> Iterator[NamedPath]:
    for option, url in (("--source", options.source), ("--tc", options.tc), ("--target", options.target)):
        if url is None:
            continue
        kind, *rest = database_identity(url)
        if kind == "sqlite" and rest and ":memory:" not in url and url.rstrip("/") != "sqlite:":
            yield NamedPath(option, Path(str(rest[0])), is_folder=False)


def _is_own(own: Path | None, one: NamedPath, other: NamedPath) -> bool:
    """Returns whether one is the run's folder and the other the rehearsal's own path in it."""
    if own is None or "--run" not in (one.option, other.option):
        return False
    inner = other if one.option == "--run" else one
    return inner.option not in _READ and inner.path.is_relative_to(own) and inner.path != own


def _is_in_a_step(out: NamedPath, run: NamedPath) -> bool:
    """Returns whether the path is in a folder of the run folder that only the run itself writes, such as its stage files."""
    own = (*layout.STEPS, layout.PRECOPY)
    return any(_within(out, replace(run, path=run.path / name)) for name in own)


def _within(inner: NamedPath, outer: NamedPath) -> bool:
    return inner.path.is_relative_to(outer.path) or any(_is_same(folder, outer.path) for folder in (inner.path, *inner.path.parents))


def _is_same(one: Path, other: Path) -> bool:
    """Returns whether both are the same: by name, or by device and inode, as of hard links and folders that are mounted twice."""
    if one == other:
        return True
    try:
        return os.path.samestat(one.stat(), other.stat())
    except OSError:
        return False


def _overlap(one: NamedPath, other: NamedPath) -> Refused:
    return Refused(f"Paths overlap: {one.option} ({one.path}) and {other.option} ({other.path}).", _NEXT)

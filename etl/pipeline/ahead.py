"""What a command can know before it creates anything: a refusal at the start of a run leaves no folder and no file behind."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from etl.databases import FOLDER, backend, database_identity
from etl.errors import MigrationError, Refused
from etl.evidence.approval import approver_key
from etl.extract.source_contract import refuse_swapped
from etl.objects.address import bucket_of, folder_of
from etl.objects.share import Share
from etl.options import Options, needed
from etl.pipeline.context import refuse_no_approver
from etl.pipeline.left_out import refuse_left_out
from etl.pipeline.preflight import changeable, refuse_few_connections, refuse_other_tables, rights
from etl.pipeline.signed_files import read_signed
from etl.pipeline.sources import sources_of
from etl.runfolder import layout
from etl.runfolder.folder import refuse_other_folder, sealing_key
from etl.system.progress import ProgressReporter
from mappings.model import Mappings


def is_first(run: Path) -> bool:
    """Returns whether the folder holds no run yet: what is missing then is refused before the folder is created."""
    return not (run / layout.MANIFEST).is_file()


def refuse_ahead(options: Options, steps: tuple[str, ...], mappings: Mappings, reporter: ProgressReporter) -> None:
    """Raises, before the run's folder exists, the error of everything that these steps need and that is missing, unreadable or refused."""
    assert options.run is not None  # noqa: S101  # the caller's `needed_run`
    refuse_other_folder(options.run)
    sealing_key()
    _refuse_later_step(steps[0])
    refuse_no_approver(options)
    if options.approver is not None:
        approver_key(options.approver)
    read_signed(options, mappings)
    refuse_unusable_places(options, "load" in steps)
    refuse_unreadable_sources(options, mappings)
    if len(steps) > 1:
        look_ahead(options, mappings, reporter)


def refuse_unusable_places(options: Options, publishes: bool) -> None:
    """Raises where a store is not given, or its folder is missing or a file. `publishes`: whether the new store is needed."""
    objects = needed(options.objects, "--objects", "the root of the new object store")
    if bucket_of(objects) is None:
        folder = folder_of(objects, "--objects")
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
        if not there.is_dir():
            raise MigrationError(f"--objects: {there} is not a folder.", "Give a writable folder.")
    if not publishes:
        return
    target = needed(options.target, "--target", "the URL of the new store")
    if backend(target) == "sqlite" and not options.rehearse:
        parent = Path(str(database_identity(target)[1])).parent
        if not parent.is_dir():
            raise MigrationError(f"--target: {parent} is not an existing folder.", "Create the folder, then run the same command again.")


def refuse_unreadable_sources(options: Options, mappings: Mappings) -> None:
    """Raises where an old portal or the file share cannot be opened, or the two portals are swapped. Of a folder of files no table is read."""
    if options.files is not None:
        Share(options.files)
    with sources_of(replace(options, adapter=None), mappings) as sources:
        if options.adapter is None and not any((url or "").startswith(FOLDER) for url in (options.source, options.tc)):
            refuse_swapped({portal: source.shapes().keys() for portal, source in sources.items()}, mappings)


def look_ahead(options: Options, mappings: Mappings, reporter: ProgressReporter) -> None:
    """Raises, at the start, the errors that would otherwise appear hours later: missing rights, a target that differs from the contract, limits."""
    for sentence in changeable(options):
        reporter.info(f"not ruled out: {sentence}")
    refuse_few_connections(options)
    for option, found in rights(options, mappings).items():
        for sentence in found.excess:
            reporter.info(f"{option}: role {found.role} {sentence}: more than required (runbooks/roles.md)")
    if options.target is not None:
        beside, foreseen = refuse_other_tables(options.target, mappings)
        for sentence in [*(f"{one}: outside the contract; not blocking" for one in beside), *foreseen]:
            reporter.info(f"--target: {sentence}")
        refuse_left_out(options, options.target)


def _refuse_later_step(step: str) -> None:
    """Raises Refused (7) for a step whose earlier steps cannot have been done, because there is no run."""
    before = layout.STEPS[: layout.STEPS.index(step)]
    if before:
        raise Refused(f"The step {before[-1]} has not been done in this run.", f"Run `portal-migrate {before[-1]}` (or `run`) first.")

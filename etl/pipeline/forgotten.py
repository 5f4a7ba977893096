"""`precopy --forget`: removes the objects of a run that will never publish from the object store."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from etl.databases.registry import open_target
from etl.errors import Refused, WrongUsage
from etl.load.step import removed_objects
from etl.objects import of_each
from etl.objects.journal import journaled
from etl.objects.registry import open_objects
from etl.options import Options, needed
from etl.pipeline.roles import roles
from etl.runfolder import layout
from etl.runfolder.folder import open_locked, open_readonly
from etl.system.confirm import confirm, refuse_unasked
from etl.system.progress import ProgressReporter


def forget(options: Options, reporter: ProgressReporter, yes: bool) -> dict[str, Any]:
    """Returns what was removed: objects, bytes, `kept` (objects that a store of `others` may need), and a sentence; `yes`: no confirmation.

    Objects to which rows of the new store refer stay where --target is given; where another store publishes into this object store, all stay. Raises
    Refused (exit 7) where the run has published: `rollback` reverts that.
    """
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    open_readonly(options.run)  # without a run nothing is removed, and no folder is created
    refuse_unasked("precopy --forget", yes)
    with open_locked(options.run) as folder, ExitStack() as stack:
        if "load" in folder.steps:
            raise Refused("This run has published: its documents are the new store's.", "To take it back: portal-migrate rollback.")
        known = folder.settings.objects
        objects_uri = needed(options.objects or known, "--objects", "the root of the object store that was precopied into")
        if known is not None and objects_uri != known:
            raise Refused(f"This run began with objects = {known}.", "Give the same --objects, or none.")
        objects = open_objects(objects_uri, folder.path / layout.JOURNAL)
        objects.clean()
        brought, store = sorted(journaled(folder.path / layout.JOURNAL)), ""
        if options.target is not None:
            target = open_target(options.target, folder.path / layout.LOAD)
            stack.callback(target.close)
            store = target.identity(objects_uri)
            if target.runs():  # without any object the store has no row, and perhaps no table
                brought = target.unknown_objects(brought)
        sizes = [size for size in of_each(objects.size, brought) if size is not None]
        reporter.info(f"precopy: {len(sizes):,} objects, {sum(sizes):,} bytes, were brought by this run and belong to no row that is known")
        confirm(f"Remove {len(sizes):,} objects from {objects_uri}?", yes)
        gone, kept, others = removed_objects(brought, objects, store)
        # Removed documents have to be read again if the run continues.
        folder.clear(layout.PRECOPY)
        folder.clear("extract")
        if not kept:
            folder.remove(layout.JOURNAL)
        sentence = f"{gone:,} objects removed" + (f", {kept:,} kept: {', '.join(others)} may refer to them" if kept else "")
        folder.record(layout.PRECOPY, f"forgotten: {sentence}", roles(options), {"removed": gone, "kept": kept})
    return {
        "run": str(options.run),
        "removed": gone,
        "bytes": sum(sizes) if not kept else 0,
        "kept": kept,
        "others": others,
        "sentence": sentence,
    }

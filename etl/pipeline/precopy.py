"""The command `precopy`: copies documents before the freeze, into the folder of the run that will publish."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from etl.databases import redacted_url
from etl.errors import Refused
from etl.extract.precopy import precopy as copied
from etl.objects.address import bucket_of, folder_of
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.options import Options, needed, needed_run
from etl.path_overlap import refuse_overlap
from etl.pipeline.ahead import is_first, refuse_unreadable_sources, refuse_unusable_places
from etl.pipeline.binding import bound_mappings
from etl.pipeline.preflight import plan
from etl.pipeline.roles import roles
from etl.pipeline.sources import sources_of
from etl.present import refuse_wrong_files
from etl.runfolder import layout
from etl.runfolder.disk_space import Need, bytes_below, require_room
from etl.runfolder.folder import RunFolder, open_locked, refuse_other_folder, sealing_key
from etl.runfolder.settings import RunSettings
from etl.system.progress import ProgressReporter
from mappings.limits import adapter_digest


def precopy(options: Options, reporter: ProgressReporter) -> dict[str, Any]:
    """Returns what was copied: documents, unchanged, read, objects, and a sentence; the new store is not used.

    Fixes only the sources, the share, the object store and the adapter of the run (exit 7 where they differ later).
    """
    run = needed_run(options.run)
    refuse_overlap(options)
    mappings = bound_mappings(options.mappings)
    if options.adapter is not None:
        refuse_wrong_files(options.adapter, mappings, lambda: sources_of(options, mappings))
    if is_first(run):
        refuse_other_folder(run)
        sealing_key()
        refuse_unusable_places(options, publishes=False)
        refuse_unreadable_sources(options, mappings)
    with open_locked(run) as folder:
        if folder.settings.purged:
            raise Refused("This run's stage files were purged.", "Start again in a new run folder.")
        if "extract" in folder.steps:
            raise Refused(
                "This run has already extracted: there is nothing left to precopy.", "Use a new run folder, or continue with `run`."
            )
        options = _completed(options, folder)
        refuse_overlap(options)  # with the settings of the run's start
        began, clock = datetime.now(UTC), time.monotonic()
        objects_uri = needed(options.objects, "--objects", "the root of the new object store")
        with sources_of(options, mappings) as sources, reporter.bars():
            share = Share(options.files) if options.files is not None else None
            ahead = plan(sources, mappings, share)  # stops where sources and mappings do not match (K5)
            objects = open_objects(objects_uri, folder.path / layout.JOURNAL)
            objects.clean()
            if bucket_of(objects_uri) is None:
                store = folder_of(objects_uri, "--objects")
                require_room([Need(store, ahead.documents_bytes, "documents", there=lambda: bytes_below(store))])
            folder.record(layout.PRECOPY, "begun", roles(options), {})  # a kill may leave an incomplete record
            counts = copied(sources, share, objects, mappings, folder, reporter.progress)
        sentence = f"{counts['unchanged']:,} unchanged, {counts['read']:,} read, {counts['objects']:,} new objects stored"
        facts = {
            **counts,
            "sentence": sentence,
            "started": began.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
        }
        folder.steps[layout.PRECOPY].facts = facts
        folder.record(layout.PRECOPY, sentence, roles(options), counts)
        reporter.info(f"precopy: {sentence} ({facts['seconds']:.1f} s)")
    return {"run": str(run), **facts}


def _completed(options: Options, folder: RunFolder) -> Options:
    """Returns the options, completed from an earlier precopy; raises Refused where they differ from it."""
    given = RunSettings(
        source=redacted_url(options.source) if options.source else None,
        tc=redacted_url(options.tc) if options.tc else None,
        files=options.files,
        objects=options.objects,
        adapter=adapter_digest(options.adapter) if options.adapter is not None else None,
    ).completed("adapter")
    known = folder.settings
    for name, now, before in (("source", given.source, known.source), ("tc", given.tc, known.tc)):
        if now is None and before is not None and known.connectable(name) is None:
            raise Refused(f"This run began with --{name}, but it is not given now.", f"Give the same --{name}.")
    folder.fix(given)
    return replace(
        options,
        source=options.source or known.source,
        tc=options.tc or known.tc,
        files=options.files if options.files is not None else known.files,
        objects=options.objects if options.objects is not None else known.objects,
        adapter_sha256=given.adapter,
    )

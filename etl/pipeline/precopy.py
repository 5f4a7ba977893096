"""The command `precopy`: documents ahead of the freeze, into the folder of the run that will publish."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from etl.databases import shown
from etl.errors import Refused, WrongUsage
from etl.extract.precopied import PRECOPY
from etl.extract.precopy import precopy as copied
from etl.objects.journal import JOURNAL
from etl.objects.place import bucket_of, folder_of
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.options import Options, needed
from etl.pipeline.binding import bound_mappings
from etl.pipeline.preflight import plan
from etl.pipeline.roles import roles
from etl.pipeline.sources import sources_of
from etl.places import refuse_overlap
from etl.present import refuse_wrong_files
from etl.runfolder.disk_space import Need, bytes_below, require_room
from etl.runfolder.folder import RunFolder, opened
from etl.system.progress import Talk
from mappings.limits import adapter_digest

_NONE = "none"


def precopy(options: Options, talk: Talk) -> dict[str, Any]:
    """What was brought: documents, unchanged, read, objects, and a sentence. The new store is not touched.

    Fixes the sources, the share, the object store and the adapter of the run, nothing else (exit 7 where they differ later).
    """
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    refuse_overlap(options)
    mappings = bound_mappings(options.mappings)
    if options.adapter is not None:
        refuse_wrong_files(options.adapter, mappings, lambda: sources_of(options))
    with opened(options.run) as folder:
        if "purged" in folder.settings:
            raise Refused("This run's stage files were purged.", "Start again in a new run folder.")
        if "extract" in folder.steps:
            raise Refused("This run has extracted already: there is nothing left to precopy.", "Use a new run folder, or go on with `run`.")
        options = _settled(options, folder)
        refuse_overlap(options)  # with what the run began with
        began, clock = datetime.now(UTC), time.monotonic()
        objects_uri = needed(options.objects, "--objects", "the root of the new object store")
        with sources_of(options) as sources, talk.bars():
            share = Share(options.files) if options.files is not None else None
            ahead = plan(sources, mappings, share)  # stops where sources and mappings do not fit (K5)
            objects = open_objects(objects_uri, folder.path / JOURNAL)
            objects.clean()
            if bucket_of(objects_uri) is None:
                store = folder_of(objects_uri, "--objects")
                require_room([Need(store, ahead.documents_bytes, "documents", there=lambda: bytes_below(store))])
            folder.record(PRECOPY, "begun", roles(options), {})  # a kill may leave a part of the record
            counts = copied(sources, share, objects, mappings, folder, talk.tell)
        sentence = f"{counts['unchanged']:,} unchanged, {counts['read']:,} read, {counts['objects']:,} objects new in the store"
        facts = {
            **counts,
            "sentence": sentence,
            "started": began.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
        }
        folder.steps[PRECOPY].facts = facts
        folder.record(PRECOPY, sentence, roles(options), counts)
        talk.say(f"precopy: {sentence} ({facts['seconds']:.1f} s)")
    return {"run": str(options.run), **facts}


def _settled(options: Options, folder: RunFolder) -> Options:
    """The options, those not given filled in from an earlier precopy; Refused where they differ from it."""
    given = {
        "source": shown(options.source) if options.source else None,
        "tc": shown(options.tc) if options.tc else None,
        "files": options.files,
        "objects": options.objects,
        "adapter": adapter_digest(options.adapter) if options.adapter is not None else _NONE,
    }
    known = folder.settings
    for name in ("source", "tc"):
        if given[name] is None and "***" in known.get(name, ""):
            raise Refused(f"This run began with --{name}, and none is given now.", f"Give the same --{name}.")
    folder.settle({name: value for name, value in given.items() if value is not None})
    filled = {name: known[name] for name in ("source", "tc", "files", "objects") if given[name] is None and known.get(name, _NONE) != _NONE}
    return replace(options, **filled)  # type: ignore[arg-type]  # of these four each is a text

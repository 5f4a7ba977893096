"""The old portals of a command, open for reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from etl.databases import Source
from etl.databases.registry import open_source
from etl.errors import WrongUsage
from etl.options import Options
from etl.present import presented
from mappings.model import Mappings, Portal
from mappings.read import read_mappings

NAMES: dict[Portal, str] = {"P2": "Portal 2.0", "TC": "Trade Compliance"}


@contextmanager
def sources_of(options: Options, mappings: Mappings | None = None) -> Iterator[dict[Portal, Source]]:
    """Yields the old databases, open for reading; without --tc no Trade Compliance part. `mappings`: already read ones."""
    if options.source is None:
        raise WrongUsage("--source is missing.", "Give the URL of the Portal 2.0 database: --source sqlite:////folder/portal2.sqlite.")
    with ExitStack() as stack:
        sources: dict[Portal, Source] = {"P2": stack.enter_context(open_source(options.source, NAMES["P2"]))}
        if options.tc is not None:
            sources["TC"] = stack.enter_context(open_source(options.tc, NAMES["TC"]))
        if options.adapter is not None:
            sources = presented(sources, options.adapter, mappings or read_mappings(options.mappings), options.adapter_sha256)
        yield sources

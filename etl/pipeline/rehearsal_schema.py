"""A rehearsal on the real kind of store: a temporary schema of that PostgreSQL server, named after the run folder, dropped when the command ends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import sqlalchemy

from etl.databases import backend
from etl.errors import WrongUsage
from etl.options import Options
from etl.runfolder.rehearsed import SCHEMA_PREFIX


@contextmanager
def throwaway_schema(options: Options) -> Iterator[Options]:
    """Yields the options with the target in a temporary schema, which is dropped after the block in every case.

    The schema's name follows from the run folder, so that the command after a kill reuses the schema, after emptying it where the run has published
    nothing there. Raises WrongUsage for another kind of store, Refused where the role may not create a schema.
    """
    if options.target is None or options.run is None:
        raise WrongUsage("--target is missing.", "Give the server of the new store: --target postgresql://...")
    if backend(options.target) != "postgresql":
        raise WrongUsage(
            "--rehearse with --target needs a PostgreSQL server.",
            "Leave out --target: the rehearsal's own store is a SQLite file in the run's folder.",
        )
    name = SCHEMA_PREFIX + hashlib.sha256(str(options.run.absolute()).encode()).hexdigest()[:16]
    from etl.databases.postgresql.throwaway import drop_schema, make_schema

    make_schema(options.target, name)
    try:
        yield replace(options, target=_within(options.target, name))
    finally:
        drop_schema(options.target, name)


def _within(url: str, schema: str) -> str:
    """Returns the URL for sessions that see only that schema; other session options of the URL stay."""
    parsed = sqlalchemy.make_url(url)
    given = parsed.query.get("options")
    before = f"{given} " if isinstance(given, str) else ""
    changed = parsed.update_query_dict({"options": f"{before}-csearch_path={schema}"})
    return changed.render_as_string(hide_password=False)

"""The role used in each database, for the run's log."""

from __future__ import annotations

from pathlib import Path

from etl.databases import backend, database_identity
from etl.errors import MigrationError
from etl.options import Options
from etl.runfolder.event_log import account_name

UNKNOWN = "unknown: no connection"


def roles(options: Options, known: dict[str, str] | None = None) -> dict[str, str]:
    """Returns, by option (source, tc, target; those that are given), the role in the database's words; for a SQLite file its owner.

    `known` stores the servers' answers by URL: one query serves all steps.
    """
    given = {"source": options.source, "tc": options.tc, "target": options.target}
    return {name: _role(url, f"--{name}", {} if known is None else known) for name, url in given.items() if url is not None}


def _role(url: str, name: str, known: dict[str, str]) -> str:
    import sqlalchemy

    kind = backend(url)
    if kind == "sqlite":
        return _owner(Path(sqlalchemy.make_url(url).database or ""))
    if kind == "folder":
        return _owner(Path(str(database_identity(url)[1])))
    if kind == "postgresql":
        from etl.databases.postgresql.rights import role_of

        try:
            return known.setdefault(url, known.get(url) or role_of(url, name))
        except MigrationError:
            return UNKNOWN
    return sqlalchemy.make_url(url).username or UNKNOWN


def _owner(file: Path) -> str:
    try:
        about = file.stat()
    except OSError:
        return "no file yet"
    return f"owner of the file: {account_name(about.st_uid)}, mode {about.st_mode & 0o777:04o}"

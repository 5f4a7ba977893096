"""The cast laid out on disk: two SQLite databases and the old file share, ready to be migrated."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sample_data import contract
from sample_data.share import write_share

CAST = Path(__file__).resolve().parent / "cast"


@dataclass(frozen=True)
class World:
    """A legacy world: SQLAlchemy URLs of the Portal 2.0 and Trade Compliance databases, root of the file share."""

    source: str
    tc: str
    files: Path


def write_cast(folder: Path) -> World:
    """Writes the cast under `folder` as portal2.sqlite, tc.sqlite and files/, and returns its addresses.

    A second call changes nothing. Raises FileExistsError if a file of one of these names has other content.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for schema in ("portal2", "tc"):
        _write_database(folder / f"{schema}.sqlite", schema)
    write_share(CAST / "files", folder / "files")
    return world_in(folder)


def world_in(folder: Path) -> World:
    """Returns the addresses of the world in `folder` by its fixed names, without reading it."""
    folder = folder.resolve()
    return World(sqlite_url(folder / "portal2.sqlite"), sqlite_url(folder / "tc.sqlite"), folder / "files")


def sqlite_url(path: Path) -> str:
    """Returns the SQLAlchemy URL of a SQLite file: sqlite:////absolute/path, special characters escaped."""
    return f"sqlite:///{quote(str(path.resolve()))}"


def _write_database(path: Path, schema: str) -> None:
    # Built beside and renamed, so that a killed build leaves no half a world under the final name.
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    connection = sqlite3.connect(part)
    try:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;")
        connection.executescript(contract.sqlite_ddl(schema))
        connection.executescript((CAST / f"{schema}.sql").read_text(encoding="utf-8"))
        connection.commit()
    finally:
        connection.close()
    if not path.exists():
        part.replace(path)
        return
    same = path.read_bytes() == part.read_bytes()
    part.unlink()
    if not same:
        raise FileExistsError(f"{path.name}: holds something else than the cast. Move it away, or choose another folder.")

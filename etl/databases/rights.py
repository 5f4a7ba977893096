"""What a role may do in a database, held against what it needs: missing rights stop a command, excess ones are named."""

from __future__ import annotations

from dataclasses import dataclass, field

from etl.databases import backend

Wanted = dict[str, tuple[str, ...]]  # by table: the columns that are read


@dataclass(frozen=True)
class Rights:
    """Sentences. `missing`: what the role needs and has not; `excess`: what it could do beyond that."""

    role: str = ""
    missing: list[str] = field(default_factory=list)
    excess: list[str] = field(default_factory=list)


def reading_rights(url: str, name: str, wanted: Wanted) -> Rights:
    """The rights on an old database; of a SQLite file (its mode decides) and of other databases nothing is known here."""
    if backend(url) != "postgresql":
        return Rights()
    from etl.databases.postgresql.rights import of_reader

    return of_reader(url, name, wanted)


def writing_rights(url: str, tables: tuple[str, ...]) -> Rights:
    """The rights on a new store that will have these tables, or has them; as above."""
    if backend(url) != "postgresql":
        return Rights()
    from etl.databases.postgresql.rights import of_writer

    return of_writer(url, tables)

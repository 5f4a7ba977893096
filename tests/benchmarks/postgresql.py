"""PostgreSQL at both ends, contender by contender on the same two servers: `python -m tests.benchmarks.postgresql [--profiles 5000] [--rounds 3] [--json FILE]`.

(a) the split by hand as SQL inside one server, (b) COPY | COPY without a split, (c) pandas, (d) dlt and SQL behind it, (e) this project.
Prints a Markdown table of medians; the memory is that of a round of its own. Contenders whose package is missing are left out, and that is said.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from mappings.read import read_mappings
from sample_data.synthetic import write_synthetic

from .measuring import Cost, measured
from .results import Results
from .servers import Server, two_servers

MOVE = ("extract", "split", "reattach", "load")
# What the SQL by hand does not do: it holds and flags nothing, and knows neither the file share nor invalid texts.
LEFT_OUT = ("migration_run", "migration_holding", "migration_exception", "stored_object")


@dataclass
class Scene:
    """A world on two servers, and what its contenders left there."""

    folder: Path
    old: Server
    new: Server
    dlt: str | None
    watch: bool = False  # look at the memory too: that takes time from what is measured, so it is done in a round of its own
    runs: list[dict[str, Any]] = field(default_factory=list)

    def measured(self, command: list[str]) -> Cost:
        return measured(command, (self.old, self.new), self.watch)


def by_hand(scene: Scene) -> Cost:
    with psycopg.connect(scene.old.url("world"), autocommit=True) as session:
        session.execute("DROP SCHEMA IF EXISTS by_hand CASCADE")
        session.execute("CREATE SCHEMA by_hand")
        session.execute("CHECKPOINT")
    return scene.measured(_way("by_hand", scene.old.url("world"), ""))


def copied(scene: Scene) -> Cost:
    return scene.measured(_way("copied", scene.old.url("world"), scene.new.fresh("copied")))


def pandas_multi(scene: Scene) -> Cost:
    return scene.measured(_way("pandas_multi", scene.old.url("world"), scene.new.fresh("pandas_multi")))


def pandas_copy(scene: Scene) -> Cost:
    return scene.measured(_way("pandas_copy", scene.old.url("world"), scene.new.fresh("pandas_copy")))


def dlt_and_sql(scene: Scene) -> Cost:
    new = scene.new.fresh("dlt")
    with psycopg.connect(new, autocommit=True) as session:
        session.execute("CREATE SCHEMA by_hand")
    plain = [url.split("&options")[0] for url in (scene.old.url("world"), new)]
    with tempfile.TemporaryDirectory(dir=scene.folder) as work:
        moved = scene.measured([str(scene.dlt), str(Path(__file__).with_name("dlt_way.py")), *plain, work])
    split = scene.measured(_way("by_hand", new, ""))
    return Cost(
        moved.seconds + split.seconds,
        moved.client_cpu + split.client_cpu,
        moved.server_cpu + split.server_cpu,
        max(moved.client_mb, split.client_mb),
        max(moved.server_mb, split.server_mb),
    )


def ours(scene: Scene, workers: int | None = None) -> Cost:
    """The whole run; its parts go to `scene.runs`."""
    scene.new.fresh("ours")
    # Left there until all is done: a file system may avoid what was just deleted (ext4 does), and the next contender would pay for it.
    path = tempfile.mkdtemp(dir=scene.folder)
    words = [
        "run",
        "--source",
        scene.old.url("world", "portal2"),
        "--tc",
        scene.old.url("world", "tc"),
        "--files",
        str(scene.folder / "files"),
        "--target",
        scene.new.url("ours"),
        "--objects",
        f"{path}/objects",
        "--run",
        f"{path}/run",
        "--freeze-from",
        "2023-09-16",
        "--freeze-to",
        "2023-09-30",
        *(["--workers", str(workers)] if workers else []),
    ]
    cost = scene.measured([sys.executable, "-m", "cli", *words])
    steps = json.loads(Path(path, "run", "manifest.json").read_bytes())["run"]["steps"]
    parts = {name: float(step["facts"]["seconds"]) for name, step in steps.items()}
    scene.runs.append({**parts, "start": cost.seconds - sum(parts.values()), "whole": cost.seconds})
    return cost


def _way(name: str, *urls: str) -> list[str]:
    return [sys.executable, "-m", "tests.benchmarks.contenders", name, *urls]


def differences(scene: Scene) -> list[str]:
    """Where the SQL by hand, or what dlt brought, has fewer rows than this project; the tables of LEFT_OUT aside."""
    places = {"SQL by hand": scene.old.url("world", "by_hand")}
    if scene.dlt:
        places["dlt + SQL"] = scene.new.url("dlt", "by_hand")
    found = []
    counts = {name: _counts(url) for name, url in {"ours": scene.new.url("ours"), **places}.items()}
    for name in places:
        for table, rows in counts["ours"].items():
            if counts[name][table] != rows:
                found.append(f"{name}: {table} has {counts[name][table]:,} rows, ours {rows:,}")
    return found


def _counts(url: str) -> dict[str, int]:
    with psycopg.connect(url) as session:
        names = [name for name in read_mappings().target.tables if name not in LEFT_OUT]
        return {name: int(session.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()[0]) for name in names}  # type: ignore[index]


def documents(scene: Scene) -> tuple[float, float, int]:
    """(seconds from the database to verified objects, seconds of cp and sha256sum of the same bytes, bytes): medians of three."""
    papers = scene.old.fresh("papers")  # of the published median size; those of the worlds are tiny
    with psycopg.connect(papers, autocommit=True) as session:
        session.execute("CREATE TABLE document_content (document_id BIGINT PRIMARY KEY, content BYTEA NOT NULL)")
        for number in range(_PAPERS):
            session.execute("INSERT INTO document_content VALUES (%s, %s)", (number, os.urandom(_PAPER)))
        session.execute("CHECKPOINT")
    measured = [_documents_once(papers, Path(tempfile.mkdtemp(dir=scene.folder))) for _ in range(3)]
    return statistics.median(own for own, _ in measured), statistics.median(other for _, other in measured), _PAPERS * _PAPER


def _documents_once(papers: str, path: Path) -> tuple[float, float]:
    from etl.databases.registry import open_source
    from etl.objects.registry import open_objects
    from etl.objects.transfer import store_all

    mapping = read_mappings().tables["P2", "document_content"]
    os.sync()  # what others left to be written is not paid for here: documents are made durable, and that waits for a whole file system
    with open_source(papers, "Portal 2.0") as source:
        began = time.monotonic()
        stored = store_all(source.contents(mapping, "content"), open_objects(f"{path}/objects"))
        own = time.monotonic() - began
    if sum(put.size for put in stored.values()) != _PAPERS * _PAPER:
        raise SystemExit("Not all documents were stored.")
    began = time.monotonic()
    subprocess.run(["cp", "-r", f"{path}/objects", f"{path}/copy"], check=True)
    subprocess.run(f"find {path}/copy -type f -print0 | xargs -0 sha256sum > /dev/null", shell=True, check=True)  # noqa: S602
    return own, time.monotonic() - began


CONTENDERS: dict[str, Callable[[Scene], Cost]] = {
    "(a) SQL by hand": by_hand,
    "(b) COPY to COPY, no split": copied,
    "(c) pandas, to_sql(multi), 4 tables": pandas_multi,
    "(c) pandas, COPY, 4 tables": pandas_copy,
    "(d) dlt, then SQL": dlt_and_sql,
    "(e) this project, whole run": ours,
}
SLOW = ("(c)", "(d)")
_PAPERS, _PAPER = 400, 250_000


def compare(
    profiles: int,
    rounds: int,
    only: list[str],
    dlt: str | None,
    slow_rounds: int,
    parts: bool = True,
    memory: bool = True,
    results: Results | None = None,
    fsync: str = "off",
) -> dict[str, float]:
    """Prints what each contender costs for a world of that size; this project's medians come back."""
    with tempfile.TemporaryDirectory() as scratch, two_servers(Path(scratch), fsync=fsync) as (old, new):
        scene = Scene(Path(scratch), old, new, dlt)
        old.fresh("world")
        with psycopg.connect(old.url("world"), autocommit=True) as session:
            session.execute("CREATE SCHEMA portal2")
            session.execute("CREATE SCHEMA tc")
        rows = write_synthetic(old.url("world", "portal2"), old.url("world", "tc"), scene.folder / "files", profiles, 7)
        with psycopg.connect(old.url("world"), autocommit=True) as session:
            session.execute("VACUUM ANALYZE")
        _say(
            f"\n## {profiles:,} profiles, {sum(rows.values()):,} rows, PostgreSQL {new.version} (fsync = {fsync}), {platform.python_version()} on {os.cpu_count()} cores\n"
        )
        chosen = {name: run for name, run in CONTENDERS.items() if any(letter in name for letter in only)}
        if dlt is None:
            for name in [name for name in chosen if name.startswith("(d)")]:
                del chosen[name]
                _say(f"{name}: left out, no dlt here (give --dlt PYTHON)")
        costs: dict[str, list[Cost]] = {name: [] for name in chosen}
        for number in range(rounds):
            for name, run in chosen.items():
                if number < slow_rounds or not name.startswith(SLOW):
                    costs[name].append(run(scene))
        timed = len(scene.runs)
        scene.watch = memory
        watched = {name: run(scene) for name, run in chosen.items()} if memory else {}
        scene.watch = False
        del scene.runs[timed:]
        _table(costs, watched, scene)
        if results is not None:
            _kept(results, profiles, costs, watched, scene)
        if "(a) SQL by hand" in costs and scene.runs:
            scene.dlt = dlt if "(d) dlt, then SQL" in costs else None
            for line in differences(scene) or [
                f"Rows of every table: equal to this project's (but for {', '.join(LEFT_OUT)}, which SQL leaves out)."
            ]:
                _say(f"- {line}")
        if "(e)" in only and scene.runs and parts:
            _parts(scene)
            own, other, size = documents(scene)
            _say(f"\nDocuments, {size / 1e6:.0f} MB: {own:.1f} s, cp + sha256sum {other:.1f} s: {other / own:.2f} times their speed")
        result = {name: statistics.median(run[name] for run in scene.runs) for name in (scene.runs[0] if scene.runs else ())}
        peak = watched.get("(e) this project, whole run")
        return {**result, "client_mb": peak.client_mb} if peak else result


def _kept(results: Results, profiles: int, costs: dict[str, list[Cost]], watched: dict[str, Cost], scene: Scene) -> None:
    for name, each in costs.items():
        results.add(f"{profiles} profiles: {name}", *(cost.seconds for cost in each))
        results.add(f"{profiles} profiles: {name}, processor time", *(cost.client_cpu + cost.server_cpu for cost in each))
        if name in watched:
            results.add(f"{profiles} profiles: {name}, memory", watched[name].client_mb, unit="MB")
    for run in scene.runs:
        for step, seconds in run.items():
            results.add(f"{profiles} profiles: {step}", seconds)


def _table(costs: dict[str, list[Cost]], watched: dict[str, Cost], scene: Scene) -> None:
    base = statistics.median(c.seconds for c in costs["(a) SQL by hand"]) if "(a) SQL by hand" in costs else 0.0
    _say("| contender | s | / (a) | client cpu s | server cpu s | client MB | server MB | rounds |\n|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, each in costs.items():
        seconds, client, server = (
            statistics.median(getattr(c, column) for c in each) for column in ("seconds", "client_cpu", "server_cpu")
        )
        memory = f"{watched[name].client_mb:,.0f} | {watched[name].server_mb:,.0f}" if watched else " | "
        _say(f"| {name} | {seconds:.1f} | {_ratio(seconds, base)} | {client:.1f} | {server:.1f} | {memory} | {len(each)} |")
    if scene.runs:
        move = statistics.median(run["start"] + sum(run[step] for step in MOVE) for run in scene.runs)
        _say(f"| (e) this project, move only | {move:.1f} | {_ratio(move, base)} | | | | | {len(scene.runs)} |")
        for name in costs:
            if name.startswith(SLOW):
                _say(f"\n{name} / move only: {_ratio(statistics.median(c.seconds for c in costs[name]), move)}")


def _parts(scene: Scene) -> None:
    first = len(scene.runs)
    runs = scene.runs[:first]
    ours(scene, workers=1)
    ours(scene, workers=2)
    one, two = scene.runs[first:]
    del scene.runs[first:]
    _say("\n| part | s | share | 1 worker s | 2 workers s |\n|---|--:|--:|--:|--:|")
    whole = statistics.median(run["whole"] for run in runs)
    for name in runs[0]:
        seconds = statistics.median(run[name] for run in runs)
        _say(f"| {name} | {seconds:.1f} | {seconds / whole:.2f} | {one[name]:.1f} | {two[name]:.1f} |")
    split = [sum(run[name] for name in ("split", "reattach", "check")) for run in (one, two)]
    _say(f"\nsplit, reattach and check with 2 workers / 1 worker: {split[1] / split[0]:.2f}")


def _ratio(one: float, other: float) -> str:
    return f"{one / other:.2f}" if other else ""


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its answer


def main() -> None:
    parser = argparse.ArgumentParser(description="PostgreSQL at both ends, contender by contender.")
    parser.add_argument("--profiles", type=int, nargs="+", default=[5000], help="sizes; with two or more, growth is shown")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow-rounds", type=int, default=1, help="rounds of pandas and dlt")
    parser.add_argument("--no-parts", action="store_true", help="leave out the runs with one and with two workers, and the documents")
    parser.add_argument(
        "--no-memory",
        action="store_true",
        help="leave out the last round, which looks at the memory: that takes time from what is measured",
    )
    parser.add_argument("--fsync", action="store_const", const="on", default="off", help="servers wait for their disks")
    parser.add_argument("--only", default="abcde", help="letters of the contenders")
    parser.add_argument("--dlt", metavar="PYTHON", help="the interpreter of an environment that has dlt[postgres,sql_database]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    dlt = given.dlt or (sys.executable if importlib.util.find_spec("dlt") else None)
    if dlt and "d" in given.only:  # hours later would be late to find out
        subprocess.run([dlt, "-c", "from dlt.sources.sql_database import sql_database"], check=True)
    packages = ("psycopg", "polars", "pyarrow", "pandas", "adbc-driver-postgresql", "SQLAlchemy")
    _say(", ".join(f"{name} {version(name)}" for name in packages))
    kept = Results.begun_now("postgresql", profiles=given.profiles, rounds=given.rounds, only=given.only, fsync=given.fsync)
    results = [
        compare(
            profiles,
            given.rounds,
            [f"({letter})" for letter in given.only],
            dlt,
            given.slow_rounds,
            not given.no_parts,
            not given.no_memory,
            kept,
            given.fsync,
        )
        for profiles in given.profiles
    ]
    for number in range(1, len(results)):
        if results[0] and results[number]:
            grown = {key: f"{results[number][key] / results[0][key]:.2f}" for key in ("whole", "client_mb") if key in results[0]}
            _say(
                f"\n{given.profiles[number]:,} / {given.profiles[0]:,} profiles: time {grown['whole']}, memory {grown.get('client_mb', 'not looked at')}"
            )
    kept.write(given.json)


if __name__ == "__main__":
    main()

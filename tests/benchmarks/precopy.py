"""The extract with and without a precopy, from PostgreSQL: `python -m tests.benchmarks.precopy [--profiles 300] [--size 65536] [--json FILE]`.

Every document gets as many bytes as `--size`, at random; each extract has an object store and a run folder of its own. Prints seconds of the
extract as the run itself says, after a first precopy, after one with a hundredth of the documents changed since, and without.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from .measuring import ROOT
from .results import Results
from .servers import Server, two_servers

_CONTENT = (
    "UPDATE {table} SET content = (SELECT decode(string_agg(md5(random()::text || {key} || n), ''), 'hex')"
    " FROM generate_series(1, {pieces}) n) WHERE {key} % {part} = 0"
)
_TABLES = (("portal2", "document_content", "document_id"), ("tc", "tc_document_content", "tc_document_id"))


def _command(*words: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "cli", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def _fill(old: Server, size: int, part: int) -> int:
    """Other bytes for one document in so many; how many documents there are."""
    documents = 0
    for database, table, key in _TABLES:
        with psycopg.connect(old.url(database), autocommit=True) as session:
            session.execute(_CONTENT.format(table=table, key=key, pieces=size // 16, part=part).encode())
            (count,) = session.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() or (0,)
            documents += int(count)
    return documents


def measured(folder: Path, old: Server, profiles: int, size: int) -> tuple[int, dict[str, float]]:
    """(documents, seconds by what was done)."""
    words = ["--source", old.fresh("portal2"), "--tc", old.fresh("tc"), "--files", str(folder / "files")]
    _command("sample", *words, "--profiles", str(profiles), "--seed", "7")
    documents = _fill(old, size, 1)

    def extract(name: str) -> float:
        _command("extract", *words, "--objects", str(folder / f"{name}-objects"), "--run", str(folder / name))
        manifest = json.loads((folder / name / "manifest.json").read_bytes())
        return float(manifest["run"]["steps"]["extract"]["facts"]["seconds"])

    def precopy(name: str) -> float:
        return _command("precopy", *words, "--objects", str(folder / f"{name}-objects"), "--run", str(folder / name))

    seen = {"extract without": extract("without")}
    seen["precopy, the first"] = precopy("unchanged")
    precopy("changed")
    seen["precopy, nothing changed"] = precopy("unchanged")
    seen["extract, nothing changed"] = extract("unchanged")
    _fill(old, size, 100)
    seen["extract, 1% changed"] = extract("changed")
    return documents, seen


def main(profiles: int, size: int, path: Path | None = None) -> None:
    results = Results.begun_now("precopy", profiles=profiles, size=size)
    with tempfile.TemporaryDirectory() as scratch, two_servers(Path(scratch)) as (old, _):
        folder = Path(scratch) / "cutover"
        folder.mkdir()
        documents, seen = measured(folder, old, profiles, size)
    print(f"\n{profiles:,} profiles, {documents:,} documents of {size:,} bytes\n\n| what | s | of the extract without |\n|---|--:|--:|")  # noqa: T201 - its answer
    for what, seconds in seen.items():
        results.add(what, seconds)
        print(f"| {what} | {seconds:.1f} | {seconds / seen['extract without']:.2f} |")  # noqa: T201
    results.write(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--profiles", type=int, default=300)
    parser.add_argument("--size", type=int, default=65_536)
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    main(given.profiles, given.size, given.json)

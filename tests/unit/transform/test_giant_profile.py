"""One profile with 60,000 responses and 2,000 documents: nothing breaks, and the number of workers changes no byte.

`GIANT="2000000 50000" pytest tests/unit/transform/test_giant_profile.py` makes it a larger one.
"""

from __future__ import annotations

import os
from hashlib import sha256

from tests.support.servers import Portals, portals

__all__ = ["portals"]  # a fixture

RESPONSES, DOCUMENTS = map(int, os.environ.get("GIANT", "60000 2000").split())


def more_rows(table: str, key: str, many: int, setting: str = "") -> str:
    """The table's first row, many times more, each with a key of its own."""
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(r, jsonb_build_object('{key}', 70000000 + g{setting}))).*"
        f" FROM (SELECT t AS r FROM {table} t ORDER BY {key} LIMIT 1) first, generate_series(1, {many}) g"
    )


def test_a_giant_profile_gives_the_same_store_with_any_number_of_workers(portals: Portals) -> None:
    portals.do(
        "portal2",
        more_rows("profile_response", "response_id", RESPONSES),
        more_rows("document", "document_id", DOCUMENTS),
        f"INSERT INTO document_content SELECT 70000000 + g, convert_to('document ' || g, 'UTF8') FROM generate_series(1, {DOCUMENTS}) g",
    )
    manifests = []
    for workers in ("1", "2"):
        for step in ("extract", "split", "reattach"):
            done = portals.run(step, "--workers", workers, run=f"workers-{workers}")
            assert done.code == 0, done.err
        files = sorted((portals.folder / f"workers-{workers}").rglob("*.parquet"))
        manifests.append(
            {file.relative_to(portals.folder / f"workers-{workers}").as_posix(): sha256(file.read_bytes()).hexdigest() for file in files}
        )
    assert len(manifests[0]) > 50
    assert manifests[0] == manifests[1]
    done = portals.run("run", "--workers", "2", run="workers-2")
    assert done.code == 0, done.err
    with portals.session("portal3") as connection:
        loaded, held = (
            connection.execute(f"SELECT count(*) FROM portal3.{table} WHERE length(legacy_key) = 8 AND legacy_key LIKE '7%'").fetchone()[0]
            for table in ("profile_response", "migration_holding")
        )
    assert loaded + held >= RESPONSES

"""The benchmarks can be started by anyone, on any size of world: they print their tables. What the figures are is no test's business."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.docs.handbook import ROOT


def printed(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_run_on_sqlite_beside_a_copy() -> None:
    out = printed("-c", "import tests.benchmarks.__main__ as benchmark; benchmark.ROUNDS = 1; benchmark.main([10])")
    assert re.search(r"^ +10 +[\d,]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.-]+ +[\d,]+$", out, re.MULTILINE), out


def test_every_contender_on_postgresql() -> None:
    """dlt is no dependency: it is left out, and that is said."""
    out = printed("-m", "tests.benchmarks.postgresql", "--profiles", "20", "--rounds", "1", "--no-parts")
    for name in ("(a) SQL by hand", "(b) COPY to COPY", "(c) pandas, to_sql(multi)", "(c) pandas, COPY", "(e) this project, whole run"):
        assert f"| {name}" in out, out
    assert "(d) dlt, then SQL: left out" in out
    assert "Rows of every table: equal to this project's" in out

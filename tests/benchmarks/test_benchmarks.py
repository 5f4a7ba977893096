"""Every benchmark runs on a small data set and prints its table. The figures are not tested."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.handbook import ROOT

from .compare import compared, report
from .results import Results, read_results


def printed(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_on_sqlite_is_measured_against_a_copy(tmp_path: Path) -> None:
    out = printed(
        "-c",
        "import tests.benchmarks.__main__ as benchmark; benchmark.ROUNDS = 1; benchmark.main([10], benchmark.Path(benchmark.sys.argv[1]))",
        str(tmp_path / "kept.json"),
    )
    assert re.search(r"^ +10 +[\d,]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.-]+ +[\d,]+$", out, re.MULTILINE), out
    kept = json.loads((tmp_path / "kept.json").read_bytes())
    assert {figure["what"]: len(figure["values"]) for figure in kept["figures"]} == {
        f"10 profiles: {what}": 1 for what in ("copy", "run", "check", "memory")
    }
    assert kept["machine"]["cores"] >= 1
    assert {"python", "polars", "commit"} <= kept["versions"].keys()


def test_every_contender_on_postgresql() -> None:
    """dlt is not a dependency: it is left out, and that is said."""
    out = printed("-m", "tests.benchmarks.postgresql", "--profiles", "20", "--rounds", "1", "--no-parts")
    for name in ("(a) SQL by hand", "(b) COPY to COPY", "(c) pandas, to_sql(multi)", "(c) pandas, COPY", "(e) this project, whole run"):
        assert f"| {name}" in out, out
    assert "(d) dlt, then SQL: left out" in out
    assert "Rows of every table: equal to this project's" in out


def test_every_benchmark_writes_its_figures_to_the_given_file() -> None:
    found = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if "argparse.ArgumentParser" in path.read_text())
    for name in set(found) - {"compare", "test_benchmarks"}:
        assert "--json" in printed("-m", f"tests.benchmarks{'' if name == '__main__' else f'.{name}'}", "--help"), name


def results(tmp_path: Path, name: str, *values: float, **about: object) -> Results:
    """Results of a benchmark with one figure, as they come back from their file."""
    made = Results.begun_now("tried", **about)
    made.add("load", *values)
    made.write(tmp_path / name)
    return read_results(tmp_path / name)


def test_a_figure_outside_the_spread_is_reported_as_slower(tmp_path: Path) -> None:
    """Ratio and spread of rounds; pairs are compared with each other; for a single round only a large difference counts."""
    before = results(tmp_path, "a", 10, 11, 12)
    for values, ratio, low, high, verdict in (
        ((13, 14, 15), 14 / 11, 13 / 12, 1.5, "slower"),
        ((11, 12, 13), 12 / 11, 11 / 12, 1.3, "as before"),
        ((7, 8, 9), 8 / 11, 7 / 12, 0.9, "faster"),
        ((12,), 12 / 11, 1.0, 1.2, "as before"),
        ((19,), 19 / 11, 19 / 12, 1.9, "slower"),
    ):
        (line,) = compared(before, results(tmp_path, "b", *values))
        assert (line.ratio, line.low, line.high) == pytest.approx((ratio, low, high))
        assert line.verdict == verdict
    pairs = [results(tmp_path, name, *values, paired=True) for name, values in (("a", (10, 20, 30)), ("b", (11, 22, 32)))]
    (line,) = compared(*pairs)
    assert (line.verdict, line.low, line.high) == ("slower", pytest.approx(32 / 30), pytest.approx(1.1))
    assert list(report(*pairs))[-1].startswith("\nslower, or more memory: load (1.10)")


def test_results_of_other_options_are_not_compared_and_an_invalid_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"other options \(profiles\)"):
        list(report(results(tmp_path, "a", 1, profiles=10), results(tmp_path, "b", 1, profiles=20)))
    (tmp_path / "c").write_text("[1]")
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.compare", str(tmp_path / "a"), str(tmp_path / "c")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "c is not a benchmark's result" in done.stderr


def test_the_paired_benchmark_compares_with_an_earlier_commit_if_one_exists(tmp_path: Path) -> None:
    """A tree without history (an archive) is reported."""
    out = printed("-m", "tests.benchmarks.paired", "--before", "no-such-commit")
    assert "there is no earlier commit no-such-commit" in out
    out = printed("-m", "tests.benchmarks.paired", "--profiles", "5", "--seconds", "1", "--json", str(tmp_path))
    if "there is no earlier commit" not in out:
        assert re.search(r"^\| whole \| [\d.]+ s \| [\d.]+ s \| [\d.]+ \|", out, re.MULTILINE), out
        assert read_results(tmp_path / "before.json").figures.keys() == read_results(tmp_path / "after.json").figures.keys()


def test_one_command_measures_cost_by_portal_size(tmp_path: Path) -> None:
    out = printed(
        "-m", "tests.benchmarks.size", "5", "10", "--on", "sqlite", "--folder", str(tmp_path), "--json", str(tmp_path / "kept.json")
    )
    assert re.search(r"^10 / 5 profiles: time [\d.]+ \(goal 2\.2: (met|missed)\)", out, re.MULTILINE), out
    assert {"5 profiles: whole", "10 profiles: memory", "10 profiles: load"} <= read_results(tmp_path / "kept.json").figures.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]


def test_lists_for_people_and_the_explorer_under_load_on_one_world(tmp_path: Path) -> None:
    world, kept = tmp_path / "world", tmp_path / "kept.json"
    out = printed("-m", "tests.benchmarks.people", "20", str(world), "--json", str(kept))
    for goal in (r"readiness \| [\d.]+ s \| 15 s", r"letters: milliseconds each \| [\d.]+ ms \| 1 ms", r"report \| [\d.]+ s \| 10 s"):
        assert re.search(rf"^\| {goal} \| (met|missed) \|$", out, re.MULTILINE), out
    assert {"readiness: memory", "letters: processor milliseconds each", "report.html: size"} <= read_results(kept).figures.keys()
    out = printed(
        "-m", "tests.benchmarks.explore", "20", str(world), "--users", "3", "--seconds", "2", "--pause", "0.1", "--json", str(kept)
    )
    assert re.search(r"^\| all: 95 of 100 \| [\d.]+ ms \| 200 ms \| (met|missed) \|$", out, re.MULTILINE), out
    figures = read_results(kept).figures
    assert figures["other answers"].values == (0.0,)
    assert figures["status 200"].values[0] > 10

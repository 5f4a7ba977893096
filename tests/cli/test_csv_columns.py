"""Every CSV file that a command writes is described: file, columns, their order."""

import csv
import io
from pathlib import Path

from etl.report.csv_columns import csv_files
from tests.support.command import Workspace, command


def head(path: Path) -> list[str]:
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), path
    return next(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_every_csv_file_of_every_command_is_described_column_by_column(cast: Workspace, tmp_path: Path) -> None:
    run = str(cast.run)
    for words in (
        ("readiness", "--run", run, "--names", "--since", run, "--out", str(tmp_path / "readiness")),
        ("compare", run, run, "--out", str(tmp_path / "compare")),
        ("sample-audit", "--run", run, "--size", "5", "--seed", "1", "--out", str(tmp_path / "sample-audit.csv")),
    ):
        done = command(*words, folder=cast.folder)
        assert done.code == 0, done.err
    written = {
        "report": sorted((cast.run / "report").glob("*.csv")),
        "readiness": sorted((tmp_path / "readiness").glob("*.csv")),
        "compare": sorted((tmp_path / "compare").glob("*.csv")),
        "sample-audit": [tmp_path / "sample-audit.csv"],
    }
    found = {(name, path.name): head(path) for name, places in written.items() for path in places}
    runs = found["compare", "compare.csv"][5:]
    assert len(runs) == 2
    found["compare", "compare.csv"][5:] = ["RUN"]
    assert found == {(one.command, one.file): list(one.columns) for one in csv_files()}
    assert all(meaning.strip() for one in csv_files() for meaning in one.columns.values())

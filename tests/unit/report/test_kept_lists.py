"""The kept lists of a report: what is written again from them equals what is computed again, and nothing stale is ever used."""

from dataclasses import replace

import pytest

import etl.report.kept_lists as kept_lists
from etl.errors import EvidenceAltered
from etl.report.write import write_report
from etl.runfolder.folder import RunFolder
from tests.unit.report.cast_run import DIFFERENCE, MAPPINGS, answered, folder, reconciled

__all__ = ["folder"]  # fixtures


def contents(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder.path / "report").iterdir()}


def test_a_report_from_kept_lists_equals_one_that_is_computed(folder: RunFolder) -> None:
    earlier = write_report(folder, MAPPINGS).facts
    assert kept_lists.kept(folder, MAPPINGS, earlier["lists"]) is not None
    reconciled(folder, [DIFFERENCE])  # a later comparison
    again = write_report(folder, MAPPINGS, earlier)
    from_kept = contents(folder)
    assert again.facts == earlier
    assert write_report(folder, MAPPINGS).facts == earlier
    assert contents(folder) == from_kept
    assert DIFFERENCE[3] in from_kept["differences.csv"].decode()


def test_after_a_rollback_the_report_needs_no_list_again(folder: RunFolder) -> None:
    earlier = write_report(folder, MAPPINGS).facts
    folder.steps.pop("load")
    write_report(folder, MAPPINGS, earlier)
    from_kept = contents(folder)
    write_report(folder, MAPPINGS)
    assert contents(folder) == from_kept


@pytest.mark.parametrize("what", ["stage files", "mappings", "code"])
def test_lists_of_other_inputs_are_not_used(folder: RunFolder, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = write_report(folder, MAPPINGS).facts["lists"]
    mappings = MAPPINGS
    if what == "stage files":
        answered(folder, [{"id": "bad", "failed": 1, "keys": ["1"]}])
    elif what == "mappings":
        mappings = replace(MAPPINGS, digest="0" * 64)
    else:
        monkeypatch.setattr(kept_lists, "code_identity", lambda: "0" * 64)
    assert kept_lists.kept(folder, mappings, known) is None


def test_K9_an_altered_list_is_refused(folder: RunFolder) -> None:
    earlier = write_report(folder, MAPPINGS).facts
    file = folder.path / "lists" / "held.parquet"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(EvidenceAltered):
        write_report(folder, MAPPINGS, earlier)

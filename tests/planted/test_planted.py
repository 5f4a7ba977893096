"""A few of the planted faults, one of each kind; `python -m tests.planted` plants them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.planted.faults import FAULTS, Planted
from tests.planted.planting import Outcome, outcome, planted
from tests.support.command import Workspace

_CHOSEN = (
    "ids of rows per account",
    "e-mails are not folded",
    "routes in another order",
    "flags of C6 are lost",
    "days one later",
    "normal forms with hyphens",
)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name in _CHOSEN], ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_of_the_loader_is_found_before_anything_is_published(checked: Workspace, fault: Planted, tmp_path: Path) -> None:
    """By the checks, or by the verifier on the staged rows."""
    for step in ("split", "reattach", "check"):
        assert (checked.run / step).is_dir()
    (tmp_path / "planted").mkdir()
    ended = outcome(fault, again(checked), tmp_path / "planted")
    assert (ended.code, ended.published) == (3, False), ended.said
    assert "Critical checks failed" in ended.said


def again(workspace: Workspace) -> Workspace:
    """The same workspace, back where only the extract was done."""
    from etl.runfolder.folder import open_locked

    with open_locked(workspace.run) as folder:
        folder.clear("split")
    return workspace


def test_a_planted_fault_for_a_missing_function_ends_the_harness() -> None:
    for function in (
        "etl.rules.a_accounts.types_after_split",
        "etl.rules.gone.numbers",
        "etl.placement.row_placement.Gone.hold",
        "etl.domain.ids.Ids.gone",
    ):
        with pytest.raises(LookupError, match=function), planted(Planted("gone", function, lambda right: right)):
            pass
    for fault in FAULTS:
        with planted(fault):
            pass


def test_a_crash_does_not_count_as_found() -> None:
    """Only a critical check finds a fault: no other exit code, nothing that was never called, and no store."""
    said = "Critical checks failed: routed.P2.event_history. Nothing was published."
    assert Outcome(3, said, False, 1).found
    assert not any(
        one.found for one in (Outcome(1, said, False, 1), Outcome(3, "", False, 1), Outcome(3, said, True, 1), Outcome(3, said, False, 0))
    )


def test_at_least_thirty_faults_are_planted_by_different_names() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 30

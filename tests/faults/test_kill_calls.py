"""Row 15 of faults.md: killed at every call that makes, moves, removes or secures a file; the same command then ends in the very same bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .calls import KINDS, counted, injected, killed, needs_strace, spread
from .conftest import Reference
from .poller import Poller, whole_or_nothing
from .scene import KILLED, STEPS, Ended, Scene, difference, object_content, stage_content, store_content
from .tally import KILL_CALLS, READERS, tried

# How many numbers of each call the quick subset takes: the check step costs ten seconds a start.
_SOME = {"extract": 6, "split": 5, "reattach": 5, "check": 1, "load": 9, "reconcile": 3, "report": 4}


def same_as_reference(scene: Scene, step: str, reference: Reference) -> None:
    """What the step left is, byte for byte, what an undisturbed one left."""
    if step in ("extract", "split", "reattach", "check"):
        assert not difference(stage_content(scene.run_folder, [step]), reference.stages_of(step))
    assert not difference(object_content(scene.objects), reference.objects_after(step))
    if step == "load":
        assert not difference(store_content(scene.target, scene.folder), reference.store)


def nothing_or_all(scene: Scene, before: dict[str, str], reference: Reference) -> None:
    content = store_content(scene.target, scene.folder)
    assert content in (before, reference.store), f"half of the run is in the store: {difference(content, reference.store)}"


@pytest.mark.parametrize("step", STEPS)
def test_some_calls(step: str, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """Killed, given again and killed later, and so on until the fault no longer fires: resumes of resumes, too."""
    _loop(step, reference, scenes, _SOME[step])


@pytest.mark.full
@pytest.mark.parametrize("step", STEPS)
def test_every_call(step: str, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """As `test_some_calls`, with every number of every call."""
    _loop(step, reference, scenes, 1_000_000)


@pytest.mark.full
@pytest.mark.parametrize("step", ["extract", "split", "reattach", "load"])
def test_each_alone(step: str, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """Every second number in a scene of its own: the start after the kill is the one that has to end it."""
    needs_strace()
    for call, numbers in counted(scenes(reference.before(step)), step, list(KINDS)).items():
        for number in numbers[::2]:
            scene = scenes(reference.before(step))
            ended = killed(scene, step, call, number)
            assert ended.code in (KILLED, 0), f"{call} {number}: {ended}"
            with tried(KILL_CALLS, ended.code == KILLED):
                scene.run(step, code=0)
                same_as_reference(scene, step, reference)


def _loop(step: str, reference: Reference, scenes: Callable[[Scene], Scene], at_most: int) -> None:
    needs_strace()
    for call, numbers in counted(scenes(reference.before(step)), step, list(KINDS)).items():
        scene = scenes(reference.before(step))
        before = store_content(scene.target, scene.folder)
        with Poller(scene.target, scene.folder) as poller:
            fired = 0
            for number in spread(numbers, at_most):
                ended = killed(scene, step, call, number)
                assert ended.code in (KILLED, 0), f"{call} {number}: {ended}"
                if ended.code == 0:
                    break  # the fault no longer fires
                fired += 1
                with tried(KILL_CALLS):
                    nothing_or_all(scene, before, reference)
            assert fired, f"{call} was never met"
            scene.run(step, code=0)
            same_as_reference(scene, step, reference)
        if step == "load":
            with tried(READERS):
                whole_or_nothing(poller, None, poller.seen[-1])


def test_run_killed_while_it_publishes(reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """Every write into the store's own file and its journal: the transaction is whole or was never there."""
    needs_strace()
    scene = scenes(reference.before("load"))
    number, ended = 1, Ended([], KILLED, "", "", 0)
    with Poller(scene.target, scene.folder) as poller:
        while ended.code == KILLED:
            ended = injected(scene, "load", "pwrite64", f"signal=KILL:when={number}", path=scene.store)
            assert ended.code in (KILLED, 0), ended
            with tried(KILL_CALLS, ended.code == KILLED):
                nothing_or_all(scene, {}, reference)
            number = number * 2 if number < 16 else number + 60
        same_as_reference(scene, "load", reference)
    assert number > 16
    with tried(READERS):
        whole_or_nothing(poller, None, poller.seen[-1])

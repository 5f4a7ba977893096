"""Row 15 of faults.md: killed at every call that makes, moves, removes or secures a file; the same command then ends in the very same bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .calls import KINDS, counted, injected, killed, needs_strace
from .conftest import Reference
from .poller import Poller, whole_or_nothing
from .scene import KILLED, STEPS, Ended, Scene, difference, object_content, stage_content, store_content
from .tally import KILL_CALLS, READERS, tried


def same_as_reference(scene: Scene, step: str, reference: Reference) -> None:
    """Asserts that the step's files equal those of an undisturbed step byte by byte, and that there are no others."""
    if step in ("extract", "split", "reattach", "check"):
        assert not difference(stage_content(scene.run_folder, [step]), reference.stages_of(step))
    assert not difference(object_content(scene.objects), reference.objects_after(step))
    assert not litter(scene), f"left behind: {litter(scene)}"
    if step == "load":
        assert not difference(store_content(scene.target, scene.folder), reference.store)


def litter(scene: Scene) -> list[str]:
    """Files that belong to no finished run: half-written ones, journals, staging."""
    found = [path for path in scene.folder.iterdir() if path.name.startswith("new.sqlite") and path.name != "new.sqlite"]
    found += [
        path for name in ("run", "objects") for path in (scene.folder / name).rglob("*") if "writing" in path.name or "staging" in path.name
    ]
    return sorted(path.relative_to(scene.folder).as_posix() for path in found)


def nothing_or_all(scene: Scene, before: dict[str, str], reference: Reference) -> None:
    content = store_content(scene.target, scene.folder)
    assert content in (before, reference.store), f"half of the run is in the store: {difference(content, reference.store)}"


@pytest.mark.full
@pytest.mark.parametrize("step", STEPS)
def test_every_call(step: str, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """Killed, given again and killed later, and so on until the fault no longer fires: every number of every call."""
    _loop(step, reference, scenes)


@pytest.mark.full
@pytest.mark.parametrize("step", ["extract", "split", "reattach", "load"])
def test_each_alone(step: str, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """Every second number in a separate scene: the start after the kill must complete the command."""
    needs_strace()
    for call, numbers in counted(scenes(reference.before(step)), step, list(KINDS)).items():
        for number in numbers[::2]:
            scene = scenes(reference.before(step))
            ended = killed(scene, step, call, number)
            assert ended.code in (KILLED, 0), f"{call} {number}: {ended}"
            with tried(KILL_CALLS, ended.code == KILLED):
                scene.run(step, code=0)
                same_as_reference(scene, step, reference)


def _loop(step: str, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """One scene per call: each start resumes after the previous kill; the last, undisturbed one completes the command."""
    needs_strace()
    for call, numbers in counted(scenes(reference.before(step)), step, tuple(KINDS)).items():
        scene = scenes(reference.before(step))
        before = store_content(scene.target, scene.folder)
        kills = 0
        with Poller(scene.target, scene.folder) as poller:
            for number in numbers:
                ended = killed(scene, step, call, number)
                if ended.code == 0:
                    break  # the fault no longer fires
                with tried(KILL_CALLS):
                    assert ended.code == KILLED, f"{call} {number}: {ended}"
                    nothing_or_all(scene, before, reference)
                kills += 1
            assert kills, f"{call}: nothing was killed, so nothing was tested"
            scene.run(step, code=0)
            same_as_reference(scene, step, reference)
        if step == "load":
            with tried(READERS):
                whole_or_nothing(poller, None, poller.seen[-1])


def test_killed_while_it_publishes(reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """Rows 4, 15, 16: at writes into the store's own file, before and after its commit; the transaction is whole or was never there."""
    needs_strace()
    scene = scenes(reference.before("load"))
    number, ended = 1, Ended([], KILLED, "", "", 0)
    with Poller(scene.target, scene.folder) as poller:
        while ended.code == KILLED:
            ended = injected(scene, "load", "pwrite64", f"signal=KILL:when={number}", path=scene.store)
            assert ended.code in (KILLED, 0), ended
            if ended.code == KILLED:
                with tried(KILL_CALLS):
                    nothing_or_all(scene, {}, reference)
                number = number * 2 if number < 16 else number + 40
        same_as_reference(scene, "load", reference)
    assert number > 16
    with tried(READERS):
        whole_or_nothing(poller, None, poller.seen[-1])


@pytest.mark.parametrize("call", ["unlink", "fdatasync", "pwrite64"])
def test_killed_at_the_commit(call: str, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """Row 4: at each call that can be the commit of the store's journal, each in a scene of its own: nothing or everything, then the same command."""
    needs_strace()
    number, ended = 1, Ended([], KILLED, "", "", 0)
    while ended.code == KILLED and number <= 6:
        scene = scenes(reference.before("load"))
        ended = injected(scene, "load", call, f"signal=KILL:when={number}", path=scene.folder / "new.sqlite-journal")
        assert ended.code in (KILLED, 0), ended
        with tried(KILL_CALLS):
            nothing_or_all(scene, {}, reference)
            scene.run("load", code=0)
            same_as_reference(scene, "load", reference)
        number += 1
    assert number > 2, "nothing was killed"

"""A series of kills: each start resumes after the previous kill, and one comparison at the end verifies all of them."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from .poller import Poller, whole_or_nothing
from .scene import KILLED, Content, Ended, Scene, difference, ended, store_content
from .tally import READERS, note, tried

Shot = Callable[[Scene], Ended]  # starts the command and kills it somewhere


@dataclass
class Series:
    """Kills of one command. `fresh` makes the scene in which it was never started; `whole` asserts that an ended one left what it has to.

    `contents`: what the new store may hold at any moment. `row`: of the table. `store`: where a reader looks at it, where that is not the
    scene's own URL; empty: the command does not publish.
    """

    command: str
    fresh: Callable[[], Scene]
    whole: Callable[[Scene], None]
    contents: Sequence[Content]
    row: str
    store: str = ""
    more: tuple[str, ...] = ()

    def shoot(self, shots: Iterable[Shot]) -> int:
        """How many starts were killed. A start that ended before its kill must be correct too; the next attempt then begins again."""
        killed, shots = 0, iter(shots)
        shot = next(shots, None)
        while shot is not None:
            scene = self.fresh()
            with ExitStack() as looking:
                poller = looking.enter_context(Poller(self.store, scene.folder)) if self.store else None
                here = 0
                while shot is not None:
                    end = shot(scene)
                    shot = next(shots, None)
                    assert end.code in (0, KILLED), end
                    if end.code == 0:
                        break
                    here += 1
                    note(self.row, "tried", 1)
                    content = store_content(self.store or scene.target, scene.folder)
                    assert content in self.contents, f"half of the run is in the store: {difference(content, self.contents[-1])}"
                else:
                    scene.run(self.command, *self.more, code=0)
                self.whole(scene)
                note(self.row, "right", here)
                killed += here
            if poller is not None:
                with tried(READERS):
                    whole_or_nothing(poller, None, poller.seen[-1])
        return killed


def killed_after(scene: Scene, command: str, moment: float, *more: str, alone: bool = True) -> Ended:
    """The command, killed so many seconds after its start, unless it had ended by then. `alone`: its workers are killed too, else they meet the next start."""
    process = scene.start(command, *more)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
    return ended(process, alone=alone)


def at_random(command: str, seconds: float, seed: str, many: int, *more: str, alone: bool = True, starting: float = 0.0) -> list[Shot]:
    """Kills at random moments of a command that takes so many seconds; not while only the interpreter starts, which takes `starting` besides."""
    chance = random.Random(seed)
    moments = [starting + seconds * chance.uniform(0.1, 1.0) for _ in range(many)]

    def at(moment: float) -> Shot:
        return lambda scene: killed_after(scene, command, moment, *more, alone=alone)

    return [at(moment) for moment in moments]

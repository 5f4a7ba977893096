"""Output for people: everything printed goes through this module, except the bars of `etl/system/progress.py`, which is slower to import than a look-up."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from etl.system.visible import harmless, lines


class Screen(Console):
    """A console that raises an error where its reader is gone: rich would end the process with exit code 1 in the middle of the work."""

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError, so that the command can end in order."""
        self.quiet = True
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def print(self, *objects: Any, **settings: Any) -> None:
        """Prints as rich does; a string is data from its first to its last character: never markup, never a command to the terminal."""
        super().print(*(Text(lines(one)) if isinstance(one, str) else one for one in objects), **settings)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return harmless(super()._render_buffer(buffer))


def write(stream: TextIO, sentence: str) -> None:
    """Writes one sentence and a line break to a stream that people and CI systems read."""
    stream.write(harmless(lines(sentence)) + "\n")

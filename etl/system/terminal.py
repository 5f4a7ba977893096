"""What everything that is said to people goes through. Apart from the bars of `etl/system/progress.py`, whose import takes longer than a look-up."""

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
    """A console that says so where nobody listens any more: rich would end the process with 1 in the middle of its work."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def print(self, *objects: Any, **settings: Any) -> None:
        """As rich prints; a plain text is data from its first character to its last: never markup, never a command to the terminal."""
        super().print(*(Text(lines(one)) if isinstance(one, str) else one for one in objects), **settings)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return harmless(super()._render_buffer(buffer))


def write(stream: TextIO, sentence: str) -> None:
    """Writes one sentence, and a line's end, to a stream that people and CI systems read."""
    stream.write(harmless(lines(sentence)) + "\n")

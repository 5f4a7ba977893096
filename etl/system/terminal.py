"""The console that everything is said on, to people. Apart from the bars of `etl/system/progress.py`, whose import takes longer than a look-up."""

from __future__ import annotations

import errno
import os

from rich.console import Console


class Screen(Console):
    """A console that says so where nobody listens any more: rich would end the process with 1 in the middle of its work."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

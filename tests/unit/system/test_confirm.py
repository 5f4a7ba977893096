"""A question at a terminal."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

import pytest

from etl.system.confirm import ask


class _Stopped(Exception):
    """What the handler of a signal raises."""


def test_a_signal_ends_the_waiting_for_an_answer_also_where_it_interrupts_no_call_of_the_waiting_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Stopped

    def signalled() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)  # of this thread: no call of the main thread is interrupted
        if not stopped.wait(20):
            os.write(writable, b"y\n")  # ends a waiting that overlooked the signal

    stopped = threading.Event()
    readable, writable = os.pipe()
    before = signal.signal(signal.SIGUSR1, stop)
    sender = threading.Thread(target=signalled, daemon=True)
    try:
        with os.fdopen(readable) as typed:
            monkeypatch.setattr(sys, "stdin", typed)
            began = time.monotonic()
            sender.start()
            with pytest.raises(_Stopped):
                ask("Go on? [y/N]")
            stopped.set()
            sender.join()
            assert time.monotonic() - began < 20
    finally:
        signal.signal(signal.SIGUSR1, before)
        os.close(writable)


@pytest.mark.parametrize(("typed", "answer"), [(b" yes \n", "yes"), (b"\n", ""), (b"", "")])
def test_an_answer_is_the_line_without_spaces_around_it_and_empty_at_the_end_of_input(
    monkeypatch: pytest.MonkeyPatch, typed: bytes, answer: str
) -> None:
    readable, writable = os.pipe()
    os.write(writable, typed)
    os.close(writable)
    with os.fdopen(readable) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert ask("Go on?") == answer

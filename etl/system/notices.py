"""Sends a notice of each step's end to a program or a URL. A failure is a warning: it neither stops a run nor delays it beyond the time-out."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Self

from etl.errors import WrongUsage

TIMEOUT = 10.0  # seconds for one notice, and for all that are not delivered when the command ends
VERSION = 1
# What a program may need to start, and nothing more: the environment may contain addresses with passwords and cloud credentials.
_ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_PLAIN = re.compile(r"\w[\w+-]*|[./~][\w./+-]*")


@dataclass
class Ending:
    """A step in progress; `told` is set to False where nothing was done, so that no notice is sent."""

    told: bool


@dataclass
class Notices:
    """The notices of a command, sent one after the other by a thread; at the end of the block it waits at most `timeout` seconds for the rest.

    `target`: the words of a program, or one URL; empty: no notices. `run`: the run folder's name. `ended`: returns (exit code, code) of the error
    that ended a step. `warn`: reports a sentence.
    """

    target: Sequence[str] = ()
    run: str = ""
    ended: Callable[[BaseException], tuple[int, str]] = lambda _error: (1, "FAILED")
    warn: Callable[[str], None] = lambda _sentence: None
    timeout: float = field(default_factory=lambda: TIMEOUT)
    _waiting: queue.Queue[dict[str, Any] | None] = field(default_factory=queue.Queue)
    _thread: threading.Thread | None = None
    _program: subprocess.Popen[bytes] | None = None
    _delivered: int = 0
    _given: int = 0

    def __post_init__(self) -> None:
        """Raises WrongUsage where the target is not valid, before any data is read."""
        if self.target:
            _refuse_target(self.target)

    def __enter__(self) -> Self:
        if self.target:
            self._thread = threading.Thread(target=self._deliver_all, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is None:
            return
        self._waiting.put(None)
        self._thread.join(self.timeout)
        if self._thread.is_alive():
            self._kill()
            left = self._given - self._delivered
            self.warn(f"warning: --notify: {left} {'notice was' if left == 1 else 'notices were'} not delivered before the command ended")

    @contextmanager
    def ending(self, step: str, told: bool = True) -> Iterator[Ending]:
        """Sends a notice of how the block ended; an error is raised again."""
        began, ending = time.monotonic(), Ending(told)
        code, verdict = 0, "DONE"
        try:
            yield ending
        except BaseException as error:
            code, verdict = self.ended(error)
            raise
        finally:
            if self._thread is not None and ending.told:
                minutes = round((time.monotonic() - began) / 60, 2)
                at = datetime.now(UTC).isoformat(timespec="seconds")
                notice = {
                    "version": VERSION,
                    "run": self.run,
                    "step": step,
                    "verdict": verdict,
                    "exit_code": code,
                    "minutes": minutes,
                    "at": at,
                }
                self._given += 1
                self._waiting.put(notice)

    def _deliver_all(self) -> None:
        while (notice := self._waiting.get()) is not None:
            body = json.dumps(notice).encode() + b"\n"
            problem = self._post(body) if _is_url(self.target) else self._start(body)
            self._delivered += 1
            if problem:
                self.warn(f"warning: --notify: the end of {notice['step']} could not be reported: {problem}")

    def _start(self, body: bytes) -> str:
        """Runs the program with the notice on its standard input; returns what went wrong, or an empty text. Its output is not read."""
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            self._program = subprocess.Popen(  # noqa: S603 - the operator's own words, and never a shell
                list(self.target),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # an interrupt at the terminal is for the run only, and a time-out also ends the processes that the program started
            )
            self._program.communicate(body, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            self._kill()
            return f"the program did not end within {self.timeout:.0f} seconds and was killed"
        except OSError as error:
            return f"the program cannot be started ({error.strerror})"
        code = self._program.returncode
        return f"the program ended with exit code {code}" if code else ""

    def _kill(self) -> None:
        if self._program is not None and self._program.returncode is None:
            with suppress(OSError):
                os.killpg(self._program.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._program.wait(1)

    def _post(self, body: bytes) -> str:
        """Sends the notice in a thread, because name resolution has no time-out; returns what went wrong, or an empty text."""
        answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(_posted(self.target[0], body, self.timeout)), daemon=True).start()
        try:
            return answers.get(timeout=self.timeout)
        except queue.Empty:
            return f"no answer within {self.timeout:.0f} seconds"


def _posted(url: str, body: bytes, timeout: float) -> str:
    """Posts the notice once, without following a redirect or using a proxy; returns what went wrong, without the URL, which may contain a token."""
    import http.client
    import ssl

    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    try:
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=ssl.create_default_context())
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, {"Content-Type": "application/json", "User-Agent": "portal-migrate", "Connection": "close"})
        status = connection.getresponse().status
        connection.close()
    except TimeoutError:
        return f"no answer within {timeout:.0f} seconds"
    except ssl.SSLError as error:
        return f"TLS failed ({error.reason or type(error).__name__})"
    except OSError as error:
        return error.strerror or type(error).__name__
    except (http.client.HTTPException, ValueError) as error:
        return f"the answer is not valid HTTP ({type(error).__name__})"
    return "" if 200 <= status < 300 else f"HTTP status {status}"


def _is_url(target: Sequence[str]) -> bool:
    return len(target) == 1 and "://" in target[0]


def _refuse_target(target: Sequence[str]) -> None:
    """Raises WrongUsage for an address that is neither https nor http to this machine, and for a missing program; the message omits the address."""
    if not _is_url(target):
        if shutil.which(target[0]) is None:
            raise WrongUsage(
                f"--notify: {_shown(target[0])} is not a program that can be started.",
                "Give the path of an executable file, or an https URL.",
            )
        return
    wanted = "Give https://host/path, or http:// to this machine (127.0.0.1, [::1], localhost)."
    try:
        parts = urllib.parse.urlsplit(target[0])
        _ = parts.port
    except ValueError:
        raise WrongUsage("--notify is not a valid URL.", wanted) from None
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or not target[0].isascii()
        or not target[0].isprintable()
        or " " in target[0]
    ):
        raise WrongUsage("--notify is not a valid https URL.", wanted)
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise WrongUsage("--notify: http is sent to this machine only.", wanted)
    if parts.username is not None or parts.password is not None:
        raise WrongUsage(
            "--notify: a name or password is in the URL.", "Leave it out; a token belongs into the path, in migration.toml (0600)."
        )


def _shown(word: str) -> str:
    """Returns the word if it is a name or a path; what may be a URL is not repeated: it may contain a token."""
    return repr(word) if _PLAIN.fullmatch(word) else "the first word"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

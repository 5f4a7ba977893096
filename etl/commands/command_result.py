"""The end of a command: its result on stdout, as text or one JSON envelope; its error in one sentence with the next step; its exit code."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import click

from etl.errors import MigrationError
from etl.system.interruption import received
from etl.system.terminal import write
from mappings.errors import MappingError

VERSION = 1


class Interrupted(BaseException):
    """A signal interrupted the command; the same command resumes. `message`, `next_step`: what is said of it."""

    message = "Interrupted. No partial changes were published."
    next_step = "Run the same command again: it resumes where it stopped."

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def answer(command: str, given: dict[str, Any], action: Callable[[], dict[str, Any]]) -> None:
    """Runs the action, shows its result, and ends the process with the exit code for it."""
    received.clear()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would contain rows and passwords; workers inherit this limit
    output, verbose = given["output"], given["verbose"]
    data: dict[str, Any] = {}
    failure: _Failure | None = None
    try:
        data = action()
    except BaseException as error:  # every exception is reported: the exit code says which
        if received and not isinstance(error, Interrupted):  # a library suppressed the exception of the signal handler
            interrupted = Interrupted(received[0])
            interrupted.__dict__.update({**error.__dict__, **interrupted.__dict__})
            failure = _failure(interrupted)
        else:
            failure = _failure(error)
        failure.trail = [f"  {frame.filename}, line {frame.lineno}, in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
        data = getattr(error, "data", {})
    code = failure.exit_code if failure else 0
    try:
        if output == "json":
            errors = [{"code": failure.code, "message": message, "next": step} for message, step in failure.each] if failure else []
            envelope = {
                "version": VERSION,
                "command": command,
                "status": "failed" if failure else "ok",
                "exit_code": code,
                "data": data,
                "errors": errors,
            }
            sys.stdout.write(json.dumps(envelope, ensure_ascii=True, default=str) + "\n")
        else:
            if data:
                from etl.commands.text_output import HUMAN

                HUMAN[command](data)
            if failure:
                sys.stdout.flush()
                for line in failure.trail if verbose else ():
                    write(sys.stderr, line)
                write(sys.stderr, failure.message)
                write(sys.stderr, f"next: {failure.next_step}")
        sys.stdout.flush()
        sys.stderr.flush()
    except Interrupted as interrupted:  # the action has ended: only its answer is not complete
        code = interrupted.exit_code
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a reader that does not read would keep the command waiting
        _last_words("Interrupted while the answer was written.", "next: Run the same command again for its answer.")
    except OSError as error:
        # The reader of the output is gone: the work is done, and the exit code still says how it ended. A full disk for the answer is a failure.
        if error.errno not in (errno.EPIPE, errno.EIO):
            code = code or 1
            _last_words(f"The output could not be written: {error.strerror}.", f"next: {_AGAIN}")
    for stream in (sys.stdout, sys.stderr):
        _end(stream)
    sys.exit(code)


def _last_words(*sentences: str) -> None:
    with suppress(OSError):
        for sentence in sentences:
            write(sys.stderr, sentence)
        sys.stderr.flush()


def _end(stream: TextIO) -> None:
    """Discards unwritten output: Python would end with exit code 120 where it cannot be written."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def refuse_usage(error: click.ClickException, arguments: Sequence[str]) -> None:
    """Reports wrong usage that click found: the sentence on stderr, or an envelope on stdout."""
    if (
        ("json" in arguments and "--output" in arguments)
        or "--output=json" in arguments
        or os.environ.get("PORTAL_MIGRATE_OUTPUT") == "json"
    ):
        context = getattr(error, "ctx", None)
        command = context.command_path.partition(" ")[2] if context is not None else ""
        if not command and arguments and not arguments[0].startswith("-"):
            command = arguments[0]  # not a command
        sentences = getattr(error, "sentences", [error.format_message()])
        entries = [{"code": "USAGE", "message": sentence, "next": "See portal-migrate --help."} for sentence in sentences]
        envelope: dict[str, Any] = {
            "version": VERSION,
            "command": command,
            "status": "failed",
            "exit_code": 2,
            "data": {},
            "errors": entries,
        }
        sys.stdout.write(json.dumps(envelope) + "\n")
        return
    if isinstance(error, click.UsageError) and error.ctx is not None:
        for line in error.ctx.get_usage().splitlines():
            write(sys.stderr, line)
    write(sys.stderr, f"Error: {error.format_message()}")
    write(sys.stderr, "next: see `portal-migrate --help`, or `portal-migrate COMMAND --help`.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    received.append(number)
    # A second signal stops at once.
    signal.signal(number, signal.SIG_DFL)
    raise Interrupted(number)


class _Failure:
    def __init__(self, exit_code: int, code: str, message: str, next_step: str) -> None:
        self.exit_code, self.code, self.message, self.next_step = exit_code, code, message, next_step
        self.each: tuple[tuple[str, str], ...] = ((message, next_step),)
        self.trail: list[str] = []  # where the error occurred: files and lines, never values; shown with -v


def ending_of(error: BaseException) -> tuple[int, str]:
    """Returns (exit code, code) for the error, the values of its envelope."""
    failure = _failure(error)
    return failure.exit_code, failure.code


_AGAIN = Interrupted.next_step


_DISK = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def _primary(error: sqlite3.Error) -> int:
    """Returns SQLite's primary result code; 0 where the error came from Python's module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _failure(error: BaseException) -> _Failure:
    match error:
        case MigrationError():
            failure = _Failure(error.exit_code, error.code, error.message, error.next_step)
            failure.each = getattr(error, "each", ()) or failure.each
            return failure
        case MappingError():
            return _Failure(1, "MAPPING", str(error), "Correct the mapping file, then run again. No data was read.")
        case Interrupted():
            return _Failure(error.exit_code, "INTERRUPTED", error.message, error.next_step)
        case KeyboardInterrupt():
            return _Failure(130, "INTERRUPTED", Interrupted.message, Interrupted.next_step)
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            where = f" ({Path(os.fsdecode(error.filename)).name})" if error.filename else ""
            return _Failure(1, "NO_SPACE", f"No space is left to write{where}: {os.strerror(error.errno or 0)}.", f"Free space. {_AGAIN}")
        case sqlite3.OperationalError() if _primary(error) == sqlite3.SQLITE_FULL:
            return _Failure(1, "NO_SPACE", "No space is left to write (SQLite: the disk is full).", f"Free space. {_AGAIN}")
        case sqlite3.OperationalError() if _primary(error) in _DISK:
            # The name of the extended code, not the text: SQLite also reports a limit on the file size as SQLITE_IOERR_WRITE.
            return _Failure(
                1, "IO", f"SQLite could not use its file ({error.sqlite_errorname}).", f"Correct the disk, its space or the lock. {_AGAIN}"
            )
        case RuntimeError() if str(error) == "can't start new thread":
            return _failure(MemoryError())
        case MemoryError():
            return _Failure(1, "NO_MEMORY", "Not enough memory.", "Give fewer --workers, then run the same command again.")
        case OSError() if error.strerror:
            where = f" ({Path(os.fsdecode(error.filename)).name})" if error.filename else ""
            return _Failure(1, "IO", f"{error.strerror}{where}.{_publication(error)}", f"Correct that. {_AGAIN}")
    # Not the error's text: a database or a library may put values into it.
    last = traceback.extract_tb(error.__traceback__)
    location = f"{Path(last[-1].filename).name}, line {last[-1].lineno}" if last else "unknown place"
    own = next(
        (
            f"{Path(f.filename).name}, line {f.lineno}"
            for f in reversed(last)
            if f.filename.endswith(".py") and "site-packages" not in f.filename
        ),
        location,
    )
    return _Failure(
        1,
        "FAULT",
        f"Internal error: {type(error).__name__} in {own} ({location}){_about(error)}.{_publication(error)}",
        f"Report this line. {_AGAIN}",
    )


def _publication(error: BaseException) -> str:
    """Returns the state of publishing, where the command publishes; only what is certain."""
    said = error.__dict__.get("publication")
    return f" {said}" if said else ""


def _about(error: BaseException) -> str:
    """Returns the table of an unexpected error and the database's name for the error; never its text, which may contain values."""
    one: BaseException | None = error
    while one is not None and not (state := getattr(one, "sqlstate", None)):
        one = getattr(one, "orig", None) or one.__cause__ or one.__context__
    table = error.__dict__.get("table")
    words = [*([f"at {table}"] if table else []), *([f"SQLSTATE {state}"] if one is not None else [])]
    return ", " + ", ".join(words) if words else ""

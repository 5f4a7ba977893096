"""Words of files that people sign (decisions, goals): their types, who signed, when and why; what is wrong with them, in sentences."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from etl.errors import WrongUsage
from mappings.toml_text import shown_value

SIGNED: dict[str, type] = {"by": str, "on": date, "reason": str}
NAMES: dict[type, str] = {
    int: "a whole number, without quotes",
    str: "a text in quotes that is not empty",
    date: "a date without quotes (2023-09-15)",
}
_LARGEST = 2**63 - 1
_LONGEST = 2_000  # letters of a text
_LARGEST_FILE = 64 << 20  # bytes


def signed_content(path: Path, option: str, what: str) -> bytes:
    """Returns the file's bytes; raises WrongUsage (2) where it cannot be opened, is not a regular file (a pipe may have no writer), or is too large."""
    give = f"Give the file with {what}."
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WrongUsage(f"{option}: {path} is not a file.", give)
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise WrongUsage(f"{option}: {path} cannot be read ({error.strerror}).", give) from None
    if len(content) > _LARGEST_FILE:
        raise WrongUsage(f"{option}: {path} is larger than {_LARGEST_FILE:,} bytes.", give)
    return content


def faults(table: Mapping[str, Any], wanted: Mapping[str, type], known: Mapping[str, Any] | None = None) -> Iterator[tuple[str, str]]:
    """Yields (word, what is wrong and what to write instead) for every word of `wanted` that the table lacks or has in another form.

    `known`: default values of words that the table does not have.
    """
    for word, form in wanted.items():
        value = table.get(word, (known or {}).get(word))
        if value is None:
            yield word, f"{word} is missing; write {word} = ... ({NAMES[form]})"
        elif type(value) is not form:
            found = f" (found {shown_value(value)})" if form is not str and not isinstance(value, str) else ""
            yield word, f"{word} is of the wrong type{found}; write {NAMES[form]}"
        elif isinstance(value, str):
            yield from ((word, text) for text in _text_faults(word, value))
        elif isinstance(value, int) and abs(value) > _LARGEST:
            yield word, f"{word} is not a number that an id can have; write at most {len(str(_LARGEST)) - 1} digits"
        elif isinstance(value, date) and not isinstance(value, datetime) and value.year < 1900:
            yield word, f"{word} is {value}, before 1900; write the day on which it was signed"


def _text_faults(word: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"{word} is empty; write {NAMES[str]}"
    elif "\0" in text:
        yield f"{word} contains the character U+0000; write it without"
    elif len(text) > _LONGEST:
        yield f"{word} has {len(text):,} letters; write at most {_LONGEST:,}"

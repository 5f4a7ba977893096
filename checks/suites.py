"""The suite files, read strictly: an unknown word is an error, never ignored. A new file needs no Python. (`checks/bind.py` looks names up.)

A file has `[[check]]` entries (one question about one table), `[[every_table]]` (the same question about every table of the new store, with the
columns of its schema) and `[[every_source]]` (about every table of the old portals). The text may contain `{table}` and `{columns}`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from checks.kinds import BY_SCHEMA, KINDS, CheckKind
from checks.model import Entry, Suites
from mappings.errors import MappingError
from mappings.toml_text import loads

HOME = Path(__file__).parent / "suites"
_BLOCKS = ("check", "every_table", "every_source")
_TEXTS = ("id", "question", "why", "severity", "kind")
FAMILIES = frozenset({"date", "timestamp", "integer", "code", "binary"})
_ID = re.compile(r"[a-z][a-z0-9_.]*")


def read_suites(folder: Path = HOME) -> Suites:
    """Returns all suite files of a folder; raises MappingError at the first invalid word."""
    entries: list[Entry] = []
    digest = hashlib.sha256()
    seen: dict[str, str] = {}
    for file in sorted(folder.glob("*.toml")):
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
        for entry in _entries(f"suites/{file.name}", content):
            if entry.id in seen:
                raise MappingError(entry.file, f"{entry.location}.id", entry.id, f"a unique id: {seen[entry.id]} has this one")
            seen[entry.id] = f"{entry.file}: {entry.location}"
            entries.append(entry)
    if not entries:
        raise MappingError(str(folder), "files", "no check", "at least one suite file")
    return Suites(folder, tuple(entries), digest.hexdigest())


def _entries(shown: str, content: bytes) -> Iterator[Entry]:
    try:
        words = loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise MappingError(shown, "file", str(error), "TOML in UTF-8") from error
    for word, blocks in words.items():
        if word not in _BLOCKS or not isinstance(blocks, list):
            raise MappingError(shown, word, "an unknown word", "[[check]], [[every_table]] or [[every_source]]")
        for number, block in enumerate(blocks):
            yield _entry(shown, word, f"{word}[{number}]", block)


def _entry(shown: str, word: str, location: str, block: dict[str, Any]) -> Entry:
    allowed = (*_TEXTS, "args", *(("table", "columns") if word == "check" else ()))
    for name in block:
        if name not in allowed:
            raise MappingError(shown, f"{location}.{name}", "an unknown word", "one of " + ", ".join(allowed))
    for name in (*_TEXTS, *(("table",) if word == "check" else ())):
        if not isinstance(block.get(name), str) or not block[name].strip():
            raise MappingError(shown, f"{location}.{name}", repr(block.get(name)), "a text")
    if not _ID.fullmatch(block["id"]):
        raise MappingError(shown, f"{location}.id", repr(block["id"]), "lower-case letters, digits, _ and .")
    if not block["question"].endswith("?"):
        raise MappingError(shown, f"{location}.question", repr(block["question"]), "a full sentence that ends with ?")
    if block["severity"] not in ("critical", "warning"):
        raise MappingError(shown, f"{location}.severity", repr(block["severity"]), "critical or warning")
    kind = KINDS.get(block["kind"])
    if kind is None:
        raise MappingError(shown, f"{location}.kind", repr(block["kind"]), "one of " + ", ".join(KINDS))
    if (word == "every_source") != (kind.of == "source"):
        raise MappingError(shown, f"{location}.kind", repr(block["kind"]), f"a kind that {word} supports")
    if word == "every_table" and block["kind"] not in BY_SCHEMA:
        raise MappingError(shown, f"{location}.kind", repr(block["kind"]), "one of " + ", ".join(sorted(BY_SCHEMA)))
    args = block.get("args", {})
    _check_args(shown, f"{location}.args", args, kind)
    columns = block.get("columns", [])
    if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
        raise MappingError(shown, f"{location}.columns", repr(columns), "a list of column names")
    texts = {name: block[name] for name in _TEXTS}
    return Entry(shown, location, word, table=block.get("table", ""), columns=tuple(columns), args=args, **texts)


def _check_args(shown: str, location: str, args: Any, kind: CheckKind) -> None:
    known = sorted(kind.needs | kind.may)
    if not isinstance(args, dict):
        raise MappingError(shown, location, repr(args), "a table of " + (", ".join(known) or "nothing"))
    for name in args:
        if name not in known:
            raise MappingError(shown, f"{location}.{name}", "an unknown word", "one of " + ", ".join(known) if known else "no args")
    for name in sorted(kind.needs - args.keys()):
        raise MappingError(shown, location, f"no {name}", f"{name}: this kind needs it")
    for name, value in args.items():
        fits, expected = _fits(name, value)
        if not fits:
            raise MappingError(shown, f"{location}.{name}", repr(value), expected)


def _fits(name: str, value: Any) -> tuple[bool, str]:
    match name:
        case "pattern":
            try:
                return bool(isinstance(value, str) and re.compile(value)), "a regular expression"
            except re.error:
                return False, "a regular expression"
        case "min" | "max":
            return isinstance(value, (int, date)) and not isinstance(value, bool), "a number or a date"
        case "values":
            return isinstance(value, list) and bool(value), "a list of values"
        case "share":
            return isinstance(value, float) and 0 <= value <= 1, "a share from 0.0 to 1.0"
        case "families":
            return isinstance(value, list) and set(value) <= FAMILIES, "a list of " + ", ".join(sorted(FAMILIES))
        case "as":
            return isinstance(value, list) and all(isinstance(column, str) for column in value), "a list of column names"
        case "when":
            good = isinstance(value, dict) and all(isinstance(v, list) or v in ("missing", "given") for v in value.values())
            return good and bool(value), 'column = [values] or "missing" or "given"'
        case "by":
            return isinstance(value, list) and all(isinstance(v, str) and "." in v for v in value), 'a list of "table.column"'
    return isinstance(value, str) and bool(value), "a text"

"""`limits.toml` of an adapter folder: the accepted shares of the plausibility gate for a table or an indicator column, each with its reason."""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mappings.errors import MappingErrors
from mappings.model import Mappings
from mappings.toml_text import loads

FILE = "limits.toml"
INDICATOR = "_ind"  # the suffix of an indicator column's name
_KINDS = ("held", "indicator")
_MOST = 16 << 20  # bytes of one file


@dataclass(frozen=True)
class Limit:
    """A share (0 to 1) above which the gate fails; `reason`: why it is accepted."""

    share: float
    reason: str


@dataclass(frozen=True)
class Limits:
    """The limits by contract name; `held`: by table; `indicator`: by `table.column`. A name without an entry has the gate's limit."""

    held: dict[str, Limit] = field(default_factory=dict)
    indicator: dict[str, Limit] = field(default_factory=dict)


def read_limits(folder: Path | None, mappings: Mappings, digest: str | None = None) -> Limits:
    """Returns the limits of an adapter folder, empty without folder or file; raises MappingErrors with every error.

    `digest`: the adapter's, None to accept any; another one raises MappingErrors.
    """
    if folder is None:
        return Limits()
    files = adapter_files(folder)
    refuse_other_adapter(files, digest)
    if FILE not in files and not os.path.lexists(folder / FILE):
        return Limits()
    words, wrong = _read(folder / FILE, files, mappings)
    if wrong:
        raise MappingErrors(wrong)
    held, indicator = (
        {name: Limit(float(entry["share"]), entry["reason"]) for name, entry in words.get(kind, {}).items()} for kind in _KINDS
    )
    return Limits(held, indicator)


def wrong_limits(folder: Path, files: Map[str, bytes], mappings: Mappings) -> list[tuple[str, str, str, str]]:
    """Returns (file, place, found, expected) for every error in the folder's `limits.toml`; empty without the file."""
    return _read(folder / FILE, files, mappings)[1] if os.path.lexists(folder / FILE) else []


def _read(file: Path, files: Map[str, bytes], mappings: Mappings) -> tuple[dict[str, Any], list[tuple[str, str, str, str]]]:
    if file.is_symlink() or FILE not in files:
        return {}, [(FILE, "file", "a link, or not a file", "the file itself")]
    try:
        words = loads(files[FILE].decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number with too many digits, nested too deeply
        return {}, [(FILE, "file", str(error), "TOML in UTF-8")]
    return words, list(_wrong(words, mappings))


def adapter_files(folder: Path) -> dict[str, bytes]:
    """Returns by path the bytes of an adapter folder's files, each read once; raises MappingErrors without a folder, OSError for an unreadable file.

    `etl.present` checks the files, and refuses links and what is not a file.
    """
    if not folder.is_dir():
        raise MappingErrors([(str(folder), "folder", "nothing", "an adapter's folder")])
    found = {}
    for place in sorted(path for path in folder.rglob("*") if path.is_file() and not path.relative_to(folder).as_posix().startswith(".")):
        name = place.relative_to(folder).as_posix()
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # non-blocking: a pipe may have taken its place
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(_MOST + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
        if content is None or len(content) > _MOST:
            raise MappingErrors([(name, "file", "a larger one" if content else "another type", f"a file of at most {_MOST:,} bytes")])
        found[name] = content
    return found


def adapter_digest(folder: Path) -> str:
    """Returns the SHA-256 over the files of an adapter folder; raises MappingErrors where it does not exist."""
    return digest_of_files(adapter_files(folder))


def digest_of_files(files: Map[str, bytes]) -> str:
    """Returns the SHA-256 over these files, their paths and sizes included."""
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def refuse_other_adapter(files: Map[str, bytes], digest: str | None) -> str:
    """Returns the files' digest; raises MappingErrors where it is not the expected one: the bytes that are used are those that were fixed."""
    found = digest_of_files(files)
    if digest is not None and found != digest:
        raise MappingErrors(
            [("--adapter", "folder", f"digest {found[:12]}", f"{digest[:12]}: the folder changed while the run was under way")]
        )
    return found


def digest_of(mappings: str, adapter: str | None) -> str:
    """Returns `migration_run.mappings_sha256`: the mappings' digest; with an adapter the SHA-256 of both, joined by a vertical bar (fine print 66)."""
    return mappings if adapter is None else hashlib.sha256(f"{mappings}|{adapter}".encode()).hexdigest()


def _wrong(words: dict[str, Any], mappings: Mappings) -> Iterator[tuple[str, str, str, str]]:
    """Yields (file, place, found, expected) for every error."""
    tables = {mapping.table: mapping for mapping in mappings.tables.values()}
    indicators = [f"{table}.{column}" for table, of in tables.items() for column in of.shape.by_name if column.endswith(INDICATOR)]
    for kind, entries in words.items():
        if kind not in _KINDS or not isinstance(entries, dict):
            yield FILE, kind, "an unknown word", f"[held] or [indicator]{_nearest(kind, _KINDS)}"
            continue
        for name, entry in entries.items():
            place = f'{kind}."{name}"' if kind == "indicator" else f"{kind}.{name}"
            table, _, column = name.partition(".")
            if kind == "held" and name not in tables:
                yield FILE, place, repr(name), f"a table of an old portal's contract{_nearest(name, tables)}"
            if kind == "indicator" and (table not in tables or not column.endswith(INDICATOR) or column not in tables[table].shape.by_name):
                yield (
                    FILE,
                    place,
                    repr(name),
                    f"an indicator column, written table.column: its name ends with {INDICATOR}{_nearest(name, indicators)}",
                )
            yield from _wrong_limit(place, entry)


def _nearest(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, names, 1, 0.6)
    return f" (nearest: {found[0]})" if found else ""


def _wrong_limit(place: str, entry: Any) -> Iterator[tuple[str, str, str, str]]:
    if not isinstance(entry, dict):
        yield FILE, place, repr(entry), "{ share = 0.8, reason = ... }"
        return
    for word in entry:
        if word not in ("share", "reason"):
            yield FILE, f"{place}.{word}", "an unknown word", f"share, reason{_nearest(word, ('share', 'reason'))}"
    share = entry.get("share")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        yield FILE, f"{place}.share", repr(share), "a number from 0 to 1"
    reason = entry.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        yield FILE, f"{place}.reason", repr(reason), "the reason, a text"

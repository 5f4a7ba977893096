"""`limits.toml` of an adapter folder: the accepted shares of the plausibility gate for a table or an indicator column, each with its reason."""

from __future__ import annotations

import codecs
import difflib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from mappings.errors import MappingErrors
from mappings.model import Mappings
from mappings.toml_text import NotToml, WordLines, read_toml, shown_value

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
    """Returns (file with line, place, found, expected) for every error in the folder's `limits.toml`; empty without the file."""
    return _read(folder / FILE, files, mappings)[1] if os.path.lexists(folder / FILE) else []


def _read(file: Path, files: Map[str, bytes], mappings: Mappings) -> tuple[dict[str, Any], list[tuple[str, str, str, str]]]:
    if file.is_symlink() or FILE not in files:
        return {}, [(FILE, "file", "a link, or not a file", "the file itself")]
    content = files[FILE]
    marked = [(_at(1), "text", "a byte order mark", "UTF-8 without one")] if content.startswith(codecs.BOM_UTF8) else []
    try:
        words, text = read_toml(content.removeprefix(codecs.BOM_UTF8))
    except NotToml as error:
        return {}, [*marked, (_at(error.line), "text", error.problem.removeprefix("is not TOML: "), "TOML in UTF-8")]
    word_lines = WordLines(text)
    return words, marked + [
        (_at(word_lines.line(*where)), location, found, expected) for where, location, found, expected in _wrong(words, mappings)
    ]


def _at(line: int | None) -> str:
    return FILE if line is None else f"{FILE}, line {line}"


def adapter_files(folder: Path) -> dict[str, bytes]:
    """Returns by path the bytes of an adapter folder's files, each read once; raises MappingErrors without a folder, OSError for an unreadable file.

    `etl.present` checks the files, and refuses links and what is not a file.
    """
    if not folder.is_dir():
        raise MappingErrors([(str(folder), "folder", "nothing", "an adapter's folder")])
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.relative_to(folder).as_posix().startswith(".")):
        name = path.relative_to(folder).as_posix()
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # non-blocking: a pipe may have taken its place
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
        digest.update(os.fsencode(f"{name}\0{len(content)}\0") + content)  # a name may be not UTF-8: it is refused by name later
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


_Wrong = tuple[tuple[str, ...], str, str, str]  # the path of the word in the file, its dotted location, what was found, what was expected


def _wrong(words: dict[str, Any], mappings: Mappings) -> Iterator[_Wrong]:
    """Yields every error."""
    tables = {mapping.table: mapping for mapping in mappings.tables.values()}
    indicators = [f"{table}.{column}" for table, of in tables.items() for column in of.shape.by_name if column.endswith(INDICATOR)]
    for kind, entries in words.items():
        if kind not in _KINDS or not isinstance(entries, dict):
            found = "an unknown word" if kind not in _KINDS else shown_value(entries)
            yield (kind,), kind, found, f"[held] or [indicator]{_nearest(kind, _KINDS)}"
            continue
        for name, entry in entries.items():
            location = f'{kind}."{name}"' if kind == "indicator" else f"{kind}.{name}"
            if kind == "held" and name not in tables:
                yield (kind, name), location, repr(name), f"a table of an old portal's contract{_nearest(name, tables)}"
            if kind == "indicator" and name not in indicators:
                expected = f'an indicator column, written "table.column" in quotes: its name ends with {INDICATOR}'
                yield (kind, name), location, repr(name), f"{expected}{_nearest(name, indicators)}"
                if isinstance(entry, dict) and not {"share", "reason"} & set(entry):
                    continue  # table.column without quotes
            yield from _wrong_limit((kind, name), location, entry)


def _nearest(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, names, 1, 0.6)
    return f" (nearest: {found[0]})" if found else ""


def _wrong_limit(where: tuple[str, str], location: str, entry: Any) -> Iterator[_Wrong]:
    if not isinstance(entry, dict):
        yield where, location, shown_value(entry), "{ share = 0.8, reason = ... }"
        return
    for word in entry:
        if word not in ("share", "reason"):
            yield (*where, word), f"{location}.{word}", "an unknown word", f"share, reason{_nearest(word, ('share', 'reason'))}"
    share = entry.get("share")
    if not _is_share(share):
        yield (*where, "share"), f"{location}.share", _shown(share), "a number from 0 to 1, without quotes"
    reason = entry.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        yield (*where, "reason"), f"{location}.reason", _shown(reason), "the reason, a text in quotes"


def _shown(value: Any) -> str:
    return "nothing" if value is None else shown_value(value)


def _is_share(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    return (not isinstance(value, Decimal) or value.is_finite()) and 0 <= value <= 1

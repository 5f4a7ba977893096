"""`limits.toml` of an adapter folder: the shares up to which the plausibility gate lets a table or an indicator column pass, each with its reason."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mappings.errors import MappingErrors
from mappings.model import Mappings

FILE = "limits.toml"
INDICATOR = "_ind"  # how the name of an indicator column ends
_KINDS = ("held", "indicator")


@dataclass(frozen=True)
class Limit:
    """More than this share (0 to 1) fails the gate; `reason`: why a person accepts so much."""

    share: float
    reason: str


@dataclass(frozen=True)
class Limits:
    """`held`: by table; `indicator`: by `table.column`; names of the contract. What is not named here has the gate's own limit."""

    held: dict[str, Limit] = field(default_factory=dict)
    indicator: dict[str, Limit] = field(default_factory=dict)


def read_limits(folder: Path | None, mappings: Mappings) -> Limits:
    """The limits of an adapter folder; none where there is no folder, or no such file in it. Raises MappingErrors with all that cannot be."""
    file = folder / FILE if folder is not None else None
    if file is None or not file.exists():
        return Limits()
    words, wrong = _read(file, mappings)
    if wrong:
        raise MappingErrors(wrong)
    held, indicator = (
        {name: Limit(float(entry["share"]), entry["reason"]) for name, entry in words.get(kind, {}).items()} for kind in _KINDS
    )
    return Limits(held, indicator)


def wrong_limits(folder: Path, mappings: Mappings) -> list[tuple[str, str, str, str]]:
    """(file, place, found, expected) of all that cannot be in the folder's `limits.toml`; nothing where it has none."""
    file = folder / FILE
    return _read(file, mappings)[1] if file.exists() else []


def _read(file: Path, mappings: Mappings) -> tuple[dict[str, Any], list[tuple[str, str, str, str]]]:
    try:
        words = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        return {}, [(FILE, "file", str(error.strerror), "a readable file")]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, [(FILE, "file", str(error), "TOML in UTF-8")]
    return words, list(_wrong(words, mappings))


def adapter_digest(folder: Path) -> str:
    """SHA-256 over the files of an adapter folder; raises MappingErrors where there is no folder. What may lie in it, `etl.present` says."""
    if not folder.is_dir():
        raise MappingErrors([(str(folder), "folder", "nothing", "an adapter's folder")])
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.relative_to(folder).as_posix().startswith("."))
    names = [file.relative_to(folder).as_posix() for file in files]
    digest = hashlib.sha256()
    for name, file in zip(names, files, strict=True):
        content = file.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def digest_of(mappings: str, adapter: str | None) -> str:
    """What `migration_run.mappings_sha256` is: the mappings' digest; with an adapter's the SHA-256 of both, a vertical bar between them (fine print 66)."""
    return mappings if adapter is None else hashlib.sha256(f"{mappings}|{adapter}".encode()).hexdigest()


def _wrong(words: dict[str, Any], mappings: Mappings) -> Iterator[tuple[str, str, str, str]]:
    """(file, place, found, expected) of all that cannot be."""
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

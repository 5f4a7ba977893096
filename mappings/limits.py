"""`limits.toml` of an adapter folder: the shares up to which the plausibility gate lets a table or an indicator column pass, each with its reason."""

from __future__ import annotations

import codecs
import difflib
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from mappings.errors import MappingErrors
from mappings.model import Mappings
from mappings.toml_text import NotToml, Places, read_toml, shown_value

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
    try:
        words, text = read_toml(file.read_bytes().removeprefix(codecs.BOM_UTF8))  # editors of Windows write one
    except OSError as error:
        raise MappingErrors([(FILE, "file", str(error.strerror), "a file that can be read")]) from None
    except NotToml as error:
        raise MappingErrors([(_at(error.line), "text", error.problem.removeprefix("is not TOML: "), "TOML in UTF-8")]) from None
    places = Places(text)
    wrong = [(_at(places.line(*where)), place, found, expected) for where, place, found, expected in _wrong(words, mappings)]
    if wrong:
        raise MappingErrors(wrong)
    held, indicator = (
        {name: Limit(float(entry["share"]), entry["reason"]) for name, entry in words.get(kind, {}).items()} for kind in _KINDS
    )
    return Limits(held, indicator)


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
    return mappings if adapter in (None, "none") else hashlib.sha256(f"{mappings}|{adapter}".encode()).hexdigest()


def _at(line: int | None) -> str:
    return FILE if line is None else f"{FILE}, line {line}"


_Wrong = tuple[tuple[str, ...], str, str, str]  # where it stands in the file, its dotted place, what was found, what was expected


def _wrong(words: dict[str, Any], mappings: Mappings) -> Iterator[_Wrong]:
    """All that cannot be."""
    tables = {mapping.table: mapping for mapping in mappings.tables.values()}
    columns = [f"{name}.{c.name}" for name, mapping in tables.items() for c in mapping.shape.columns if c.name.endswith(INDICATOR)]
    for kind, entries in words.items():
        if kind not in _KINDS or not isinstance(entries, dict):
            yield (kind,), kind, "an unknown word" if kind not in _KINDS else shown_value(entries), "[held] or [indicator]"
            continue
        for name, entry in entries.items():
            place = f'{kind}."{name}"' if kind == "indicator" else f"{kind}.{name}"
            if kind == "held" and name not in tables:
                yield (kind, name), place, repr(name), f"a table of an old portal's contract{_near(name, tables)}"
            if kind == "indicator" and name not in columns:
                what = f'an indicator column, written "table.column" in quotes: its name ends with {INDICATOR}'
                yield (kind, name), place, repr(name), what + _near(name, columns)
            yield from _wrong_limit((kind, name), place, entry)


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f" (perhaps {near[0]})" if near else ""


def _wrong_limit(where: tuple[str, str], place: str, entry: Any) -> Iterator[_Wrong]:
    if not isinstance(entry, dict):
        yield where, place, shown_value(entry), "{ share = 0.8, reason = ... }"
        return
    for word in entry:
        if word not in ("share", "reason"):
            yield (*where, word), f"{place}.{word}", "an unknown word", "share, reason"
    share = entry.get("share")
    if share is None or not _is_share(share):
        yield (
            (*where, "share"),
            f"{place}.share",
            shown_value(share) if share is not None else "nothing",
            "a number from 0 to 1, without quotes",
        )
    reason = entry.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        yield (
            (*where, "reason"),
            f"{place}.reason",
            shown_value(reason) if reason is not None else "nothing",
            "a text in quotes that says why",
        )


def _is_share(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    return (not isinstance(value, Decimal) or value.is_finite()) and 0 <= value <= 1

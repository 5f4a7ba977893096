"""What a person wrote in the draft of a table: approved lines, conditions, retirements and further `[[from]]` blocks, which stay when it is drafted again."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROPOSED = "#+ "  # begins each line of a proposed block
_LINE = re.compile(r"^(?P<name>[a-z0-9_]+) = (?P<value>.*?)(?P<comment>\s+# \d\.\d\d: .*)?$")


@dataclass
class Kept:
    """`table`: the first block's; `head`: its lines before the columns; `columns`, `retired`: its approved lines; `blocks`: the others, as they are."""

    table: str = ""
    head: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    retired: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)  # that the other blocks and all look-ups read, in lower case
    retires: set[str] = field(default_factory=set)  # columns of the approved retirements


def kept_of(file: Path) -> Kept:
    """Returns what stays of that file; nothing where there is none, or where it is not TOML."""
    kept = Kept()
    if not file.is_file():
        return kept
    text = file.read_bytes().decode("utf-8-sig", "replace")
    try:
        blocks = tomllib.loads(text).get("from", [])
    except tomllib.TOMLDecodeError:
        blocks = []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        blocks = []
    kept.table = str(blocks[0].get("table", "")) if blocks else ""
    for number, block in enumerate(blocks):
        kept.tables |= _read(block) - ({kept.table.casefold()} if number == 0 else set())
    parts: list[list[str]] = []
    for line in text.splitlines():
        if line.strip() == "[[from]]":
            parts.append([])
        if parts and not line.startswith(PROPOSED.strip()):
            parts[-1].append(line)
    kept.blocks = ["\n".join(part).rstrip() for part in parts[1:]]
    _first(kept, parts[0] if parts else [])
    return kept


def _read(block: dict[str, Any]) -> set[str]:
    looks = block.get("lookup", {})
    named = (
        [block.get("table"), *(look.get("table") for look in looks.values() if isinstance(look, dict))] if isinstance(looks, dict) else []
    )
    return {str(name).casefold() for name in named if name}


def _first(kept: Kept, lines: list[str]) -> None:
    section = ""
    for line in lines:
        if line.startswith("["):
            section = line.strip()
        elif not line.strip() or line.startswith("#") or not _is_toml(line):
            continue
        elif section == "[[from]]" and not line.startswith("table ="):
            kept.head.append(line)
        elif section == "[from.columns]" and (match := _LINE.match(line)) and not match["comment"]:
            kept.columns[match["name"]] = line
        elif section == "[from.retired]":
            kept.retired.append(line)
            kept.retires |= set(tomllib.loads(line))


def _is_toml(line: str) -> bool:
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False
    return True

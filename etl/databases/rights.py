"""Compares the rights of a database role with the required ones: missing rights stop a command, excess ones are reported."""

from __future__ import annotations

from dataclasses import dataclass, field

Wanted = dict[str, tuple[str, ...]]  # by table, the columns that are read


@dataclass(frozen=True)
class Rights:
    """Sentences about a role. `missing`: rights that it needs and lacks; `excess`: rights beyond its need."""

    role: str = ""
    missing: list[str] = field(default_factory=list)
    excess: list[str] = field(default_factory=list)

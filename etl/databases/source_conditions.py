"""What an old portal's database hides, alters or has besides its tables: asked for, because rows that are hidden cannot be counted (K9)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SourceConditions:
    """Sentences. `hiding`: what keeps rows or bytes from this session, which is refused (K9); `beside`: what is there besides tables and is not read.

    `notes`: what is read otherwise than it is stored, or worth knowing; `not_ruled_out`: what could not be ruled out from here.
    """

    hiding: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_ruled_out: list[str] = field(default_factory=list)
    stopping: list[str] = field(default_factory=list)  # what would end a run before its end: refused


@dataclass(frozen=True)
class Foreseen:
    """Sentences. `stopping`: what would end a run before its end; `notes`: what is worth knowing and no obstacle."""

    stopping: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

"""What an old portal's database hides or alters, and what it has besides tables: checked, because hidden rows cannot be counted (K9)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SourceConditions:
    """Sentences about an old database. `hiding`: what hides rows or bytes from this session: refused (K9); `beside`: objects besides tables, not read.

    `notes`: values that are read differently from how they are stored, and other hints; `not_ruled_out`: causes that could not be excluded.
    """

    hiding: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_ruled_out: list[str] = field(default_factory=list)
    stopping: list[str] = field(default_factory=list)  # what would stop a run before its end: refused


@dataclass(frozen=True)
class Foreseen:
    """Sentences. `stopping`: what would stop a run before its end; `notes`: hints that prevent nothing."""

    stopping: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

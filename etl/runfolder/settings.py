"""The settings of a run: their type, and their form in the manifest, the event log and `status`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from etl.domain.grace import NO_GRACE, Grace
from etl.domain.grace import read as read_grace
from etl.errors import Refused

ADDRESSES = ("source", "tc", "target", "files", "objects")
_WORDS = (*ADDRESSES, "freeze", "mappings", "grace", "approver", "adapter", "decisions", "acceptance", "place")
_ABSENT = "none"  # in the manifest: fixed as not given
_WITHOUT = "without "
_YES = "yes"
_HIDDEN = "***"  # replaces a password in an address


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run. None: not known yet, or fixed as not given where the name is among `absent`.

    Addresses of databases have no passwords. `mappings`, `adapter`, `decisions`, `acceptance` and `place` are SHA-256 digests (of the files, and of
    the destination of an approved run); `approver` is a raw public key in hex; `without`: inputs that were left out on purpose though the store has
    them.
    """

    source: str | None = None
    tc: str | None = None
    target: str | None = None
    files: str | None = None
    objects: str | None = None
    freeze: tuple[date, date] | None = None
    mappings: str | None = None
    grace: Grace | None = None
    approver: str | None = None
    adapter: str | None = None
    decisions: str | None = None
    acceptance: str | None = None
    place: str | None = None
    without: frozenset[str] = frozenset()
    rolled_back: str | None = None  # which run and when, until it is published again
    purged: bool = False
    absent: frozenset[str] = frozenset()

    def connectable(self, name: str) -> str | None:
        """Returns the address with that name where it can be opened; None where it is not known, not given, or without its password."""
        address: str | None = getattr(self, name)
        return None if address is None or _HIDDEN in address else address

    def fixed(self, given: RunSettings) -> RunSettings:
        """Returns these settings together with the given ones; raises Refused (7) where one was fixed with another value."""
        before, now = self.as_json(), given.as_json()
        for name, value in now.items():
            if before.get(name, value) != value:
                message = f"This run began with {name} = {before[name]}; now it is {value}."
                raise Refused(message, "Give the same options, mappings and stores as at the start, or use a new run folder.")
        return from_json({**before, **now})

    def completed(self, *names: str) -> RunSettings:
        """Returns these settings, unknown ones of these names fixed as not given; an adjustment of due dates (E14) as none."""
        unknown = {name for name in names if getattr(self, name) is None}
        grace = NO_GRACE if "grace" in unknown else self.grace
        return replace(self, grace=grace, absent=self.absent | (unknown - {"grace"}))

    def as_json(self) -> dict[str, str]:
        """Returns the settings by name, as text: unknown ones are missing, those fixed as not given are `none`."""
        found = {name: _ABSENT if name in self.absent else _text(getattr(self, name)) for name in _WORDS}
        known = {name: text for name, text in found.items() if text is not None}
        known |= {f"{_WITHOUT}{name}": _YES for name in sorted(self.without)}
        if self.rolled_back is not None:
            known["rolled back"] = self.rolled_back
        return known | ({"purged": _YES} if self.purged else {})


def from_json(known: dict[str, str]) -> RunSettings:
    """Returns the settings that `as_json` wrote; raises ValueError for any other content."""
    texts = dict(known)
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("a setting is not a text")
    given: dict[str, Any] = {name: texts.pop(name) for name in _WORDS if name in texts}
    absent = frozenset(name for name, text in given.items() if text == _ABSENT)
    given = {name: text for name, text in given.items() if name not in absent}
    if "freeze" in given:
        first, _, last = given["freeze"].partition(" to ")
        given["freeze"] = date.fromisoformat(first), date.fromisoformat(last)
    if "grace" in given:
        given["grace"] = read_grace(given["grace"])
    rolled_back, purged = texts.pop("rolled back", None), texts.pop("purged", None) is not None
    without = frozenset(name.removeprefix(_WITHOUT) for name in texts)
    settings = RunSettings(**given, without=without, rolled_back=rolled_back, purged=purged, absent=absent)
    if settings.as_json() != known:
        raise ValueError("a setting is not one of this version")
    return settings


def _text(value: str | tuple[date, date] | Grace | None) -> str | None:
    if isinstance(value, tuple):
        return f"{value[0]} to {value[1]}"
    if value == _ABSENT:  # a folder of that name: the manifest has to distinguish it from one that was not given
        return f"./{value}"
    return None if value is None else str(value)

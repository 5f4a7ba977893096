"""Rule E14: the band around the freeze in which due dates are adjusted, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Grace:
    """Days before and after the freeze that belong to the band; `add`: the days that are added (None: the length of the freeze)."""

    before: int = 0
    after: int = 0
    add: int | None = None

    def in_force(self, freeze: tuple[date, date] | None) -> tuple[int, int, int] | None:
        """Returns (days before, days after, days added) as `migration_run` records them; None without a freeze (E14; fine print 53)."""
        if freeze is None:
            return None
        return self.before, self.after, (freeze[1] - freeze[0]).days + 1 if self.add is None else self.add

    def __str__(self) -> str:
        return f"{self.before} before, {self.after} after, {'the length' if self.add is None else self.add} added"


NO_GRACE = Grace()


def read(text: str) -> Grace:
    """Returns the grace that `str` wrote."""
    before, _, after, _, added = text.replace(",", "").replace(" the length ", " length ").split()[:5]
    return Grace(int(before), int(after), None if added == "length" else int(added))

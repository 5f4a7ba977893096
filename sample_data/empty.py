"""A sample is written into an empty database only."""

from collections.abc import Sequence


class NotEmptyError(ValueError):
    """The database holds rows already; a sample never mixes with anything."""


def refuse_if_filled(schema: str, counts: Sequence[tuple[str, bool]]) -> None:
    """Raises NotEmptyError if any of the (table, has rows) has rows."""
    filled = [table for table, has_rows in counts if has_rows]
    if filled:
        raise NotEmptyError(f"{schema}: {', '.join(filled[:5])} hold rows already.")

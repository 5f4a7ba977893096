"""Text on stdout: tables and sentences; data is always plain text, never markup, and control characters appear as escapes."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.system.terminal import Screen
from etl.system.visible import visible


def plain(value: object) -> Text:
    """Returns the value as text; control, bidi and other invisible characters as escapes."""
    text = "" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return Text(visible(text))


def table(title: str, columns: list[str], rows: list[list[object]]) -> Table:
    """Returns a table of plain values."""
    made = Table(title=plain(title), title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(plain(cell) for cell in row))
    return made


def standard_output() -> Console:
    """Returns a console on stdout that neither wraps nor marks up what it prints."""
    # Sentences are not wrapped, so that grep finds them. Without a terminal there is no width.
    return Screen(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)

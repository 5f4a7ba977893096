"""The templates of pages and letters."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from etl.report.text import capital, number, seconds, size, visible

HERE = Path(__file__).parent


@lru_cache
def environment() -> Environment:
    """Returns the template environment of this package: every value is escaped, a missing one is an error."""
    made = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"visible": visible, "number": number, "seconds": seconds, "size": size, "capital": capital}
    return made

"""Runs side by side as one page without network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import polars as pl
from markupsafe import Markup

from etl.report.html import some
from etl.report.templates import HERE, environment


def as_comparison_page(runs: Sequence[dict[str, Any]], numbers: pl.DataFrame, keys: pl.DataFrame, goals: Sequence[dict[str, Any]]) -> str:
    """Returns compare.html. `goals`: goal, subject, result of each run.

    `numbers`: section, portal, table, code, one column per run; `keys`: list, code, portal, table, key, one flag per run.
    """
    names = [run["name"] for run in runs]
    script = (HERE / "report.js").read_text(encoding="utf-8")
    changed = numbers.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(names[0])) for name in names[1:]))
    counts = changed.filter(pl.col("section") != "step seconds")
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            runs=runs,
            names=names,
            goals=goals,
            changed=counts.to_dicts(),
            unchanged=numbers.height - changed.height,
            steps=numbers.filter(pl.col("section") == "step seconds").to_dicts(),
            keys=some(keys, "list", "code").to_dicts(),
            keys_total=keys.height,
            appeared=keys.filter(~pl.col(names[0]) & pl.col(names[-1])).height,
            disappeared=keys.filter(pl.col(names[0]) & ~pl.col(names[-1])).height,
            style=Markup((HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704  # comes from this package
            script=Markup(script),  # noqa: S704  # both come from this package
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )

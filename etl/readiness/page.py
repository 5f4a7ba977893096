"""The work lists as one web page without network: what is critical first, by kind, office and company."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import polars as pl
from markupsafe import Markup

from etl.report.html import ROWS_SHOWN, some
from etl.report.templates import HERE, environment
from mappings.readiness import WEIGHTS, PointKind

_TONE = {"critical": "bad", "attention": "warn", "info": "good"}


def as_page(
    points: pl.DataFrame,
    companies: pl.DataFrame,
    to_review: pl.DataFrame,
    kinds: Mapping[str, PointKind],
    run: Mapping[str, Any],
    since: pl.DataFrame | None,
) -> str:
    """Returns readiness.html. `points` with `by` and `specialist_cbp_user_id`, `companies` as the workbook has them.

    `run`: id, rehearsal, time of publishing; `since`: the points with `since_cd` new, gone or still there (None: not compared)."""
    script = (HERE / "report.js").read_text(encoding="utf-8")
    counted = dict(points.group_by("weight_cd").len().iter_rows())
    weights = {weight: counted.get(weight, 0) for weight in WEIGHTS}
    worst = next((weight for weight in WEIGHTS if weights[weight]), "info")
    return (
        environment()
        .get_template("readiness.html.j2")
        .render(
            run=run,
            weights=weights,
            tone=_TONE[worst],
            total=points.height,
            kinds=_kinds(points, kinds),
            offices=_offices(points),
            offices_named=points["office_cd"].drop_nulls().n_unique(),
            companies=_companies(companies),
            companies_total=companies.height,
            points=some(points, "point_cd"),
            to_review=some(to_review, "rule_cd"),
            review_total=to_review.height,
            since=_since(since),
            rows_shown=ROWS_SHOWN,
            style=Markup((HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704  # comes from this package
            script=Markup(script),  # noqa: S704  # both come from this package
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _kinds(points: pl.DataFrame, kinds: Mapping[str, PointKind]) -> list[tuple[PointKind, int]]:
    counted = dict(points.group_by("point_cd").len().iter_rows())
    return [(kind, counted.get(kind.code, 0)) for kind in kinds.values()]


def _offices(points: pl.DataFrame) -> list[dict[str, Any]]:
    by_weight = [(pl.col("weight_cd") == weight).sum().alias(weight) for weight in WEIGHTS]
    return (
        points.group_by("office_cd")
        .agg(pl.col("company_profile_id").drop_nulls().n_unique().alias("companies"), *by_weight)
        .sort("office_cd", nulls_last=True)
        .to_dicts()
    )


def _companies(companies: pl.DataFrame) -> pl.DataFrame:
    """Returns the companies with open points, the most serious first."""
    open_points = companies.filter(pl.sum_horizontal("critical", "attention", "info") > 0)
    return open_points.sort("critical", "attention", "info", "company_profile_id", descending=[True, True, True, False]).head(ROWS_SHOWN)


def _since(since: pl.DataFrame | None) -> list[tuple[str, int]] | None:
    if since is None:
        return None
    counted = dict(since.group_by("since_cd").len().iter_rows())
    return [(state, counted.get(state, 0)) for state in ("new", "gone", "still")]

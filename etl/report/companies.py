"""Completeness by company: by company profile the rows read, loaded and held, and the most severe exception. Profiles by number, without names."""

from __future__ import annotations

import polars as pl

from etl.holding.held_roots import HeldRows
from etl.holding.row_counts import RowsByProfile, rows_by_table
from etl.report.chapters import chapters
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns
from mappings.model import Mappings

SEVERITIES = ("attention", "warning", "info")
_ROWS = ("rows_read", "rows_loaded", "rows_held")
_NUMBERS = ("accounts", "nobody_can_open", "rows_read", "rows_loaded", "rows_held", "causes", *SEVERITIES)
COMPANIES: dict[str, type[pl.DataType]] = {"company_profile_id": pl.Int64, **dict.fromkeys(_NUMBERS, pl.Int64), "worst_rule": pl.String}
CHAPTERS: dict[str, type[pl.DataType]] = {
    "company_profile_id": pl.Int64,
    "chapter": pl.String,
    "rows_read": pl.Int64,
    "rows_loaded": pl.Int64,
    "rows_held": pl.Int64,
}


def companies(
    folder: RunFolder,
    mappings: Mappings,
    rows: HeldRows,
    where: RowsByProfile,
    held: pl.DataFrame,
    flagged: pl.DataFrame,
    closed: pl.DataFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns (COMPANIES: one line per company profile read, CHAPTERS: one line per profile and chapter in which it has rows).

    `held` with causes, `flagged`: the run's lists; `closed`: accounts without a usable login. No lines before reattach is done.
    rows_*: a row on accounts of two profiles counts for both; catalogues, users and rows without a profile count in no line.
    `causes`: the held rows at the root of the company's held rows. `worst_rule`: the first rule among the gravest exceptions.
    """
    if not {"split", "reattach"} <= folder.steps.keys():
        return pl.DataFrame(schema=COMPANIES), pl.DataFrame(schema=CHAPTERS)
    by_table = rows_by_table(where, mappings, rows)
    named = pl.DataFrame(
        [(*table, name) for table, name in chapters(mappings).items()], schema=["portal", "table", "chapter"], orient="row"
    )
    by_chapter = by_table.join(named, on=["portal", "table"]).group_by("company_profile_id", "chapter").agg(pl.col(_ROWS).sum())
    parts = [
        _accounts(folder, closed),
        by_table.group_by("company_profile_id").agg(pl.col(_ROWS).sum()),
        held.drop_nulls("company_profile_id")
        .group_by("company_profile_id")
        .agg(pl.struct("portal", "root_table", "root_key").n_unique().cast(pl.Int64).alias("causes")),
        _said(mappings, where, flagged),
    ]
    frame = _profiles(folder)
    for part in parts:
        frame = frame.join(part, on="company_profile_id", how="left")
    frame = frame.select("company_profile_id", *(pl.col(name).fill_null(0) for name in _NUMBERS), "worst_rule")
    return frame.sort("company_profile_id"), by_chapter.select(CHAPTERS.keys()).sort("company_profile_id", "chapter")


def _profiles(folder: RunFolder) -> pl.DataFrame:
    """Returns the company profiles read whose key is a number."""
    files = folder.files("extract", layout.extracted("P2", "company_profile"))
    frames = [pl.DataFrame(read_columns(folder.path, file, ["company_profile_id"])) for file in files]
    every = pl.concat([pl.DataFrame(schema={"company_profile_id": pl.Int64}), *frames])
    return every.drop_nulls().unique()


def _accounts(folder: RunFolder, closed: pl.DataFrame) -> pl.DataFrame:
    files = folder.files("split", layout.made("split", "entity_account"))
    frames = [pl.DataFrame(read_columns(folder.path, file, ["legacy_profile_id"])) for file in files]
    every = pl.concat([pl.DataFrame(schema={"legacy_profile_id": pl.Int64}), *frames]).rename({"legacy_profile_id": "company_profile_id"})
    counted = every.group_by("company_profile_id").agg(pl.len().cast(pl.Int64).alias("accounts"))
    shut = closed.group_by("company_profile_id").agg(pl.len().cast(pl.Int64).alias("nobody_can_open"))
    return counted.join(shut, on="company_profile_id", how="left")


def _said(mappings: Mappings, where: RowsByProfile, flagged: pl.DataFrame) -> pl.DataFrame:
    """Returns by company profile the number of exceptions of each severity on its rows, and `worst_rule`."""
    found = []
    for (portal, table), part in flagged.group_by("portal", "table"):
        known = where.lowest(str(portal), str(table), part["key"].unique()).rename({"profile": "company_profile_id"})
        found.append(part.join(known, on="key").select("company_profile_id", "rule"))
    every = pl.concat([pl.DataFrame(schema={"company_profile_id": pl.Int64, "rule": pl.String}), *found])
    order = {number: (SEVERITIES.index(rule.severity), position) for position, (number, rule) in enumerate(mappings.rules.items())}
    ranked = every.with_columns(
        pl.col("rule").replace_strict({n: r for n, (r, _) in order.items()}, return_dtype=pl.Int64).alias("rank"),
        pl.col("rule").replace_strict({n: p for n, (_, p) in order.items()}, return_dtype=pl.Int64).alias("position"),
    )
    counted = [(pl.col("rank") == rank).sum().cast(pl.Int64).alias(severity) for rank, severity in enumerate(SEVERITIES)]
    return ranked.group_by("company_profile_id").agg(*counted, pl.col("rule").sort_by("rank", "position").first().alias("worst_rule"))

"""Everything that the work lists are made of, read from a run's folder and from its new store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl.databases.reading import Reading
from etl.domain.typed_values import texts_of
from etl.holding.held_roots import HeldRows, Row, held_rows
from etl.holding.row_counts import RowsByProfile, rows_by_table
from etl.readiness.lists import (
    DATES,
    activation,
    clocks,
    companies,
    crosswalk,
    dates,
    more_of_companies,
    signatures_to_review,
    specialists,
)
from etl.readiness.points import Points, Sources
from etl.readiness.store import StoreFacts, read_store
from etl.report.chapters import chapters
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns
from mappings.model import Mappings
from mappings.readiness import read_points

_OF_PROFILE = frozenset({"business_start_dt"})  # the profile's date, which every account of it carries


@dataclass(frozen=True)
class WorkLists:
    """One frame for each list; `activation` holds personal data.

    The page and the workbook show more than the CSV files: `more_companies`, and for each point its `specialists`. `to_review`: for the page only.
    """

    points: pl.DataFrame
    companies: pl.DataFrame
    more_companies: pl.DataFrame
    specialists: pl.Series
    to_review: pl.DataFrame
    crosswalk: pl.DataFrame
    dates: pl.DataFrame
    clocks: pl.DataFrame
    activation: pl.DataFrame


def work_lists(folder: RunFolder, store: Reading, mappings: Mappings, bounced: frozenset[str] = frozenset()) -> WorkLists:
    """Returns the work lists of a run that has published into this store. `bounced`: e-mail keys of undeliverable mail."""
    known = read_store(store)
    made = found_points(folder, known, mappings, bounced)
    points, extracted = made.points, made.extracted
    found = points.frame()
    profiles = extracted.texts("company_profile", "company_profile_id", "company_name").select(
        pl.col("company_profile_id").cast(pl.Int64, strict=False), "company_name"
    )
    models = {
        int(model): int(profile) for model, profile in extracted.pairs("security_model", "security_model_id", "company_profile_id").items()
    }
    by_table = rows_by_table(made.rows, mappings, made.held)
    by_profile = by_table.group_by("company_profile_id").agg(pl.col("rows_read", "rows_loaded", "rows_held").sum())
    lines = companies(known, points, found, by_profile, profiles.drop_nulls("company_profile_id"))
    return WorkLists(
        points=found,
        companies=lines,
        more_companies=more_of_companies(known, lines, found, by_table, chapters(mappings)),
        specialists=specialists(known, found),
        to_review=signatures_to_review(known, made.rows),
        crosswalk=crosswalk(known, extracted.texts("model_entity", "entity_id", "security_model_id", "account_number"), models),
        dates=dates(known, extracted.dates()),
        clocks=clocks(known, points),
        activation=activation(known, points, bounced),
    )


@dataclass(frozen=True)
class FoundPoints:
    """The points, and what they were made of besides the store's rows."""

    points: Points
    held: HeldRows
    rows: RowsByProfile
    extracted: Extracted


def found_points(folder: RunFolder, known: StoreFacts, mappings: Mappings, bounced: frozenset[str] = frozenset()) -> FoundPoints:
    """Returns the open points of these rows, which the run in that folder made."""
    held = held_rows(mappings, known.holding, known.exceptions)
    rows, extracted = RowsByProfile(folder, mappings), Extracted(folder)
    users = extracted.pairs("company_contact", "contact_id", "user_id")
    kinds = read_points(mappings.home)
    sources = Sources(known, mappings, kinds, held, rows.profiles(held), _why_held(held, mappings, folder), users, bounced)
    return FoundPoints(Points(sources), held, rows, extracted)


class Extracted:
    """Columns of the extracted rows of Portal 2.0, as texts; an unreadable value is the text as recorded."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        (odd,) = folder.tables("extract", layout.ODD)
        self.odd: dict[str, dict[str, dict[str, tuple[Any, bool]]]] = defaultdict(lambda: defaultdict(dict))
        for portal, table, key, column, raw, unreadable in pl.DataFrame(odd).iter_rows():
            if portal == "P2":
                self.odd[table][key][column] = (json.loads(raw), unreadable)

    def texts(self, table: str, key: str, *columns: str) -> pl.DataFrame:
        """Returns the key and these columns of every row, as text; null stays null."""
        frames = []
        for file in self._folder.files("extract", layout.extracted("P2", table)):
            whole = (
                pl.DataFrame(self._folder.read_table(file))
                if self.odd[table]
                else pl.DataFrame(read_columns(self._folder.path, file, [key, *columns]))
            )
            own = pl.col("_key") if "_key" in whole.columns else pl.col(key).cast(pl.String)
            texts = [_text(whole[name]) for name in columns]
            frames.append(whole.select(own.alias(key)).with_columns(texts))
        frame = pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys((key, *columns), pl.String))
        for column in columns:
            raw = {row: str(values[column][0]) for row, values in self.odd[table].items() if column in values and values[column][1]}
            if raw:
                frame = frame.with_columns(pl.col(key).replace_strict(raw, default=pl.col(column), return_dtype=pl.String).alias(column))
        return frame

    def pairs(self, table: str, key: str, column: str) -> Mapping[str, str]:
        """Returns the column's value by key, for rows in which both are whole numbers."""
        frame = self.texts(table, key, column).filter(
            pl.col(key).cast(pl.Int64, strict=False).is_not_null(), pl.col(column).cast(pl.Int64, strict=False).is_not_null()
        )
        return dict(frame.iter_rows())

    def dates(self) -> pl.DataFrame:
        """Returns the eight dates of every entity as texts, by entity_id, in the order and form of the new store."""
        own = [name for name in DATES if name not in _OF_PROFILE]
        entities = self.texts("model_entity", "entity_id", "security_model_id", *own)
        models = self.texts("security_model", "security_model_id", "company_profile_id")
        profiles = self.texts("company_profile", "company_profile_id", *_OF_PROFILE)
        joined = entities.join(models, on="security_model_id", how="left").join(profiles, on="company_profile_id", how="left")
        numbered = joined.with_columns(pl.col("entity_id").cast(pl.Int64, strict=False)).drop_nulls("entity_id")
        return numbered.select("entity_id", *DATES)


def _text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Date:
        return texts_of(column)
    if column.dtype.base_type() == pl.Datetime:
        return texts_of(column).str.replace(r"(\.\d*?)0+$", "${1}").str.replace(r"\.$", "")
    return column.cast(pl.String)


def _why_held(held: HeldRows, mappings: Mappings, folder: RunFolder) -> dict[Row, str]:
    """Returns why each row is held, in words; names column and key where known, never a value."""
    unreadable = _unreadable(folder)
    found = {}
    for row, reason in held.reasons.items():
        sentence = mappings.reasons[reason].meaning
        if reason == "UNREADABLE_VALUE" and row in unreadable:
            sentence = f"The value in {', '.join(unreadable[row])} cannot be read."
        found[row] = sentence
    return found


def _unreadable(folder: RunFolder) -> dict[Row, list[str]]:
    (odd,) = folder.tables("extract", layout.ODD)
    found: dict[Row, list[str]] = defaultdict(list)
    for portal, table, key, column in pl.DataFrame(odd).filter(pl.col("unreadable")).select("portal", "table", "key", "column").iter_rows():
        found[portal, table, key].append(column)
    return found

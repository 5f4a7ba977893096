"""The forms of the adapter, evaluated by loader and verifier, which must agree on every cell."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from etl.domain.typed_values import InvalidText, Typed, texts_of
from etl.present.cells import cells_of
from etl.present.forms import made
from etl.present.model import Form
from etl.present.times import moments
from etl.reconcile.engine.cells import Text, Unfit
from etl.reconcile.present.forms import made as made_again
from etl.reconcile.present.words import Recipe
from mappings.schema import Column

UNREADABLE = object()
CASES: list[tuple[str, Form, dict[str, Any], str, dict[Any, Any]]] = [
    # name, the loader's form, the verifier's words, the contract's type, raw text -> value
    ("text", Form("text"), {}, "TEXT", {"007": "007", "": "", " x ": " x "}),
    (
        "integer",
        Form("integer"),
        {},
        "BIGINT",
        {
            "12": 12,
            " -7 ": -7,
            "007": 7,
            "1.0": UNREADABLE,
            "+1": UNREADABLE,
            "": UNREADABLE,
            "٣": UNREADABLE,
            "1e3": UNREADABLE,
            "9223372036854775807": 2**63 - 1,
            "9223372036854775808": UNREADABLE,
            "- 1": UNREADABLE,
        },
    ),
    (
        "flag",
        Form("flag", yes=("1", "true"), no=("0",)),
        {"yes": ["1", "true"], "no": ["0"]},
        "CHAR(1)",
        {"1": "Y", "true": "Y", "0": "N", "Y": UNREADABLE, "": UNREADABLE, "1 ": UNREADABLE},
    ),
    ("code", Form("code", by="c"), {"by": "c"}, "VARCHAR(8)", {"A": "ACTIVE", "a": UNREADABLE, "B": "BLOCKED", "*": UNREADABLE}),
    ("others", Form("code", by="o"), {"by": "o"}, "VARCHAR(8)", {"A": "ACTIVE", "Z": "Z", "too long a word": UNREADABLE}),
    (
        "date",
        Form("date", form="DD-MON-YY", pivot=1950),
        {"form": "DD-MON-YY", "pivot": 1950},
        "DATE",
        {
            "01-JUN-14": "2014-06-01",
            "29-feb-00": "2000-02-29",
            "31-DEC-50": "1950-12-31",
            "31-DEC-49": "2049-12-31",
            "31-FEB-20": UNREADABLE,
            "1-JUN-14": UNREADABLE,
            "01-JUN-14 ": UNREADABLE,
            "01-XXX-14": UNREADABLE,
        },
    ),
    (
        "pivot",
        Form("date", form="DD.MM.YY", pivot=1930),
        {"form": "DD.MM.YY", "pivot": 1930},
        "DATE",
        {"29.02.00": "2000-02-29", "01.01.30": "1930-01-01", "01.01.29": "2029-01-01"},
    ),
    (
        "plain date",
        Form("date", form="YYYYMMDD"),
        {"form": "YYYYMMDD"},
        "DATE",
        {"20140601": "2014-06-01", "00000101": UNREADABLE, "2014-06-01": UNREADABLE},
    ),
    (
        "time of day in a date",
        Form("date", form="DD.MM.YYYY AM HH24"),
        {"form": "DD.MM.YYYY AM HH24"},
        "DATE",
        {"01.06.2014 AM HH24": "2014-06-01", "01.06.2014 PM 10": UNREADABLE},
    ),
    (
        "moment",
        Form("moment", form="YYYY-MM-DD HH24:MI:SS.FF", zone="America/New_York"),
        {"form": "YYYY-MM-DD HH24:MI:SS.FF", "zone": "America/New_York"},
        "TIMESTAMP",
        {
            "2020-01-01 10:00:00.5": "2020-01-01 15:00:00.500000",
            "2023-03-12 02:30:00.1": "2023-03-12 07:30:00.100000",
            "2023-11-05 01:30:00.0": "2023-11-05 05:30:00",
            "2020-01-01 24:00:00.0": UNREADABLE,
            "2020-01-01 10:00:60.0": UNREADABLE,
            "2020-01-01 10:00:00.1234567": UNREADABLE,
        },
    ),
    (
        "noon",
        Form("moment", form="MM/DD/YY HH12:MI AM", pivot=2000),
        {"form": "MM/DD/YY HH12:MI AM", "pivot": 2000},
        "TIMESTAMP",
        {
            "01/02/20 12:05 AM": "2020-01-02 00:05:00",
            "01/02/20 12:05 pm": "2020-01-02 12:05:00",
            "01/02/20 13:05 PM": UNREADABLE,
            "01/02/20 00:05 AM": UNREADABLE,
        },
    ),
    (
        "midnight",
        Form("moment", form="DD.MM.YYYY", zone="Europe/Berlin"),
        {"form": "DD.MM.YYYY", "zone": "Europe/Berlin"},
        "TIMESTAMP",
        {"01.07.2020": "2020-06-30 22:00:00"},
    ),
    (
        "epoch",
        Form("moment", form="epoch_ms"),
        {"form": "epoch_ms"},
        "TIMESTAMP",
        {
            "0": "1970-01-01 00:00:00",
            "-1": "1969-12-31 23:59:59.999000",
            "1500000000123": "2017-07-14 02:40:00.123000",
            "x": UNREADABLE,
            "999999999999999": UNREADABLE,
        },
    ),
    ("seconds", Form("moment", form="epoch_s"), {"form": "epoch_s"}, "TIMESTAMP", {"1500000000": "2017-07-14 02:40:00", "": UNREADABLE}),
    (
        "part",
        Form("part", sep=",", take=2, trim=True),
        {"split": ",", "take": 2, "trim": True},
        "TEXT",
        {"a, b ,c": "b", "a": None, "a, ": None, ",": None},
    ),
    ("part kept", Form("part", sep="::", take=1), {"split": "::", "take": 1}, "TEXT", {"a ::b": "a ", "": ""}),
    ("trim", Form("trim"), {}, "CHAR(3)", {"ab ": "ab", "   ": "", "a\t ": "a\t", "abcd": UNREADABLE}),
    (
        "path",
        Form("path", prefix="\\\\srv\\share\\"),
        {"from": "\\\\srv\\share\\"},
        "TEXT",
        {"\\\\SRV\\Share\\a\\b.txt": "a/b.txt", "c:\\x": UNREADABLE, "\\\\srv\\share\\": ""},
    ),
]
CODES = {"c": {"A": "ACTIVE", "B": "BLOCKED"}, "o": {"A": "ACTIVE", "*": "="}}


def _loaded(form: Form, column: Column, raws: list[str | None]) -> list[Any]:
    batch = Typed({"C": pl.Series("C", raws, dtype=pl.String)}, np.zeros(len(raws), np.uint8))
    cells = cells_of(batch, "C", "T.C", "text", frozenset())
    found = made(Form(**{**form.__dict__, "columns": ("C",)}), column, [cells], CODES, len(raws))
    series = texts_of(found.series) if column.family in ("date", "timestamp") else found.series
    return [UNREADABLE if bad else value for bad, value in zip(found.bad, series.to_list(), strict=True)]


def _verified(form: Form, words: dict[str, Any], column: Column, raws: list[str | None]) -> list[Any]:
    recipe = Recipe(form.kind, ("C",), words, CODES.get(form.by, {}))
    found: list[Any] = []
    for raw in raws:
        cell = made_again(recipe, [None if raw is None else Text(raw.encode())])
        value = UNREADABLE if isinstance(cell, Unfit) else str(cell, "utf-8") if isinstance(cell, bytes) else cell
        long = isinstance(value, str) and column.length is not None and len(value) > column.length
        if isinstance(value, str) and column.family == "timestamp" and "." in value:
            whole, _, fraction = value.partition(".")
            value = f"{whole}.{fraction.ljust(6, '0')}"
        found.append(UNREADABLE if long else value)
    return found


@pytest.mark.parametrize(("name", "form", "words", "declared", "cells"), CASES, ids=[case[0] for case in CASES])
def test_loader_and_verifier_convert_every_cell_alike(
    name: str, form: Form, words: dict[str, Any], declared: str, cells: dict[Any, Any]
) -> None:
    column = Column("c", declared, False, None)
    raws: list[str | None] = [*cells, None]
    expected = [*cells.values(), None]
    assert _loaded(form, column, raws) == expected, name
    assert _verified(form, words, column, raws) == expected, name
    assert _loaded(form, column, raws * 40) == expected * 40  # many rows are asked by their different texts


def test_numbers_are_the_digits_of_the_digest_with_the_mark_as_last_part() -> None:
    parts = [pl.Series("A", ["x", None]), pl.Series("B", ["1", "2"])]
    batch = Typed({part.name: part for part in parts}, np.zeros(2, np.uint8))
    cells = [cells_of(batch, name, f"T.{name}", "text", frozenset()) for name in ("A", "B")]
    found = made(Form("number", ("A", "B"), mark="MAIL"), Column("c", "BIGINT", False, None), cells, {}, 2)
    again = made_again(Recipe("number", ("A", "B"), {"mark": "MAIL"}), [Text(b"x"), 1])
    import hashlib

    assert found.series.to_list() == [int(hashlib.sha256(b"x|1|MAIL").hexdigest()[:15], 16), None]
    assert again == found.series[0]


def test_E8_invalid_text_is_accepted_only_as_plain_text() -> None:
    batch = Typed({"C": pl.Series("C", ["a\ufffd "])}, np.zeros(1, np.uint8), texts=[InvalidText(0, "C", b"a\xff ")])
    cells = [cells_of(batch, "C", "T.C", "text", frozenset())]
    column = Column("c", "TEXT", False, None)
    for kind, exact in (("plain", b"a\xff "), ("text", b"a\xff "), ("trim", b"a\xff")):
        found = made(Form(kind, ("C",)), column, cells, {}, 1)  # type: ignore[arg-type]  # one of the forms' names
        assert dict(found.spoilt) == {0: exact}
        assert not found.bad.any()
        assert made_again(Recipe("same" if kind == "plain" else kind, ("C",)), [Text(b"a\xff ")]) == exact
    assert made(Form("join", ("C",)), column, cells, {}, 1).bad.all()
    assert isinstance(made_again(Recipe("join", ("C",)), [Text(b"a\xff ")]), Unfit)


def test_bytes_are_decoded_from_text_ignoring_white_space() -> None:
    text = base64.b64encode(b"\0\1").decode()
    for form, raw in (("base64", f" {text}\n"), ("hex", "00 01")):
        assert made_again(Recipe("bytes", ("C",), {"form": form}), [Text(raw.encode())]) == b"\0\1"
        batch = Typed({"C": pl.Series("C", [raw, "?"])}, np.zeros(2, np.uint8))
        found = made(
            Form("bytes", ("C",), form=form), Column("c", "BYTEA", False, None), [cells_of(batch, "C", "T.C", "text", frozenset())], {}, 2
        )
        assert (found.series.to_list(), found.bad.tolist()) == ([b"\0\1", None], [False, True])


@pytest.mark.parametrize(
    "zone",
    [
        "America/New_York",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "America/Havana",
        "Asia/Kathmandu",
    ],
)
def test_wall_clock_times_convert_by_the_zone_at_every_quarter_of_an_hour(zone: str) -> None:
    """Whole days are looked up at once: around a change of the clocks, a day that was skipped included, each moment has to be right."""
    known, start = ZoneInfo(zone), datetime(2007, 1, 1)
    clocks = [start + timedelta(minutes=15 * number) for number in range(5 * 366 * 96)]
    form = "DD.MM.YYYY HH24:MI:SS"
    found = moments(pl.Series([clock.strftime("%d.%m.%Y %H:%M:%S") for clock in clocks]), form, None, zone).to_list()
    offsets = [clock.replace(tzinfo=known).utcoffset() or timedelta() for clock in clocks]
    assert found == [clock - offset for clock, offset in zip(clocks, offsets, strict=True)]


def test_the_fast_parser_equals_the_parser_by_parts() -> None:
    texts = pl.Series(
        [
            "06/14/2019 12:00:00 AM",
            "06/14/2019 12:59:59 pm",
            "06/14/2019 00:10:00 AM",
            "02/29/2019 01:00:00 PM",
            "06/14/2019 01:00:60 PM",
            "06/14/0000 01:00:00 PM",
            "13/01/2019 01:00:00 PM",
            " 06/14/2019 01:00:00 PM",
            "06/14/2019  01:00:00 PM",
            "06/14/2019 1:00:00 PM",
            None,
        ]
    )
    found = moments(texts, "MM/DD/YYYY HH12:MI:SS AM", None, "UTC").to_list()
    assert found == [datetime(2019, 6, 14), datetime(2019, 6, 14, 12, 59, 59), *[None] * 9]
    assert moments(pl.Series(["20190614T235959"]), "YYYYMMDDTHH24MISS", None, "UTC").to_list() == [datetime(2019, 6, 14, 23, 59, 59)]

"""H6: texts in the form of a social security number are masked in every output, in any notation."""

from __future__ import annotations

import time

import pytest

from etl.domain.masking import HIDDEN, masked, masked_key, recorded_key
from etl.reconcile.compare import difference

FORMS = ("123-45-6789", "123 45 6789", "123–45–6789", "123.45.6789", "123\u00a045\u00a06789", "١٢٣-٤٥-٦٧٨٩", "123−45−6789", "123/45/6789")


@pytest.mark.parametrize("form", FORMS)
def test_H6_every_way_of_writing_a_number_is_masked_on_both_sides(form: str) -> None:
    for text in (form, f"500|{form}", f"key {form}."):
        assert masked(text) == difference.masked(text) == text.replace(form, HIDDEN)


def test_H6_other_numbers_are_not_masked() -> None:
    for text in ("2023-09-16 10:00:00", "1234-45-6789", "500000034002|17", "123456789", "10000301", "12-3456789"):
        assert masked(text) == difference.masked(text) == text


def test_H6_text_parts_of_a_key_are_masked_and_numbers_are_not() -> None:
    assert masked_key("123456789|123456789", [1]) == f"123456789|{HIDDEN}"
    assert masked_key("500|١٢٣٤٥٦٧٨٩", [1]) == f"500|{HIDDEN}"
    assert masked_key("500|12-3456789", [1, 2]) == "500|12-3456789"
    assert recorded_key([("123456789", True), ("123456789", False)]) == "123456789|***"
    assert recorded_key([("5", True), ("12-3456789", False), ("2704", False)]) == "5|***|2704"


def test_H6_long_keys_are_masked_in_linear_time() -> None:
    """A key of 40,000 letters before a lone @ took 8 seconds."""
    began = time.monotonic()
    assert difference.masked("a" * 1_000_000 + " @") == "a" * 1_000_000 + " @"
    assert difference.masked("a@b c@d|e@f@g") == "***@*** ***@***|***@***"
    assert time.monotonic() - began < 2

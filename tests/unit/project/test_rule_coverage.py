"""Every rule and every line of the fine print is in the name of a test."""

import re
import tomllib
from pathlib import Path

from tests.support.legacy import MAPPINGS

TESTS = Path(__file__).resolve().parents[2]
NUMBERS = [rule["number"] for rule in tomllib.loads((MAPPINGS.home / "rules.toml").read_text(encoding="utf-8"))["rule"]]
FINE_PRINT = (*range(1, 60), 62, 65, 66, 67, 68)


def _names() -> list[str]:
    return [
        name
        for file in sorted(TESTS.rglob("test_*.py"))
        if file.parent.name != "faults"
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]


def test_every_rule_is_in_the_name_of_a_test() -> None:
    words = {word for name in _names() for word in name.split("_")}
    assert [number for number in NUMBERS if number not in words] == []


def test_every_number_of_the_fine_print_is_in_the_name_of_a_test() -> None:
    words = {word for name in _names() for word in name.split("_")}
    assert [number for number in FINE_PRINT if f"fp{number}" not in words] == []


def test_no_test_names_a_rule_or_a_number_that_does_not_exist() -> None:
    words = {word for name in _names() for word in name.split("_") if re.fullmatch(r"(?:[A-L]|X)\d+|fp\d+", word)}
    assert words - set(NUMBERS) - {f"fp{number}" for number in MAPPINGS.fine_print} == set()

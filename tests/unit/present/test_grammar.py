"""The grammar of the adapter's files: a value of another kind at each of its words is one error, with its place, what was found and expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.present.grammar import adapter_with_problems
from tests.support.legacy import MAPPINGS

FORMS = ["text", "integer", "flag", "code", "date", "moment", "number", "join", "part", "trim", "path", "bytes"]
# By TOML value, as it is written: what a message calls it.
VALUES = {
    "7": "an integer",
    "1.5": "a number with a fraction",
    "true": "true",
    '"x"': "the text 'x'",
    '""': "an empty text",
    '" "': "the text ' '",
    "2020-01-01": "date",
    "2020-01-01T00:00:00Z": "datetime",
    "10:00:00": "time",
    '["x"]': "a list",
    "[1]": "a list",
    "[]": "a list",
    '[["x"]]': "a list",
    "{ x = 1 }": "a TOML table",
    "{}": "a TOML table",
    "inf": "a number with a fraction",
    "999999999999999999999999999999": "an integer",
}
TEXTS = frozenset(('"x"', '" "'))
LISTS = frozenset(('["x"]',))
TABLES = frozenset(("{ x = 1 }", "{}"))
INTEGERS = frozenset(("7", "999999999999999999999999999999"))
_BLOCK = '[[from]]\ntable = "T"\n'
_IN = _BLOCK + "[from.columns]\nfirst_name = "
_LOOK = "lookup = {{ off = {{ table = {0}, key = {1}, by = {2} }} }}\n"


def _of_forms() -> dict[str, tuple[str, str, frozenset[str]]]:
    """(the file's text with @ for the value, its dotted place, the values that are right there) of each word of each form."""
    other = {
        "flag": ', yes = ["1"], no = ["0"]',
        "code": ', by = "x"',
        "date": ', form = "YYYY-MM-DD"',
        "moment": ', form = "YYYY-MM-DD"',
        "part": ', split = ",", take = 1',
        "path": ', from = "x"',
        "bytes": ', form = "hex"',
    }
    found = {
        form: (f"{_IN}{{ {form} = @{other.get(form, '')} }}", form, TEXTS | (LISTS if form in ("number", "join") else frozenset()))
        for form in FORMS
    }
    for form, word, rest, right in (
        ("flag", "yes", ', no = ["0"]', LISTS),
        ("flag", "no", ', yes = ["1"]', LISTS),
        ("code", "by", "", frozenset(('"x"',))),
        ("number", "mark", "", TEXTS | {'""'}),
        ("join", "with", "", TEXTS | {'""'}),
        ("part", "split", ", take = 1", TEXTS),
        ("part", "take", ', split = ","', INTEGERS),
        ("part", "trim", ', split = ",", take = 1', frozenset(("true",))),
        ("path", "from", "", TEXTS | {'""'}),
        ("path", "slash", ', from = "x"', TEXTS),
        ("date", "form", "", frozenset()),
        ("date", "pivot", ', form = "DD-MON-YY"', frozenset(("7",))),
        ("moment", "form", "", frozenset()),
        ("moment", "zone", ', form = "YYYY-MM-DD"', frozenset()),
        ("bytes", "form", "", frozenset()),
    ):
        found[f"{form}.{word}"] = f'{_IN}{{ {form} = "c", {word} = @{rest} }}', word, right
    return found


BLOCKS: dict[str, tuple[str, str, frozenset[str]]] = {
    "from": ("from = @\n", "from", frozenset()),
    "table": ("[[from]]\ntable = @\n", "from[0].table", TEXTS),
    "rest": (f"{_BLOCK}rest = @\n", "from[0].rest", frozenset(('"x"',))),
    "where": (f"{_BLOCK}where = @\n", "from[0].where", frozenset(("{}",))),
    "where.c": (f"{_BLOCK}where = {{ c = @ }}\n", "from[0].where.c", LISTS),
    "lookup": (f"{_BLOCK}lookup = @\n", "from[0].lookup", frozenset(("{}",))),
    "lookup.off": (f"{_BLOCK}lookup = {{ off = @ }}\n", "from[0].lookup.off", frozenset()),
    "lookup.off.table": (_BLOCK + _LOOK.format("@", '"k"', '"b"'), "from[0].lookup.off.table", TEXTS),
    "lookup.off.key": (_BLOCK + _LOOK.format('"t"', "@", '"b"'), "from[0].lookup.off.key", TEXTS),
    "lookup.off.by": (_BLOCK + _LOOK.format('"t"', '"k"', "@"), "from[0].lookup.off.by", TEXTS),
    "columns": (f"{_BLOCK}columns = @\n", "from[0].columns", frozenset(("{}",))),
    "column": (f"{_IN}@\n", "from[0].columns.first_name", TEXTS),
    "constant": (f"{_IN}{{ constant = @ }}\n", "from[0].columns.first_name.constant", frozenset()),
    "absent": (f"{_IN}{{ absent = @ }}\n", "from[0].columns.first_name.absent", frozenset(('"x"',))),
    "retired": (f"{_BLOCK}retired = @\n", "from[0].retired", frozenset(("{}",))),
    "retired.c": (f"{_BLOCK}retired = {{ c = @ }}\n", "from[0].retired.c", frozenset(('"x"',))),
}
SOURCE: dict[str, tuple[str, str, frozenset[str]]] = {
    "null": ("null = @\n", "null", LISTS | {"[]"}),
    "case": ("case = @\n", "case", frozenset()),
    "ignored": ("ignored = @\n", "ignored", frozenset(("{}",))),
    "ignored.t": ("ignored = { t = @ }\n", "ignored.t", frozenset(('"x"',))),
    "absent": ("absent = @\n", "absent", frozenset(("{}",))),
    "absent.t": ("absent = { message = @ }\n", "absent.message", frozenset(('"x"',))),
    "csv": ("csv = @\n", "csv", frozenset(("{}",))),
    "delimiter": ("csv = { delimiter = @ }\n", "csv.delimiter", TEXTS),
    "encoding": ("csv = { encoding = @ }\n", "csv.encoding", frozenset()),
}
_CONSTANTS = frozenset(('"x"', '""', '" "', "7", "999999999999999999999999999999", "2020-01-01", "2020-01-01T00:00:00Z"))
_ALSO = {"{ x = 1 }", "{}"}  # a table where words are expected has words of its own, which are reported


def _names(said: str, value: str, kind: str) -> bool:
    """Returns whether the sentence has the value's kind, or the value."""
    return kind in said or value in _ALSO or f"found {value}" in said or (value == '""' and "found ''" in said)


@pytest.mark.parametrize("name", ["portal2/company_contact.toml", "portal2/source.toml"])
def test_a_value_of_another_kind_is_an_error_at_its_place_with_what_was_found_and_expected(name: str, tmp_path: Path) -> None:
    places = SOURCE if name.endswith("source.toml") else {**BLOCKS, **_of_forms()}
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "x.csv").write_text("legacy,contract\nA,B\n", encoding="utf-8")
    file = tmp_path / name
    file.parent.mkdir()
    wrong = []
    tried = 0
    for what, (text, place, right) in places.items():
        right = _CONSTANTS if what == "constant" else right
        for value, kind in VALUES.items():
            file.write_text(text.replace("@", value), encoding="utf-8")
            tried += 1
            said = [str(problem) for problem in adapter_with_problems(tmp_path, MAPPINGS)[1] if problem.file == name]
            if value in right:
                if said:
                    wrong.append((what, value, "is right", said))
            elif not any(place in one and "found " in one and "expected " in one for one in said):
                wrong.append((what, value, place, said))
            elif value not in TEXTS and what not in ("case", "delimiter", "encoding") and not any(_names(one, value, kind) for one in said):
                wrong.append((what, value, kind, said))
    assert wrong == [], "\n".join(map(str, wrong))
    assert tried > 150


BROKEN: dict[bytes, tuple[str, str]] = {
    b"\xef\xbb\xbf[[from]]\n": ("line 1: found a byte order mark", "UTF-8 without one"),
    "[[from]]\ntable = 'é'\n".encode("latin-1"): ("line 2: found text that is not valid TOML: the file is not UTF-8", "TOML in UTF-8"),
    "[[from]]\n".encode("utf-16"): ("line 1: found text that is not valid TOML: the file is not UTF-8", "TOML in UTF-8"),
    "[[from]]\n".encode("utf-16-le"): ("line 1: found text that is not valid TOML: the file contains the character U+0000", "TOML"),
    b"[[from]]\rtable = 'T'\r": ("line 1: found text that is not valid TOML", "TOML"),
    b'[[from]]\ntable = "T"\ntable = "U"\n': ("line 3: found text that is not valid TOML", "occurs twice; keep one of them"),
    b"[[from]]\n[from.columns]\n[from.columns]\n": ("line 3: found text that is not valid TOML", "occurs twice"),
    b"[[from]]\ntable = T\n": ("line 2: found text that is not valid TOML", "write a text in quotes"),
    b"[from]\ntable = 'T'\n": ("from: found a TOML table", "at least one [[from]] block"),
    b"": ("from: found nothing", "at least one [[from]] block"),
    b"x = " + b"[" * 5000: ("found text that is not valid TOML", "write tables as [[word]]"),
    b"x = " + b"9" * 5000: ("line 1: found text that is not valid TOML: a whole number has thousands of digits", "at most 18"),
}


def test_a_file_that_cannot_be_read_is_one_error_with_its_line_and_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "portal2").mkdir()
    for content, parts in BROKEN.items():
        (tmp_path / "portal2" / "company_contact.toml").write_bytes(content)
        (said,) = map(str, adapter_with_problems(tmp_path, MAPPINGS)[1])
        assert said.startswith("portal2/company_contact.toml"), said
        assert all(part in said for part in parts), (parts, said)

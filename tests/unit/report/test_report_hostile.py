"""Text of the portals is text in every file of a report: no markup, formula or escape sequence."""

import io
import re
from xml.etree import ElementTree

import pytest
from rich.console import Console

from etl.report.facts import facts
from etl.report.html import as_html
from etl.report.junit import as_junit
from etl.report.lists import lists
from etl.report.markdown import as_markdown
from etl.report.terminal import show
from etl.report.text import code, escaped, visible
from tests.unit.report.cast_run import MAPPINGS, folder, hostile, reconciled, shown

__all__ = ["folder"]  # fixtures


def test_hostile_names_are_text_in_html(folder):
    page = as_html(hostile(folder), lists(folder, MAPPINGS), MAPPINGS)
    assert page.count("<script>") == page.count("</script>") == 1
    assert "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in page
    assert not set(page) & {"\x1b", "\u202e", "\x00"}
    assert "\\x1b[31m\\u202egnp.exe\\x00" in page


def test_hostile_names_are_text_in_markdown(folder):
    text = as_markdown(hostile(folder), lists(folder, MAPPINGS), MAPPINGS)
    assert not set(text) & {"\x1b", "\u202e", "\x00"}
    prose = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)  # code spans hold anything
    assert not re.search(r"(?<!\\)<script", prose)
    assert not re.search(r"(?<!\\)\*\*b", prose)


def test_hostile_names_are_text_on_a_terminal(folder):
    out = io.StringIO()
    show(hostile(folder), Console(file=out, width=400, force_terminal=True, color_system="standard"), full=True)
    text = out.getvalue()
    assert "[red]x[/red]\\x1b[31m\\u202egnp.exe\\x00" in text
    assert not {"\u202e", "\x00"} & set(text)


def test_hostile_names_are_text_in_junit(folder):
    root = ElementTree.fromstring(as_junit(hostile(folder)))  # noqa: S314 - our own bytes
    assert any("<script>alert(1)</script>" in "".join(case.itertext()) for case in root.iter("testcase"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain", "plain"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb\u200b", "a\\u202eb\\u200b"),
        ("\t\r\n", "\\t\\r\\n"),
        ("Straße 東", "Straße 東"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\ufffd", "\ufffd"),
    ],
)
def test_control_characters_are_escaped(given, expected):
    assert visible(given) == expected


def test_code_spans_hold_backticks_and_pipes():
    assert [code("a|b"), code("a`b"), code("`"), code(""), code("``x")] == ["`a\\|b`", "``a`b``", "`` ` ``", "`   `", "``` ``x ```"]


def test_sentences_keep_their_punctuation():
    assert escaped("user_name, *all* [of] <them> | _x_") == "user_name, \\*all\\* \\[of\\] \\<them\\> \\| \\_x\\_"


def test_the_screen_begins_and_ends_with_the_verdict(folder):
    reconciled(folder, [])
    lines = shown(facts(folder, MAPPINGS)).splitlines()
    assert lines[0] == "Published and equal."
    assert lines[-1] == f"Published and equal. Full report: {folder.path}/report/report.html"

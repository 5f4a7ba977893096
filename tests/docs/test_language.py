"""Standard English: forms that had to be read twice are refused in messages, docstrings, comments, test names, pages and data files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("cli.py", "etl", "checks", "mappings", "sample_data")
FORMS = {
    "is no X: write 'is not a valid X'": r"(?<!there )(?<!There )\b(?:is|are) no (?!longer\b|more\b|less\b|other\b)[a-z]+",
    "is none: write what it is not": r"(?<!there )(?<!There )\bare none\b",
    "mend: write 'correct'": r"\bmend(?:s|ed|ing)?\b",
    "goes on: write 'resumes' or 'continues'": r"\b(?:it|command|run) goes on\b",
    "held against: write 'compared with'": r"\b(?:hold|holds|held) against\b",
    "does not suffice: write 'is not enough'": r"\bnot suffice\b",
    "rule book: write 'rules'": r"\b(?:law|rule) book\b",
    "a stranger: write who it is": r"\bstrangers?\b",
    "as it stands: write 'unchanged'": r"\bas (?:it|they) stands?\b",
    "anew: write 'again'": r"\banew\b",
    "take back: write 'roll back'": r"\b(?:took|taken|takes|take) back\b",
    "the night: write 'the cut-over'": r"\b(?:the|at) night\b",
    "never was: write 'does not exist'": r"\bthat never was\b",
    "hangs on: write 'depends on' or 'dependents'": r"\bhangs? on\b",
    "no room: write 'no space'": r"\bno room\b",
    "whoever: write 'anyone who' or the role": r"\bwhoever\b",
    "stands: write 'is'": r"\bstands? (?:in|on|twice|there|above|behind|before|under)\b",
    "goes with: write 'is removed with' or 'belongs to'": r"\bgoes? with\b",
    "take away: write 'remove'": r"\b(?:take|takes|taken|took) away\b",
    "come of: write 'result of' or 'from'": r"\b(?:comes?|came) of\b",
    "loud: write 'with an error'": r"\bloud(?:ly)?\b",
    "half done: write 'partial changes'": r"\bhalf done\b",
    "give up: write 'abandon'": r"\bgiven? up\b",
    "give back: write 'restore' or 'return'": r"\b(?:gives?|given|gave) back\b",
    "hand on: write 'carry over'": r"\bhands? on\b",
}
SAMPLES = {
    "is no X: write 'is not a valid X'": ("x is no key in PEM", "there is no key", "it is no longer used"),
    "is none: write what it is not": ("ids that are none", "there are none"),
    "mend: write 'correct'": ("Mend the file.".lower(), "amended, recommended"),
    "goes on: write 'resumes' or 'continues'": ("then it goes on", "the list goes on in further sheets"),
    "held against: write 'compared with'": ("held against the contract", "held, against all rules"),
    "does not suffice: write 'is not enough'": ("memory does not suffice", "a sufficient amount"),
    "rule book: write 'rules'": ("the rule book says", "the rulebook() of the verifier"),
    "a stranger: write who it is": ("shown to a stranger", "the stranger_id"),
    "as it stands: write 'unchanged'": ("runs as it stands", "as it stood"),
    "anew: write 'again'": ("made anew", "a new one"),
    "take back: write 'roll back'": ("it was taken back", "taken from the back"),
    "the night: write 'the cut-over'": ("before the night", "the nightly run"),
    "never was: write 'does not exist'": ("a user that never was", "it was never published"),
    "hangs on: write 'depends on' or 'dependents'": ("all that hangs on it", "the command hangs"),
    "no room: write 'no space'": ("a disk with no room", "no roommates"),
    "whoever: write 'anyone who' or the role": ("whoever reads it", "whichever reads it"),
    "stands: write 'is'": ("what stands in the file", "standing data, it stands"),
    "goes with: write 'is removed with' or 'belongs to'": ("the copy goes with it", "it went without"),
    "take away: write 'remove'": ("a row taken away", "taken from there"),
    "come of: write 'result of' or 'from'": ("what came of it", "it came from there"),
    "loud: write 'with an error'": ("it fails loudly", "in a cloud"),
    "half done: write 'partial changes'": ("nothing half done", "half of it is done"),
    "give up: write 'abandon'": ("a run that is given up", "given upstream"),
    "give back: write 'restore' or 'return'": ("access is given back", "given by the backup"),
    "hand on: write 'carry over'": ("what it hands on", "on hand"),
}


def of_python(file: Path) -> Iterator[str]:
    """The texts of a module: messages and docstrings."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value


def of_page(file: Path) -> Iterator[str]:
    """The paragraphs of a page, without blocks of code and text in backticks."""
    prose = re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    yield from re.sub(r"`[^`\n]*`", "", prose).split("\n\n")


def of_comments(file: Path, sign: str) -> Iterator[str]:
    """The comments of a file, line by line."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if found := re.search(rf"(?:^|\s){sign}\s(.*)", line):
            yield found[1]


def of_template(file: Path) -> Iterator[str]:
    """The texts of a page's template, line by line, without elements, scripts and what is filled in."""
    plain = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>|\{%.*?%\}|\{\{.*?\}\}", " ", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    yield from plain.splitlines()


def of_names(file: Path) -> Iterator[str]:
    """The names of the functions and classes in a module, as words."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name.replace("_", " ")


def of_tests(file: Path) -> Iterator[str]:
    """The docstrings in a module of tests; what commands are expected to print may have any form."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            yield ast.get_docstring(node) or ""


def texts() -> Iterator[tuple[str, str]]:
    """(file, text) of all that people read."""

    def shown(file: Path, found: Iterable[str]) -> Iterator[tuple[str, str]]:
        return ((file.relative_to(ROOT).as_posix(), text) for text in found)

    for part in PROGRAM:
        for file in [ROOT / part] if part.endswith(".py") else sorted((ROOT / part).rglob("*.py")):
            yield from shown(file, (*of_python(file), *of_comments(file, "#")))
    for file in sorted((ROOT / "tests").rglob("*.py")):
        if file != Path(__file__):
            yield from shown(file, (*of_tests(file), *of_names(file), *of_comments(file, "#")))
    for file in sorted((ROOT / "etl").rglob("*.j2")):
        yield from shown(file, of_template(file))
    pages = [
        ROOT / "README.md",
        *(file for folder in ("runbooks", "mappings", "sample_data") for file in sorted((ROOT / folder).rglob("*.md"))),
    ]
    for file in pages:
        if file.name not in ("changes.md", "track-record.md"):  # records, in which entries are only added
            yield from shown(file, of_page(file))
    for folder in ("mappings", "checks", "sample_data"):
        for file in sorted((ROOT / folder).rglob("*.toml")):
            yield from shown(file, file.read_text(encoding="utf-8").splitlines())
        for file in sorted((ROOT / folder).rglob("*.sql")):
            yield from shown(file, of_comments(file, "--"))


def test_texts_are_free_of_forms_that_have_to_be_read_twice() -> None:
    stored = "a later answer to the same question stands in the same security profile"  # a flag's text in the new store: published stores have it
    badge = "the cargo stands in a locked yard"  # a text of the sample data
    allowed = ("write 'is not a valid X'", '"is not a valid X", never "is no X"', "\\N is no null", stored, badge)
    found = [
        f"{file}: {' '.join(text.split())[:160]!r}: {form}"
        for file, text in texts()
        for form, pattern in FORMS.items()
        if re.search(pattern, " ".join(text.split())) and not any(words in " ".join(text.split()) for words in allowed)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_recognised_and_its_neighbours_are_not(form: str) -> None:
    bad, *good = SAMPLES[form]
    assert re.search(FORMS[form], bad)
    assert not [text for text in good if re.search(FORMS[form], text)]

"""The texts of the letters to companies, as data: one file for each language, read strictly."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mappings.errors import MappingError
from mappings.toml_text import loads

SECTIONS = ("words", "status", "contact", "login", "basis", "business_types", "todo", "tables", "reasons")
MODEL = "en"  # the model: every other language has exactly its texts and blanks


@dataclass(frozen=True)
class LetterTexts:
    """One language: by section, text by code; `countries`: of the mailing addresses that receive it; empty: for all others."""

    language: str
    countries: frozenset[str]
    sections: Mapping[str, Mapping[str, str]]

    @cached_property
    def plain(self) -> Mapping[str, str]:
        """The texts of the section `words` that have no blanks."""
        words = self.sections["words"]
        return {name: text.format() for name, text in words.items() if not _names(text)}

    def word(self, name: str, **blanks: object) -> str:
        """Returns a text of the section `words` with its blanks filled in."""
        return self.sections["words"][name].format(**blanks) if blanks else self.plain[name]

    def of(self, section: str, code: str) -> str:
        """Returns the text for a code; the code where the file has none."""
        return self.sections[section].get(code, code)


def read_letters(home: Path) -> dict[str, LetterTexts]:
    """Returns all languages of a mapping folder by code; raises MappingError for a missing or unexpected text, or other blanks than the model's."""
    folder = home / "letters"
    raw = {file.stem: _read(file) for file in sorted(folder.glob("*.toml"))}
    if MODEL not in raw:
        raise MappingError(f"letters/{MODEL}.toml", "file", "nothing", "the English letter")
    for language, words in raw.items():
        _check(f"letters/{language}.toml", language, words, raw[MODEL])
    if [language for language, words in raw.items() if not words["countries"]] != [MODEL]:
        raise MappingError("letters", "countries", "more than one language without countries", f"{MODEL} alone without countries")
    return {
        language: LetterTexts(language, frozenset(words["countries"]), {section: words[section] for section in SECTIONS})
        for language, words in raw.items()
    }


def language_for(letters: Mapping[str, LetterTexts], country: str | None) -> LetterTexts:
    """Returns the texts for a mailing address in that country."""
    return next((texts for texts in letters.values() if country in texts.countries), letters[MODEL])


def _read(file: Path) -> dict[str, Any]:
    try:
        return loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise MappingError(f"letters/{file.name}", "file", str(error), "TOML in UTF-8") from error


def _check(shown: str, language: str, words: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    expected = {"language", "countries", *SECTIONS}
    for word in sorted(words.keys() ^ expected):
        raise MappingError(shown, word, "an unknown word" if word in words else "nothing", ", ".join(sorted(expected)))
    if words["language"] != language:
        raise MappingError(shown, "language", repr(words["language"]), f"{language!r}, the name of the file")
    if not isinstance(words["countries"], list) or not all(isinstance(code, str) and len(code) == 2 for code in words["countries"]):
        raise MappingError(shown, "countries", repr(words["countries"]), "a list of country codes of two letters")
    for section in SECTIONS:
        for code in sorted(words[section].keys() ^ model[section].keys()):
            raise MappingError(
                shown, f"{section}.{code}", "a text" if code in words[section] else "nothing", f"the texts of letters/{MODEL}.toml"
            )
        for code, text in words[section].items():
            if not isinstance(text, str) or not text.strip():
                raise MappingError(shown, f"{section}.{code}", repr(text), "a text")
            if _blanks(shown, section, code, text) != _blanks(shown, section, code, model[section][code]):
                raise MappingError(shown, f"{section}.{code}", repr(text), f"the same words in braces as letters/{MODEL}.toml")


def _blanks(shown: str, section: str, code: str, text: str) -> set[str]:
    try:
        return _names(text)
    except ValueError as error:
        raise MappingError(shown, f"{section}.{code}", str(error), "words in braces that can be filled in") from error


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

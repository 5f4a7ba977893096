"""Reads the adapter's files strictly: a closed grammar, every unknown word an error, all errors in one answer."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etl.errors import MigrationError
from etl.present.form_words import Wrong, form_of, kind_word, names_in
from etl.present.model import Adapter, Form, From, Lookup, PortalFiles, TableFile
from etl.present.problem import AdapterWrong, Problem, nearest, nearest_name, printable
from mappings.limits import wrong_limits
from mappings.model import Mappings, Portal
from mappings.read import FOLDERS
from mappings.toml_text import NotToml, read_toml

LIMITS, CODES = "limits.toml", "codes"
DRAFTED = ("scan.json", "worklist.md")  # what `scaffold` writes beside its draft; they present nothing
_SOURCE_WORDS = ("null", "case", "ignored", "absent", "csv")
_UNREAD = {"*": "="}  # an unreadable code list: its words are not reported as well
_BLOCK_WORDS = ("table", "where", "rest", "lookup", "columns", "retired")


def read_adapter(root: Path, mappings: Mappings) -> Adapter:
    """Returns the folder's adapter; raises AdapterWrong with every error of its files, MigrationError where the folder does not exist."""
    adapter, problems = adapter_with_problems(root, mappings)
    if problems:
        raise AdapterWrong(problems)
    return adapter


def adapter_with_problems(root: Path, mappings: Mappings, files: Mapping[str, bytes] | None = None) -> tuple[Adapter, list[Problem]]:
    """Returns the valid part of the folder's adapter, and every error of its files; raises MigrationError where the folder does not exist.

    `files`: their bytes, where they were read already.
    """
    if not root.is_dir():
        raise MigrationError(f"--adapter: {root} is not an existing folder.", "Give the folder of the adapter's files, or leave it out.")
    reader = _Reader(root, mappings, files)
    adapter = reader.adapter()
    known = files if files is not None else reader.contents
    limits = [
        Problem(file, printable(location), found, expected) for file, location, found, expected in wrong_limits(root, known, mappings)
    ]
    return adapter, reader.problems + limits


class _Reader:
    """Reads one folder and collects errors in `problems`."""

    def __init__(self, root: Path, mappings: Mappings, files: Mapping[str, bytes] | None) -> None:
        self.root, self.mappings, self._files = root, mappings, files
        self.contents: dict[str, bytes] = {}
        self.problems: list[Problem] = []
        self._unreadable: set[str] = set()  # files, by name
        self._misnamed: set[str] = set()  # the likely intended names of files that no table is named like

    def adapter(self) -> Adapter:
        """Returns the valid part of the folder's adapter; errors are in `problems`."""
        contents = self.contents
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if any(part.startswith(".") for part in path.relative_to(self.root).parts):
                continue  # files of an editor or a file system
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                self._wrong(name, "", "a link, or not a file", "the file itself: what a message shows of it must be the adapter's", rank=0)
            elif path.is_dir():
                if name not in (*FOLDERS.values(), CODES):
                    self._wrong(name, "", "a folder", "the folders portal2, tc and codes", rank=0)
            elif self._is_known(name):
                try:
                    contents[name] = path.read_bytes() if self._files is None else self._files[name]
                except KeyError:  # it took another's place since they were read
                    self._wrong(name, "", "a file that was just made", "files that stay as they are", rank=0)
                except OSError as error:
                    self._wrong(name, "", f"a file that cannot be read ({error.strerror})", "a readable file", rank=0)
        codes = {
            name.removeprefix(f"{CODES}/").removesuffix(".csv"): self._codes(name, content)
            for name, content in contents.items()
            if name.startswith(f"{CODES}/")
        }
        portals: dict[Portal, PortalFiles] = {portal: self._portal(portal, folder, contents) for portal, folder in FOLDERS.items()}
        self._bound_codes(portals, codes)
        return Adapter(self.root, portals, codes)

    def _wrong(self, file: str, location: str, found: str, expected: str, rank: int = 1) -> None:
        self.problems.append(Problem(printable(file), printable(location), found, expected, rank=rank))

    def _at(self, file: str, form: str) -> Wrong:
        """Returns the function that reports an error within that form of that file."""

        def wrong(location: str, found: str, expected: str, rank: int = 1) -> None:
            self._wrong(file, f"{form}.{location}" if location else form, found, expected, rank)

        return wrong

    def _is_known(self, name: str) -> bool:
        folder, _, file = name.rpartition("/")
        by_folder = {folder: portal for portal, folder in FOLDERS.items()}
        if name in DRAFTED:
            return False
        if name == LIMITS or (folder == CODES and file.endswith(".csv") and file != ".csv"):
            return True
        if folder in by_folder and file.endswith(".toml"):
            tables = self.mappings.sources[by_folder[folder]].tables
            stem = file.removesuffix(".toml")
            if stem in tables or stem == "source":
                return True
            self._wrong(name, "", "a file not named after a contract table", f"a contract table's name{nearest(stem, tables)}", rank=0)
            if near := nearest_name(stem, tables):
                self._misnamed.add(f"{folder}/{near}.toml")
            return False
        names = [LIMITS, *(f"{folder}/source.toml" for folder in by_folder)]
        self._wrong(
            name,
            "",
            "a file that does not belong to an adapter",
            f"portal2/*.toml, tc/*.toml, codes/*.csv, {LIMITS}{nearest(name, names)}",
            rank=0,
        )
        return False

    def _toml(self, name: str, content: bytes) -> dict[str, Any]:
        if content.startswith(b"\xef\xbb\xbf"):
            self._wrong(name, "line 1", "a byte order mark", "UTF-8 without one", rank=0)
            content = content[3:]
        try:
            return read_toml(content)[0]
        except NotToml as error:
            location = f"line {error.line}" if error.line else ""
            said = error.problem.removeprefix("is not TOML: ")
            self._wrong(name, location, f"text that is not valid TOML: {said}", "TOML in UTF-8", rank=0)
        self._unreadable.add(name)
        return {}

    def _portal(self, portal: Portal, folder: str, contents: Mapping[str, bytes]) -> PortalFiles:
        tables = {}
        for name, content in contents.items():
            stem = name.removeprefix(f"{folder}/").removesuffix(".toml")
            if name.startswith(f"{folder}/") and stem != "source":
                words = self._toml(name, content)
                if name not in self._unreadable and (read := self._table(portal, stem, name, words)).blocks:
                    tables[stem] = read
        name = f"{folder}/source.toml"
        words = self._toml(name, contents[name]) if name in contents else {}
        self._unknown(name, "", words, _SOURCE_WORDS)
        csv_words = self._words(name, "csv", words)
        self._unknown(name, "csv", csv_words, ("delimiter", "encoding"))
        case = words.get("case", "fold")
        if case not in ("fold", "exact"):
            self._wrong(name, "case", repr(case), '"fold" or "exact"')
        absent = self._reasons(name, "absent", words)
        known = self.mappings.sources[portal].tables
        for table in absent:
            if table not in known:
                self._wrong(name, f"absent.{table}", "not a contract table", f"a table of schemas/{folder}.sql{nearest(table, known)}")
            if table in tables:
                self._wrong(name, f"absent.{table}", f"the file {folder}/{table}.toml as well", "one of the two")
        delimiter, encoding = csv_words.get("delimiter", ","), csv_words.get("encoding", "utf-8")
        if not isinstance(delimiter, str) or len(delimiter.encode()) != 1 or delimiter in '"\r\n\0':
            self._wrong(name, "csv.delimiter", repr(delimiter), "one character")
            delimiter = ","
        try:
            "".encode(encoding)
        except (LookupError, TypeError, ValueError):  # ValueError: a name with U+0000, the encoding "undefined"
            self._wrong(name, "csv.encoding", repr(encoding), "the name of an encoding, such as utf-8 or cp1252")
            encoding = "utf-8"
        null = frozenset(self._texts(name, "null", words.get("null", [])))
        ignored = self._reasons(name, "ignored", words)
        known_files = {f"{folder}/{table}.toml": table for table in known} | {name: "source"}
        unreadable = frozenset(
            table for file, table in known_files.items() if file in self._unreadable | self._misnamed and table not in tables
        )
        return PortalFiles(folder, tables, null, case == "exact", ignored, absent, delimiter, encoding, unreadable)

    def _words(self, file: str, location: str, words: Mapping[str, Any]) -> dict[str, Any]:
        found = words.get(location.rpartition(".")[2], {})
        if not isinstance(found, dict):
            self._wrong(file, location, f"{kind_word(found)}", "a TOML table")
            return {}
        return found

    def _reasons(self, file: str, location: str, words: Mapping[str, Any]) -> dict[str, str]:
        found = self._words(file, location, words)
        for name, reason in found.items():
            if not isinstance(reason, str) or not reason.strip():
                self._wrong(file, f"{location}.{name}", kind_word(reason), "the reason, a non-empty text")
        return {name: str(reason) for name, reason in found.items()}

    def _texts(self, file: str, location: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self._wrong(file, location, kind_word(value), "a list of texts")
            return ()
        return tuple(value)

    def _unknown(self, file: str, location: str, words: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for word in words:
            if word not in known:
                dotted = f"{location}.{word}" if location else word
                self._wrong(file, dotted, "an unknown word", f"one of {', '.join(known)}{nearest(word, known)}", rank=0)

    def _table(self, portal: Portal, table: str, file: str, words: dict[str, Any]) -> TableFile:
        self._unknown(file, "", words, ("from",))
        blocks = words.get("from", [])
        if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
            self._wrong(file, "from", kind_word(blocks) if "from" in words else "nothing", "at least one [[from]] block")
            self._unreadable.add(file)
            return TableFile(table, file, ())
        return TableFile(table, file, tuple(self._block(portal, table, file, f"from[{n}]", block) for n, block in enumerate(blocks)))

    def _block(self, portal: Portal, table: str, file: str, location: str, words: dict[str, Any]) -> From:
        self._unknown(file, location, words, _BLOCK_WORDS)
        name = words.get("table", table)
        if not isinstance(name, str) or not name:
            self._wrong(file, f"{location}.table", kind_word(name), "the name of a physical table")
            name = table
        where = {
            column: self._condition(file, f"{location}.where.{column}", value)
            for column, value in self._words(file, f"{location}.where", words).items()
        }
        rest = words.get("rest", "")
        if not isinstance(rest, str) or ("rest" in words and not rest.strip()):
            self._wrong(file, f"{location}.rest", kind_word(rest), "the reason why the other rows are not read, a text")
            rest = ""
        lookups, broken_lookups = {}, {}
        listed_lookups = self._words(file, f"{location}.lookup", words)
        for alias, value in listed_lookups.items():
            table_there = value.get("table") if isinstance(value, dict) else None
            broken_lookups[alias] = table_there if isinstance(table_there, str) else ""
            if not self._is_lookup(file, f"{location}.lookup.{alias}", value):
                continue
            if value["by"].partition(".")[0] in listed_lookups and "." in value["by"]:
                self._wrong(
                    file,
                    f"{location}.lookup.{alias}.by",
                    printable(value["by"]),
                    "a column of the table itself: look-ups cannot be chained",
                )
            else:
                lookups[alias] = Lookup(value["table"], value["key"], value["by"])
                del broken_lookups[alias]
        known = self.mappings.sources[portal].tables[table].by_name
        columns: dict[str, Form] = {}
        broken: dict[str, tuple[str, ...]] = {}
        listed = self._words(file, f"{location}.columns", words)
        for column, value in listed.items():
            if column not in known:
                self._wrong(
                    file,
                    f"{location}.columns.{column}",
                    "not a contract column",
                    f"a column of {table} in schemas/{FOLDERS[portal]}.sql{nearest(column, known)}",
                )
                broken[column] = names_in(value)
                if (near := nearest_name(column, known)) and near not in listed:
                    broken[near] = ()  # most likely the intended name
                continue
            form = form_of(value, self._at(file, f"{location}.columns.{column}"))
            if form is not None:
                columns[column] = form
            else:
                broken[column] = names_in(value)
        retired = self._reasons(file, f"{location}.retired", words)
        return From(name, where, rest, lookups, columns, retired, broken, broken_lookups)

    def _is_lookup(self, file: str, location: str, value: Any) -> bool:
        """Returns whether the value is a look-up; reports why not."""
        words = ("table", "key", "by")
        if not isinstance(value, dict) or (wrong := set(words) - set(value)):
            found = f"no word {', '.join(word for word in words if word in wrong)}" if isinstance(value, dict) else kind_word(value)
            self._wrong(file, location, found, "{ table = ..., key = ..., by = ... }")
            return False
        self._unknown(file, location, value, words)
        names = [word for word in words if not isinstance(value[word], str) or not value[word]]
        for word in names:
            what = "a physical table" if word == "table" else "a physical column"
            self._wrong(file, f"{location}.{word}", kind_word(value[word]), f"the name of {what}")
        return not names and set(value) == set(words)

    def _condition(self, file: str, location: str, value: Any) -> Any:
        if value in ("null", "not null"):
            return value
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            return tuple(value)
        self._wrong(file, location, kind_word(value), 'a list of texts, or "null", or "not null"')
        return "not null"

    def _codes(self, file: str, content: bytes) -> dict[str, str]:
        if content.startswith(b"\xef\xbb\xbf"):
            self._wrong(file, "line 1", "a byte order mark", "UTF-8 without one", rank=0)
            content = content[3:]
        words: dict[str, str] = {}
        try:
            lines = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
            head = next(lines, [])
            if head != ["legacy", "contract"]:
                self._wrong(file, "line 1", repr(",".join(head)), "legacy,contract", rank=0)
                return dict(_UNREAD)
            for row in lines:
                location = f"line {lines.line_num}"
                if len(row) != 2:
                    self._wrong(file, location, f"{len(row)} values", "two: legacy,contract", rank=0)
                elif not row[1]:
                    self._wrong(file, location, f"no contract word for {printable(row[0])!r}", "the contract's word")
                elif "\0" in row[1]:
                    self._wrong(file, location, f"a word with U+0000 for {printable(row[0])!r}", "a word that a database can hold")
                elif row[0] in words:
                    self._wrong(file, location, f"{printable(row[0])!r} a second time", "one line for each legacy word")
                elif row[0] == "*" and row[1] != "=":
                    self._wrong(file, location, f"*,{printable(row[1])}", "*,= (other words pass as they are)")
                else:
                    words[row[0]] = row[1]
        except UnicodeDecodeError as error:
            self._wrong(file, f"byte {error.start + 1}", "bytes that are not UTF-8", "CSV in UTF-8", rank=0)
            return dict(_UNREAD)
        except csv.Error as error:
            self._wrong(file, "", f"text that is not valid CSV ({error})", "CSV as defined by RFC 4180", rank=0)
            return dict(_UNREAD)
        return words

    def _bound_codes(self, portals: Mapping[Portal, PortalFiles], codes: Mapping[str, Mapping[str, str]]) -> None:
        used = set()
        for files in portals.values():
            for table in files.tables.values():
                for number, block in enumerate(table.blocks):
                    for column, form in block.columns.items():
                        if form.kind == "code":
                            used.add(form.by)
                            if form.by not in codes:
                                location = f"from[{number}].columns.{column}.by"
                                self._wrong(
                                    table.file, location, repr(printable(form.by)), f"a file codes/NAME.csv{nearest(form.by, codes)}"
                                )
        for name in codes if not self._unreadable else ():  # an unreadable file may name the others
            if name not in used:
                self._wrong(
                    f"{CODES}/{name}.csv", "", "a code list that no column uses", f"a code list that a `by` names{nearest(name, used)}"
                )

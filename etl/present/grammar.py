"""The adapter's files, read strictly: a closed grammar, every unknown word an error, all errors in one answer."""

from __future__ import annotations

import csv
import io
import tomllib
import zoneinfo
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from etl.errors import MigrationError
from etl.present.model import Adapter, Form, FormKind, From, Lookup, PortalFiles, TableFile
from etl.present.patterns import wrong_pattern
from etl.present.problem import AdapterWrong, Problem, nearest, printable
from mappings.model import Mappings, Portal
from mappings.read import FOLDERS

LIMITS, CODES = "limits.toml", "codes"
_SOURCE_WORDS = ("null", "case", "ignored", "absent", "csv")
_BLOCK_WORDS = ("table", "where", "rest", "lookup", "columns", "retired")
# By form: the words that may stand beside its own, with the types of their values; those in _NEEDED have to.
_FORMS: dict[FormKind, dict[str, type]] = {
    "text": {},
    "integer": {},
    "flag": {"yes": list, "no": list},
    "code": {"by": str},
    "date": {"form": str, "pivot": int},
    "moment": {"form": str, "zone": str, "pivot": int},
    "number": {"mark": str},
    "join": {"with": str},
    "part": {"split": str, "take": int, "trim": bool},
    "trim": {},
    "path": {"from": str, "slash": str},
    "bytes": {"form": str},
    "constant": {},
    "absent": {},
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "flag": ("yes", "no"),
    "code": ("by",),
    "date": ("form",),
    "moment": ("form",),
    "part": ("split", "take"),
    "path": ("from",),
    "bytes": ("form",),
}
_SEVERAL = ("number", "join")


def read_adapter(root: Path, mappings: Mappings) -> Adapter:
    """The folder's adapter; raises AdapterWrong with every error of its files, MigrationError where there is no such folder."""
    if not root.is_dir():
        raise MigrationError(f"--adapter: there is no folder {root}.", "Give the folder of the adapter's files, or leave it out.")
    reader = _Reader(root, mappings)
    adapter = reader.adapter()
    if reader.problems:
        raise AdapterWrong(reader.problems)
    return adapter


class _Reader:
    """Reads one folder; what is wrong gathers in `problems`."""

    def __init__(self, root: Path, mappings: Mappings) -> None:
        self.root, self.mappings = root, mappings
        self.problems: list[Problem] = []

    def adapter(self) -> Adapter:
        contents: dict[str, bytes] = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if any(part.startswith(".") for part in path.relative_to(self.root).parts):
                continue  # an editor's or a file system's own
            if path.is_dir():
                if name not in (*FOLDERS.values(), CODES):
                    self._wrong(name, "", "a folder", "the folders portal2, tc and codes", rank=0)
            elif self._is_known(name):
                try:
                    contents[name] = path.read_bytes()
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

    def _wrong(self, file: str, place: str, found: str, expected: str, rank: int = 1) -> None:
        self.problems.append(Problem(printable(file), printable(place), found, expected, rank=rank))

    def _is_known(self, name: str) -> bool:
        folder, _, file = name.rpartition("/")
        by_folder = {folder: portal for portal, folder in FOLDERS.items()}
        if name == LIMITS or (folder == CODES and file.endswith(".csv") and file != ".csv"):
            return True
        if folder in by_folder and file.endswith(".toml"):
            tables = self.mappings.sources[by_folder[folder]].tables
            stem = file.removesuffix(".toml")
            if stem in tables or stem == "source":
                return True
            self._wrong(name, "", "a file not named after a contract table", f"a contract table's name{nearest(stem, tables)}", rank=0)
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
            return tomllib.loads(content.decode())
        except UnicodeDecodeError as error:
            self._wrong(name, f"byte {error.start}", "bytes that are not UTF-8", "TOML in UTF-8", rank=0)
        except tomllib.TOMLDecodeError as error:
            self._wrong(name, "", f"text that is not valid TOML: {error}", "TOML", rank=0)
        return {}

    def _portal(self, portal: Portal, folder: str, contents: Mapping[str, bytes]) -> PortalFiles:
        tables = {}
        for name, content in contents.items():
            stem = name.removeprefix(f"{folder}/").removesuffix(".toml")
            if name.startswith(f"{folder}/") and stem != "source":
                tables[stem] = self._table(portal, stem, name, self._toml(name, content))
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
        if not isinstance(delimiter, str) or len(delimiter.encode()) != 1 or delimiter in '"\r\n':
            self._wrong(name, "csv.delimiter", repr(delimiter), "one character")
            delimiter = ","
        try:
            "".encode(encoding)
        except (LookupError, TypeError):
            self._wrong(name, "csv.encoding", repr(encoding), "the name of an encoding, such as utf-8 or cp1252")
            encoding = "utf-8"
        null = frozenset(self._texts(name, "null", words.get("null", [])))
        ignored = self._reasons(name, "ignored", words)
        return PortalFiles(folder, tables, null, case == "exact", ignored, absent, delimiter, encoding)

    def _words(self, file: str, word: str, words: Mapping[str, Any]) -> dict[str, Any]:
        found = words.get(word, {})
        if not isinstance(found, dict):
            self._wrong(file, word, f"{_kind(found)}", "a TOML table")
            return {}
        return found

    def _reasons(self, file: str, place: str, words: Mapping[str, Any]) -> dict[str, str]:
        found = self._words(file, place.rpartition(".")[2], words)
        for name, reason in found.items():
            if not isinstance(reason, str) or not reason.strip():
                self._wrong(file, f"{place}.{name}", _kind(reason), "the reason, a non-empty text")
        return {name: str(reason) for name, reason in found.items()}

    def _texts(self, file: str, place: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self._wrong(file, place, _kind(value), "a list of texts")
            return ()
        return tuple(value)

    def _unknown(self, file: str, place: str, words: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for word in words:
            if word not in known:
                dotted = f"{place}.{word}" if place else word
                self._wrong(file, dotted, "an unknown word", f"one of {', '.join(known)}{nearest(word, known)}", rank=0)

    def _table(self, portal: Portal, table: str, file: str, words: dict[str, Any]) -> TableFile:
        self._unknown(file, "", words, ("from",))
        blocks = words.get("from", [])
        if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
            self._wrong(file, "from", _kind(blocks) if blocks else "nothing", "at least one [[from]] block")
            return TableFile(table, file, ())
        return TableFile(table, file, tuple(self._block(portal, table, file, f"from[{n}]", block) for n, block in enumerate(blocks)))

    def _block(self, portal: Portal, table: str, file: str, place: str, words: dict[str, Any]) -> From:
        self._unknown(file, place, words, _BLOCK_WORDS)
        name = words.get("table", table)
        if not isinstance(name, str) or not name:
            self._wrong(file, f"{place}.table", _kind(name), "the name of a physical table")
            name = table
        where = {
            column: self._condition(file, f"{place}.where.{column}", value) for column, value in self._words(file, "where", words).items()
        }
        rest = words.get("rest", "")
        if not isinstance(rest, str) or ("rest" in words and not rest.strip()):
            self._wrong(file, f"{place}.rest", _kind(rest), "the reason why the other rows are not read, a text")
            rest = ""
        lookups = {}
        for alias, value in self._words(file, "lookup", words).items():
            if not isinstance(value, dict) or set(value) != {"table", "key", "by"} or not all(isinstance(v, str) for v in value.values()):
                self._wrong(file, f"{place}.lookup.{alias}", _kind(value), "{ table = ..., key = ..., by = ... }")
            elif "." in value["by"]:
                self._wrong(
                    file, f"{place}.lookup.{alias}.by", printable(value["by"]), "a column of the table itself: look-ups cannot be chained"
                )
            else:
                lookups[alias] = Lookup(value["table"], value["key"], value["by"])
        known = self.mappings.sources[portal].tables[table].by_name
        columns = {}
        for column, value in self._words(file, "columns", words).items():
            if column not in known:
                self._wrong(
                    file,
                    f"{place}.columns.{column}",
                    "not a contract column",
                    f"a column of {table} in schemas/{FOLDERS[portal]}.sql{nearest(column, known)}",
                )
                continue
            form = self._form(file, f"{place}.columns.{column}", value)
            if form is not None:
                columns[column] = form
        retired = self._reasons(file, f"{place}.retired", words)
        return From(name, where, rest, lookups, columns, retired)

    def _condition(self, file: str, place: str, value: Any) -> Any:
        if value in ("null", "not null"):
            return value
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            return tuple(value)
        self._wrong(file, place, _kind(value), 'a list of texts, or "null", or "not null"')
        return "not null"

    def _form(self, file: str, place: str, value: Any) -> Form | None:
        if isinstance(value, str):
            if value:
                return Form("plain", (value,))
            self._wrong(file, place, "an empty text", "the name of a physical column")
            return None
        if not isinstance(value, dict):
            self._wrong(file, place, _kind(value), "a physical column's name or one of the forms")
            return None
        # `trim` is a form, and a word of the form `part` too.
        kinds = [word for word in value if word in _FORMS and not (word == "trim" and "part" in value)]
        if len(kinds) != 1:
            known = ", ".join(_FORMS)
            word = next(iter(value), "")
            found = f"the words {', '.join(map(printable, value))}" if value else "an empty table"
            self._wrong(file, place, found, f"one of the forms {known}{nearest(word, _FORMS)}")
            return None
        kind: Any = kinds[0]
        return self._checked(file, place, kind, value)

    def _checked(self, file: str, place: str, kind: FormKind, value: dict[str, Any]) -> Form | None:
        before = len(self.problems)
        allowed = _FORMS[kind]
        for word, one in value.items():
            if word == kind:
                continue
            if word not in allowed:
                listed = ", ".join(allowed) or "no other words"
                self._wrong(file, f"{place}.{word}", "an unknown word", f"for {kind}: {listed}{nearest(word, allowed)}", rank=0)
            elif type(one) is not allowed[word]:
                self._wrong(file, f"{place}.{word}", _kind(one), _NAMES[allowed[word]])
        for word in _NEEDED.get(kind, ()):
            if word not in value:
                self._wrong(file, f"{place}.{word}", "nothing", f"{_NAMES[allowed[word]]}: {kind} needs it")
        first = value[kind]
        if kind == "constant":
            if isinstance(first, bool) or not isinstance(first, (str, int, date, datetime)):
                self._wrong(file, f"{place}.constant", _kind(first), "a text, an integer, a date or a moment")
        elif kind == "absent":
            if not isinstance(first, str) or not first.strip():
                self._wrong(file, f"{place}.absent", _kind(first), "the reason, a non-empty text")
        elif not (isinstance(first, str) and first) and not (
            kind in _SEVERAL and isinstance(first, list) and first and all(isinstance(one, str) and one for one in first)
        ):
            several = " or a list of them" if kind in _SEVERAL else ""
            self._wrong(file, f"{place}.{kind}", _kind(first), f"a physical column{several}")
        if len(self.problems) > before:
            return None
        self._values(file, place, kind, value)
        if len(self.problems) > before:
            return None
        columns = () if kind in ("constant", "absent") else (first,) if isinstance(first, str) else tuple(first)
        return Form(
            kind,
            columns,
            value.get("by", ""),
            tuple(value.get("yes", ())),
            tuple(value.get("no", ())),
            value.get("form", ""),
            value.get("pivot"),
            value.get("zone", "UTC"),
            value.get("mark"),
            value.get("with", value.get("split", " ")),
            value.get("take", 1),
            value.get("trim", False) is True,
            value.get("from", ""),
            value.get("slash", "\\"),
            first if kind == "constant" else None,
            str(first) if kind == "absent" else "",
        )

    def _values(self, file: str, place: str, kind: FormKind, value: dict[str, Any]) -> None:
        """What the words of a form say has to make sense together."""
        match kind:
            case "flag":
                for word in ("yes", "no"):
                    if not value[word] or not all(isinstance(one, str) for one in value[word]):
                        self._wrong(file, f"{place}.{word}", _kind(value[word]), "a non-empty list of texts")
                        return
                if both := sorted(set(value["yes"]) & set(value["no"])):
                    self._wrong(file, f"{place}.yes", f"{', '.join(map(repr, both))} in both lists", "each word in one of them")
            case "date" | "moment":
                if found := wrong_pattern(value["form"], kind == "moment"):
                    self._wrong(file, f"{place}.form", *found)
                elif ("pivot" in value) != ("YY" in value["form"].replace("YYYY", "")):
                    needs = "pivot, the first year of the century window for YY" if "pivot" not in value else "YY in the form, or no pivot"
                    self._wrong(file, f"{place}.pivot", "nothing" if "pivot" not in value else "a form without YY", needs)
                elif not 1 <= value.get("pivot", 1950) <= 9900:
                    self._wrong(file, f"{place}.pivot", str(value["pivot"]), "a year from 1 to 9900")
                if "zone" in value:
                    try:
                        zoneinfo.ZoneInfo(value["zone"])
                    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                        known = zoneinfo.available_timezones()
                        self._wrong(
                            file, f"{place}.zone", repr(value["zone"]), f"the name of an IANA time zone{nearest(value['zone'], known)}"
                        )
            case "part":
                if not value["split"] or value["take"] < 1:
                    self._wrong(
                        file,
                        f"{place}.{'take' if value['split'] else 'split'}",
                        "nothing to take",
                        "a text to split at, and a place from 1",
                    )
            case "path":
                if "slash" in value and not value["slash"]:
                    self._wrong(file, f"{place}.slash", "an empty text", "the separator that replaces /")
            case "bytes":
                if value["form"] not in ("base64", "hex"):
                    self._wrong(file, f"{place}.form", repr(value["form"]), "base64 or hex")

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
                return {}
            for row in lines:
                place = f"line {lines.line_num}"
                if len(row) != 2:
                    self._wrong(file, place, f"{len(row)} values", "two: legacy,contract", rank=0)
                elif not row[1]:
                    self._wrong(file, place, f"no contract word for {printable(row[0])!r}", "the contract's word")
                elif row[0] in words:
                    self._wrong(file, place, f"{printable(row[0])!r} a second time", "one line for each legacy word")
                elif row[0] == "*" and row[1] != "=":
                    self._wrong(file, place, f"*,{printable(row[1])}", "*,= (other words pass as they are)")
                else:
                    words[row[0]] = row[1]
        except UnicodeDecodeError as error:
            self._wrong(file, f"byte {error.start}", "bytes that are not UTF-8", "CSV in UTF-8", rank=0)
        except csv.Error as error:
            self._wrong(file, "", f"text that is not valid CSV ({error})", "CSV as defined by RFC 4180", rank=0)
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
                                place = f"from[{number}].columns.{column}.by"
                                self._wrong(table.file, place, repr(printable(form.by)), f"a file codes/NAME.csv{nearest(form.by, codes)}")
        for name in codes:
            if name not in used:
                self._wrong(
                    f"{CODES}/{name}.csv", "", "a code list that no column uses", f"a code list that a `by` names{nearest(name, used)}"
                )


_NAMES: dict[type, str] = {str: "a text", int: "an integer", bool: "true or false", list: "a list of texts"}


def _kind(value: object) -> str:
    """What stands there, for a sentence; never a long text."""
    if isinstance(value, str):
        return f"the text {printable(value)!r}" if value else "an empty text"
    if isinstance(value, bool):
        return "true" if value else "false"
    return {int: "an integer", float: "a number with a fraction", list: "a list", dict: "a TOML table"}.get(
        type(value), type(value).__name__
    )

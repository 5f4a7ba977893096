"""One line of an adapter damaged, or one thing of the old portal changed: each with the pieces that one line of `plan`'s answer has to have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from random import Random

Files = Mapping[str, str]  # an adapter's files, by name
_FORM = re.compile(r"^(?P<column>[a-z0-9_]+) = \{ (?P<form>[a-z]+) = (?P<rest>.*) \}$", re.MULTILINE)
_PLAIN = re.compile(r'^(?P<column>(?!table|rest)[a-z0-9_]+) = "(?P<physical>[A-Za-z0-9_]+)"$', re.MULTILINE)
_EACH = 2  # lines of each form that every kind of damage is tried on


@dataclass(frozen=True)
class Damage:
    """`files`: the changed files (None: removed); `sql`: the statements by old portal. `code` 0: not an error, but reported by plan."""

    name: str
    says: tuple[str, ...]
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    sql: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    code: int = 1


def damages(files: Files, tables: Mapping[str, Mapping[str, Mapping[str, str]]]) -> list[Damage]:
    """All of them. `tables`: by portal and physical table its columns with their declared types."""
    from tests.disguised.portal_damages import of_the_portal

    kinds = (_of_forms, _of_blocks, _of_the_source, _of_codes, _of_limits, _of_files)
    return [*(damage for kind in kinds for damage in kind(files)), *of_the_portal(files, tables)]


def typed_wrong(name: str) -> str:
    """The name with a typing error: one letter twice, in its middle."""
    location = len(name) // 2
    return name[:location] + name[location] + name[location:]


def _changed(files: Files, name: str, before: str, after: str) -> dict[str, str | bytes | None]:
    assert before in files[name], (name, before)
    return {name: files[name].replace(before, after, 1)}


def tables_of(files: Files) -> list[str]:
    """The files of contract tables, in an order of chance that is always the same."""
    names = sorted(name for name in files if name.endswith(".toml") and not name.endswith("source.toml") and "/" in name)
    return Random(7).sample(names, len(names))


def lines_of(files: Files, form: str, some: int = _EACH) -> Iterator[tuple[str, str, re.Match[str]]]:
    """(file, the place of its column, the line) of lines with that form; no more than `some`, each of another file."""
    found = (
        (name, _location(files[name], match), match)
        for name in tables_of(files)
        for match in islice((match for match in _FORM.finditer(files[name]) if match["form"] == form), 1)
    )
    return islice(found, some)


def _location(text: str, match: re.Match[str]) -> str:
    return f"from[{text[: match.start()].count('[[from]]') - 1}].columns.{match['column']}"


def _line(name: str, form: str, location: str) -> str:
    return f"{form} in {name}: {location}"


# The words beside the forms' own: a value of another type, one that makes no sense, and what the answer has to say of that one.
_WORDS: dict[str, dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "flag": {"yes": ('"1"', '["1", "0"]', ("'0' in both lists",)), "no": ("0", "[]", ("a non-empty list of texts",))},
    "code": {"by": ("7", '"no_such_list_anywhere"', ("no_such_list_anywhere",))},
    "date": {"form": ("1", '"DD-MON"', ("a year (YYYY or YY)",)), "pivot": ('"1950"', "0", ("a year from 1 to 9900",))},
    "moment": {"form": ("true", '"MM/DD/YYYY MI:SS"', ("MI without HH24",))},
    "part": {"split": ("1", '""', ("a text to split at",)), "take": ('"2"', "0", ("a place from 1",))},
    "path": {"from": ("1", "[]", ("a list",)), "slash": ("1", '""', ("the separator that replaces /",))},
    "bytes": {"form": ("64", '"base46"', ("base64 or hex",))},
    "join": {"with": ("7", "true", ("true",))},
}
_NEEDED = {
    "flag": ("yes", "no"),
    "code": ("by",),
    "date": ("form", "pivot"),
    "moment": ("form",),
    "part": ("split", "take"),
    "path": ("from",),
    "bytes": ("form",),
}
# A form that gives another type than the present form.
_OTHER = {
    "flag": '{ integer = "X" }',
    "code": '{ number = "X" }',
    "date": '{ trim = "X" }',
    "moment": '{ date = "X", form = "YYYY-MM-DD" }',
    "number": '{ text = "X" }',
    "integer": '{ flag = "X", yes = ["1"], no = ["0"] }',
    "trim": '{ bytes = "X", form = "hex" }',
    "path": '{ integer = "X" }',
    "part": '{ moment = "X", form = "epoch_s" }',
    "bytes": '{ text = "X" }',
    "text": '{ integer = "X" }',
    "join": '{ number = "X" }',
}
FORMS = ("text", "integer", "flag", "code", "date", "moment", "number", "join", "part", "trim", "path", "bytes", "constant", "absent")


def _of_forms(files: Files) -> Iterator[Damage]:
    for form in FORMS:
        for name, location, match in lines_of(files, form):
            yield from _of_one_form(files, form, name, location, match[0])
    for form, zone in (("moment", "America/New_Yrok"), ("moment", "Mars/Olympus")):
        for name, location, match in lines_of(files, form):
            if 'zone = "America/New_York"' in match[0]:
                line = match[0].replace("America/New_York", zone)
                near = ("nearest: America/New_York",) if "Yrok" in zone else ("IANA",)
                yield Damage(f"zone {zone} in {name}", (name, f"{location}.zone", zone, *near), _changed(files, name, match[0], line))
    for name in tables_of(files)[:12]:
        plain = next(_PLAIN.finditer(files[name]), None)
        if plain is not None:
            yield from _of_a_plain(files, name, plain)


def _of_one_form(files: Files, form: str, name: str, location: str, line: str) -> Iterator[Damage]:
    def damaged(what: str, after: str, *says: str) -> Damage:
        return Damage(f"{what}: {_line(name, form, location)}", (name, *says), _changed(files, name, line, after))

    wrong = typed_wrong(form)
    yield damaged("the form's word typed wrong", line.replace(f"{{ {form} =", f"{{ {wrong} =", 1), location, wrong, f"nearest: {form}")
    column = line.partition(" = ")[0]
    yield damaged(
        "the contract column typed wrong",
        f"{typed_wrong(column)}{line.removeprefix(column)}",
        f"columns.{typed_wrong(column)}",
        "not a contract column",
        f"nearest: {column}",
    )
    yield damaged("an unknown word", line.replace(" }", ", colour = 1 }", 1), f"{location}.colour", "an unknown word")
    yield damaged("its text cut off", line[: line.rindex('"')], "not valid TOML")
    first = re.search(r'= \{ [a-z]+ = (\[?)"([^"]+)"', line)
    if form not in ("constant", "absent") and first is not None:
        physical = first[2]
        near = f"nearest: {physical}"
        yield damaged(
            "the physical column typed wrong", line.replace(physical, typed_wrong(physical), 1), location, typed_wrong(physical), near
        )
        yield damaged(
            "an empty physical column",
            line.replace(f'"{physical}"', '""', 1),
            f"{location}.{form}",
            "an empty text" if not first[1] else "a list",
        )
        yield damaged(
            "a number for the column",
            re.sub(rf"{form} = (\[[^]]*\]|\"[^\"]*\")", f"{form} = 5", line, count=1),
            f"{location}.{form}",
            "an integer",
        )
        yield damaged("another family's form", f"{column} = {_OTHER[form].replace('X', physical)}", location, "a form that gives")
    for word, (other_type, senseless, says) in _WORDS.get(form, {}).items():
        stands = re.search(rf', {word} = (\[[^]]*\]|"(?:[^"\\]|\\.)*"|\d+|true)', line)
        if stands is None:
            continue
        typed = typed_wrong(word)
        yield damaged(f"{word} typed wrong", line.replace(f", {word} =", f", {typed} =", 1), f"{location}.{typed}", f"nearest: {word}")
        yield damaged(f"{word} of another type", line.replace(stands[0], f", {word} = {other_type}", 1), f"{location}.{word}")
        yield damaged(f"{word} without sense", line.replace(stands[0], f", {word} = {senseless}", 1), f"{location}.", *says)
        if word in _NEEDED.get(form, ()):
            yield damaged(f"{word} left out", line.replace(stands[0], "", 1), f"{location}.{word}", "found nothing")


def _of_a_plain(files: Files, name: str, match: re.Match[str]) -> Iterator[Damage]:
    location, line, column, physical = _location(files[name], match), match[0], match["column"], match["physical"]
    wrong = typed_wrong(physical)
    changed: dict[str, Callable[[], tuple[str, tuple[str, ...]]]] = {
        "the physical column typed wrong": lambda: (f'{column} = "{wrong}"', (location, wrong, f"nearest: {physical.upper()}")),
        "the line left out": lambda: ("", (location, "no column for it in")),
        "a number": lambda: (f"{column} = 1", (location, "an integer")),
        "an empty text": lambda: (f'{column} = ""', (location, "an empty text")),
    }
    for what, of in changed.items():
        after, says = of()
        if after or physical.lower() != column:  # a column of the contract's own name needs no line
            yield Damage(f"{what}: {name}: {location}", (name, *says), _changed(files, name, line, after))


def _of_blocks(files: Files) -> Iterator[Damage]:
    for name in tables_of(files)[:14]:
        table = str(re.search(r'^table = "([^"]+)"', files[name], re.MULTILINE)[1])  # type: ignore[index]  # every block names its table
        line, wrong = f'table = "{table}"', typed_wrong(table)
        says: tuple[str, ...] = (name, "from[0].table", wrong, f"nearest: {table.upper()}")
        yield Damage(f"the table typed wrong in {name}", says, _changed(files, name, line, f'table = "{wrong}"'))
        yield Damage(f"table is a number in {name}", (name, "from[0].table", "an integer"), _changed(files, name, line, "table = 9"))
    for name in tables_of(files)[14:20]:
        for word, near in (("[[form]]", "from"), ("[form.columns]", "from")):
            stands = "[[from]]" if word == "[[form]]" else "[from.columns]"
            yield Damage(f"{word} in {name}", (name, "form", f"nearest: {near}"), _changed(files, name, stands, word))
        yield Damage(
            f"[from.column] in {name}",
            (name, "from[0].column:", "nearest: columns"),
            _changed(files, name, "[from.columns]", "[from.column]"),
        )
        says = (name, "retired.ROW_CHKK", "no column ROW_CHKK", "nearest: ROW_CHK")
        yield Damage(f"a retired column typed wrong in {name}", says, _changed(files, name, "ROW_CHK =", "ROW_CHKK ="))
        retired = next(line for line in files[name].splitlines() if line.startswith("ROW_CHK"))
        says = (name, "retired.ROW_CHK", "neither used nor retired", "suggested line")
        yield Damage(f"a retired column left out in {name}", says, _changed(files, name, retired, ""))
        says = (name, "retired.ROW_CHK", "the reason, a non-empty text")
        yield Damage(f"a retirement without a reason in {name}", says, _changed(files, name, retired, 'ROW_CHK = " "'))
        used = next(_PLAIN.finditer(files[name]))["physical"].upper()
        says = (name, f"retired.{used}", "which is used as well")
        yield Damage(f"a used column retired in {name}", says, _changed(files, name, retired, f'{retired}\n{used} = "old"'))
    yield from _of_where(files)
    yield from _of_look_ups(files)


def _of_where(files: Files) -> Iterator[Damage]:
    for name in sorted(name for name, text in files.items() if "\nwhere = " in text):
        where = next(line for line in files[name].splitlines() if line.startswith("where"))
        marker = str(re.search(r"\{ (\w+) =", where)[1])  # type: ignore[index]  # it has one
        rest = next(line for line in files[name].splitlines() if line.startswith("rest"))
        changes = {
            where.replace(marker, typed_wrong(marker)): (f"from[0].where.{typed_wrong(marker)}", f"nearest: {marker}"),
            f'where = {{ {marker} = "E" }}': (f"from[0].where.{marker}", "a list of texts"),
            f"where = {{ {marker} = [1] }}": (f"from[0].where.{marker}", "a list of texts"),
            f"where = {{ {marker} = [] }}": (f"from[0].where.{marker}", "a list of texts"),
            'where = ["E"]': ("from[0].where", "a TOML table"),
            where.replace("where", "wehre"): ("from[0].wehre", "nearest: where"),
        }
        for after, says in changes.items():
            yield Damage(f"{after} in {name}", (name, *says), _changed(files, name, where, after))
        left = ("from[0].rest", "3 rows of", "no [[from]] selects")
        yield Damage(f"no rest in {name}", (name, *left), _changed(files, name, rest, ""))
        yield Damage(f"an empty rest in {name}", (name, "from[0].rest", "an empty text"), _changed(files, name, rest, 'rest = ""'))
        yield Damage(
            f"resst in {name}", (name, "from[0].resst", "nearest: rest"), _changed(files, name, rest, rest.replace("rest", "resst", 1))
        )


def _of_look_ups(files: Files) -> Iterator[Damage]:
    (name,) = [name for name, text in files.items() if "\nlookup = " in text]
    line = next(line for line in files[name].splitlines() if line.startswith("lookup"))
    location = "from[0].lookup.off"
    changes = {
        line.replace('"OFFICE"', '"OFICE"'): (f"{location}.table", "no table or view OFICE", "nearest: OFFICE"),
        line.replace('"OFFICE_ID"', '"OFFICE_DI"'): (f"{location}.key", "OFFICE_DI", "nearest: OFFICE_ID"),
        line.replace('by = "OFFC_CD"', 'by = "OFC_CD"'): (f"{location}.by", "OFC_CD", "nearest: OFFC_CD"),
        line.replace('by = "OFFC_CD"', 'by = "off.NOTE"'): (f"{location}.by", "look-ups cannot be chained"),
        line.replace(', by = "OFFC_CD"', ""): (location, "{ table = ..., key = ..., by = ... }"),
        line.replace("key =", "kye ="): (location, "{ table = ..., key = ..., by = ... }"),
        line.replace('"OFFICE_ID"', '"NOTE"'): (f"{location}.key", "occur more than once"),
        line.replace("off =", "of ="): ("from[0].columns.office_cd", "off.OFFICE_CODE", "nearest: of.OFFICE_CODE"),
        line.replace("lookup", "lookpu"): ("from[0].lookpu", "nearest: lookup"),
        'lookup = "OFFICE"': ("from[0].lookup", "a TOML table"),
    }
    for after, says in changes.items():
        yield Damage(f"{after} in {name}", (name, *says), _changed(files, name, line, after))
    for stands, wrong, says in (
        ('"off.OFFICE_CODE"', '"off.OFFICE_CDOE"', ("from[0].columns.office_cd", "OFFICE_CDOE", "nearest: OFFICE_CODE")),
        ('"off.OFFICE_CODE"', '"offf.OFFICE_CODE"', ("from[0].columns.office_cd", "offf.OFFICE_CODE", "nearest: off.OFFICE_CODE")),
        ('"off.NOTE"', '"off.NOET"', ("from[0].retired.off.NOET", "nearest: NOTE")),
        ('"off.NOTE"', '"NOTE"', ("from[0].retired.NOTE", "no column NOTE")),
    ):
        yield Damage(f"{wrong} for {stands} in {name}", (name, *says), _changed(files, name, stands, wrong))


def _of_the_source(files: Files) -> Iterator[Damage]:
    name = "portal2/source.toml"
    changes: dict[tuple[str, str], tuple[str, ...]] = {
        ('null = ["~~"]', 'nul = ["~~"]'): ("nul:", "an unknown word", "nearest: null"),
        ('null = ["~~"]', 'null = "~~"'): ("null", "a list of texts"),
        ('null = ["~~"]', "null = [1]"): ("null", "a list of texts"),
        ('case = "fold"', 'case = "folded"'): ("case", "'folded'", '"fold" or "exact"'),
        ('case = "fold"', 'casse = "fold"'): ("casse", "nearest: case"),
        ('case = "fold"', 'case = "exact"'): ("from[0].", "no table or view ct_mdl_entt", "nearest: CT_MDL_ENTT"),
        ("[ignored]", "[ignore]"): ("ignore:", "nearest: ignored"),
        ("TMP_LOAD_2019 =", "TMP_LOAD_2018 ="): ("ignored.TMP_LOAD_2018", "no table TMP_LOAD_2018", "nearest: TMP_LOAD_2019"),
        ('TMP_LOAD_2019 = "scratch table of a former import"', ""): ("ignored.TMP_LOAD_2019", "which no file reads", "suggested line"),
        ('"scratch table of a former import"', "7"): ("ignored.TMP_LOAD_2019", "an integer", "the reason"),
        ('"scratch table of a former import"', '""'): ("ignored.TMP_LOAD_2019", "the reason"),
        ("TMP_LOAD_2019 =", 'CT_DCMN = "x"\nTMP_LOAD_2019 ='): ("ignored.CT_DCMN", "a table that is read"),
        ("[absent]", "[absnet]"): ("absnet", "nearest: absent"),
        ("consolidator_mode =", "consolidator_mod ="): ("absent.consolidator_mod", "nearest: consolidator_mode"),
        ('"never kept up"', "0"): ("absent.consolidator_mode", "the reason"),
        ("consolidator_mode =", 'document = "x"\nconsolidator_mode ='): (
            "absent.document",
            "portal2/document.toml as well",
            "one of the two",
        ),
        ("[csv]", "[cvs]"): ("cvs", "nearest: csv"),
        ("delimiter =", "delimitr ="): ("csv.delimitr", "nearest: delimiter"),
        ('delimiter = ";"', 'delimiter = ";;"'): ("csv.delimiter", "one character"),
        ('encoding = "cp1252"', 'encoding = "cp1252x"'): ("csv.encoding", "cp1252x", "the name of an encoding"),
        ('encoding = "cp1252"', "encoding = 1252"): ("csv.encoding", "the name of an encoding"),
        ("[csv]", "[[csv]]"): ("csv", "a list", "a TOML table"),
    }
    for (before, after), says in changes.items():
        file = "portal2/model_entity.toml" if "exact" in after else name
        yield Damage(f"{after} for {before} in {name}", (file, *says), _changed(files, name, before, after))


def _of_codes(files: Files) -> Iterator[Damage]:
    lists = sorted(name for name in files if name.startswith("codes/"))
    for name in Random(3).sample(lists, 6):
        lines = files[name].splitlines()
        word, _, contract = lines[1].partition(",")
        changes: dict[tuple[str, str], tuple[str, ...]] = {
            ("legacy,contract", "legacy;contract"): ("line 1", "legacy,contract"),
            ("legacy,contract\n", ""): ("line 1", "legacy,contract"),
            (lines[1], f"{word},"): ("line 2", f"no contract word for '{word}'"),
            (lines[1], f"{word},{contract},1"): ("line 2", "3 values"),
            (lines[1], word): ("line 2", "1 values"),
            (lines[1], f"{lines[1]}\n{lines[1]}"): ("line 3", f"'{word}' a second time"),
            (lines[1], f"{lines[1]}\n*,x"): ("line 3", "*,=", "*,x"),
            (lines[1], f'"{lines[1]}'): ("not valid CSV",) if len(lines) == 2 else ("found",),
        }
        for (before, after), says in changes.items():
            yield Damage(f"{after!r} for {before!r} in {name}", (name, *says), _changed(files, name, before, after))
        by = name.removeprefix("codes/").removesuffix(".csv")
        gone = {name: None, f"codes/{by}s.csv": files[name]}
        yield Damage(f"{name} called {by}s", (f".by: found {by!r}", f"nearest: {by}s"), gone)
        yield Damage(f"{name} in other bytes", (name, "byte", "not UTF-8"), {name: files[name].encode() + b"\xff,x\n"})
        yield Damage(f"a byte order mark in {name}", (name, "line 1", "a byte order mark"), {name: b"\xef\xbb\xbf" + files[name].encode()})
    for name in lists:
        word = files[name].splitlines()[1].partition(",")[0]
        line = files[name].splitlines()[1] + "\n"
        by = name.removeprefix("codes/").removesuffix(".csv")
        yield Damage(f"a line gone of {name}", ("words without a line", f"'{word}' (", f"codes/{by}.csv"), _changed(files, name, line, ""))
    for name, code in (
        ("codes/portal2_model_entity_status_cd.csv", "CERTIFIED"),
        ("codes/portal2_portal_user_user_status_cd.csv", "ACTIVE"),
    ):
        says = (name, typed_wrong(code), f"nearest: {code}")
        yield Damage(f"a contract word typed wrong in {name}", says, _changed(files, name, f",{code}\n", f",{typed_wrong(code)}\n"), code=0)


def _of_limits(files: Files) -> Iterator[Damage]:
    name = "limits.toml"
    changes: dict[tuple[str, str], tuple[str, ...]] = {
        ("[held]", "[hold]"): ("hold", "[held] or [indicator]", "nearest: held"),
        ("[indicator]", "[indicators]"): ("indicators", "nearest: indicator"),
        ("document_link =", "document_links ="): ("held.document_links", "nearest: document_link"),
        ('"company_address.mailing_ind"', '"company_address.mail_ind"'): ("mail_ind", "nearest: company_address.mailing_ind"),
        ('"company_address.mailing_ind"', '"company_address.city"'): ("company_address.city", "an indicator column"),
        ("share = 0.9", "share = 1.9"): ("held.document_link.share", "1.9", "a number from 0 to 1"),
        ("share = 0.9", 'share = "0.9"'): ("held.document_link.share", "a number from 0 to 1"),
        ("share = 0.9, ", ""): ("held.document_link.share", "a number from 0 to 1"),
        ("share =", "shar ="): ("held.document_link.shar:", "nearest: share"),
        ('reason = "links into a store that was closed"', 'reason = ""'): ("held.document_link.reason", "the reason, a text in quotes"),
        (', reason = "links into a store that was closed"', ""): ("held.document_link.reason", "the reason, a text in quotes"),
        ("reason =", "reson ="): ("held.document_link.reson", "nearest: reason"),
        ("[held]", "[held"): ("line 1: text", "TOML"),
    }
    for (before, after), says in changes.items():
        yield Damage(f"{after} for {before} in {name}", (name, *says), _changed(files, name, before, after))


def _of_files(files: Files) -> Iterator[Damage]:
    for name in tables_of(files)[:6]:
        folder, _, file = name.partition("/")
        stem = file.removesuffix(".toml")
        wrong = f"{folder}/{typed_wrong(stem)}.toml"
        yield Damage(
            f"{name} called {wrong}", (wrong, "not named after a contract table", f"nearest: {stem}"), {name: None, wrong: files[name]}
        )
        yield Damage(f"{name} gone", (name, f"no table for the contract's {stem}", "or a line in [absent]"), {name: None})
        yield Damage(f"{name} empty", (f"{name}: from", "at least one [[from]] block"), {name: ""})
        yield Damage(f"{name} in other bytes", (name, "byte", "not UTF-8"), {name: files[name].encode("utf-16")})
        yield Damage(f"a byte order mark in {name}", (name, "line 1", "a byte order mark"), {name: b"\xef\xbb\xbf" + files[name].encode()})
        twice = files[name] + "[[from]]\n" if "[[from]]" in files[name] else files[name]
        says = (name, "from[", "no table or view" if folder == "tc" or folder == "portal2" else "")
        yield Damage(f"an empty block more in {name}", says, {name: twice})
    yield Damage("a folder of another name", ("portal3", "a folder", "portal2, tc and codes"), {"portal3/document.toml": ""})
    yield Damage("a file of another name", ("limit.toml", "nearest: limits.toml"), {"limit.toml": ""})
    yield Damage("a file of another kind", ("portal2/notes.txt", "a file that does not belong to an adapter"), {"portal2/notes.txt": "x"})
    yield Damage("a code list that nobody uses", ("codes/nobodys.csv", "no column uses"), {"codes/nobodys.csv": "legacy,contract\nA,B\n"})

"""Reads the mapping folder strictly: parses every file, then resolves all names; an unknown word is an error, never ignored."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

from mappings.codes import read_codes
from mappings.errors import Collected, MappingError
from mappings.model import FinePrint, Form, Into, Mappings, Portal, Reason, Reference, Route, Rule, TableMapping
from mappings.personal import read_personal
from mappings.schema import Column, Schema, Table, read_schema
from mappings.toml_text import loads

HOME = Path(__file__).parent
_KINDS = frozenset({".toml", ".csv", ".sql"})
_LIMIT = 16 << 20  # bytes of one file
FOLDERS: dict[Portal, str] = {"P2": "portal2", "TC": "tc"}
MIGRATION_TABLES = frozenset({"migration_run", "migration_holding", "migration_exception"})  # the toolkit's records
_WORDS = {"rules", "owner", "owner_rule", "needs", "references", "into", "used", "retired", "held_if_unreadable"}
_REFERENCES: dict[str, Reference] = {"hard": "hard", "soft": "soft", "none": "none"}
_FORM_WORDS = {
    frozenset({"id"}),
    frozenset({"legacy_key"}),
    frozenset({"copy", "of"}),
    frozenset({"once", "of"}),
    frozenset({"soft", "of"}),
    frozenset({"constant"}),
    frozenset({"null"}),
    frozenset({"rule"}),
    frozenset({"rule", "from"}),
}


def read_mappings(folder: Path = HOME, digest: str | None = None) -> Mappings:
    """Returns all mappings of a folder with their schemas; raises MappingError with every error, or where the digest is not the expected one.

    Every file is read once: the parsed bytes are those of the digest. `digest`: the expected one, None to accept any.
    """
    if not folder.is_dir():
        raise MappingError(str(folder), "folder", "nothing", "a copy of the installed mappings")
    files = _files(folder)
    found = _digest(files)
    if digest is not None and found != digest:
        raise MappingError(str(folder), "folder", f"digest {found[:12]}", f"{digest[:12]}: the folder changed while the run was under way")
    sources: dict[Portal, Schema] = {portal: _schema(files, name) for portal, name in FOLDERS.items()}
    target = _schema(files, "portal3")
    rules, reasons = _rule_book(files, "rules.toml")
    fine_print = _fine_print(files, "fine_print.toml", rules)
    tables: dict[tuple[Portal, str], TableMapping] = {}
    collected = Collected()
    for portal, name in FOLDERS.items():
        for shown in (path for path in files if path.startswith(f"{name}/") and path.count("/") == 1 and path.endswith(".toml")):
            table = shown.removeprefix(f"{name}/").removesuffix(".toml")
            with collected.one():
                if table not in sources[portal].tables:
                    raise MappingError(shown, "file name", table, f"a table of schemas/{name}.sql")
                tables[portal, table] = _construct(portal, shown, files, sources[portal].tables[table])
        for table in sources[portal].tables:
            if f"{name}/{table}.toml" not in files:
                with collected.one():
                    raise MappingError(
                        f"schemas/{name}.sql", table, "no mapping file", f"{name}/{table}.toml: map the table or retire its columns"
                    )
    collected.refuse()
    parts = _part_columns(tables)
    bound: dict[tuple[Portal, str], TableMapping] = {}
    for key, mapping in tables.items():
        with collected.one():
            bound[key] = _bind(mapping, sources, target, rules, parts)
    collected.refuse()
    _every_target_table_is_filled(bound, target)
    codes = read_codes(files, sources, target, bound)
    read = Mappings(bound, sources, target, rules, reasons, fine_print, codes, found, folder, files)
    read_personal(read)
    return read


def _files(folder: Path) -> dict[str, bytes]:
    """Returns, by path relative to the folder and sorted, the bytes of every mapping file."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _KINDS):
        shown = path.relative_to(folder).as_posix()
        try:
            # Non-blocking: a pipe may have no writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise MappingError(shown, "file", "another type", "a file")
                content = file.read(_LIMIT + 1)
        except OSError as error:
            raise MappingError(shown, "file", str(error.strerror), "a readable file") from error
        if len(content) > _LIMIT:
            raise MappingError(shown, "file", "a larger one", f"at most {_LIMIT:,} bytes")
        found[shown] = content
    return found


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for shown, content in files.items():
        digest.update(os.fsencode(f"{shown}\0{len(content)}\0"))
        digest.update(content)
    return digest.hexdigest()


def _schema(files: dict[str, bytes], name: str) -> Schema:
    return read_schema(name, _content(files, f"schemas/{name}.sql"))


def _content(files: dict[str, bytes], shown: str) -> bytes:
    if shown not in files:
        raise MappingError(shown, "file", "nothing", "a readable file")
    return files[shown]


def _toml(files: dict[str, bytes], shown: str) -> dict[str, Any]:
    try:
        return loads(_content(files, shown).decode("utf-8-sig"))
    except ValueError as error:  # not TOML, not UTF-8, a number with thousands of digits
        raise MappingError(shown, "file", str(error), "TOML in UTF-8") from error
    except RecursionError:
        raise MappingError(shown, "file", "lists nested too deeply", "TOML in UTF-8") from None


def _construct(portal: Portal, shown: str, files: dict[str, bytes], shape: Table) -> TableMapping:
    words = _toml(files, shown)
    for word in words:
        if word not in _WORDS:
            raise MappingError(shown, word, "an unknown word", "one of " + ", ".join(sorted(_WORDS)))
    blocks = tuple(_into(shown, number, block) for number, block in enumerate(words.get("into", [])))
    return TableMapping(
        portal,
        shape.name,
        shown,
        shape,
        tuple(words.get("rules", ())),
        tuple(Route(column, table) for column, table in words.get("owner", {}).items()),
        words.get("owner_rule"),
        tuple(Route(column, table) for column, table in words.get("needs", {}).items()),
        blocks,
        dict(words.get("used", {})),
        dict(words.get("retired", {})),
        dict(words.get("held_if_unreadable", {})),
        _references(shown, words.get("references", {})),
    )


def _references(shown: str, declared: dict[str, Any]) -> dict[str, Reference]:
    """Returns, by column, the kind of reference from [references]: hard, soft or none, each a list of columns."""
    found: dict[str, Reference] = {}
    for word, columns in declared.items():
        if word not in _REFERENCES:
            raise MappingError(shown, f"references.{word}", "an unknown word", "hard, soft, none")
        for column in columns:
            if column in found:
                raise MappingError(shown, f"references.{word}", f"{column} twice", "each column once")
            found[column] = _REFERENCES[word]
    return found


def _into(shown: str, number: int, block: dict[str, Any]) -> Into:
    location = f"into[{number}]"
    for word in block:
        if word not in {"table", "per", "columns"}:
            raise MappingError(shown, f"{location}.{word}", "an unknown word", "table, per, columns")
    if block.get("per") not in {"account", "once", "part", "missing"}:
        raise MappingError(shown, f"{location}.per", repr(block.get("per")), "account, once, part or missing")
    columns = {name: _form(shown, f"{location}.columns.{name}", value) for name, value in block.get("columns", {}).items()}
    return Into(str(block.get("table")), block["per"], columns)


def _form(shown: str, location: str, value: Any) -> Form:
    if isinstance(value, str):
        return Form("plain", (value,))
    if not isinstance(value, dict) or frozenset(value) not in _FORM_WORDS:
        raise MappingError(shown, location, repr(value), "a column's name or one of the forms of mappings/README.md")
    match value:
        case {"id": "self"}:
            return Form("self_id")
        case {"id": "account"}:
            return Form("account_id")
        case {"legacy_key": True}:
            return Form("legacy_key")
        case {"copy": str(column), "of": str(of)}:
            return Form("copy", (column,), of)
        case {"once": str(column), "of": str(of)}:
            return Form("once", (column,), of)
        case {"soft": str(column), "of": str(of)}:
            return Form("soft", (column,), of)
        case {"constant": str() | int() | bool() as constant}:
            return Form("constant", constant=constant)
        case {"null": str(rule)}:
            return Form("null", rule=rule)
        case {"rule": str(rule)}:
            return Form("rule", tuple(value.get("from", ())), rule=rule)
    raise MappingError(shown, location, repr(value), "a column's name or one of the forms of mappings/README.md")


def _part_columns(tables: dict[tuple[Portal, str], TableMapping]) -> dict[str, set[str]]:
    """Returns the columns of each target table that other mappings complete (per = "part")."""
    parts: dict[str, set[str]] = {}
    for mapping in tables.values():
        for into in mapping.into:
            if into.per == "part":
                parts.setdefault(into.table, set()).update(into.columns)
    return parts


def _bind(
    mapping: TableMapping, sources: dict[Portal, Schema], target: Schema, rules: dict[str, Rule], parts: dict[str, set[str]]
) -> TableMapping:
    shown, shape = mapping.file, mapping.shape
    for rule in (*mapping.rules, *([mapping.owner_rule] if mapping.owner_rule else [])):
        if rule not in rules:
            raise MappingError(shown, "rules", rule, "a number of rules.toml")
    accounted = _accounted(mapping)
    for location, column in accounted:
        if column not in shape.by_name:
            dotted = location if "." in location else f"{location}.{column}"
            raise MappingError(shown, dotted, column, f"a column of {shape.name}")
    for column in mapping.guarded:
        if column not in shape.by_name:
            raise MappingError(shown, f"held_if_unreadable.{column}", column, f"a column of {shape.name}")
    named = {column for _, column in accounted} | set(shape.key)
    for column in shape.by_name:
        if column not in named:
            raise MappingError(shown, "columns", f"{column} neither mapped, used nor retired", "every column of the source table")
    _bind_references(mapping)
    for word, routes in (("owner", mapping.owner), ("needs", mapping.needs)):
        for route in routes:
            referred = sources[mapping.portal].tables.get(route.table)
            if referred is None or len(referred.key) != 1:
                raise MappingError(shown, f"{word}.{route.column}", route.table, "a source table with a key of one column")
    for number, into in enumerate(mapping.into):
        _bind_block(mapping, number, into, target, rules, parts.get(into.table, set()))
    taken = frozenset(column for into in mapping.into for form in into.columns.values() for column in form.columns)
    return replace(mapping, mandatory=_mandatory(mapping, target), taken=taken)


def _bind_references(mapping: TableMapping) -> None:
    """Raises where a column that names another row, or seems to, has no declared kind of reference: a column's name decides nothing."""
    shape, kinds = mapping.shape, mapping.reference_kinds
    for column, kind in mapping.declared.items():
        if column not in shape.by_name:
            raise MappingError(mapping.file, f"references.{kind}", column, f"a column of {shape.name}")
        if kinds[column] != kind:
            raise MappingError(mapping.file, f"references.{kind}", column, f"{kinds[column]}, as its route or form says")
    for name in (column.name for column in mapping.columns):
        if name.endswith("_id") and name not in kinds and name not in mapping.key:
            raise MappingError(mapping.file, "references", f"{name} undeclared", "the column under hard, soft or none")


def _mandatory(mapping: TableMapping, target: Schema) -> frozenset[str]:
    """Returns the source columns of NOT NULL target columns (X2); where a value has a column besides the computed one, that column decides."""
    plain: set[str] = set()
    needed: dict[bool, set[str]] = {True: set(), False: set()}
    for into in mapping.into:
        if into.per == "missing":  # no row has to come from it (fine print 50)
            continue
        for name, form in into.columns.items():
            is_plain = form.kind == "plain"
            plain.update(form.columns if is_plain else ())
            if target.tables[into.table].by_name[name].not_null:
                needed[is_plain].update(form.columns)
    return frozenset(needed[True] | (needed[False] - plain))


def _accounted(mapping: TableMapping) -> list[tuple[str, str]]:
    """Returns (dotted place, source column) for every entry of the file that accounts for a column."""
    locations = [("owner", route.column) for route in mapping.owner] + [("needs", route.column) for route in mapping.needs]
    locations += [("used", column) for column in mapping.used] + [("retired", column) for column in mapping.retired]
    for number, into in enumerate(mapping.into):
        for name, form in into.columns.items():
            locations += [(f"into[{number}].columns.{name}", column) for column in form.columns]
    return locations


def _bind_block(mapping: TableMapping, number: int, into: Into, target: Schema, rules: dict[str, Rule], parts: set[str]) -> None:
    shown, location = mapping.file, f"into[{number}]"
    if into.table not in target.tables or into.table in MIGRATION_TABLES:
        raise MappingError(shown, f"{location}.table", into.table, "a table of schemas/portal3.sql that a mapping may fill")
    shape = target.tables[into.table]
    for name, form in into.columns.items():
        if name not in shape.by_name:
            raise MappingError(shown, f"{location}.columns.{name}", "an unknown column", f"a column of {into.table}")
        if form.kind == "null" and shape.by_name[name].not_null:
            raise MappingError(shown, f"{location}.columns.{name}", "null", f"a value: {into.table}.{name} is NOT NULL")
        if form.rule and form.rule not in rules:
            raise MappingError(shown, f"{location}.columns.{name}", form.rule, "a number of rules.toml")
        if form.of and form.of not in target.tables:
            raise MappingError(shown, f"{location}.columns.{name}.of", form.of, "a table of schemas/portal3.sql")
        if form.kind == "plain":
            _fits(shown, f"{location}.columns.{name}", mapping.shape.by_name[form.columns[0]], shape.by_name[name])
    if into.per != "part":
        for name in shape.by_name:
            if name not in into.columns and name not in parts:
                raise MappingError(shown, f"{location}.columns", f"no value for {into.table}.{name}", "every target column has a source")


def _fits(shown: str, location: str, source: Column, target: Column) -> None:
    if source.family != target.family and (source.family, target.family) != ("text", "boolean"):
        raise MappingError(shown, location, f"{source.name} {source.sql_type}", f"a value that fits {target.name} {target.sql_type}")
    if source.family == "text" and target.length is not None and (source.length is None or source.length > target.length):
        raise MappingError(shown, location, f"{source.name} {source.sql_type}", f"at most the length of {target.name} {target.sql_type}")


def _every_target_table_is_filled(bound: dict[tuple[Portal, str], TableMapping], target: Schema) -> None:
    filled = {into.table for mapping in bound.values() for into in mapping.into}
    for table in target.tables:
        if table not in filled and table not in MIGRATION_TABLES:
            raise MappingError("schemas/portal3.sql", table, "no mapping that fills it", "at least one [[into]] block")


def _rule_book(files: dict[str, bytes], shown: str) -> tuple[dict[str, Rule], dict[str, Reason]]:
    words = _toml(files, shown)
    try:
        rules = {entry["number"]: Rule(**entry) for entry in words["rule"]}
        listed = [Reason(entry["code"], int(entry["rank"]), entry["meaning"], tuple(entry["rules"])) for entry in words["reason"]]
    except (KeyError, TypeError, ValueError) as error:
        raise MappingError(
            shown, "rule or reason", str(error), "number, chapter, situation, decision, severity, flags; code, rank, meaning, rules"
        ) from error
    if len(rules) < len(words["rule"]) or len({reason.code for reason in listed}) < len(listed):
        raise MappingError(shown, "rule or reason", "a number or code twice", "each number and each code once")
    if sorted(reason.rank for reason in listed) != list(range(1, len(listed) + 1)):
        ranks = ", ".join(str(reason.rank) for reason in listed)
        raise MappingError(shown, "reason.rank", ranks, f"each rank from 1 to {len(listed)} once")
    return rules, {reason.code: reason for reason in sorted(listed, key=lambda reason: reason.rank)}


def _fine_print(files: dict[str, bytes], shown: str, rules: dict[str, Rule]) -> dict[int, FinePrint]:
    """Returns the numbered readings, complete from 1; each belongs to at least one existing rule."""
    words = _toml(files, shown)
    try:
        lines = [FinePrint(int(entry["number"]), tuple(entry["rules"]), str(entry["text"])) for entry in words["line"]]
    except (KeyError, TypeError, ValueError) as error:
        raise MappingError(shown, "line", str(error), "number, rules, text") from error
    if [line.number for line in lines] != list(range(1, len(lines) + 1)):
        raise MappingError(shown, "line.number", "a gap, a repetition or another order", "1, 2, 3 and so on")
    for line in lines:
        for rule in line.rules:
            if rule not in rules:
                raise MappingError(shown, f"line {line.number}.rules", rule, "a number of rules.toml")
    return {line.number: line for line in lines}

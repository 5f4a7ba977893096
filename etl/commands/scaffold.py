"""The command `scaffold`: a scan of an unknown old portal, a draft of its adapter, and the list of open decisions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etl.databases.files.source import FolderSource
from etl.databases.registry import open_source
from etl.errors import MigrationError, Refused, WrongUsage
from etl.options import Options
from etl.path_overlap import refuse_overlap
from etl.pipeline.sources import NAMES
from etl.present.draft import OPEN, SURE, TableDraft, drafted, quoted_text
from etl.present.grammar import adapter_with_problems
from etl.present.kept import PROPOSED, Kept, kept_of
from etl.present.scan import SECRET, VERSION, scan
from etl.present.scan_file import scan_problem
from etl.present.shapes import key_line, look_ups, proposed_block, references_to, twins
from etl.runfolder.stage_file_io import write_durably
from etl.system.given_file import given_bytes
from etl.system.visible import visible
from mappings.model import Mappings, Portal
from mappings.personal import NONE, read_personal
from mappings.read import FOLDERS, read_mappings

_SCAN_AGAIN = "Create it again: `scaffold --source URL --to DIR`."
_MOST = 256 << 20  # bytes of a scan
_MINUTES = 5  # of a unit of work
_UNITS = {"check": 0.2, "open column": 2, "open table": 6, "code word": 1, "retire": 0.4}


def scaffold(options: Options, to: Path, scanned: Path | None) -> dict[str, Any]:
    """Writes `scan.json`, the draft and `worklist.md` into the folder; returns how much of the contract the draft covers."""
    refuse_overlap(options, ("--to", to))
    if to.exists() and not to.is_dir():
        raise Refused(f"--to: {to} is not a folder.", "Give --to a folder, or a new name.")
    mappings = read_mappings(options.mappings)
    before = _read_scan(to / "scan.json") if (to / "scan.json").is_file() else None
    found = _read_scan(scanned) if scanned is not None else _scanned(options, to, mappings)
    drafts = {portal: drafted(of, portal, mappings) for portal, of in found["portals"].items()}
    _withhold(found, drafts, mappings)
    to.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(to / "scan.json", json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    lines: list[str] = ["# Work list", ""]
    totals = dict.fromkeys(("columns", "suggested", "sure", "approved", "rows", "rows_covered", "codes", "codes_covered"), 0)
    units = 0.0
    for portal, of in found["portals"].items():
        units += _write_portal(to, portal, of, drafts[portal], mappings, lines, totals)
    if before is not None:
        lines += _drift(before, found)
    share = {
        name: round(100 * totals[part] / totals[whole], 1) if totals[whole] else 100.0
        for name, part, whole in (
            ("columns", "suggested", "columns"),
            ("rows", "rows_covered", "rows"),
            ("codes", "codes_covered", "codes"),
        )
    }
    head = [
        f"Coverage: {share['columns']} % of the contract's columns have a suggestion, {share['rows']} % of the rows, {share['codes']} % of the code occurrences.",
        f"Estimate: {units * _MINUTES / 60:.1f} hours ({units:.0f} units of {_MINUTES} minutes).",
        "",
        "Approve a line by removing its comment; rerunning `scaffold` keeps approved lines.",
        "",
    ]
    _write(to / "worklist.md", "\n".join([*lines[:2], *head, *map(visible, lines[2:])]) + "\n")  # names may have line breaks
    return {
        "to": str(to),
        "coverage": share,
        "approved": totals["approved"],
        "hours": round(units * _MINUTES / 60, 1),
        "next": f"read {to / 'worklist.md'}",
    }


def _withhold(found: Mapping[str, Any], drafts: Mapping[Portal, list[TableDraft]], mappings: Mappings) -> None:
    """Removes from the scan the values of columns that probably hold personal data: opaque names do not show which these are."""
    personal = {(one.portal, one.table, one.column) for kind in read_personal(mappings) if kind.code != NONE for one in kind.columns}
    for portal, of in drafts.items():
        for draft in of:
            for column, match in draft.columns.items():
                if (portal, draft.mapping.table, column) in personal:
                    about = found["portals"][portal]["tables"][draft.table]["columns"][match.physical]
                    about |= {} if about.get("secret") else {"personal": True}
                    for told in ("values", "lowest", "highest"):
                        about.pop(told, None)


def _scanned(options: Options, to: Path, mappings: Mappings) -> dict[str, Any]:
    if options.source is None:
        raise WrongUsage("--source is missing.", "Give the URL of the old portal, or --scan FILE of a scan.")
    portals = {}
    written: tuple[tuple[Portal, str | None], ...] = (("P2", options.source), ("TC", options.tc))
    kept = adapter_with_problems(to, mappings)[0].portals if to.is_dir() else {}
    for portal, url in written:
        if url is not None:
            with open_source(url, NAMES[portal]) as source:
                if isinstance(source, FolderSource) and portal in kept:  # [csv] of source.toml, which a person may have written before
                    source.delimiter, source.encoding = kept[portal].delimiter, kept[portal].encoding
                portals[portal] = scan(source)
    return {"version": VERSION, "portals": portals}


def _read_scan(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(given_bytes(file, _MOST))
    except (OSError, ValueError, RecursionError):
        raise MigrationError(f"{file} is not a readable scan.", "Give the scan.json that `scaffold` wrote.") from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise MigrationError(f"{file} is not a scan of this version.", _SCAN_AGAIN)
    if problem := scan_problem(found.get("portals"), tuple(FOLDERS)):
        raise MigrationError(f"{file}: {problem.rstrip()} is missing, or not as `scaffold` writes it.", _SCAN_AGAIN)
    return found


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(file, text.encode())


def _write_portal(
    to: Path, portal: Portal, of: Mapping[str, Any], drafts: list[TableDraft], mappings: Mappings, lines: list[str], totals: dict[str, int]
) -> float:
    folder, tables, units = FOLDERS[portal], of["tables"], 0.0
    lines += [f"## {folder}", ""]
    written = {draft.mapping.table: kept_of(to / folder / f"{draft.mapping.table}.toml") for draft in drafts}
    matched = {draft.table.casefold() for draft in drafts if draft.table} | {name for kept in written.values() for name in kept.tables}
    left = [name for name, about in sorted(tables.items()) if not about["view"] and name.casefold() not in matched]
    parts = twins(left, drafts, tables)
    for draft in drafts:
        file = to / folder / f"{draft.mapping.table}.toml"
        kept = written[draft.mapping.table]
        totals["columns"] += len(draft.mapping.shape.columns)
        totals["approved"] += len(kept.columns)
        if not draft.table:
            lines.append(
                f"- OPEN {folder}/{draft.mapping.table}: no similar physical table; present it by hand, or list it in [absent] of source.toml."
            )
            units += _UNITS["open table"]
            continue
        about = tables[draft.table]
        totals["rows_covered"] += about["rows"]
        if (kept.columns or kept.head or kept.blocks) and kept.table and kept.table.casefold() != draft.table.casefold():
            lines.append(f"- KEPT {folder}/{draft.mapping.table}.toml: it reads {kept.table}; {draft.table} is now more similar.")
            continue
        text, todo, cost = _table_text(draft, about, kept, totals)
        for name in [name for name in left if parts.get(name) is draft]:
            text += [
                f"{PROPOSED}# for the rows of {visible(name)}: take `{PROPOSED.strip()}` away",
                *proposed_block(name, draft, tables[name], kept),
            ]
        units += cost
        _write(file, "\n".join([*text, *kept.blocks]) + "\n")
        lines += [f"- {line}" for line in todo]
        if (key := key_line(draft, about)) is not None and draft.mapping.key[0] not in kept.columns:
            lines += [f"- {line}" for line in references_to(draft, drafts, key[1], tables, mappings)]
        for name, words in draft.codes.items():
            units += _write_codes(to / "codes" / f"{name}.csv", words, about, draft, name, lines, totals)
    totals["rows"] += sum(about["rows"] for about in tables.values() if not about["view"])
    looked = list(look_ups(left, drafts, tables))
    lines += [f"- {line}" for _, line in looked]
    for name in left:
        said = f"- OPEN physical table {name} ({tables[name]['rows']:,} rows): "
        if name in parts:
            part = parts[name]
            said += f"it has the columns of {part.table}; if its rows are {part.mapping.table}'s too, take `{PROPOSED.strip()}` away in {folder}/{part.mapping.table}.toml"
        else:
            said += "no similar contract table; present it" + (", perhaps by the look-up above" if name in dict(looked) else "")
        lines.append(f"{said}, or list it in [ignored] with the reason.")
    units += _UNITS["retire"] * len(left)
    source = to / folder / "source.toml"
    if not source.is_file():
        _write(source, "".join(["[ignored]\n", *(f'# OPEN {_bare(name)} = "why it is not migrated"\n' for name in left)]))
    lines.append("")
    return units


def _table_text(draft: TableDraft, about: Mapping[str, Any], kept: Kept, totals: dict[str, int]) -> tuple[list[str], list[str], float]:
    approved, key = kept.columns, key_line(draft, about)
    text = [
        f"# {draft.score:.2f}: {visible(draft.table)}, {about['rows']:,} rows",
        "[[from]]",
        f"table = {quoted_text(draft.table)}",
        *kept.head,
        "[from.columns]",
    ]
    todo, units, used = [], 0.0, set[str]()
    for column in draft.mapping.shape.columns:
        match = draft.columns.get(column.name)
        if column.name in approved:
            text.append(approved[column.name])
            totals["suggested"] += 1
            used |= {name for name in about["columns"] if quoted_text(name).casefold() in approved[column.name].casefold()}
        elif key is not None and column.name == draft.mapping.key[0]:
            text.append(f"{key[0]}  # 0.50: no column alone is unique; these are together")
            used |= set(key[1])
            totals["suggested"] += 1
            todo.append(
                f"OPEN {draft.mapping.table}.{column.name}: a key of several columns: {key[0]}; keep their order in every reference."
            )
            units += _UNITS["open column"]
        elif match is not None:
            text.append(f"{column.name} = {match.line}  # {match.score:.2f}: {visible(match.why)}")
            used.add(match.physical)
            totals["suggested"] += 1
            totals["sure"] += match.score >= SURE
            units += _UNITS["check"]
            if match.score - match.second < 0.03 and match.second >= OPEN:
                todo.append(
                    f"AMBIGUOUS {draft.mapping.table}.{column.name}: {match.physical} is only slightly more similar than another column."
                )
            if column.not_null and about["columns"][match.physical].get("nulls"):
                share = about["columns"][match.physical]["nulls"]
                todo.append(
                    f"WOULD BE HELD {draft.mapping.table}.{column.name}: {share:.1%} of {match.physical} are NULL, but the contract's column is NOT NULL."
                )
        else:
            text.append(f"# OPEN {column.name} = ...")
            todo.append(f"OPEN {draft.mapping.table}.{column.name} ({column.sql_type}): no similar column in {draft.table}.")
            units += _UNITS["open column"]
    retired = {name.casefold() for name in kept.retires}
    left = [name for name in about["columns"] if name not in used and name.casefold() not in retired]
    text += ["[from.retired]", *kept.retired]
    for name in left:
        secret = about["columns"][name].get("secret") or SECRET.search(name)
        text.append(f'{_bare(name)} = "B17: possibly a secret, not read"' if secret else f'# OPEN {_bare(name)} = "why it is not migrated"')
        todo.append(f"OPEN physical column {draft.table}.{name}: unmatched; use it, or retire it with the reason.")
    return text, todo, units + _UNITS["retire"] * len(left)


def _write_codes(
    file: Path, words: Mapping[str, str], about: Mapping[str, Any], draft: TableDraft, name: str, lines: list[str], totals: dict[str, int]
) -> float:
    """Writes the code list by frequency; keeps a line that a person has completed; returns the open units of work."""
    column = draft.columns[name.removeprefix(f"{draft.mapping.table}_")].physical
    counts = about["columns"][column]["values"]
    known: dict[str, str] = {}
    if file.is_file():
        known = dict(line.partition(",")[::2] for line in file.read_text(encoding="utf-8").splitlines()[1:])
    merged = {**{word: known.get(_field(word), "") or _field(contract) for word, contract in words.items()}}
    text = "legacy,contract\n" + "".join(f"{_field(word)},{contract}\n" for word, contract in merged.items())
    text += "".join(f"{legacy},{contract}\n" for legacy, contract in known.items() if legacy not in {_field(word) for word in merged})
    _write(file, text)
    units = 0.0
    for word, contract in merged.items():
        totals["codes"] += counts[word]
        totals["codes_covered"] += counts[word] if contract else 0
        if not contract:
            lines.append(f"- OPEN codes/{name}.csv: {word!r} ({counts[word]:,} times) has no contract word.")
            units += _UNITS["code word"]
    return units


def _field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text


def _bare(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else quoted_text(name)


def _drift(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns what the old portal has, or no longer has, since the scan before."""
    found = []
    for portal, of in now["portals"].items():
        old = before["portals"].get(portal, {"tables": {}})["tables"]
        for name in sorted(of["tables"].keys() | old.keys()):
            if name not in old or name not in of["tables"]:
                found.append(f"- {portal}: the table {name} is {'new' if name not in old else 'missing'}.")
                continue
            columns, earlier = of["tables"][name]["columns"], old[name]["columns"]
            found += [
                f"- {portal}: the column {name}.{c} is {'new' if c not in earlier else 'missing'}."
                for c in sorted(columns.keys() ^ earlier.keys())
            ]
            for both in sorted(columns.keys() & earlier.keys()):
                if earlier[both]["type"] != columns[both]["type"]:
                    found.append(f"- {portal}: {name}.{both} was {earlier[both]['type']}, is {columns[both]['type']}.")
    return ["## Drift since the scan before", "", *(found or ["Nothing."]), ""]

"""The freeze guard (K1): fingerprints of every old table, compared before publishing and again when old and new are compared."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from etl.databases import Source
from etl.extract.source_contract import problems, refuse_hidden
from etl.extract.table_batch import CONTENT, SideRecords, stage_tables
from etl.objects import DigestOnlyStore
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import StageFile, parquet, rows_of, table_of
from mappings.model import Mappings, Portal, TableMapping


@dataclass(frozen=True)
class Fingerprint:
    """A table as read: number of rows, the last key in key order, the digest of its stage files and documents, the database's write counters.

    Kept as a list of these in the facts of the step extract, by `PORTAL.table`.
    """

    rows: int
    highest_key: str
    sha256: str
    counted: str


def fingerprints(
    sources: Mapping[Portal, Source], mappings: Mappings, files: Sequence[StageFile], contents: pl.DataFrame
) -> dict[str, dict[str, Any]]:
    """Returns by `PORTAL.table` the fingerprint of every table, from the snapshot in which it was read. `contents`: rows of CONTENT."""
    files_of: dict[str, list[StageFile]] = defaultdict(list)
    for file in sorted(files, key=lambda file: file.path):
        files_of[layout.group(file.path)].append(file)
    found = {}
    for portal, source in sources.items():
        counted = source.counted()
        for mapping in mappings.of(portal):
            name = f"{portal}.{mapping.table}"
            digest = hashlib.sha256("".join(file.sha256 for file in files_of[name]).encode())
            listed = _contents_of(contents, mapping).select(pl.concat_str("key", "sha256", "size", separator="|").str.join("\n"))
            digest.update(str(listed.item()).encode())
            rows, writes = rows_of(files_of[name]), counted.get(mapping.table, "")
            found[name] = asdict(Fingerprint(rows, source.highest_key(mapping), digest.hexdigest(), writes))
    return found


def looked_again(sources: Mapping[Portal, Source], mappings: Mappings, folder: RunFolder) -> dict[str, dict[str, Any]]:
    """Returns by portal `changed` (the tables that changed since the extract) and `how` (the evidence): `SourceChange` as data (K1).

    The evidence is the database's counters and the highest keys; without counters the tables are read again and compared with the stage
    files. Raises Refused (7) if rows or bytes are hidden (K9).
    """
    refuse_hidden(sources, mappings, deep=False)  # the deep checks ran when the tables were read
    facts = folder.steps["extract"].facts
    found: dict[str, dict[str, Any]] = {}
    for portal, source in sources.items():
        # A table or column that is new, or gone, is a change too; what is gone cannot be compared.
        if other := [problem.partition(":")[0] for problem in problems(source, portal, mappings)]:
            found[portal] = {"changed": other, "how": "tables or columns differ from those that were read"}
            continue
        before = {mapping.table: Fingerprint(**facts["fingerprints"][f"{portal}.{mapping.table}"]) for mapping in mappings.of(portal)}
        since = source.changed_since(facts["marks"][portal], {table: known.rows for table, known in before.items()})
        again = list(before) if since.changed is None else [table for table in since.unknown if table not in since.changed]
        tables = [*(since.changed or ()), *_changed_content(source, portal, mappings, folder, again)]
        moved = [m.table for m in mappings.of(portal) if m.table not in tables and source.highest_key(m) != before[m.table].highest_key]
        found[portal] = {"changed": [f"{portal}.{table}" for table in (*tables, *moved)], "how": since.how}
    return found


def changed_of(looked: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns the changed tables of all portals."""
    return [table for since in looked.values() for table in since["changed"]]


def written_to(looked: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns a sentence that lists the tables changed since the extract; empty if none changed."""
    changed = changed_of(looked)
    return f" Written to since the extract: {', '.join(changed)}; the old portal is not frozen." if changed else ""


def _changed_content(source: Source, portal: Portal, mappings: Mappings, folder: RunFolder, tables: Sequence[str]) -> list[str]:
    """Returns the tables whose rows or documents, read again, differ from the stage files."""
    if not tables:
        return []
    known = pl.DataFrame(table_of(folder.read_bytes(folder.files("extract", layout.CONTENT)[0])))
    changed = []
    for mapping in (mappings.tables[portal, table] for table in tables):
        before = [file.sha256 for file in folder.files("extract", layout.extracted(portal, mapping.table))]
        aside, again = SideRecords(), []
        for table, part in stage_tables(source, mapping, DigestOnlyStore()):
            again.append(hashlib.sha256(parquet(table)).hexdigest())
            aside.add(part)
        same = not aside.content or _contents_of(known, mapping).equals(
            pl.DataFrame(aside.content, schema=CONTENT, orient="row").sort(pl.all())
        )
        if before != again or not same:
            changed.append(mapping.table)
    return changed


def _contents_of(contents: pl.DataFrame, mapping: TableMapping) -> pl.DataFrame:
    return contents.filter((pl.col("portal") == mapping.portal) & (pl.col("table") == mapping.table)).sort(pl.all())

"""Step 1: one snapshot of the old portals, typed, as stage files; the documents' bytes go to the object store on the way.

Stage files: `extract/PORTAL.table/00000.parquet` ... hold the rows in the order of their keys, with two columns more: `_key` (the key as
text; absent where it is simply the number) and `_mark` (0 fits, 1 loads with null and is held as well, 2 held only; rule X2). Beside them
`odd.parquet` (values that are not simply their canonical form), `text.parquet` (texts with U+0000 or invalid Unicode, rule E8) and
`content.parquet` (digest and size of every document's bytes, the file share's included).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa

from etl.ahead import ahead
from etl.contents import store_all
from etl.databases import Batch, Source
from etl.errors import MigrationError
from etl.objects import Objects, Share, Stored
from etl.run import RunFolder, StageFile, Step, parquet
from etl.values import HELD
from mappings.model import Mappings, Portal, TableMapping

Tell = Callable[[str, int, int], None]  # (what is going on, rows done, rows in all)

ROWS_PER_FILE = 50_000

ODD = {"portal": pl.String, "table": pl.String, "key": pl.String, "column": pl.String, "raw_json": pl.String, "unreadable": pl.Boolean}
TEXT = {"portal": pl.String, "table": pl.String, "key": pl.String, "column": pl.String, "sha256": pl.String, "size": pl.Int64}
CONTENT = {"portal": pl.String, "table": pl.String, "key": pl.String, "sha256": pl.String, "size": pl.Int64}


@dataclass
class Aside:
    """What does not fit into the stage tables: rows of ODD, TEXT and CONTENT."""

    odd: list[tuple[str, str, str, str, str, bool]] = field(default_factory=list)
    text: list[tuple[str, str, str, str, str, int]] = field(default_factory=list)
    content: list[tuple[str, str, str, str, int]] = field(default_factory=list)


def content_columns(mapping: TableMapping) -> frozenset[str]:
    """The binary columns whose bytes go to the object store (C9)."""
    return frozenset(
        column for into in mapping.into if into.table == "stored_object" for form in into.columns.values() for column in form.columns
    )


def extract(
    sources: Mapping[Portal, Source], share: Share | None, objects: Objects, mappings: Mappings, folder: RunFolder, tell: Tell
) -> Step:
    """The finished step. Every reader sees one snapshot; whether the source changed since is asked before publishing (K1)."""
    began = datetime.now(UTC).replace(tzinfo=None)
    marks = {portal: source.mark() for portal, source in sources.items()}
    files: list[StageFile] = []
    aside = Aside()
    read: dict[str, int] = {}
    for portal, source in sources.items():
        for mapping in mappings.of(portal):
            name = f"{portal}.{mapping.table}"
            total = source.count(mapping.table)
            read[name] = 0
            for table in stage_tables(source, mapping, aside, objects):
                files.append(folder.write_table(f"extract/{name}/{len(files):05}.parquet", table))
                read[name] += table.num_rows
                tell(f"extract {name}", read[name], total)
    _put_share(share, objects, folder, [file for file in files if file.path.startswith("extract/P2.document/")], aside)
    for name, rows, schema in (("odd", aside.odd, ODD), ("text", aside.text, TEXT), ("content", aside.content, CONTENT)):
        frame = pl.DataFrame(rows, schema=schema, orient="row").sort(pl.all())
        files.append(folder.write_table(f"extract/{name}.parquet", frame.to_arrow()))
    levels = {portal: source.level for portal, source in sources.items()}
    return Step("", files, {"began": began.isoformat(sep=" "), "marks": marks, "levels": levels, "read": read})


def stage_tables(source: Source, mapping: TableMapping, aside: Aside, objects: Objects) -> Iterator[pa.Table]:
    """The stage tables of one source table; what does not fit into them is added to `aside`."""
    binary = content_columns(mapping)
    stored = {key: put for column in binary for key, put in store_all(source.contents(mapping, column), objects).items()}
    for batch in ahead(source.read(mapping, ROWS_PER_FILE, without=binary)):
        if batch.typed.oddities or batch.typed.texts or binary:
            _put_aside(mapping, batch, stored if binary else None, aside, objects)
        yield _stage_table(batch)


def _put_aside(mapping: TableMapping, batch: Batch, stored: dict[str, Stored] | None, aside: Aside, objects: Objects) -> None:
    keys = batch.keys or batch.typed.columns[mapping.key[0]].cast(pl.String).to_list()
    for odd in batch.typed.oddities:
        aside.odd.append((mapping.portal, mapping.table, keys[odd.row], odd.column, _json(odd.raw), odd.unreadable))
    for text in batch.typed.texts:
        put = objects.put([text.exact])
        aside.text.append((mapping.portal, mapping.table, keys[text.row], text.column, put.sha256, put.size))
    objects.settle()
    for row, key in enumerate(keys if stored is not None else ()):
        content = stored.get(key) if stored else None
        if content is None:  # a number stands where bytes belong, or nothing at all: unreadable (X2)
            batch.typed.mark[row] = HELD
        else:
            aside.content.append((mapping.portal, mapping.table, key, content.sha256, content.size))


def _stage_table(batch: Batch) -> pa.Table:
    columns = [*batch.typed.columns.values(), pl.Series("_mark", batch.typed.mark, dtype=pl.UInt8)]
    if batch.keys is not None:
        columns.append(pl.Series("_key", batch.keys, dtype=pl.String))
    return pl.DataFrame(columns).to_arrow()


def _put_share(share: Share | None, objects: Objects, folder: RunFolder, files: list[StageFile], aside: Aside) -> None:
    """Stores the file behind the `object_path` of every document that has no content row (C6, fine print 31)."""
    have = {key for portal, table, key, _, _ in aside.content if (portal, table) == ("P2", "document_content")}
    for key, put in store_all(_shared(share, folder, files, have), objects).items():
        aside.content.append(("P2", "document", key, put.sha256, put.size))


def _shared(share: Share | None, folder: RunFolder, files: list[StageFile], have: set[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
    for file in files:
        frame = pl.DataFrame(folder.read_table(file))
        frame = frame.with_columns(pl.col("_key") if "_key" in frame.columns else pl.col("document_id").cast(pl.String).alias("_key"))
        for key, path in frame.filter(pl.col("object_path").is_not_null()).select("_key", "object_path").iter_rows():
            if key in have:
                continue
            if share is None:
                message = f"Document {key} and perhaps others lie on the old file share, and no share was given."
                raise MigrationError(message, "Give the root of the old file share: --files DIR.")
            pieces = share.pieces(path)
            if pieces is not None:
                yield key, pieces


def changed_tables(sources: Mapping[Portal, Source], mappings: Mappings, folder: RunFolder, nowhere: Objects) -> list[str]:
    """The tables that are not what was extracted (K1): as the database tells, else found by reading them again and comparing the stage files."""
    facts = folder.steps["extract"].facts
    changed = []
    for portal, source in sources.items():
        read = {mapping.table: int(facts["read"][f"{portal}.{mapping.table}"]) for mapping in mappings.of(portal)}
        told = source.changed_since(facts["marks"][portal], read)
        if told is not None:
            changed += [f"{portal}.{table}" for table in told]
            continue
        for mapping in mappings.of(portal):
            name = f"{portal}.{mapping.table}"
            known = [file.sha256 for file in folder.files("extract", f"extract/{name}/")]
            aside = Aside()
            again = [hashlib.sha256(parquet(table)).hexdigest() for table in stage_tables(source, mapping, aside, nowhere)]
            if known != again or (aside.content and not _same_contents(folder, portal, mapping.table, aside)):
                changed.append(name)
    return changed


def _same_contents(folder: RunFolder, portal: str, table: str, aside: Aside) -> bool:
    known = pl.concat([pl.DataFrame(t) for t in folder.tables("extract", "extract/content.parquet")])
    known = known.filter((pl.col("portal") == portal) & (pl.col("table") == table)).sort(pl.all())
    return known.equals(pl.DataFrame(aside.content, schema=CONTENT, orient="row").sort(pl.all()))


def _json(raw: str | int | float) -> str:
    # JSON knows no infinity: it is shown as text.
    return json.dumps(str(raw) if isinstance(raw, float) and not math.isfinite(raw) else raw, ensure_ascii=False)

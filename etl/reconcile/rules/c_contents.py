"""The bytes of documents, hashed where they lie, and what becomes of the rows that carry them (C6-C9; fine print 9, 31)."""

import numpy as np
import polars as pl

from etl.reconcile.engine.cells import UNREADABLE, key_text, readable, spoilt
from etl.reconcile.engine.frames import LOCATOR
from etl.reconcile.engine.ledger import LOADED, PARENT_HELD, REASON, UNREADABLE_VALUE
from etl.reconcile.engine.ordinary import RowRule
from etl.reconcile.engine.scopes import MISSING
from etl.reconcile.engine.source import ALSO_HELD, BAD, KEY
from etl.reconcile.engine.spec import Value
from etl.reconcile.engine.world import ExpectedState

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "C6": ("P2.document", "TC.tc_document"),
    "C7": (),
    "C8": ("P2.document", "TC.tc_document"),
    "C9": (),
}

CHUNK = 50_000
OF_BYTES = {"P2": ("document_content", "document", "document_id"), "TC": ("tc_document_content", "tc_document", "tc_document_id")}


def hashed_contents(world: ExpectedState, portal: str) -> pl.DataFrame:
    """Returns one row per content row: locator, #key, document id (null if unreadable), SHA-256 digest (null without bytes), size in bytes, #bad."""
    table, _, name = OF_BYTES[portal]
    source = world.sources[portal]
    column, special = source.table(table).columns[name], source.special(table)
    schema = {LOCATOR: pl.Int64, KEY: pl.String, name: pl.Int64, "digest": pl.String, "size": pl.Int64, BAD: pl.Boolean}
    frames, rows = [pl.DataFrame(schema=schema)], []
    for content in () if source.absent(table) else source.database.contents(table, name, "content"):
        key = readable(content.key, column)
        good = key is not UNREADABLE and key is not None
        text = special.names.get(content.at) or (str(content.key) if type(content.key) is int else key_text([content.key]))
        if (bad := spoilt(content.key)) is not None:
            world.ledger.spoilt(portal, table, [(text, bad)])
        rows.append((content.at, text, key if good else None, content.digest, content.size, not good or content.digest is None))
        if len(rows) == CHUNK:
            frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
            rows = []
    frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
    found = pl.concat(frames).with_columns(pl.lit(False).alias(ALSO_HELD))
    world.ledger.store(found["digest"], found["size"])
    return found


def decide_contents(world: ExpectedState, portal: str, contents: pl.DataFrame) -> None:
    """Records each content row in the ledger as loaded with its document, or as held with its digest (C7; fine print 9)."""
    table, document, name = OF_BYTES[portal]
    index = world.index[portal, document]
    position = index.find(contents[name])
    reason = np.where(position == MISSING, REASON["ORPHAN_CONTENT"], np.where(index.is_loaded(position), LOADED, PARENT_HELD))
    reason = np.where(contents[BAD].to_numpy(), UNREADABLE_VALUE, reason)
    world.ledger.account_for(portal, table, contents, reason, contents["digest"])


def with_bytes(world: ExpectedState, portal: str, rows: pl.DataFrame, at_path: dict[str, tuple[str, int]]) -> pl.DataFrame:
    """Returns the document rows with #digest and #size of the content row's bytes, else of the file at `object_path`; null without bytes (C6)."""
    _, _, name = OF_BYTES[portal]
    contents = world.known.contents[portal].select(pl.col(name), pl.col("digest").alias("#digest"), pl.col("size").alias("#size"))
    found = rows.join(contents, on=name, how="left", maintain_order="left")
    if "object_path" not in rows.columns or not at_path:
        return found
    digests = found["object_path"].replace_strict(
        {path: digest for path, (digest, _) in at_path.items()}, default=None, return_dtype=pl.String
    )
    sizes = found["object_path"].replace_strict({path: size for path, (_, size) in at_path.items()}, default=None, return_dtype=pl.Int64)
    none = pl.col("#digest").is_null()
    return found.with_columns(
        pl.when(none).then(sizes).otherwise("#size").alias("#size"), pl.when(none).then(digests).otherwise("#digest").alias("#digest")
    )


def digest(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the SHA-256 of each document's bytes; null if it has none (C6)."""
    return rows["#digest"]


def state(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns PRESENT, MISSING, DIGEST_MISMATCH or SIZE_MISMATCH for each document (C6, C8).

    A recorded value that is null is not compared; digests are compared without regard to case (fine print 17).
    """
    other_digest = (rows["sha256_hex"].str.to_lowercase() != rows["#digest"]).fill_null(False)
    other_size = (rows["size_bytes"] != rows["#size"]).fill_null(False)
    return pl.select(
        pl.when(rows["#digest"].is_null())
        .then(pl.lit("MISSING"))
        .when(other_digest)
        .then(pl.lit("DIGEST_MISMATCH"))
        .when(other_size)
        .then(pl.lit("SIZE_MISMATCH"))
        .otherwise(pl.lit("PRESENT"))
    ).to_series()


def flag_bytes(world: ExpectedState, portal: str, rows: pl.DataFrame) -> None:
    """Flags documents without bytes (C6) and documents whose bytes differ from the recorded digest or size (C8)."""
    table = OF_BYTES[portal][1]
    states = state(world, rows, Value("rule"))
    world.flag("C6", portal, table, rows, (states == "MISSING").to_numpy())
    world.flag("C8", portal, table, rows, states.is_in(["DIGEST_MISMATCH", "SIZE_MISMATCH"]).to_numpy())


def usable(contents: pl.DataFrame, name: str) -> pl.DataFrame:
    """Returns the content rows that give a document its bytes: the first readable one of each document."""
    return contents.filter(~pl.col(BAD)).unique(name, keep="first", maintain_order=True)


# By (source table, target column), or by number for any column that the rule fills: the same on every copy of a row.
ROW: dict[tuple[str, str] | str, RowRule] = {
    ("document", "sha256"): digest,
    ("document", "content_state_cd"): state,
    ("tc_document", "sha256"): digest,
    ("tc_document", "content_state_cd"): state,
}

"""Chapter C: the bytes of documents: their source, comparison with the record, and bytes without a document (C6 to C9)."""

from __future__ import annotations

import polars as pl

from etl.placement.account_directory import AccountDirectory
from etl.placement.account_index import AccountIndex
from etl.placement.row_placement import Flagged, RowPlacement, int_values_and_mask, keys
from etl.placement.target_rows import Computed, Flag, Rule, TargetRows
from mappings.model import Form

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "C6": ("P2.document", "TC.tc_document"),
    "C7": (),
    "C8": ("P2.document", "TC.tc_document"),
    "C9": (),
}

_DIGEST, _STATE = "_content_sha256", "_content_state"


def content_columns(documents: pl.DataFrame, contents: pl.DataFrame) -> pl.DataFrame:
    """Returns sha256 (null without bytes) and content_state_cd for each document row (C6, C8).

    `documents`: `_key`, size_bytes, sha256_hex (null: not compared; fine print 17); `contents`: key, sha256, size (bytes), a content row before
    the file share's (fine print 31).
    """
    found = documents.join(contents.unique("key", keep="first"), left_on="_key", right_on="key", how="left", maintain_order="left")
    recorded = pl.col("sha256_hex").str.to_lowercase()
    state = (
        pl.when(pl.col("sha256").is_null())
        .then(pl.lit("MISSING"))
        .when(recorded.is_not_null() & (recorded != pl.col("sha256")))
        .then(pl.lit("DIGEST_MISMATCH"))
        .when(pl.col("size_bytes").is_not_null() & (pl.col("size_bytes") != pl.col("size")))
        .then(pl.lit("SIZE_MISMATCH"))
        .otherwise(pl.lit("PRESENT"))
    )
    return found.select("sha256", state.alias("content_state_cd"))


def _content(rows: RowPlacement, spine: AccountDirectory) -> pl.DataFrame:
    """Returns the rows with digest and state of their bytes, computed once for all rules that need them."""
    if _DIGEST not in rows.frame.columns:
        document = rows.frame.select(keys(rows.mapping, rows.frame).alias("_key"), "size_bytes", "sha256_hex")
        found = content_columns(document, spine.contents[rows.mapping.portal])
        rows.frame = rows.frame.with_columns(found["sha256"].alias(_DIGEST), found["content_state_cd"].alias(_STATE))
    return rows.frame


def content_digest(copies: TargetRows, form: Form) -> Computed:
    """Returns the SHA-256 of each document's bytes; null if it has none (C6)."""
    return _content(copies.placed, copies.spine)[_DIGEST].gather(copies.row)


def content_state(copies: TargetRows, form: Form) -> Computed:
    """Returns PRESENT, MISSING, DIGEST_MISMATCH or SIZE_MISMATCH for each target row (C6, C8)."""
    return _content(copies.placed, copies.spine)[_STATE].gather(copies.row)


def flag_missing(rows: RowPlacement, spine: AccountDirectory) -> Flagged:
    """Returns the documents without bytes in the database and on the file share, to be flagged under C6."""
    return (_content(rows, spine)[_STATE] == "MISSING").to_numpy(), "no content row, and no readable file under the file share's root"


def flag_other_bytes(rows: RowPlacement, spine: AccountDirectory) -> Flagged:
    """Returns the documents whose bytes differ from the recorded digest or size, to be flagged under C8."""
    other = _content(rows, spine)[_STATE].is_in(["DIGEST_MISMATCH", "SIZE_MISMATCH"])
    return other.to_numpy(), "recorded digest or size differs from the bytes; both are kept"


def place_contents(content: RowPlacement, documents: AccountIndex) -> None:
    """Holds bytes without a document row as ORPHAN_CONTENT and bytes of a held document as PARENT_HELD (C7)."""
    wanted, _ = int_values_and_mask(content.frame, content.mapping.key[0])
    position, exists = documents.find(wanted)
    content.hold(~exists, "ORPHAN_CONTENT")
    if len(documents.keys):
        content.hold(exists & documents.held[position], "PARENT_HELD")


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "document.sha256": content_digest,
    "document.content_state_cd": content_state,
}

# Which rows a rule flags, if that depends on rows of one table alone.
FLAGS: dict[str, Flag] = {
    "C6": flag_missing,
    "C8": flag_other_bytes,
}

"""Generated legacy portals of any size: the published shapes, with a small, deterministic share of anomalies."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from sample_data import (
    anomalies,
    anomalies_companies,
    anomalies_records,
    answers,
    catalogue,
    compliance,
    contract,
    evidence,
    particulars,
    people,
    registry,
    traffic,
    unreadable,
    visits,
    words,
)
from sample_data.frames import rows_frame
from sample_data.population import Block, block_of, shape_of
from sample_data.write import Writer, writer

# Which anomaly which profiles have (see `anomalies`). Positions 11, 23, 24 and 31 have a special shape too (see `shapes`,
# `registry`); the numbers from 50 on are in `unreadable`.
ANOMALIES: Mapping[int, anomalies.Anomaly] = {
    0: anomalies_companies.model_of_no_profile,
    1: anomalies_companies.entity_of_no_model,
    2: anomalies_companies.old_highway,
    3: anomalies_companies.unknown_type,
    4: anomalies_companies.doubled_number,
    6: anomalies_companies.shared_login,
    8: anomalies_companies.many_primaries,
    9: anomalies_companies.consultant_as_primary,
    10: anomalies_companies.locked_for_the_company,
    11: anomalies_records.trade_compliance_without_importer,
    13: anomalies_companies.locked_for_the_company,
    14: anomalies_companies.invalid_address,
    15: anomalies_companies.user_without_contact,
    16: anomalies_records.ownerless_documents,
    17: anomalies_records.odd_document_links,
    18: anomalies_records.lost_bytes,
    19: anomalies_records.wrong_records,
    20: anomalies_records.odd_versions,
    21: anomalies_records.hostile_names,
    22: anomalies_companies.odd_signatures,
    24: anomalies_records.validation_of_the_profile,
    25: anomalies_companies.signed_for_another_type,
    26: anomalies_records.answered_twice,
    27: anomalies_records.unknown_question,
    28: anomalies_records.due_in_the_freeze,
    29: anomalies_records.soft_references,
    30: anomalies_companies.odd_links,
    32: anomalies_companies.accepted_twice,
    33: anomalies_companies.odd_identifiers,
    34: anomalies_records.trade_compliance,
    37: anomalies_records.odd_clocks,
    40: anomalies_records.broken_references,
}

Progress = Callable[[int, int], None]

# So many profiles are made and written together: some 130,000 rows, about 150 MB of memory.
BLOCK = 500
# The portal's texts are estimated at a median of 350 characters, a mean of 700, a 99th percentile of 6,000. Sample worlds keep the
# distribution and scale it down, so that the largest (25,000 profiles) stays near 2 GB.
MEDIAN_TEXT = 140.0


def write_synthetic(
    source_url: str,
    tc_url: str,
    files: Path,
    profiles: int = 60,
    seed: int = 1,
    progress: Progress | None = None,
    median_text: float = MEDIAN_TEXT,
) -> dict[str, int]:
    """Writes a world of this many profiles into the two empty databases and under `files`; returns by table the number of rows written.

    The same `profiles` and `seed` give the same rows everywhere; only values that PostgreSQL cannot hold are written to SQLite alone. `progress`
    is called after each block with the number of profiles done and in total. Raises NotEmptyError (a ValueError) if a database has rows.
    """
    if profiles < 1:
        raise ValueError(f"profiles: at least 1 is needed, found {profiles}.")
    shape = shape_of(profiles, seed)
    texts = words.texts(seed, "text", median_text)
    rows: Counter[str] = Counter()
    with writer(source_url, "portal2") as portal2, writer(tc_url, "tc") as tc:  # refuses a database with rows before anything is made
        files.mkdir(parents=True, exist_ok=True)
        _append(portal2, catalogue.catalogues(shape), rows)
        _append(portal2, {"portal_user": people.consultants(shape)}, rows)
        for first in range(0, profiles, BLOCK):
            block = block_of(shape, first, min(first + BLOCK, profiles))
            for tables in _portal2_tables(block, texts, files):
                _append(portal2, tables, rows)
            _append(tc, compliance.accounts(block, texts), rows)
            _append_anomalies({"portal2": portal2, "tc": tc}, block, rows)
            if progress is not None:
                progress(min(first + BLOCK, profiles), profiles)
    return dict(rows)


def _portal2_tables(block: Block, texts: pa.Array, files: Path) -> Iterator[dict[str, pa.Table]]:
    """The tables of one block, a few at a time; the largest comes alone, so that it is not held beside the others."""
    yield registry.profiles(block)
    yield registry.models(block)
    yield particulars.particulars(block)
    yield {"portal_user": people.users(block), "company_contact": people.contacts(block)}
    yield people.signatures(block)
    yearly, positions = answers.security_profiles(block)
    yield {"security_profile": yearly, "response_comment": answers.comments(block, positions, texts)}
    yield {"profile_response": answers.responses(block, positions, texts)}
    documents, share = evidence.documents(block)
    evidence.write_files(files, share)
    yield documents
    yield visits.validations(block, texts)
    yield traffic.links(block)
    yield traffic.messages(block, texts)
    yield traffic.events(block)


def _append_anomalies(to: Mapping[str, Writer], block: Block, rows: Counter[str]) -> None:
    for table, members in anomalies.rows_of(block, ANOMALIES).items():
        _append(to[contract.schema_of(table)], {table: rows_frame(table, members)}, rows)
    for table, members in unreadable.unreadable(block).items():
        rows[table] += to["portal2"].append_unreadable(table, members)


def _append(to: Writer, tables: dict[str, pa.Table], rows: Counter[str]) -> None:
    for table, content in tables.items():
        rows[table] += content.num_rows
        to.append(table, content)

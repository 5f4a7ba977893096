"""Documents, their bytes and their links, and the old file share of one block of a synthetic world."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa

from sample_data import words
from sample_data.answers import ANSWERS, YEARS, answer_counts, year_counts
from sample_data.frames import DAY, blobs, flags, frame, join, nullable, pick
from sample_data.people import someone
from sample_data.population import CLOSE, Block, Shape, member
from sample_data.seeded_random import Bools, Ints, below, children, choose, happens

DOCUMENTS = 64  # ids of a profile's documents: no profile has more
KINDS = ("SEAL_PROCEDURE", "SITE_MAP", "TRAINING_LOG", "RISK_ASSESSMENT", "INTERIM_PROFILE_2020", None)
NAMES = (
    "seals.pdf",
    "map of the yard.png",
    "training 2022.xlsx",
    "risk.docx",
    "Übersicht.pdf",
    "..\\old\\plan.doc",
    "=1+1.csv",
    "con",
    "report (final) (2).pdf",
)
MIMES = ("application/pdf", "image/png", "application/vnd.ms-excel", None, "application/octet-stream")
_FILLER = b"".join(sha256(bytes([number])).digest() for number in range(256)) * 12  # 96 KB that does not compress away
_MEDIAN = 900


def documents(block: Block) -> tuple[dict[str, pa.Table], list[tuple[str, bytes]]]:
    """Returns document, document_content and document_link of the block, and (path, bytes) of the files on the share."""
    shape, seed = block.shape, block.shape.seed
    parent, number = children(_counts(block))
    profile = block.profile[parent]
    position = profile * DOCUMENTS + number
    model = _model(shape, profile, position)
    contents = list(_contents(position, shape))
    digests = [sha256(content).hexdigest() for content in contents]
    on_share = happens(seed, "document.share", position, 30)
    lost = happens(seed, "document.lost", position, 6)
    path = join("p", profile // 100, "/", position + 1, ".bin")
    second = (number > 0) & happens(seed, "document.version", position, 80)
    internal = happens(seed, "document.internal", position, 60)
    document = frame(
        "document",
        document_id=position + 1,
        library_cd=pick(["PARTNER", "EXCHANGE", "INTERNAL"], np.where(internal, 2, below(seed, "document.library", position, 10) // 8)),
        company_profile_id=nullable(profile + 1, (model >= 0) & happens(seed, "document.modelonly", position, 100)),
        security_model_id=nullable(model + 1, model < 0),
        document_type_cd=pick(KINDS, below(seed, "document.type", position, len(KINDS))),
        file_name=pick(NAMES, below(seed, "document.name", position, len(NAMES))),
        mime_type=pick(MIMES, below(seed, "document.mime", position, len(MIMES))),
        size_bytes=nullable(
            np.array([len(c) for c in contents], dtype=np.int64) + happens(seed, "document.size", position, 8), position % 9 == 0
        ),
        sha256_hex=pick(
            _recorded(digests, happens(seed, "document.digest", position, 6), position % 50 == 7),
            np.arange(len(position)),
            position % 5 == 0,
        ),
        object_path=pick(path, np.arange(len(position)), ~on_share),
        version_no=1 + second,
        previous_document_id=nullable(position, ~second),
        uploaded_by_user_id=nullable(someone(shape, profile, below(seed, "document.by", position, 1 << 20)), internal),
        uploaded_by_cbp_user_id=nullable(1 + position % 40, ~internal),
        uploaded_at=np.minimum(shape.profile_created[profile] + below(seed, "document.at", position, 3650 * DAY), CLOSE),
        deleted_ind=flags(happens(seed, "document.deleted", position, 40)),
    )
    here = np.flatnonzero(~on_share & ~lost)
    content = frame(
        "document_content",
        document_id=position[here] + 1,
        content=blobs(contents[k] for k in here),
    )
    paths = path.to_pylist()
    share = [(str(paths[k]), contents[k]) for k in np.flatnonzero(on_share & ~lost)]
    return {"document": document, "document_content": content, "document_link": _links(block, position, model)}, share


def write_files(root: Path, share: list[tuple[str, bytes]]) -> None:
    """Writes these files under `root`."""
    for path, content in share:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _counts(block: Block) -> Ints:
    """Returns the number of documents per profile: none to three, and four to forty more if an entity is or was certified."""
    seed, shape = block.shape.seed, block.shape
    inside = np.zeros(len(block.profile), dtype=np.bool_)
    inside[shape.model_profile[shape.entity_model[block.entity]] - block.profile[0]] |= member(shape, block)
    few = below(seed, "documents.few", block.profile, 4)
    return np.where(
        inside, few + 4 + np.minimum(below(seed, "documents.1", block.profile, 22), below(seed, "documents.2", block.profile, 36)), few
    ).astype(np.int64)


def _model(shape: Shape, profile: Ints, position: Ints) -> Ints:
    """Returns the model of each document: a model of its profile, -1 for documents of the whole profile (15 of 100)."""
    count = np.diff(shape.model_start)[profile]
    drawn = shape.model_start[profile] + below(shape.seed, "document.model", position, np.maximum(count, 1))
    return np.where((count == 0) | happens(shape.seed, "document.whole", position, 150), -1, drawn)


def _contents(position: Ints, shape: Shape) -> Iterator[bytes]:
    """Yields the bytes of each document: hundreds to thousands, log-normal; 4 of 100 are one of ten shared forms; a few are empty."""
    pool = words.lengths(_MEDIAN, 1024)
    size = below(shape.seed, "content.size", position, len(pool)).tolist()
    start = below(shape.seed, "content.start", position, 256 * 32).tolist()
    kind = below(shape.seed, "content.kind", position, 1000).tolist()
    for number, length, begin, what in zip(position.tolist(), size, start, kind, strict=True):
        if what < 40:
            yield b"%PDF-1.4 form " + _FILLER[: 500 + what // 4]
        elif what == 999:
            yield b""
        else:
            yield b"%%PDF-1.4 document %d\n" % (number + 1) + _FILLER[begin : begin + pool[length]]


def _recorded(digests: list[str], wrong: Bools, capital: Bools) -> list[str]:
    """Returns the digests as recorded at upload: some wrong (C8), some in upper case."""
    rows = zip(digests, wrong.tolist(), capital.tolist(), strict=True)
    return ["0" * 64 if bad else digest.upper() if big else digest for digest, bad, big in rows]


def _links(block: Block, position: Ints, model: Ints) -> pa.Table:
    """Returns links of documents to responses of their profile: mostly of their model, some also of another model."""
    shape, seed = block.shape, block.shape.seed
    counts = choose(seed, "document.links", position, (25, 50, 15, 6, 4))
    parent, number = children(np.where(model >= 0, counts, 0))
    document = position[parent]
    draw = document * 8 + number
    owner = model[parent]
    profile = shape.model_profile[owner]
    first, count = shape.model_start[profile], np.diff(shape.model_start)[profile]
    owner = np.where(happens(seed, "link.other", draw, 80), first + below(seed, "link.model", draw, np.maximum(count, 1)), owner)
    years = year_counts(shape, owner)
    yearly = owner * YEARS + below(seed, "link.year", draw, np.maximum(years, 1))
    answers = answer_counts(shape, yearly)
    # Evenly spread over the answers by the link's number, so that no document is linked to the same answer twice.
    response = yearly * ANSWERS + (below(seed, "link.answer", document, np.maximum(answers, 1)) + number * 11) % np.maximum(answers, 1)
    good = (years > 0) & (answers > 60)
    link = frame(
        "document_link",
        document_id=document[good] + 1,
        target_cd=pick(["RESPONSE"], np.zeros(int(good.sum()), dtype=np.int64)),
        target_id=response[good] + 1,
        linked_at=np.minimum(shape.profile_created[profile[good]] + below(seed, "link.at", draw[good], 3650 * DAY), CLOSE),
    )
    order = [("document_id", "ascending"), ("target_cd", "ascending"), ("target_id", "ascending")]
    return link.sort_by(order)

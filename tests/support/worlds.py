"""Small legacy worlds for the laws: any tables, any references, good, broken and held, and values that no store can hold."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from mappings.model import TableMapping
from mappings.schema import Column
from tests.support.legacy import MAPPINGS, TYPES, Legacy, Undecodable, _shape

CODES = {
    (row["table"], row["column"]): [
        r["code"] for r in MAPPINGS.codes["code_list"] if (r["table"], r["column"]) == (row["table"], row["column"])
    ]
    for row in MAPPINGS.codes["code_list"]
}
SPINE = ("company_profile", "security_model", "model_entity")
OTHERS = sorted(m.table for m in MAPPINGS.tables.values() if m.table not in (*SPINE, "business_type"))
COMPANY_IDS = ("company_profile_id", "monitor_profile_id", "monitored_profile_id")
OFFSETS = (0, 0, 0, 0, -2, 2**53, 2**60)
TEXTS: tuple[object, ...] = ("", " a ", "b", "B", "é", Undecodable(b"\xff"), Undecodable(b"x\0"), "078-05-1120", "1,250", "x|y")
EMAILS: tuple[object, ...] = ("a@x.example", " A@X.example", "b@x.example", "no mail", "ß@x.example", Undecodable(b"\xff@x.example"))
DAYS: tuple[object, ...] = ("2020-01-01", "2023-09-20", "0001-01-01", "9999-12-31", "2023-02-30", "", 20200101)
MOMENTS: tuple[object, ...] = (
    "2015-01-01 00:00:00",
    "2020-01-01 00:00:00",
    "2020-01-01T00:00:00.000001Z",
    "2021-06-01 00:00:00.5",
    "2099-01-01 00:00:00",
    "soon",
)
CLOCKS: tuple[object, ...] = ("2022-07-04 12:00:00", "2022-11-06 01:30:00", "2023-03-12 02:30:00", "never", "")
ODD_KEYS: tuple[object, ...] = (None, None, "abc", b"abc", 1.5, Undecodable(b"abc\xff"), Undecodable(b"abc\xfe"))
SOUND_KEYS = ("criteria_category", "question_applicability")  # SQLite itself refuses others: INTEGER PRIMARY KEY, NOT NULL
CONTENTS: tuple[object, ...] = (b"abc", b"", b"other", "text")
# The columns that refer to another table which their name does not identify.
NAMED = {
    "monitor_profile_id": "company_profile",
    "monitor_model_id": "security_model",
    "monitored_model_id": "security_model",
    "monitored_profile_id": "company_profile",
    "monitor_entity_id": "model_entity",
    "monitored_entity_id": "model_entity",
    "consent_signature_id": "agreement_signature",
    "previous_document_id": "document",
    "origin_model_id": "security_model",
    "target_id": "profile_response",
    "category_no": "criteria_category",
}
OWNER = {
    m.key[0]: m.table
    for m in reversed(list(MAPPINGS.tables.values()))
    if len(m.key) == 1 and m.table not in ("document_content", "tc_document_content", "svi_setting")
}


def referred(column: str) -> str | None:
    """Returns the table that the column refers to; None if it refers to none."""
    if column in NAMED:
        return NAMED[column]
    if column.endswith("cbp_user_id"):
        return "cbp_user"
    if column.endswith("user_id"):
        return "portal_user"
    return OWNER.get(column) if column.endswith("_id") else None


def ancestors(tables: frozenset[str]) -> frozenset[str]:
    """Returns the tables and all tables that their rows refer to."""
    shapes = [_shape(table) for table in tables]
    more = tables | {name for shape in shapes if shape for column in shape.columns if (name := referred(column.name))}
    return tables if more == tables else ancestors(frozenset(more))


@st.composite
def worlds(draw: st.DrawFn, clean: bool = False, odd_keys: bool = False) -> Legacy:
    """Draws a legacy world. `clean`: every value can be read; `odd_keys`: some keys are NULL or not whole numbers.

    Shrinks to fewer tables and fewer rows; a row does not depend on the other rows drawn.
    """
    seed = draw(st.integers(0, 2**32 - 1))
    size = draw(st.integers(1, 4))
    without = draw(st.sets(st.sampled_from(OTHERS), max_size=12))
    chosen = ancestors(frozenset(OTHERS) - without) | {*SPINE}
    offsets = {table: Random(f"{seed} {table}").choice(OFFSETS) for table in chosen}
    world = Legacy()
    for table in ("criteria_version", "profile_question", "agreement_version", "cbp_user"):
        world.tables[table] = []
    for mapping in MAPPINGS.tables.values():
        if mapping.table in chosen:
            _fill(world, mapping, seed, size, offsets, clean, odd_keys)
    for number in range(3):
        world.share(f"{number}.txt", f"file {number}".encode())
    return world


def _fill(world: Legacy, mapping: TableMapping, seed: int, size: int, offsets: dict[str, int], clean: bool, odd_keys: bool) -> None:
    keys = set()
    for number in range(1, size + 1):
        chance = Random(f"{seed} {mapping.table} {number}")
        sound = clean or chance.random() < 0.85  # most rows can be read, so that most of them reach an account
        row = {column.name: _value(mapping, column, number, size, chance, offsets, sound) for column in mapping.shape.columns}
        if mapping.table == "document":
            row["object_path"] = chance.choice((None, "1.txt", "2.txt", "9.txt", "../legacy"))
        if odd_keys and chance.random() < 0.1 and mapping.table not in SOUND_KEYS:
            row[chance.choice(mapping.key)] = chance.choice(ODD_KEYS)
        key = tuple(row[name] for name in mapping.key)
        if None in key or key not in keys:
            keys.add(key)
            world.tables.setdefault(mapping.table, []).append(row)


def _value(mapping: TableMapping, column: Column, number: int, size: int, chance: Random, offsets: dict[str, int], sound: bool) -> object:
    name, table = column.name, mapping.table
    if mapping.key == (name,) and OWNER.get(name) == table:
        return offsets[table] + number
    if not column.not_null and chance.random() < 0.3 and name not in mapping.key:
        return None
    to = referred(name)
    if to is not None:  # sometimes one more than there are: broken references occur
        return offsets.get(to, 0) + (size + 1 if chance.random() < 0.05 else chance.randint(1, size))
    if name in ("business_type_cd",):
        return chance.choice((*TYPES, "IMP", "IMP", "BRK", "NEW"))
    if (table, name) in CODES:
        return chance.choice(CODES[table, name])
    if name == "user_name" or "email" in name:
        return chance.choice(EMAILS[:5] if sound else EMAILS)
    if name.endswith("_ind"):
        return chance.choice("YYNy")
    if name == "updated_local":
        return chance.choice(CLOCKS)
    return _plain(column, chance, sound)


def _plain(column: Column, chance: Random, sound: bool) -> object:
    match column.family:
        case "date":
            return chance.choice(DAYS[:4] if sound else DAYS)
        case "timestamp":
            return chance.choice(MOMENTS[:5] if sound else MOMENTS)
        case "binary":
            return chance.choice(CONTENTS)
        case "integer":
            return chance.choice((0, 1, 3, 2023) if sound else (0, 3, 1.5, 2**40))
    length = column.length or 100
    texts = [text for text in TEXTS if (isinstance(text, str) and len(text) <= length) or not sound]
    return chance.choice(texts or ["a"])

"""Hostile values: 128 that PostgreSQL can hold, and 17 that only SQLite lets into a column; by column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, eq=False)
class TargetColumn:
    """A column of the old portal that takes any value of a type, and the column of the new store for it.

    `row`: the other columns of the row, with `{key}` for its key and look-ups of rows that are there.
    """

    table: str
    column: str
    key: str
    row: dict[str, str]
    into: str
    as_column: str


_ENTITY = "(SELECT min(e.entity_id) FROM model_entity e JOIN security_model m USING (security_model_id) WHERE e.status_cd = 'CERTIFIED' AND e.account_number IS NOT NULL)"
_MODEL = f"(SELECT security_model_id FROM model_entity WHERE entity_id = {_ENTITY})"
_PROFILE = f"(SELECT company_profile_id FROM security_model WHERE security_model_id = {_MODEL})"
_MOMENT = "'2020-01-01 00:00:00'"

TEXT = TargetColumn(
    "message", "body", "message_id", {"thread_id": "(SELECT min(thread_id) FROM message)", "sent_at": _MOMENT}, "message", "body"
)
DATE = TargetColumn(
    "portal_task",
    "due_dt",
    "task_id",
    {"company_profile_id": _PROFILE, "entity_id": _ENTITY, "task_kind_cd": "'X'"},
    "portal_task",
    "due_dt",
)
MOMENT = replace(DATE, column="done_at", as_column="done_at")
BYTES = TargetColumn(
    "vetting_record", "sealed_content", "vetting_id", {"entity_id": _ENTITY, "created_at": _MOMENT}, "vetting_record", "sealed_content"
)
INTEGER = TargetColumn(
    "security_profile",
    "profile_year",
    "security_profile_id",
    {
        "security_model_id": _MODEL,
        "criteria_version_id": "(SELECT min(criteria_version_id) FROM criteria_version)",
        "status_cd": "'X'",
        "current_ind": "'N'",
    },
    "security_profile",
    "profile_year",
)
BIGINT = TargetColumn(
    "document",
    "size_bytes",
    "document_id",
    {
        "library_cd": "'PARTNER'",
        "company_profile_id": _PROFILE,
        "security_model_id": _MODEL,
        "file_name": "'x'",
        "version_no": "1",
        "uploaded_at": _MOMENT,
        "deleted_ind": "'N'",
    },
    "document",
    "recorded_size_bytes",
)
_ADDRESS = {"company_profile_id": _PROFILE, "address_type_cd": "'X'", "mailing_ind": "'N'", "primary_ind": "'N'", "modified_at": _MOMENT}
VARCHAR = TargetColumn("company_address", "street1", "address_id", _ADDRESS, "account_address", "street1")
CHAR = TargetColumn("company_address", "country_cd", "address_id", _ADDRESS, "account_address", "country_cd")

TEXTS = [
    "",
    " ",
    "  blanks around  ",
    "\t",
    "\n",
    "a\r\nb",
    "\r",
    "\\N",
    "\\.",
    "\\",
    "\\\\",
    "NULL",
    "null",
    "None",
    "NA",
    "N/A",
    "nan",
    "-Infinity",
    "true",
    "0",
    "007",
    "1e5",
    "-0",
    "9007199254740993",
    "'",
    '"',
    "''",
    '"";',
    "'; DROP TABLE message; --",
    "/*",
    "%s %d %(x)s",
    "{} {0} {x}",
    "$1 ${HOME} $(id)",
    ":x ?",
    "[bold]x[/]",
    "<script>alert(1)</script>",
    "&amp;",
    "=1+1",
    "@x",
    "\x01\x02",
    "\x1b[31m\x1b]8;;x\x07",
    "\x7f",
    "\x80\x85",
    "\u00a0",
    "\u200b",
    "\u202egnp.exe",
    "\ufeffx",
    "\ufffd",
    "\ufffe\uffff",
    "\U0010ffff",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "e\u0301 is not \u00e9",
    "\u00df \u0130 \u0131",
    "\u2028\u2029",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u4e2d\u6587",
    "a" + "\u0300" * 300,
    '{"a": "\\u0000"}',
    "\\x00",
    "a,b;c|d",
    "../../etc/passwd",
    "x" * 1_000_000,
    "\n" * 100_000,
]
DATES = [
    "-infinity",
    "infinity",
    "4713-01-01 BC",
    "0044-03-15 BC",
    "0001-12-31 BC",
    "0001-01-01",
    "0999-12-31",
    "1582-10-10",
    "1899-12-31",
    "1900-02-28",
    "1969-12-31",
    "1970-01-01",
    "2000-02-29",
    "9999-12-31",
    "10000-01-01",
    "294276-12-31",
    "5874897-12-31",
]
MOMENTS = [
    "-infinity",
    "infinity",
    "4714-11-24 00:00:00 BC",
    "0001-12-31 23:59:59.999999 BC",
    "0001-01-01 00:00:00",
    "1677-09-21 00:12:43.145223",
    "1883-11-18 12:03:58",
    "1969-12-31 23:59:59.999999",
    "1970-01-01 00:00:00",
    "2000-01-01 00:00:00.000001",
    "2016-12-31 23:59:60",
    "2021-03-14 02:30:00",
    "2021-11-07 01:30:00",
    "2262-04-11 23:47:16.854777",
    "2020-02-29 24:00:00",
    "9999-12-31 23:59:59.999999",
    "10000-01-01 00:00:00",
    "294276-12-31 23:59:59.999999",
]
CONTENTS = [
    b"",
    b"\0",
    b"\0\0\0",
    bytes(range(256)),
    b"\xff\xfe",
    b"\n",
    b"\\x00",
    b"\xc0\x80\xed\xa0\x80",
    b"PGCOPY\n\xff\r\n\0",
    b"\0" * 1_000_000,
]
INTEGERS = [0, 1, -1, 2**31 - 1, -(2**31)]
BIGINTS = [0, -1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
LENGTHS = ["x" * 200, "\U0001d4b3" * 200, "e\u0301" * 100, " " * 200]
PADDED = ["U", "\u00c9", "", " U", "\U0001d4b3"]

POSTGRES: list[tuple[TargetColumn, Any]] = [
    (column, value)
    for column, values in (
        (TEXT, TEXTS),
        (DATE, DATES),
        (MOMENT, MOMENTS),
        (BYTES, CONTENTS),
        (INTEGER, INTEGERS),
        (BIGINT, BIGINTS),
        (VARCHAR, LENGTHS),
        (CHAR, PADDED),
    )
    for value in values
]

# For SQLite an expression, and its expected outcome: `same`; `flagged`: U+FFFD in the text, its exact bytes an object (E8);
# `null`: loaded with null, and held whole (X2); `held`: held only (X2).
SQLITE: list[tuple[TargetColumn, str, str]] = [
    (TEXT, "CAST(x'610062' AS TEXT)", "flagged"),
    (TEXT, "CAST(x'ff61fe' AS TEXT)", "flagged"),
    (TEXT, "CAST(x'c080' AS TEXT)", "flagged"),
    (TEXT, "CAST(x'eda080edb080' AS TEXT)", "flagged"),
    (TEXT, "CAST(x'636166e9' AS TEXT)", "flagged"),
    (TEXT, "x'626c6f62'", "same"),
    (TEXT, "x'00ff'", "flagged"),
    (INTEGER, "'twenty'", "held"),
    (INTEGER, "2020.5", "held"),
    (INTEGER, "3000000000", "held"),
    (BIGINT, "''", "null"),
    (BIGINT, "9.3e18", "null"),
    (DATE, "'2023-02-30'", "null"),
    (DATE, "''", "null"),
    (MOMENT, "'2020-01-01 24:00:00'", "null"),
    (MOMENT, "1577836800", "null"),
    (BYTES, "12345", "held"),
]

"""The disguised cast with every form, look-ups and limits in its adapter: the starting point of every damage."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.presented import disguised_cast

_LIMITS = """[held]
document_link = { share = 0.9, reason = "links into a store that was closed" }
[indicator]
"company_address.mailing_ind" = { share = 0.9, reason = "an old form had other marks" }
"""
_PATH = r"""object_path = { path = "OBJC_PTH", from = "\\\\srv01\\docs\\", slash = "\\" }"""


def whole_world(folder: Path) -> Path:
    """Writes the foreign portal to `folder/foreign`: portal2.sqlite, tc.sqlite, adapter/; a look-up, `join`, `text`, `constant`, `absent` and limits with it."""
    foreign = disguised_cast(folder)
    adapter = foreign / "adapter"
    with closing(sqlite3.connect(foreign / "portal2.sqlite")) as portal, portal:
        portal.execute("CREATE TABLE OFFICE (OFFICE_ID INTEGER PRIMARY KEY, OFFICE_CODE VARCHAR(10), NOTE VARCHAR(80))")
        portal.execute(
            "INSERT INTO OFFICE (OFFICE_CODE, NOTE) SELECT DISTINCT trim(OFFC_CD), 'moved' FROM CT_MDL_ENTT WHERE OFFC_CD IS NOT NULL"
        )
        portal.execute("INSERT INTO OFFICE (OFFICE_CODE, NOTE) VALUES ('ZZ9', 'moved')")
        portal.execute("UPDATE CT_MDL_ENTT SET OFFC_CD = (SELECT OFFICE_ID FROM OFFICE WHERE OFFICE_CODE = trim(OFFC_CD))")
        portal.execute("UPDATE CT_DCMN SET OBJC_PTH = '\\\\SRV01\\docs\\' || OBJC_PTH")
    entity = adapter / "portal2" / "model_entity.toml"
    look = 'lookup = { off = { table = "OFFICE", key = "OFFICE_ID", by = "OFFC_CD" } }\n[from.columns]'
    _change(entity, "[from.columns]", look)
    _change(entity, 'office_cd = { trim = "OFFC_CD" }', 'office_cd = "off.OFFICE_CODE"')
    _change(entity, "[from.retired]", '[from.retired]\n"off.NOTE" = "nobody reads it"')
    _change(entity, 'account_number = "accn_nmbr"', 'account_number = { text = "ACCN_NMBR" }')
    _change(adapter / "portal2" / "document.toml", 'object_path = "objc_pth"', _PATH)
    address = adapter / "portal2" / "company_address.toml"
    text = address.read_text(encoding="utf-8").replace('street2 = "strtx"', 'street2 = { absent = "the second line was never used" }')
    text = re.sub(r"primary_ind = .*", 'primary_ind = { constant = "N" }', text).replace(
        'city = "cty"', 'city = { join = ["CTY"], with = ", " }'
    )
    address.write_text(text.replace("[from.retired]", '[from.retired]\nSTRTX = "empty"\nPRMR_IND = "not kept up"'), encoding="utf-8")
    (adapter / "portal2" / "consolidator_mode.toml").unlink()
    for codes in (adapter / "codes").glob("portal2_consolidator_mode_*.csv"):
        codes.unlink()
    source = adapter / "portal2" / "source.toml"
    said = 'null = ["~~"]\ncase = "fold"\n[ignored]\nCT_CNSL_MD = "modes of consolidators were never kept up"'
    source.write_text(
        said + source.read_text(encoding="utf-8").removeprefix("[ignored]") + '[absent]\nconsolidator_mode = "never kept up"\n'
        '[csv]\ndelimiter = ";"\nencoding = "cp1252"\n',
        encoding="utf-8",
    )
    (adapter / "limits.toml").write_text(_LIMITS, encoding="utf-8")
    return foreign


def _change(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text, (before, file)
    file.write_text(text.replace(before, after, 1), encoding="utf-8")

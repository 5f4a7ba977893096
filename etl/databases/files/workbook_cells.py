"""Cells of a workbook whose shown text the reading library does not give: errors such as #N/A come as nothing, numbers without their leading zeros."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

_ZEROS = re.compile(r"0{2,}")
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def unreadable_cells(file: Path) -> Iterator[tuple[str, str]]:
    """(cell, what it shows) of every such cell, sheet by sheet in the order of their files; BadZipFile or ParseError if the file is not a workbook."""
    with zipfile.ZipFile(file) as workbook:
        names = workbook.namelist()
        zeros = _formats(workbook) if "xl/styles.xml" in names else {}
        for name in sorted(name for name in names if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name)):
            with workbook.open(name) as sheet:
                for _, cell in ElementTree.iterparse(sheet):  # noqa: S314  # expat refuses entities that grow; the file is the old portal's export
                    if cell.tag == f"{_MAIN}c":
                        kind, value = cell.get("t", "n"), cell.findtext(f"{_MAIN}v")
                        if kind == "e":
                            yield cell.get("r", "?"), value or "an error"
                        elif kind == "n" and value is not None and len(value) < len(shown := zeros.get(cell.get("s", "0"), "")):
                            yield cell.get("r", "?"), f"a number in the form {shown}"
                    elif cell.tag == f"{_MAIN}row":
                        cell.clear()


def _formats(workbook: zipfile.ZipFile) -> dict[str, str]:
    """By the number of a cell's style, its form, where that writes leading zeros."""
    styles = ElementTree.fromstring(workbook.read("xl/styles.xml"))  # noqa: S314  # as above
    codes = {one.get("numFmtId", ""): one.get("formatCode", "") for one in styles.iter(f"{_MAIN}numFmt")}
    used = styles.find(f"{_MAIN}cellXfs")
    forms = enumerate(codes.get(one.get("numFmtId", ""), "") for one in (used if used is not None else ()))
    return {str(place): code for place, code in forms if _ZEROS.fullmatch(code)}

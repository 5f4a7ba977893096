"""The form of `scan.json`: a file that left the secure zone, and that people may have edited, is compared with it before it is used."""

from __future__ import annotations

from typing import Any

_NUMBER = (int, float)
_NONE = type(None)
_DECLARED: dict[str, tuple[type, ...]] = {"type": (str,), "kind": (str,), "length": (int, _NONE)}
_READ: dict[str, tuple[type, ...]] = {  # of a column whose values were read
    "nulls": _NUMBER,
    "distinct": (int,),
    "unique": (bool,),
    "empty": (int,),
    "shortest": (int, _NONE),
    "longest": (int, _NONE),
    "forms": (list,),
    "looks": (list,),
    "personal": (bool,),
}
_MORE: dict[str, tuple[type, ...]] = {
    "secret": (bool,),
    "late": _NUMBER,
    "lowest": (int,),
    "highest": (int,),
    "refers_to": (list,),
    "values": (dict,),
}
_TABLE: dict[str, tuple[type, ...]] = {"rows": (int,), "view": (bool,), "columns": (dict,)}
_LISTS = ("keys", "primary_key", "key_of_several")
_FORM: dict[str, tuple[type, ...]] = {
    "flag": (bool,),
    "yes": (list,),
    "no": (list,),
    "uuid": (bool,),
    "moment": (str,),
    "date": (str,),
    "pivot": (int,),
    "bytes": (str,),
    "integer": (bool,),
    "trim": (bool,),
}


def scan_problem(portals: Any, known: tuple[str, ...]) -> str:
    """Returns the first place (dotted) at which the scan's portals are not as `scan` makes them; empty where there is none."""
    if not isinstance(portals, dict):
        return "portals"
    for portal, found in portals.items():
        if portal not in known or not isinstance(found, dict) or not isinstance(found.get("tables"), dict):
            return f"portals.{portal}"
        for name, table in found["tables"].items():
            if problem := _table_problem(table):
                return f"portals.{portal}.tables.{name}{problem}"
    return ""


def _table_problem(table: Any) -> str:
    """Returns the place inside the table, beginning with a point; a blank for the table itself, empty where nothing is wrong."""
    if not isinstance(table, dict):
        return " "
    if wrong := _wrong(table, _TABLE):
        return f".{wrong}"
    for name in _LISTS:
        if (
            not isinstance(table.get(name, []), list)
            or not _texts(table.get(name))
            or not set(table.get(name, ())) <= table["columns"].keys()
        ):
            return f".{name}"
    return next((f".columns.{name}{wrong}" for name, about in table["columns"].items() if (wrong := _column_problem(about))), "")


def _column_problem(about: Any) -> str:
    if not isinstance(about, dict):
        return " "
    was_read = not about.get("secret") and about.get("kind") != "bytes"
    wrong = _wrong(about, _DECLARED) or (_wrong(about, _READ) if was_read else "")
    wrong = wrong or _wrong({**dict.fromkeys(_MORE), **about}, {name: (*kinds, _NONE) for name, kinds in _MORE.items()})
    if wrong:
        return f".{wrong}"
    for name in ("looks", "refers_to"):
        if not _texts(about.get(name, [])):
            return f".{name}"
    if not all("." in one for one in about.get("refers_to") or ()):
        return ".refers_to"
    if not all(type(count) is int and count >= 0 for count in (about.get("values") or {}).values()):
        return ".values"
    return "" if all(map(_is_form, about.get("forms", ()))) else ".forms"


def _is_form(form: Any) -> bool:
    if not isinstance(form, dict) or not form or not form.keys() <= _FORM.keys():
        return False
    words = _texts(form.get("yes", [])) and _texts(form.get("no", []))
    return words and not _wrong(form, {name: _FORM[name] for name in form}) and ("flag" not in form or {"yes", "no"} <= form.keys())


def _texts(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _wrong(found: dict[str, Any], kinds: dict[str, tuple[type, ...]]) -> str:
    """Returns the first name whose value is missing, of another type, or a number below zero."""
    for name, allowed in kinds.items():
        value = found.get(name, ...)
        if type(value) not in allowed or (name not in ("lowest", "highest") and type(value) in _NUMBER and not 0 <= value < 2**63):
            return name
    return ""

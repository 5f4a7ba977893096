"""The structure of an unknown old portal: tables, columns, forms, keys, references; values only where they are frequent and few."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import polars as pl

from etl.databases import Source
from etl.domain.typed_values import Typed
from etl.present.catalog import Catalog, Relation, catalog_of
from etl.present.cells import cells_of
from etl.present.kinds import kind_of, length_of
from etl.present.physical import STORED, physical
from etl.present.times import days, moments

VERSION = 1
_ROWS = 100_000  # rows of a table that are read
_COMMON = 5  # a value is reported where it occurs at least this often
_FEW = 60  # distinct values of a column with few values
_FREE = 40  # characters: longer texts are free text
SECRET = re.compile(r"(?i)pass|pwd|pss?w|psw|hash|hsh|secret|token|salt|credential|api_?key|private_?key")
_PERSONAL = re.compile(
    r"(?i)name|nm$|nme|mail|phone|fon|fax|addr|street|strt|city|zip|postal|birth|dob|ssn|social|tax|person|contact|sign(er|ature)|user"
)
_SSN, _MAIL = r"^\d{3}-\d{2}-\d{4}$", r"^[^@\s]+@[^@\s]+$"
_DATES = ("YYYY-MM-DD", "DD-MON-YYYY", "MM/DD/YYYY", "DD.MM.YYYY", "YYYYMMDD", "DD-MON-YY", "MM/DD/YY")
_MOMENTS = (
    "YYYY-MM-DD HH24:MI:SS",
    "YYYY-MM-DD HH24:MI:SS.FF",
    "YYYY-MM-DDTHH24:MI:SS",
    "MM/DD/YYYY HH12:MI:SS AM",
    "MM/DD/YYYY HH24:MI:SS",
    "DD-MON-YYYY HH24:MI:SS",
    "DD-MON-YY HH24:MI:SS",
    "epoch_ms",
    "epoch_s",
)
_FLAGS = (("Y", "N"), ("1", "0"), ("T", "F"), ("true", "false"), ("t", "f"), ("yes", "no"), ("Yes", "No"), ("J", "N"))
# Forms that classify a text without showing it.
_TELLING = {
    "mail": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "digest": r"^[0-9a-fA-F]{64}$",
    "address": r"^\d{1,3}(\.\d{1,3}){3}$|^[0-9a-fA-F:]*:[0-9a-fA-F:]+$",
    "url": r"^(?i:https?://|www\.)\S+$",
    "mime": r"^[a-z]+/[a-z0-9.+-]+$",
    "path": r"[^/\\]*[/\\].*[/\\]",
    "file": r"^[^/\\]+\.[A-Za-z0-9]{2,5}$",
    "phone": r"^\+?[0-9][0-9 ().x/-]{6,}$",
    "number": r"^\d+\.\d+$",
    "words": r"\S\s+\S",
}
_NO_KEY = 0.1  # the share of a column's cells that may be NULL in a key: a table has lines that are not rows of the contract
_MOST = 0.8  # of the texts of a column that have such a form
_REFERENCES = 12  # that are reported of a column
_PIVOT = 1950  # the draft's proposal; a person has to verify it


def scan(source: Source) -> dict[str, Any]:
    """Returns the scan of one old portal as data (`scan.json` has one for each)."""
    catalog = catalog_of(source, frozenset())
    tables: dict[str, Any] = {}
    keys: dict[tuple[str, str], set[int]] = {}
    for name, relation in sorted(catalog.relations.items()):
        if relation.part_of or relation.unopened:
            continue  # the content of a virtual table, which is scanned itself; what cannot be opened cannot be scanned
        tables[name] = _table(source, catalog, relation, keys)
    _references(source, catalog, tables, keys)
    return {"tables": tables}


def _table(source: Source, catalog: Catalog, relation: Relation, keys: dict[tuple[str, str], set[int]]) -> dict[str, Any]:
    rows = source.count(physical(relation, [], {}, STORED, catalog).table if not catalog.server else physical_name(relation, catalog))
    open_ = [name for name in relation.columns if not SECRET.search(name) and relation.kind(name) != "bytes"]
    batch = _first(source, catalog, relation, open_)
    columns: dict[str, Any] = {}
    for name, declared in relation.columns.items():
        about: dict[str, Any] = {"type": declared, "kind": kind_of(declared), "length": length_of(declared)}
        if SECRET.search(name):
            about["secret"] = True
        elif name in open_ and batch is not None:
            text = cells_of(batch, name, name, relation.kind(name), frozenset()).text
            about |= _column(name, text)
            if about["unique"] and about["nulls"] <= _NO_KEY and len(text):
                keys[relation.name, name] = _hashes(text)
        columns[name] = about
    if batch is not None:
        _order(batch, relation, columns)
    return {
        "rows": rows,
        "view": relation.view,
        "columns": columns,
        "keys": [name for name, about in columns.items() if about.get("unique") and not about.get("nulls")],
        "primary_key": list(relation.key),
        "key_of_several": _key_of_several(batch, relation, columns) if batch is not None and rows > 1 else [],
    }


def _times(about: dict[str, Any]) -> bool:
    return any("moment" in form or "date" in form for form in about["forms"])


def _order(batch: Typed, relation: Relation, columns: dict[str, Any]) -> None:
    """Adds how late each column of dates or moments is among those of its table: `late`, the share of the others that are not after it; 0 to 1."""
    when: dict[str, pl.Series] = {}
    for name, about in columns.items():
        text = cells_of(batch, name, name, relation.kind(name), frozenset()).text if about.get("distinct", 0) > 1 else None
        form = next((form for form in about.get("forms", ()) if "moment" in form or "date" in form), None)
        if text is None or (form is None and about["kind"] not in ("date", "moment")):
            continue
        if form is None or "moment" in form:
            when[name] = moments(text, form["moment"] if form else _MOMENTS[0], form.get("pivot") if form else None, "UTC")
        else:
            when[name] = days(text, form["date"], form.get("pivot")).cast(pl.Datetime("us"))
    for name, own in when.items():
        shares = [(own.cast(pl.Datetime("us")) >= other.cast(pl.Datetime("us"))).mean() for of, other in when.items() if of != name]
        known = [float(str(share)) for share in shares if share is not None]
        if known:
            columns[name]["late"] = round(sum(known) / len(known), 2)


def _key_of_several(batch: Typed, relation: Relation, columns: dict[str, Any]) -> list[str]:
    """Returns the declared primary key where it has several columns that may be read.

    Without a declared one: the fewest columns, two or three, that are unique together in a table without a unique column; none where there is no such set.
    """
    if relation.key:  # what is unique in today's rows by chance is not the key
        return list(relation.key) if len(relation.key) > 1 and all("distinct" in columns[name] for name in relation.key) else []
    able = [name for name, about in columns.items() if about.get("distinct", 0) > 1 and about["nulls"] <= _NO_KEY]
    able = [
        name
        for name in able
        if columns[name]["kind"] not in ("fraction", "bytes", "date", "moment")
        and not _times(columns[name])
        and (columns[name]["longest"] or 0) <= _FREE
    ]
    if any(columns[name]["unique"] for name in able):
        return []
    frame = pl.DataFrame({name: cells_of(batch, name, name, relation.kind(name), frozenset()).text.hash(0) for name in able})
    for size in (2, 3):
        for several in combinations(sorted(able, key=lambda name: -columns[name]["distinct"])[:8], size):
            product = 1
            for name in several:
                product *= columns[name]["distinct"]
            if product >= len(frame) and frame.select(several).n_unique() >= len(frame) * (1 - _NO_KEY):
                return list(several)
    return []


def physical_name(relation: Relation, catalog: Catalog) -> str:
    """Returns the table's name, with its schema where it needs one."""
    from etl.present.physical import physical_whole

    return physical_whole(relation, catalog)


def _first(source: Source, catalog: Catalog, relation: Relation, columns: list[str]) -> Typed | None:
    if not columns:
        return None
    for batch in source.read(physical(relation, columns, {}, STORED, catalog), _ROWS):
        return batch.typed
    return Typed(columns={name: pl.Series(name, [], dtype=pl.String) for name in columns})


def _column(name: str, text: pl.Series) -> dict[str, Any]:
    present = text.drop_nulls()
    different = present.unique()
    about: dict[str, Any] = {
        "nulls": round(text.null_count() / len(text), 4) if len(text) else 0.0,
        "distinct": len(different),
        "unique": len(different) == len(present) and len(present) > 0,
        "empty": int((present == "").sum()),
        "shortest": present.str.len_chars().min(),
        "longest": present.str.len_chars().max(),
        "forms": forms_of(different),
        "looks": looks_of(different),
    }
    average = float(str(present.str.len_chars().mean() or 0))
    personal = bool(_PERSONAL.search(name)) or _any(different, _SSN) or _any(different, _MAIL)
    about["personal"] = personal
    numbers = different.str.contains(r"^ *-?\d{1,18} *$").all() if len(different) else False
    if numbers and not personal:
        values = different.str.strip_chars().cast(pl.Int64, strict=False)
        about["lowest"], about["highest"] = values.min(), values.max()
    if len(different) <= _FEW and average <= _FREE and not personal:
        counts = present.value_counts(sort=True).filter(pl.col("count") >= _COMMON)
        about["values"] = {str(value): int(count) for value, count in counts.iter_rows()}
    return about


def _any(texts: pl.Series, pattern: str) -> bool:
    return bool(texts.str.contains(pattern).any())


def forms_of(different: pl.Series) -> list[dict[str, Any]]:
    """Returns the forms that match every text of a column, the most specific first: `{"form": ..., ...}` in the adapter's words."""
    if not len(different):
        return []
    some = different.head(2_000)
    words = set(some.to_list())
    found: list[dict[str, Any]] = []
    for yes, no in _FLAGS:
        if words <= {yes, no}:
            found.append({"flag": True, "yes": [yes], "no": [no]})
            break
    if _all(some, r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"):
        found.append({"uuid": True})
    for form in _MOMENTS:
        if form.startswith("epoch") and not _all(some, r"^1?\d{9}$" if form == "epoch_s" else r"^1?\d{12}$"):
            continue
        pivot = _PIVOT if "YY" in form.replace("YYYY", "") else None
        if moments(some, form, pivot, "UTC").null_count() == 0:
            found.append({"moment": form, **({"pivot": pivot} if pivot else {})})
            break
    for form in _DATES:
        pivot = _PIVOT if "YY" in form.replace("YYYY", "") else None
        if days(some, form, pivot).null_count() == 0:
            found.append({"date": form, **({"pivot": pivot} if pivot else {})})
            break
    if _all(some, r"^[A-Za-z0-9+/\s]{16,}={0,2}\s*$") and _all(some, r"[+/=\s]"):
        found.append({"bytes": "base64"})
    if _all(some, r"^ *-?\d{1,18} *$"):
        found.append({"integer": True})
    if some.str.ends_with(" ").mean() > 0.5:  # type: ignore[operator]  # a mean of booleans is a float
        found.append({"trim": True})
    return found


def looks_of(different: pl.Series) -> list[str]:
    """Returns what most texts of a column look like (an e-mail address, a digest ...): the names of the forms; blanks at the ends do not count."""
    some = different.head(2_000).str.strip_chars()
    some = some.filter(some != "")
    return [name for name, form in _TELLING.items() if len(some) and float(str(some.str.contains(form).mean())) >= _MOST]


def _all(texts: pl.Series, pattern: str) -> bool:
    return bool(texts.str.contains(pattern).all())


def _references(source: Source, catalog: Catalog, tables: dict[str, Any], keys: dict[tuple[str, str], set[int]]) -> None:
    """For each column of keys' form: the columns, single keys of their tables, that have all of its values; the smallest first."""
    for name, table in tables.items():
        candidates = [
            column
            for column, about in table["columns"].items()
            if about.get("distinct", 0) > 1 and about["kind"] != "fraction" and not about.get("personal") and "words" not in about["looks"]
        ]
        batch = _first(source, catalog, catalog.relations[name], candidates)
        for column in candidates if batch is not None else ():
            about = table["columns"][column]
            values = _hashes(cells_of(batch, column, column, catalog.relations[name].kind(column), frozenset()).text)  # type: ignore[arg-type]  # asked above
            found = [
                (len(known), f"{of}.{key}")
                for (of, key), known in keys.items()
                if (of, key) != (name, column)
                and len(known) >= len(values)
                and len(values - known) <= len(values) // 20 + (len(values) > 4)
            ]
            if found:
                about["refers_to"] = [one for _, one in sorted(found)[:_REFERENCES]]


def _hashes(text: pl.Series) -> set[int]:
    """Returns the different cells as hashes; blanks at the ends do not count: a reference may be padded where the key is not."""
    return set(text.drop_nulls().str.strip_chars().unique().hash(0).to_list())

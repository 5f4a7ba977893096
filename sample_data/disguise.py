"""A legacy world that looks foreign: the contract's world under other names and in other forms, and the adapter that presents it again.

Every column is disguised as far as its values allow: values that the form could not reproduce exactly are unchanged.
"""

import base64
import csv
import hashlib
import re
import sqlite3
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sample_data import contract

FOLDERS = {"portal2": "portal2.sqlite", "tc": "tc.sqlite"}
NEW_YORK = ZoneInfo("America/New_York")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# Keys that become texts: UUIDs, or two columns; with the columns of all tables that refer to them.
UUID_KEYS = {
    "user_id": ("portal_user", r"(?!.*cbp).*user_id$"),
    "task_id": ("portal_task", "task_id$"),
    "vetting_id": ("vetting_record", "vetting_id$"),
    "note_id": ("internal_note", "note_id$"),
    "address_id": ("company_address", "address_id$"),
}
PAIR_KEYS = {"history_id": "entity_status_history", "comment_id": "response_comment"}
PASSWORD = "password_hash"  # noqa: S105  # a column's name


@dataclass
class Physical:
    """A physical table: its columns with their declared types, its rows, and the columns of its primary key."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    rows: list[list[Any]] = field(default_factory=list)
    key: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """A contract table: (name, declared type) of each column, and its key."""

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]


def _tables(folder: str) -> list[Table]:
    found = []
    for name, columns in contract.tables(folder).items():
        declared = tuple((c.name, f"{c.type}({c.length})" if c.length else c.type) for c in columns)
        found.append(Table(name, declared, contract.primary_key(folder, name)))
    return found


@dataclass
class Disguised:
    """One portal. `tables`: physical ones; `files`: the adapter's, by path; `twin`: the contract's rows with the keys that the adapter presents."""

    tables: list[Physical] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    twin: dict[str, tuple[list[str], list[list[Any]]]] = field(default_factory=dict)
    views: list[str] = field(default_factory=list)


def disguise(world: Path, to: Path) -> None:
    """Writes the foreign world made from the SQLite files in `world` to `to`: databases, `adapter/`, and `twin/` with the presented keys."""
    (to / "twin").mkdir(parents=True, exist_ok=True)
    for folder, file in FOLDERS.items():
        made = disguised(world / file, folder)
        write_sqlite(made, to / file)
        write_twin(made, folder, to / "twin" / file)
        write_adapter(made, to / "adapter")


def write_adapter(made: Disguised, root: Path) -> None:
    """Writes the adapter's files."""
    for name, text in made.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def write_sqlite(made: Disguised, file: Path) -> None:
    """Writes the physical tables as a SQLite file."""
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as database:
        for table in made.tables:
            listed = ", ".join([*(f'"{name}" {kind}' for name, kind in table.columns.items()), *_key_clause(table)])
            database.execute(f'CREATE TABLE "{table.name}" ({listed})')
            placeholders = ", ".join("?" * len(table.columns))
            database.executemany(f'INSERT INTO "{table.name}" VALUES ({placeholders})', table.rows)
        for view in made.views:
            database.execute(view)
        database.commit()


def write_postgresql(made: Disguised, url: str) -> None:
    """Writes the physical tables to an empty PostgreSQL database: UUID and BYTEA columns, and the view over them."""
    import psycopg

    with psycopg.connect(url) as session:
        for table in made.tables:
            kinds = {name: _server_type(kind) for name, kind in table.columns.items()}
            listed = ", ".join([*(f'"{name}" {kind}' for name, kind in kinds.items()), *_key_clause(table)])
            session.execute(f'CREATE TABLE "{table.name}" ({listed})'.encode())
            names = ", ".join(f'"{name}"' for name in kinds)
            with session.cursor().copy(f'COPY "{table.name}" ({names}) FROM STDIN'.encode()) as copy:
                for row in table.rows:
                    copy.write_row(row)
        for view in made.views:
            session.execute(view.encode())


def write_csv(made: Disguised, folder: Path) -> None:
    """Writes the physical tables as CSV files with `~` for NULL, because some texts are empty; a table with bytes is written as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"BYTEA": pa.binary, "BIGINT": pa.int64, "INTEGER": pa.int64, "NUMERIC": pa.float64}
    folder.mkdir(parents=True, exist_ok=True)
    for table in made.tables:
        if "BYTEA" in table.columns.values():
            columns = {name: [row[position] for row in table.rows] for position, name in enumerate(table.columns)}
            arrays = {
                name: pa.array(cells, kinds.get(table.columns[name].partition("(")[0], pa.string)()) for name, cells in columns.items()
            }
            pq.write_table(pa.table(arrays), folder / f"{table.name}.parquet")
            continue
        with (folder / f"{table.name}.csv").open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(table.columns)
            lines.writerows(["~" if cell is None else cell for cell in row] for row in table.rows)


def _server_type(kind: str) -> str:
    return {"BLOB": "BYTEA", "VARCHAR(36)": "UUID"}.get(kind, kind)


def _key_clause(table: Physical) -> list[str]:
    """The primary key, where the rows have one."""
    positions = [list(table.columns).index(name) for name in table.key]
    keys = [tuple(row[position] for position in positions) for row in table.rows]
    if not positions or len(set(keys)) < len(keys) or any(type(part) not in (int, str) for key in keys for part in key):
        return []
    listed = ", ".join(f'"{name}"' for name in table.key)
    return [f"PRIMARY KEY ({listed})"]


def write_twin(made: Disguised, folder: str, file: Path) -> None:
    """Writes the contract's world of the same rows as a SQLite file, with the keys that the adapter presents."""
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as database:
        database.executescript(contract.sqlite_ddl(folder))
        for table, (columns, rows) in made.twin.items():
            database.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", rows)
        database.commit()


def disguised(file: Path, folder: str, texts: bool = False) -> Disguised:
    """Returns one portal's world, disguised. `texts`: for text files, in which every cell is a text."""
    made, names = Disguised(), _Names()
    with closing(sqlite3.connect(file)) as database:
        # Bytes that are not valid text stay bytes: a blob in a text column is the text of its bytes.
        database.text_factory = lambda raw: _text(raw)
        content = {table.name: _rows(database, table) for table in _tables(folder)}
    keys = _new_keys(content) if folder == "portal2" else {}
    for table in _tables(folder):
        _disguise_table(made, names, folder, table, content[table.name], keys, texts)
    made.tables.append(Physical("TMP_LOAD_2019", {"LN": "VARCHAR(80)"}, [["scratch"], ["scratch too"]]))
    made.views.append(f'CREATE VIEW V_FIRST AS SELECT * FROM "{made.tables[0].name}"')
    made.files[f"{folder}/source.toml"] = 'null = ["~"]\n' * texts + (
        'null = ["", "N/A"]\n' * (not texts and not _has_empty(content)) + '[ignored]\nTMP_LOAD_2019 = "scratch table of a former import"\n'
    )
    return made


def _text(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _rows(database: sqlite3.Connection, table: Table) -> list[list[Any]]:
    listed = ", ".join(column for column, _ in table.columns)
    return [list(row) for row in database.execute(f"SELECT {listed} FROM {table.name} ORDER BY rowid")]


def _has_empty(content: Mapping[str, list[list[Any]]]) -> bool:
    return any(cell in ("", "N/A") for rows in content.values() for row in rows for cell in row)


class _Names:
    """Short names as old systems have them, each used once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def short(self, name: str, prefix: str = "") -> str:
        parts = [part[0] + re.sub("[aeiou]", "", part[1:]) for part in name.split("_")]
        made = prefix + "_".join(part[:4] for part in parts).upper()
        while made in self._taken:
            made += "X"
        self._taken.add(made)
        return made


def _new_keys(content: Mapping[str, list[list[Any]]]) -> dict[str, dict[int, tuple[str, ...]]]:
    """By key column: each old number's new key parts, where every key is a number."""
    found = {}
    tables = {table.name: table for table in _tables("portal2")}
    for column, table in [*((c, t) for c, (t, _) in UUID_KEYS.items()), *PAIR_KEYS.items()]:
        names = [name for name, _ in tables[table].columns]
        if column not in names:
            continue
        values = [row[names.index(column)] for row in content[table]]
        if values and all(type(value) is int for value in values) and len(set(values)) == len(values):
            found[column] = {value: _parts(column, value) for value in values}
    return found


def _parts(column: str, value: int) -> tuple[str, ...]:
    return (str(uuid.uuid5(uuid.NAMESPACE_OID, f"{column} {value}")),) if column in UUID_KEYS else (f"F{value // 7}", str(value % 7))


def number(parts: Sequence[str]) -> int:
    """Returns the key that an adapter makes of these texts."""
    return int(hashlib.sha256("|".join(parts).encode()).hexdigest()[:15], 16)


def _disguise_table(
    made: Disguised,
    names: _Names,
    folder: str,
    table: Table,
    rows: list[list[Any]],
    keys: Mapping[str, Mapping[int, tuple[str, ...]]],
    texts: bool,
) -> None:
    physical = Physical(names.short(table.name, "CT_"))
    of_table = _Names()
    lines: list[str] = []
    columns: list[list[Any]] = []
    twin = [list(row) for row in rows]
    for position, (column, declared) in enumerate(table.columns):
        cells = [row[position] for row in rows]
        form = _form(folder, table, column, declared, cells, of_table, keys)
        form = _as_text(form, declared, cells) if texts else form
        for row, cell in zip(twin, form.twin if form.twin is not None else cells, strict=True):
            row[position] = cell
        lines.append(f"{column} = {form.line}")
        if column in table.key:
            physical.key += [name for name, _, _ in form.columns]
        for name, kind, values in form.columns:
            physical.columns[name] = kind
            columns.append(values)
        if form.codes:
            made.files[f"codes/{form.codes_name}.csv"] = "legacy,contract\n" + "".join(
                f"{_quoted(a)},{_quoted(b)}\n" for a, b in form.codes
            )
    physical.columns["ROW_CHK"] = "NUMERIC(12,4)"
    columns.append([None if n % 3 else n / 4 for n in range(len(rows))])
    physical.rows = [list(row) for row in zip(*columns, strict=True)] if rows else []
    blocks = _blocks(made, physical, table, of_table)
    retired = '[from.retired]\nROW_CHK = "check sums of the old batch job"\n'
    text = "".join(f"{head}[from.columns]\n" + "\n".join(lines) + f"\n{retired}\n" for head in blocks)
    made.files[f"{folder}/{table.name}.toml"] = text
    made.twin[table.name] = ([column for column, _ in table.columns], twin)


def _blocks(made: Disguised, physical: Physical, table: Table, names: _Names) -> list[str]:
    """Returns the heads of the [[from]] blocks: some contract tables are split over two physical ones, some share theirs with unrelated rows."""
    if table.name in ("company_address", "vetting_record") and _key_clause(physical):
        other = Physical(f"{physical.name}_OLD", dict(physical.columns), physical.rows[1::2], physical.key)
        physical.rows = physical.rows[::2]
        made.tables += [physical, other]
        return [f'[[from]]\ntable = "{one.name}"\n' for one in (physical, other)]
    made.tables.append(physical)
    if table.name in ("portal_task", "importer_country_of_origin"):
        marker = names.short("record_type")
        physical.columns = {marker: "VARCHAR(2)", **physical.columns}
        physical.rows = [["R" if n % 2 else "E", *row] for n, row in enumerate(physical.rows)]
        junk = [["H", *([None] * (len(physical.columns) - 1))] for _ in range(3)]
        physical.rows += junk
        return [f'[[from]]\ntable = "{physical.name}"\nwhere = {{ {marker} = ["E", "R"] }}\nrest = "history lines that nobody needs"\n']
    return [f'[[from]]\ntable = "{physical.name.lower()}"\n']


@dataclass
class _Form:
    line: str
    columns: list[tuple[str, str, list[Any]]]
    codes_name: str = ""
    codes: list[tuple[str, str]] = field(default_factory=list)
    twin: list[Any] | None = None


def _form(
    folder: str, table: Table, name: str, declared: str, cells: list[Any], names: _Names, keys: Mapping[str, Mapping[int, tuple[str, ...]]]
) -> _Form:
    short = names.short(name)
    plain = _Form(f'"{short.lower()}"', [(short, declared, cells)])
    if name == PASSWORD:
        return plain
    if (found := _key_form(table.name, name, short, cells, names, keys)) is not None:
        return found
    present = [cell for cell in cells if cell is not None]
    texts = all(isinstance(cell, str) for cell in present)
    if name.endswith("_ind") and present and set(present) <= {"Y", "N"}:
        words = {"Y": 1, "N": 0}
        return _Form(f'{{ flag = "{short}", yes = ["1"], no = ["0"] }}', [(short, "INTEGER", [words.get(c) for c in cells])])
    if (
        name.endswith("_cd")
        and texts
        and present
        and not name.startswith(("country", "office"))
        and "" not in present
        and "*" not in present
    ):
        words_of = {word: f"{n:02d}" for n, word in enumerate(sorted(set(present)), start=1)}
        codes = [(code, word) for word, code in words_of.items()]
        list_ = f"{folder}_{table.name}_{name}"
        return _Form(f'{{ code = "{short}", by = "{list_}" }}', [(short, "CHAR(2)", [words_of.get(c) for c in cells])], list_, codes)
    if name in ("country_cd", "office_cd") and texts and not any(cell.endswith(" ") for cell in present):
        return _Form(f'{{ trim = "{short}" }}', [(short, "VARCHAR(30)", [None if c is None else c.ljust(30) for c in cells])])
    if declared == "DATE" and texts and present and all(_day(cell, 1950, 2049) for cell in present):
        return _Form(f'{{ date = "{short}", form = "DD-MON-YY", pivot = 1950 }}', [(short, "VARCHAR(9)", [_dated(c) for c in cells])])
    if declared == "TIMESTAMP" and texts and present and all(_moment(cell) for cell in present):
        return _moment_form(short, name, cells)
    if declared == "INTEGER" and all(type(cell) is int for cell in present) and name not in table.key:
        return _Form(f'{{ integer = "{short}" }}', [(short, "VARCHAR(20)", [None if c is None else f" {c} " for c in cells])])
    if name == "object_path" and texts and not any("\\" in cell for cell in present):
        share = "\\\\\\\\srv01\\\\docs\\\\"
        paths = [None if c is None else "\\\\SRV01\\docs\\" + c.replace("/", "\\") for c in cells]
        return _Form(f'{{ path = "{short}", from = "{share}" }}', [(short, "VARCHAR(600)", paths)])
    if table.name == "tc_document_content" and name == "content" and all(isinstance(cell, bytes) for cell in present):
        encoded = [None if c is None else base64.encodebytes(c).decode() for c in cells]
        return _Form(f'{{ bytes = "{short}", form = "base64" }}', [(short, "TEXT", encoded)])
    if table.name == "trade_organization" and name == "org_name" and texts and not any("|" in cell for cell in present):
        joined = [None if c is None else f"{n:04d}|{c}" for n, c in enumerate(cells)]
        return _Form(f'{{ part = "{short}", split = "|", take = 2 }}', [(short, "VARCHAR(300)", joined)])
    return plain


def _as_text(form: _Form, declared: str, cells: list[Any]) -> _Form:
    """The form of a column whose cells are texts only."""
    if not form.line.startswith('"'):
        return form
    name = form.line.strip('"')
    moments = all(cell is None or len(cell) == 19 for cell in cells) if declared == "TIMESTAMP" else True
    line = {
        "BIGINT": f'{{ integer = "{name}" }}',
        "INTEGER": f'{{ integer = "{name}" }}',
        "DATE": f'{{ date = "{name}", form = "YYYY-MM-DD" }}',
        "TIMESTAMP": f'{{ moment = "{name}", form = "YYYY-MM-DD HH24:MI:SS{"" if moments else ".FF"}" }}',
    }.get(declared, form.line)
    return _Form(line, form.columns)


def _key_form(
    table: str, name: str, short: str, cells: list[Any], names: _Names, keys: Mapping[str, Mapping[int, tuple[str, ...]]]
) -> _Form | None:
    for column, (_, pattern) in UUID_KEYS.items():
        if column in keys and re.match(pattern, name) and all(c is None or type(c) is int for c in cells):
            known = {c: keys[column].get(c) or _parts(column, c) for c in cells if c is not None}
            texts = [None if c is None else known[c][0] for c in cells]
            twin = [None if c is None else number(known[c]) for c in cells]
            return _Form(f'{{ number = "{short}" }}', [(short, "VARCHAR(36)", texts)], twin=twin)
    if name in keys and PAIR_KEYS.get(name) == table:
        other = names.short(f"{name}_no")
        parts = [keys[name][c] for c in cells]
        columns: list[tuple[str, str, list[Any]]] = [
            (short, "VARCHAR(12)", [p[0] for p in parts]),
            (other, "INTEGER", [int(p[1]) for p in parts]),
        ]
        return _Form(f'{{ number = ["{short}", "{other}"] }}', columns, twin=[number(p) for p in parts])
    return None


def _day(text: str, first: int, last: int) -> bool:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return False
    return day.isoformat() == text and first <= day.year <= last


def _dated(text: str | None) -> str | None:
    if text is None:
        return None
    day = date.fromisoformat(text)
    return f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year % 100:02d}"


def _moment(text: str) -> bool:
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # the contract's moments have no zone
    except ValueError:
        return False
    return moment.isoformat(" ") == text and moment.year > 1900


def _moment_form(short: str, name: str, cells: Iterable[str | None]) -> _Form:
    moments = [None if c is None else datetime.fromisoformat(c).replace(tzinfo=UTC) for c in cells]
    if name.startswith("created"):
        return _Form(
            f'{{ moment = "{short}", form = "epoch_ms" }}',
            [(short, "BIGINT", [None if m is None else int(m.timestamp()) * 1000 for m in moments])],
        )
    local = [None if m is None else m.astimezone(NEW_YORK) for m in moments]
    exact = all(m is None or w is None or w.replace(fold=0).astimezone(UTC) == m for m, w in zip(moments, local, strict=True))
    zone, shown = (', zone = "America/New_York"', local) if exact else ("", moments)
    texts = [None if m is None else m.strftime("%m/%d/%Y %I:%M:%S %p") for m in shown]
    return _Form(f'{{ moment = "{short}", form = "MM/DD/YYYY HH12:MI:SS AM"{zone} }}', [(short, "VARCHAR(22)", texts)])


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text

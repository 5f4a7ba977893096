"""Responses, findings and their questions in the catalogue (chapter E)."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from etl.reconcile.engine.frames import compact
from etl.reconcile.engine.ledger import LOADED
from etl.reconcile.engine.ordinary import Copies, CopyRule, Note, RowRule, Rulebook, of_rows, recorded
from etl.reconcile.engine.scopes import Indexing
from etl.reconcile.engine.source import KEY
from etl.reconcile.engine.spec import Value
from etl.reconcile.engine.world import ExpectedRows, ExpectedState, Ints

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "E1": (),
    "E2": (),
    "E3": (),
    "E4": (),
    "E7": ("P2.profile_response",),
    "E10": ("P2.profile_response", "P2.validation_finding"),
    "E14": (),
    "E15": ("P2.security_profile",),
}

KEYS = ("security_profile_id", "question_id")
UNIX = date(1970, 1, 1).toordinal()


def response_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """Yields all expected responses. Responses to a question that has several in one security profile come last, because E7 compares them."""
    mapping = world.spec.mappings["P2", "profile_response"]
    twice = _answered_twice(world)
    waiting: list[pl.DataFrame] = []
    indexing = Indexing()
    for frame in world.rows("P2", "profile_response"):
        scope, reason = recorded(world, rulebook, mapping, frame)
        loaded = reason == LOADED
        indexing.add(frame["response_id"], loaded, scope)
        rows = frame.with_columns(pl.Series("#scope", scope), pl.lit(False).alias("#superseded")).filter(pl.Series(loaded))
        if len(twice):
            doubtful = pl.Series(np.isin(_pair(rows), twice))
            waiting.append(compact(rows.filter(doubtful)))
            rows = rows.filter(~doubtful)
        yield from of_rows(world, rulebook, mapping, rows, rows["#scope"].to_numpy())
    world.index["P2", "profile_response"] = indexing.index()
    if waiting:
        rows = pl.concat(waiting)
        rank = rows.with_row_index("row").sort([*KEYS, "modified_at", "response_id"], descending=[False, False, True, True])
        old = np.zeros(len(rows), np.bool_)
        old[rank.filter(pl.int_range(pl.len()).over(KEYS) > 0)["row"].to_numpy()] = True
        rows = rows.with_columns(pl.Series("#superseded", old))
        world.flag("E7", "P2", "profile_response", rows, old)
        yield from of_rows(world, rulebook, mapping, rows, rows["#scope"].to_numpy())


def superseded(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns true for responses that a later response of the same security profile to the same question replaces (E7)."""
    return rows["#superseded"]


def applicability(world: ExpectedState, copies: Copies) -> pl.Series:
    """Returns the strength that the loaded catalogue has for the question and the type of the account, else NOT_APPLICABLE (E3)."""
    wanted = pl.DataFrame([copies.of("question_id"), copies.of_account(world, "#type").alias("business_type_cd")])
    table = world.known.catalogues["question_applicability"].select("question_id", "business_type_cd", "strength_cd")
    return wanted.join(table, on=["question_id", "business_type_cd"], how="left", maintain_order="left")["strength_cd"].fill_null(
        "NOT_APPLICABLE"
    )


def question(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the question id unchanged; E10 adds missing questions to the catalogue."""
    return rows[value.source[0]]


def note_question(table: str) -> Note:
    """Returns a function that flags rows of `table` whose question is not in the catalogue, and records the ids that need a stub (E10)."""

    def note(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
        index = world.index["P2", "profile_question"]
        lacking = rows["question_id"].is_not_null().to_numpy() & ~index.is_loaded(index.find(rows["question_id"]))
        world.flag("E10", "P2", table, rows, lacking)
        world.stubs.update(rows["question_id"].filter(pl.Series(lacking)).to_list())

    return note


def stub_rows(world: ExpectedState) -> ExpectedRows:
    """Returns one `profile_question` row with `stub` true and text UNKNOWN(id) for each missing question; other columns are null (E10; fine print 16)."""
    ids = pl.Series("question_id", sorted(world.stubs), dtype=pl.Int64)
    text = ids.cast(pl.String)
    rows = {"question_id": ids, "question_text": "UNKNOWN(" + text + ")", "stub": pl.Series([True]).new_from_index(0, len(ids)), KEY: text}
    for name, kind in (
        ("criteria_version_id", pl.Int64),
        ("category_no", pl.Int64),
        ("criterion_no", pl.String),
        ("question_no", pl.Int64),
    ):
        rows[name] = pl.Series([None], dtype=kind).new_from_index(0, len(ids))
    return ExpectedRows("profile_question", "P2", "profile_question", pl.DataFrame(rows))


def internal(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns true for INTERNAL findings, and for comments unless they are marked N (C15; fine print 36)."""
    column = value.source[0]
    return rows[column].eq_missing(pl.Series(["INTERNAL"])) if column.endswith("_cd") else ~rows[column].eq_missing(pl.Series(["N"]))


def adjusted(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns the due date plus the days of grace if it is in the band around the freeze, else null; null if the sum is after 9999-12-31 (E14)."""
    if world.freeze is None:
        return pl.Series([None], dtype=pl.Date).new_from_index(0, len(rows))
    first, last = (day.toordinal() - UNIX for day in world.freeze)
    before, after, more = world.grace or (0, 0, last - first + 1)
    due = rows[value.source[0]].to_physical().cast(pl.Int64)
    later = due + more
    in_band = due.is_between(first - before, last + after) & (later <= date.max.toordinal() - UNIX)
    return pl.select(pl.when(in_band).then(later)).to_series().cast(pl.Int32).cast(pl.Date)


def note_security_profile(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags security profiles whose submitter has only consultant contacts on the model's profile, removed contacts included (E15; fine print 54)."""
    contacts = world.known.every_contact.drop_nulls(["user_id", "company_profile_id"])
    insiders = contacts.filter((pl.col("contact_type_cd") != "CONSULTANT").fill_null(True)).select("user_id", "company_profile_id")
    outsiders = contacts.select("user_id", "company_profile_id").unique().join(insiders, on=["user_id", "company_profile_id"], how="anti")
    of_model = world.known.loaded_models.select("security_model_id", "company_profile_id")
    submitted = rows.select(KEY, "security_model_id", pl.col("submitted_by_user_id").alias("user_id")).drop_nulls("user_id")
    odd = submitted.join(of_model, on="security_model_id").join(outsiders, on=["user_id", "company_profile_id"], how="semi")[KEY]
    world.flag("E15", "P2", "security_profile", rows, rows[KEY].is_in(odd.implode()).to_numpy())


def _pair(rows: pl.DataFrame) -> Ints:
    pair: Ints = (rows[KEYS[0]].hash(1).to_numpy() + rows[KEYS[1]].hash(2).to_numpy()).view(np.int64)
    return pair


def _answered_twice(world: ExpectedState) -> Ints:
    """Returns the hashes of (security profile, question) pairs that occur more than once; some of the rows may be held."""
    source = world.sources["P2"]
    if source.absent("profile_response"):
        return np.zeros(0, np.int64)
    columns = [source.table("profile_response").columns[name] for name in KEYS]
    found = [_pair(part.frame) for part in source.database.parts("profile_response", columns)]
    if not found:
        return np.zeros(0, np.int64)
    pairs = np.concatenate(found)
    found.clear()
    pairs.sort()
    return np.unique(pairs[1:][pairs[1:] == pairs[:-1]])


# By (source table, target column), or by number for any column that the rule fills: the same on every copy of a row.
ROW: dict[tuple[str, str] | str, RowRule] = {
    "C15": internal,
    "E14": adjusted,
    ("profile_response", "question_id"): question,
    ("profile_response", "superseded"): superseded,
    ("validation_finding", "question_id"): question,
}

# By (source table, target column): another value on each copy.
COPY: dict[tuple[str, str], CopyRule] = {
    ("profile_response", "applicability_cd"): applicability,
}

# By source table: what flags its loaded rows.
NOTE: dict[str, Note] = {
    "profile_response": note_question("profile_response"),
    "validation_finding": note_question("validation_finding"),
    "security_profile": note_security_profile,
}

"""Documents and their links: which accounts have them, which link stays within one company, which version came before (C1-C3, C11)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.reconcile.compare.hashing import fingerprint
from etl.reconcile.engine.frames import LOCATOR
from etl.reconcile.engine.ledger import BROKEN_REFERENCE, CROSS_PROFILE, LOADED, NO_OWNER, PARENT_HELD, UNREADABLE_VALUE, lowest
from etl.reconcile.engine.ordinary import NONE, Copies, CopyRule, RowRule, Rulebook, of_rows, recorded, row_columns
from etl.reconcile.engine.scopes import MISSING, UNSET, indexed
from etl.reconcile.engine.source import ALSO_HELD, BAD, KEY, mask
from etl.reconcile.engine.spec import Value
from etl.reconcile.engine.world import ExpectedRows, ExpectedState, Ints, Mask
from etl.reconcile.objects.share import Moving, digest_at
from etl.reconcile.rules.c_contents import decide_contents, flag_bytes, usable, with_bytes

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "C1": (),
    "C2": (),
    "C3": (),
    "C11": ("P2.document",),
    "C12": (),
    "C15": (),
    "C20": (),
}

SURVEYED = (
    LOCATOR,
    KEY,
    BAD,
    ALSO_HELD,
    "document_id",
    "library_cd",
    "security_model_id",
    "company_profile_id",
    "previous_document_id",
    "object_path",
)


@dataclass(frozen=True)
class Library:
    """What C1-C3 and C11 decide, by the position of a document among all document rows."""

    documents: pl.DataFrame
    reason: Ints
    scope: Ints  # -1: of no account
    inherited: Mask
    at_path: dict[str, tuple[str, int]]
    pairs: Ints  # (document, account) as one sorted number: which document has a row in which account
    previous: Ints  # the position of the earlier version, -1 where it is to be null in every account


def survey(world: ExpectedState) -> Library:
    """Returns the placement of all documents; records documents, links and contents in the ledger as loaded or held (C1-C3, C7, C11)."""
    documents = world.sources["P2"].whole("document", world.ledger, SURVEYED)
    links = world.sources["P2"].whole("document_link", world.ledger)
    by_id = indexed(documents["document_id"], ~mask(documents, BAD), position=np.arange(len(documents)))
    of_link = by_id.of("position", by_id.find(links["document_id"]))

    model = world.index["P2", "security_model"]
    model_at = model.find(documents["security_model_id"])
    profile = world.index["P2", "company_profile"]
    profile_at = profile.find(documents["company_profile_id"])
    target_scope, target_reason = _targets(world, links)
    target_reason = np.where(mask(links, BAD), UNREADABLE_VALUE, target_reason)
    good = (target_reason == LOADED) & (of_link >= 0)
    company = pl.Series(_company_of(world, target_scope))
    cross = good & _crosses(_own_company(world, documents, model_at), links, of_link, company, good)

    row, account = world.scopes.expand(np.concatenate([model.scope_of(model_at), np.where(good & ~cross, target_scope, -1)]))
    owner = np.concatenate([np.arange(len(documents)), of_link])[row]
    pairs = np.unique(owner * (len(world.accounts) + 1) + account + 1)
    owner, account = pairs // (len(world.accounts) + 1), pairs % (len(world.accounts) + 1) - 1
    scope = world.scopes.add(owner, account, len(documents))
    placed = world.scopes.size(scope) > 0

    missing_model = model_at == MISSING
    without = np.where(missing_model, BROKEN_REFERENCE, np.where(model_at == UNSET, NO_OWNER, PARENT_HELD))
    without = np.where((documents["library_cd"] == "PUBLIC").fill_null(False).to_numpy(), LOADED, without)
    by_profile = np.where(profile_at == MISSING, BROKEN_REFERENCE, np.where(profile.is_loaded(profile_at), LOADED, PARENT_HELD))
    reason = np.where(placed, LOADED, np.where(profile_at == UNSET, without, by_profile))
    reason = np.where(mask(documents, BAD), UNREADABLE_VALUE, reason)
    inherited = ~placed & (profile_at != UNSET) & (reason == LOADED)
    scope = np.where(reason == LOADED, np.where(inherited, profile.scope_of(profile_at), np.where(placed, scope, -1)), -1)
    world.flag("X1", "P2", "document", documents, missing_model & (reason == LOADED) & (placed | inherited))

    world.index["P2", "document"] = indexed(documents["document_id"], reason == LOADED, scope, position=np.arange(len(documents)))
    contents = world.known.hashed["P2"]
    world.known.contents["P2"] = usable(contents, "document_id")
    decide_contents(world, "P2", contents)
    at_path, held = _files(world, documents, reason)
    world.ledger.account_for("P2", "document", documents, reason, held)
    document_held = (
        np.where(of_link < 0, BROKEN_REFERENCE, np.where(reason[np.maximum(of_link, 0)] == LOADED, LOADED, PARENT_HELD))
        if len(documents)
        else np.full(len(links), BROKEN_REFERENCE)
    )
    link_reason = lowest(target_reason, document_held, np.where(cross, CROSS_PROFILE, LOADED))
    world.ledger.account_for("P2", "document_link", links, link_reason)
    world.known.links = links.with_columns(pl.Series("#scope", target_scope)).filter(pl.Series(link_reason == LOADED))

    final = _pairs(world, scope, reason)
    return Library(
        documents,
        reason,
        scope,
        inherited,
        at_path,
        final,
        _previous(world, documents, by_id.of("position", by_id.find(documents["previous_document_id"])), reason),
    )


def document_rows(world: ExpectedState, rulebook: Rulebook, library: Library) -> Iterator[ExpectedRows]:
    """Yields the expected rows of `document` in batches: one per document and account, and one without account for the public library (C1)."""
    mapping = world.spec.mappings["P2", "document"]
    first = 0
    for frame in world.rows("P2", "document"):
        here = slice(first, first + len(frame))
        first += len(frame)
        loaded = library.reason[here] == LOADED
        rows = frame.with_columns(pl.Series("#inherited", library.inherited[here]), pl.Series("#previous", library.previous[here])).filter(
            pl.Series(loaded)
        )
        rows = with_bytes(world, "P2", rows, library.at_path)
        flag_bytes(world, "P2", rows)
        scope = library.scope[here][loaded]
        take, account = world.scopes.expand(scope)
        public = np.flatnonzero(scope < 0)
        copies = Copies(rows, np.concatenate([take, public]), np.concatenate([account, np.full(len(public), -1)]))
        yield from of_rows(world, rulebook, mapping, rows, scope, copies)


def tc_document_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """Yields the expected rows of Trade Compliance documents, on the account of their program; records every row in the ledger."""
    mapping = world.spec.mappings["TC", "tc_document"]
    rows = world.sources["TC"].whole("tc_document", world.ledger)
    scope, reason = recorded(world, rulebook, mapping, rows)
    loaded = reason == LOADED
    world.index["TC", "tc_document"] = indexed(rows["tc_document_id"], loaded, np.where(loaded, scope, -1))
    contents = world.known.hashed["TC"]
    world.known.contents["TC"] = usable(contents, "tc_document_id")
    decide_contents(world, "TC", contents)
    rows = with_bytes(world, "TC", rows.filter(pl.Series(loaded)), {})
    flag_bytes(world, "TC", rows)
    yield from of_rows(world, rulebook, mapping, rows, scope[loaded])


def link_rows(world: ExpectedState, rulebook: Rulebook) -> Iterator[ExpectedRows]:
    """Yields one link for each account that has the target, from the document's row in that account to the target's row there (C2)."""
    links = world.known.links
    take, account = world.scopes.expand(links["#scope"].to_numpy())
    entity = world.entity_ids(account)
    target = pl.select(
        pl.coalesce(
            pl.when(links["target_cd"][take] == code).then(_copies_of(world, table, links["target_id"][take], entity))
            for code, (_, table) in world.spec.link_targets.items()
        )
    ).to_series()
    document = world.reference("document", "P2", links["document_id"].cast(pl.String)[take], entity)
    mapping = world.spec.mappings["P2", "document_link"]
    rows = row_columns(world, rulebook, mapping, mapping.into[0], links)
    yield ExpectedRows(
        "document_link", "P2", "document_link", rows, take, pl.DataFrame([document.alias("document_id"), target.alias("target_id"), entity])
    )


def previous_document(library: Library) -> CopyRule:
    """Returns a rule that gives the fingerprint of the earlier version's row in the same account; null if there is none (C11)."""

    def rule(world: ExpectedState, copies: Copies) -> pl.Series:
        earlier = copies.of("#previous").to_numpy()
        wanted = earlier * (len(world.accounts) + 1) + copies.account + 1
        at = np.minimum(np.searchsorted(library.pairs, wanted), max(len(library.pairs) - 1, 0))
        there = (earlier >= 0) & (library.pairs[at] == wanted) if len(library.pairs) else earlier < -1
        keys = library.documents[KEY][np.maximum(earlier, 0)] if len(library.documents) else copies.of(KEY)
        value = world.reference("document", "P2", keys, world.entity_ids(copies.account))
        return pl.select(pl.when(pl.Series(there)).then(value)).to_series()

    return rule


def inherited(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns true for documents that came to their accounts by the profile (C1)."""
    return rows["#inherited"]


def _targets(world: ExpectedState, links: pl.DataFrame) -> tuple[Ints, Ints]:
    """Returns (scope of each link's target, hold reason); a target code that is not in the contract counts as a missing target."""
    scope, reason = np.full(len(links), -1, np.int64), np.full(len(links), BROKEN_REFERENCE, np.int64)
    for code, (source, _) in world.spec.link_targets.items():
        index = world.index.get(("P2", source), NONE)
        position = index.find(links["target_id"])
        chosen = (links["target_cd"] == code).fill_null(False).to_numpy() & (position >= 0)
        scope = np.where(chosen, index.scope_of(position), scope)
        reason = np.where(chosen, np.where(index.is_loaded(position), LOADED, PARENT_HELD), reason)
    return scope, reason


def _company_of(world: ExpectedState, scope: Ints) -> pl.Series:
    first = world.scopes.first(scope)
    if not len(world.accounts):
        return pl.Series([None], dtype=pl.Int64).new_from_index(0, len(scope))
    found = world.accounts["company_profile_id"][np.maximum(first, 0)]
    return pl.select(pl.when(pl.Series(first >= 0)).then(found)).to_series()


def _own_company(world: ExpectedState, documents: pl.DataFrame, model_at: Ints) -> pl.Series:
    """Returns the profile of the document's model if that exists, else the profile that the document names; null without both (C3)."""
    model = world.index["P2", "security_model"]
    known = model.of("known", model_at, 0) == 1
    return pl.select(
        pl.when(pl.Series(known)).then(pl.Series(model.of("profile", model_at, 0))).otherwise(documents["company_profile_id"])
    ).to_series()


def _crosses(own: pl.Series, links: pl.DataFrame, of_link: Ints, company: pl.Series, good: Mask) -> Mask:
    """Returns which good links lead to another company than the document's (C3)."""
    frame = (
        links.select("target_cd", "target_id")
        .with_columns(pl.Series("document", of_link), company.alias("company"))
        .filter(pl.Series(good))
    )
    first = (
        frame.sort(["document", "target_cd", "target_id"])
        .unique("document", keep="first", maintain_order=True)
        .select("document", first="company")
    )
    frame = frame.join(first, on="document", how="left", maintain_order="left").with_columns(own[frame["document"]].alias("own"))
    crossing = np.zeros(len(links), np.bool_)
    crossing[np.flatnonzero(good)] = (frame["company"] != frame["own"].fill_null(frame["first"])).to_numpy()
    return crossing


def _files(world: ExpectedState, documents: pl.DataFrame, reason: Ints) -> tuple[dict[str, tuple[str, int]], pl.Series]:
    """Returns the bytes at the paths of documents without a content row, and the digest of the file of each held document (fine print 9)."""
    held = pl.Series("held", reason != LOADED)
    with_content = documents["document_id"].is_in(world.known.contents["P2"]["document_id"].implode()).fill_null(False)
    wanted = documents["object_path"].filter(documents["object_path"].is_not_null() & (held | ~with_content)).unique().sort()
    found: dict[str, tuple[str, int]] = {}
    for path in wanted.to_list():
        try:
            at_path = digest_at(world.files, path)
        except Moving:
            world.not_checked.append(("file share", "", "a file changed while it was read"))
            continue
        if at_path is not None:
            found[path] = at_path
    world.ledger.store(
        pl.Series([digest for digest, _ in found.values()], dtype=pl.String),
        pl.Series([size for _, size in found.values()], dtype=pl.Int64),
    )
    digests = documents["object_path"].replace_strict(
        {path: digest for path, (digest, _) in found.items()}, default=None, return_dtype=pl.String
    )
    return found, pl.select(pl.when(held).then(digests)).to_series()


def _pairs(world: ExpectedState, scope: Ints, reason: Ints) -> Ints:
    row, account = world.scopes.expand(scope)
    public = np.flatnonzero((scope < 0) & (reason == LOADED))
    return np.sort(np.concatenate([row * (len(world.accounts) + 1) + account + 1, public * (len(world.accounts) + 1)]))


def _previous(world: ExpectedState, documents: pl.DataFrame, earlier: Ints, reason: Ints) -> Ints:
    """Returns the position of each earlier version, -1 on a cycle (held rows included) or if it is missing; flags these loaded documents (C11; fine print 32)."""
    named = documents["previous_document_id"].is_not_null().to_numpy()
    on_cycle = _on_cycle(earlier)
    world.flag("C11", "P2", "document", documents, (reason == LOADED) & ((named & (earlier < 0)) | on_cycle))
    return np.where(on_cycle, -1, earlier)


def _on_cycle(earlier: Ints) -> Mask:
    """Returns which documents are on a cycle of earlier versions."""
    following = {int(row): int(earlier[row]) for row in np.flatnonzero(earlier >= 0)}
    found = np.zeros(len(earlier), np.bool_)
    seen: dict[int, int] = {}
    for start in following:
        path, row = [], start
        while row in following and row not in seen:
            seen[row] = start
            path.append(row)
            row = following[row]
        if seen.get(row) == start and row in path:
            found[path[path.index(row) :]] = True
    return found


def _copies_of(world: ExpectedState, table: str, key: pl.Series, entity: pl.Series) -> pl.Series:
    """Returns the fingerprints of the target rows made from these source rows in these accounts."""
    if table == "entity_account":
        return pl.Series(fingerprint([entity.alias("legacy_entity_id")], len(entity)), dtype=pl.UInt64)
    if table == "account_agreement":
        act = world.reference("signature_act", "P2", key.cast(pl.String)).alias("act_id")
        return pl.Series(fingerprint([entity.alias("account_id"), act], len(entity)), dtype=pl.UInt64)
    return world.reference(table, "P2", key.cast(pl.String), entity)


# By (source table, target column), or by number for any column that the rule fills: the same on every copy of a row.
ROW: dict[tuple[str, str] | str, RowRule] = {
    ("document", "inherited"): inherited,
}

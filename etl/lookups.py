"""The commands `status`, `trace` and `picker`: where a row went, what an account is made of, what a person sees."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from etl.errors import MigrationError, WrongUsage
from etl.identifiers import masked
from etl.ids import as_arrow, as_text, once_ids, tag
from etl.options import Options, needed
from etl.people import email_key
from etl.pipeline import STEPS
from etl.run import seen
from etl.store import as_id, reading, tables_of
from mappings.model import Form, Into, Mappings, Portal, TableMapping
from mappings.read import read_mappings

Tables = dict[str, sa.Table]


def status(options: Options) -> dict[str, Any]:
    """Each step of the run: done, failed or not done, when, how long, and what it says."""
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    folder = seen(options.run)
    steps = []
    for name in STEPS:
        facts = folder.steps[name].facts if name in folder.steps else {}
        rows = sum(file.rows for file in folder.steps[name].files) if name in folder.steps else 0
        steps.append(
            {
                "step": name, "state": _state(facts), "started": facts.get("started"), "seconds": facts.get("seconds"),
                "rows": rows, "sentence": facts.get("sentence", ""),
            }
        )  # fmt: skip
    return {"run": str(options.run), "settings": folder.settings, "steps": steps}


def _state(facts: dict[str, Any]) -> str:
    if facts.get("critical") or facts.get("answer", "equal") != "equal":
        return "failed"
    return "done" if facts else "not done"


def target_url(options: Options) -> str:
    """The new store: --target, or the one that the run's folder names."""
    if options.target is None and options.run is not None:
        known = seen(options.run).settings.get("target")
        if known and "***" not in known:
            return known
    return needed(options.target, "--target", "the URL of the new store, or --run of a run that has one")


def picker(options: Options, email: str) -> dict[str, Any]:
    """What a person sees after logging in: the accounts, and the old profiles through which he reached them."""
    key = email_key(email)
    if key is None:
        raise WrongUsage(
            "That is no e-mail: exactly one @, something on both sides, no white space.", "Give the e-mail that the person logs in with."
        )
    mappings = read_mappings(options.mappings)
    tables = tables_of(mappings.target)
    login, alias, contact, account = (tables[name] for name in ("login", "login_alias", "account_contact", "entity_account"))
    with reading(target_url(options)) as connection:
        found = connection.execute(sa.select(as_id(login.c.login_id), login.c.status_cd).where(login.c.email_key == key)).first()
        if found is None:
            raise MigrationError("Nobody logs in with that e-mail.", "Check the spelling: dots and plus tags count, capitals do not.")
        users = (
            connection.execute(sa.select(alias.c.legacy_key).where(as_id(alias.c.login_id) == found[0]).order_by(alias.c.legacy_key))
            .scalars()
            .all()
        )
        seen_columns = (
            account.c.account_number,
            account.c.legal_name,
            account.c.account_label,
            account.c.business_type_cd,
            account.c.status_cd,
            account.c.tier_cd,
        )
        rows = connection.execute(
            sa.select(*seen_columns, account.c.legacy_profile_id, account.c.trade_visible)
            .join(contact, contact.c.account_id == account.c.account_id)
            .where(as_id(contact.c.login_id) == found[0], contact.c.removed_at.is_(None)).distinct().order_by(account.c.account_number)
        ).mappings().all()  # fmt: skip
    visible = [{k: v for k, v in row.items() if k != "trade_visible"} for row in rows if row["trade_visible"]]
    profiles = sorted({int(row["legacy_profile_id"]) for row in rows})
    return {"status": found[1], "users": list(users), "before": profiles, "after": visible, "hidden": len(rows) - len(visible)}


def trace(options: Options, where: tuple[str, ...], account: str | None) -> dict[str, Any]:
    """One source row's target rows, or one account's source rows."""
    if (account is None) == (not where) or (where and len(where) != 3):
        raise WrongUsage("Say which row or which account.", "Write trace P2 document 17, or trace --account NUMBER.")
    mappings = read_mappings(options.mappings)
    if account is not None:
        return _account(options, mappings, account)
    portal: Portal = "P2" if where[0].upper() == "P2" else "TC"
    if where[0].upper() not in ("P2", "TC") or (portal, where[1]) not in mappings.tables:
        raise WrongUsage(f"There is no source table {where[0]} {where[1]}.", "The portal is P2 or TC; `plan` lists the tables.")
    return _row(options, mappings, mappings.tables[portal, where[1]], where[2])


def _row(options: Options, mappings: Mappings, mapping: TableMapping, key: str) -> dict[str, Any]:
    tables = tables_of(mappings.target)
    hold, flag = tables["migration_holding"], tables["migration_exception"]
    with reading(target_url(options)) as connection:

        def mine(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
            return (table.c.legacy_portal_cd == mapping.portal, table.c.legacy_table == mapping.table, table.c.legacy_key == key)

        held = connection.execute(sa.select(hold.c.reason_cd, hold.c.sha256).where(*mine(hold))).mappings().all()
        flags = connection.execute(sa.select(flag.c.rule_cd, flag.c.detail).where(*mine(flag)).order_by(flag.c.rule_cd)).mappings().all()
        rows = [entry for into in mapping.into for entry in _target_rows(connection, mappings, tables, mapping, into, key)]
    if not held and not rows:
        raise MigrationError(
            f"The new store knows no row {mapping.portal} {mapping.table} {masked(key)}.",
            "Check the key: parts of a composite key are joined with |.",
        )
    reasons = [{**entry, "meaning": mappings.reasons[entry["reason_cd"]].meaning} for entry in held]
    described = [{**entry, "decision": mappings.rules[entry["rule_cd"]].decision} for entry in flags]
    shown_key = masked(key)
    return {
        "portal": mapping.portal,
        "table": mapping.table,
        "key": shown_key,
        "rules": list(mapping.rules),
        "rows": rows,
        "held": reasons,
        "flags": described,
    }


def _target_rows(
    connection: sa.Connection, mappings: Mappings, tables: Tables, mapping: TableMapping, into: Into, key: str
) -> list[dict[str, Any]]:
    """The rows of one target table that came of this source row: table, id and account number."""
    table = tables[into.table]
    conditions = source_conditions(mappings, tables, mapping, into, key)
    if not conditions:
        return []
    shape = mappings.target.tables[into.table]
    keys = [as_id(table.c[name]).label(name) for name in shape.key]
    number = _account_number(mappings, tables, into.table, table)
    chosen = keys if number is None else [*keys, number.label("account_number")]
    found = connection.execute(sa.select(*chosen).where(*conditions).order_by(*keys)).mappings().all()
    return [
        {"table": into.table, "id": masked("|".join(str(row[name]) for name in shape.key)), "account_number": row.get("account_number")}
        for row in found
    ]


def _account_number(mappings: Mappings, tables: Tables, name: str, table: sa.FromClause) -> sa.ColumnElement[Any] | None:
    """The number of the account that a row belongs to, by its own column or by the row that it hangs on; None where it is one of no account's."""
    shape = mappings.target.tables[name]
    if name == "entity_account":
        return table.c.account_number
    for column in shape.columns:
        if not column.refers_to or (column.refers_to != "entity_account" and not column.not_null):
            continue
        parent = tables[column.refers_to].alias()
        number = _account_number(mappings, tables, column.refers_to, parent)
        if number is not None:
            end = mappings.target.tables[column.refers_to].key[0]
            return sa.select(number).where(parent.c[end] == table.c[column.name]).scalar_subquery()
    return None


def source_conditions(mappings: Mappings, tables: Tables, mapping: TableMapping, into: Into, key: str) -> list[sa.ColumnElement[bool]]:
    """What makes a row of the target table one that came of this source row."""
    table = tables[into.table]
    parts = dict(zip(mapping.key, key.split("|", len(mapping.key) - 1), strict=False))
    if mapping.owner_rule == "C7":
        document = tables["document"]
        mine = sa.select(document.c.sha256).where(document.c.legacy_key == key, document.c.legacy_portal_cd == mapping.portal)
        return [table.c.sha256.in_(mine)]
    if into.table == "login":
        alias = tables["login_alias"]
        return [table.c.login_id.in_(sa.select(alias.c.login_id).where(alias.c.legacy_key == key))] if mapping.portal == "P2" else []
    conditions = [
        found for name, form in into.columns.items() for found in _condition(mappings, tables, mapping, table, name, form, parts, key)
    ]
    if into.per == "account" and any(route.column in parts and route.table == "model_entity" for route in mapping.owner):
        entity = next(route.column for route in mapping.owner if route.table == "model_entity")
        account = tables["entity_account"]
        conditions.append(
            table.c.account_id.in_(sa.select(account.c.account_id).where(account.c.legacy_entity_id == _number(parts[entity])))
        )
    if into.table == "document_link":
        conditions.append(_linked(mappings, tables, table, parts))
    return conditions


def _condition(
    mappings: Mappings, tables: Tables, mapping: TableMapping, table: sa.Table, name: str, form: Form, parts: dict[str, str], key: str
) -> list[sa.ColumnElement[bool]]:
    column = table.c[name]
    match form.kind:
        case "legacy_key":
            return [column == key]
        case "constant" if name in ("legacy_portal_cd", "group_kind_cd"):
            return [column == form.constant]
        case "plain" if form.columns[0] in parts:
            return [_equals(mappings, table, name, parts[form.columns[0]])]
        case "copy" | "rule" if form.columns[0:1] and form.columns[0] in parts:
            refers_to = form.of or mappings.target.tables[table.name].by_name[name].refers_to
            if not refers_to:
                return []
            of = tables[refers_to]
            if "legacy_key" not in of.c:  # a catalogue: its codes are the old ones
                return [_equals(mappings, table, name, parts[form.columns[0]])]
            mine = [of.c.legacy_portal_cd == mapping.portal] if "legacy_portal_cd" in of.c else []
            wanted = sa.select(of.c[mappings.target.tables[refers_to].key[0]]).where(of.c.legacy_key == parts[form.columns[0]], *mine)
            return [column.in_(wanted)]
        case "once" if form.columns[0] in parts:
            return [as_id(column) == _once(mappings, mapping, form.of, parts[form.columns[0]])]
    return []


def _equals(mappings: Mappings, table: sa.Table, name: str, part: str) -> sa.ColumnElement[bool]:
    is_number = mappings.target.tables[table.name].by_name[name].family == "integer"
    return table.c[name] == (_number(part) if is_number else part)


def _once(mappings: Mappings, mapping: TableMapping, target: str, key: str) -> str:
    import numpy as np

    own = any(into.table == target for into in mapping.into)
    maker = mapping if own else next(m for m in mappings.makers(target) if m.portal == mapping.portal)
    ids = once_ids(tag(target, maker.portal, maker.table), np.array([_number(key)], np.int64))
    return str(as_text(as_arrow(ids))[0].as_py())


def _linked(mappings: Mappings, tables: Tables, table: sa.Table, parts: dict[str, str]) -> sa.ColumnElement[bool]:
    """The link's target in any account."""
    for entry in mappings.codes["link_target"]:
        if entry["target_cd"] == parts.get("target_cd"):
            of = tables[entry["target_table"]]
            wanted = parts["target_id"]
            if entry["target_table"] == "entity_account":
                return table.c.target_id.in_(sa.select(of.c.account_id).where(of.c.legacy_model_id == _number(wanted)))
            if entry["target_table"] == "account_agreement":
                act = tables["signature_act"]
                return table.c.target_id.in_(
                    sa.select(of.c.account_agreement_id).where(of.c.act_id.in_(sa.select(act.c.act_id).where(act.c.legacy_key == wanted)))
                )
            return table.c.target_id.in_(sa.select(of.c[mappings.target.tables[of.name].key[0]]).where(of.c.legacy_key == wanted))
    return sa.false()


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return -(2**63)  # no loaded row has a key that is no number


def _account(options: Options, mappings: Mappings, number: str) -> dict[str, Any]:
    """Every source row behind an account, with the rules of its table and what was flagged."""
    tables = tables_of(mappings.target)
    with reading(target_url(options)) as connection:
        account = tables["entity_account"]
        columns = [
            as_id(account.c.account_id).label("account_id"),
            *(account.c[c] for c in ("legal_name", "business_type_cd", "status_cd")),
        ]
        legacy = [account.c.legacy_profile_id, account.c.legacy_model_id, account.c.legacy_entity_id]
        found = connection.execute(sa.select(*columns, *legacy).where(account.c.account_number == number)).mappings().first()
        if found is None:
            raise MigrationError("There is no account with that number.", "Check the number; `picker EMAIL` lists a person's accounts.")
        rows: list[dict[str, Any]] = [
            {"portal": "P2", "table": "company_profile", "key": str(found["legacy_profile_id"]), "into": "entity_account"},
            {"portal": "P2", "table": "security_model", "key": str(found["legacy_model_id"]), "into": "entity_account"},
            {"portal": "P2", "table": "model_entity", "key": str(found["legacy_entity_id"]), "into": "entity_account"},
        ]
        for name, condition in _owned(mappings, tables, found["account_id"]).items():
            rows += _sources(connection, mappings, tables, name, condition, str(found["legacy_entity_id"]))
    for row in rows:
        row["rules"] = list(mappings.tables[row["portal"], row["table"]].rules)
    total = len({(row["portal"], row["table"], row["key"]) for row in rows})  # a row may stand behind an account and its group
    return {"account": {"number": number, **{k: v for k, v in found.items() if k != "account_id"}}, "rows": rows, "total": total}


def _owned(mappings: Mappings, tables: Tables, account_id: str) -> dict[str, sa.ColumnElement[bool]]:
    """By target table: the condition for a row to belong to the account, by its own column or by the row that it hangs on."""
    shapes = mappings.target.tables
    owned: dict[str, sa.ColumnElement[bool]] = {
        name: sa.or_(*(as_id(tables[name].c[column]) == account_id for column in columns))
        for name, shape in shapes.items()
        if (columns := [column.name for column in shape.columns if column.refers_to == "entity_account"])
    }
    for name, shape in shapes.items():  # links of what is stored once: the row at the link's other end
        if (name in owned and len(shape.key) > 1) or name == "account_agreement":
            for column in shape.columns:
                if column.refers_to and column.refers_to not in owned and "legacy_key" in shapes[column.refers_to].by_name:
                    end = shapes[column.refers_to].key[0]
                    owned[column.refers_to] = tables[column.refers_to].c[end].in_(sa.select(tables[name].c[column.name]).where(owned[name]))
    for name, shape in shapes.items():  # and what hangs on those
        if name not in owned and not name.startswith("migration"):
            parents = [c for c in shape.columns if c.not_null and c.refers_to in owned]
            if parents:
                parent = shapes[parents[0].refers_to or ""]
                owned[name] = tables[name].c[parents[0].name].in_(sa.select(tables[parent.name].c[parent.key[0]]).where(owned[parent.name]))
    return owned


def _sources(
    connection: sa.Connection, mappings: Mappings, tables: Tables, name: str, condition: sa.ColumnElement[bool], entity: str
) -> list[dict[str, Any]]:
    table, shape = tables[name], mappings.target.tables[name]
    makers = mappings.makers(name)
    if "legacy_key" in shape.by_name:
        kinds = (
            {m.block(name).columns["group_kind_cd"].constant: m for m in makers}
            if "group_kind_cd" in shape.by_name
            else {m.portal: m for m in makers}
        )
        kind = (
            table.c.group_kind_cd
            if "group_kind_cd" in shape.by_name
            else table.c.legacy_portal_cd
            if "legacy_portal_cd" in shape.by_name
            else None
        )
        columns = [table.c.legacy_key] if kind is None else [table.c.legacy_key, kind]
        found = connection.execute(sa.select(*columns).where(condition).order_by(*columns)).all()
        return [
            {"portal": m.portal, "table": m.table, "key": masked(str(row[0])), "into": name}
            for row in found for m in [makers[0] if kind is None else kinds[row[1]]]
        ]  # fmt: skip
    if len(makers) != 1:  # a link between account and group or event: what it links to is listed itself
        return []
    (maker,) = makers
    parts = [_key_part(mappings, tables, maker, name, part) for part in maker.key]
    found = connection.execute(
        sa.select(*(part for part in parts if part is not None)).select_from(table).where(condition).distinct()
    ).all()
    keys = []
    for row in found:
        values = iter(row)
        keys.append("|".join(entity if part is None else str(next(values)) for part in parts))
    return [{"portal": maker.portal, "table": maker.table, "key": masked(key), "into": name} for key in sorted(keys)]


def _key_part(mappings: Mappings, tables: Tables, maker: TableMapping, name: str, part: str) -> sa.ColumnElement[Any] | None:
    """The part of the source row's key, as its target row tells it; None: the account's entity."""
    table, shape = tables[name], mappings.target.tables[name]
    for column, form in maker.block(name).columns.items():
        if part not in form.columns:
            continue
        refers_to = form.of or shape.by_name[column].refers_to
        if form.kind == "plain":
            return table.c[column]
        if refers_to:
            of = tables[refers_to].alias()
            end = mappings.target.tables[refers_to].key[0]
            return sa.select(of.c.legacy_key).where(of.c[end] == table.c[column]).scalar_subquery()
        if name == "document_link":
            return _link_target(mappings, tables, table)
    return None


def _link_target(mappings: Mappings, tables: Tables, table: sa.Table) -> sa.ColumnElement[Any]:
    """The old key of what a document's link leads to."""
    choices = []
    for entry in mappings.codes["link_target"]:
        of = tables[entry["target_table"]].alias()
        if entry["target_table"] == "entity_account":
            key = sa.select(sa.cast(of.c.legacy_model_id, sa.String)).where(of.c.account_id == table.c.target_id)
        elif entry["target_table"] == "account_agreement":
            act = tables["signature_act"].alias()
            key = sa.select(act.c.legacy_key).where(of.c.account_agreement_id == table.c.target_id, of.c.act_id == act.c.act_id)
        else:
            end = mappings.target.tables[entry["target_table"]].key[0]
            key = sa.select(of.c.legacy_key).where(of.c[end] == table.c.target_id)
        choices.append((table.c.target_cd == entry["target_cd"], key.scalar_subquery()))
    return sa.case(*choices)

"""What each page shows, as data: read from the index alone, rendered by the templates or as plain text."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa

from etl.explore.advice import advice, said_of_held
from etl.explore.hits import company_names, integer
from etl.explore.page_text import Page
from etl.explore.people import Row, by_account, is_usable, login_state, why_hidden
from etl.explore.personal import Personal
from mappings.model import Mappings

LISTED = 200  # rows of one table on a page; the rest is counted
_USABLE = "(l.status_cd = 'ACTIVE' OR l.status_cd = 'LOCKED' AND l.lock_reason_cd IN ('PASSWORD', 'IDLE'))"


# Old tables whose rows are found in the index by their old key: the new table, and the portal where it holds both portals' rows.
_INDEXED: dict[str, tuple[str, str | None]] = {
    "company_contact": ("account_contact", "P2"),
    "tc_contact": ("account_contact", "TC"),
    "document": ("document", "P2"),
    "tc_document": ("document", "TC"),
    "entity_identifier": ("account_identifier", None),
    "security_profile": ("security_profile", None),
    "validation": ("validation", None),
    "tc_account": ("tc_program", None),
}


class NotFound(Exception):  # an answer of the application (404), not a failure of it
    """The new store has nothing of that name; the argument says what was requested."""


class Pages:
    """The pages over one open index."""

    def __init__(self, connection: sa.Connection, mappings: Mappings, personal: Personal) -> None:
        self._connection, self._mappings, self._personal = connection, mappings, personal

    def _rows(self, statement: str, **values: object) -> list[Row]:
        return [dict(row) for row in self._connection.execute(sa.text(statement), values).mappings()]

    def _company_name(self, profile: object) -> str:
        return company_names(self._connection, [profile]).get(str(profile), "")

    def company(self, profile: str) -> Page:
        """Returns the page of an old profile: models, people, documents, agreements, accounts, held rows, advice. Raises NotFound."""
        number = integer(profile)
        accounts = self._rows(f"SELECT {_ACCOUNT} FROM entity_account WHERE legacy_profile_id = :p ORDER BY account_number", p=number)
        held = self._rows(
            "SELECT * FROM migration_holding WHERE profile = :p OR (legacy_table = 'company_profile' AND legacy_key = :t) ORDER BY legacy_table, legacy_key",
            p=number,
            t=str(profile),
        )
        if not accounts and not held:
            raise NotFound(f"company profile {profile}")
        models: dict[Any, list[Row]] = {}
        for account in accounts:
            models.setdefault((account["legacy_model_id"], account["account_label"]), []).append(account)
        people = self._people("a.legacy_profile_id = :p", p=number)
        closed = [account["account_number"] for account in accounts if account["trade_visible"] and not account["openers"]]
        return {
            "title": self._company_name(profile) or f"Company profile {profile}",
            "profile": profile,
            "models": [{"id": model, "name": name, "entities": entities} for (model, name), entities in models.items()],
            "accounts": accounts,
            "people": people[:LISTED],
            "people_more": max(0, len(people) - LISTED),
            "documents": self._documents("a.legacy_profile_id = :p", p=number),
            "document_states": self._states(number),
            "agreements": self._agreements("a.legacy_profile_id = :p", p=number),
            "profiles": self._security_profiles("a.legacy_profile_id = :p", p=number),
            "validations": self._validations("a.legacy_profile_id = :p", p=number),
            "held": [self._held(row) for row in held[:LISTED]],
            "held_more": max(0, len(held) - LISTED),
            "held_by": sorted(Counter((row["legacy_table"], row["reason_cd"]) for row in held).items()),
            "advice": advice(accounts, people, closed),
            "sql": [
                (
                    "Accounts",
                    "SELECT account_number, business_type_cd, status_cd FROM entity_account WHERE legacy_profile_id = " + str(number),
                ),
                (
                    "Rows set aside",
                    "SELECT legacy_table, legacy_key, reason_cd FROM migration_holding WHERE legacy_portal_cd = 'P2'"
                    f" AND row_json LIKE '%\"company_profile_id\":{number},%'",
                ),
            ],
        }

    def account(self, account_number: str) -> Page:
        """Returns the page of one account: attributes, who sees it, what it holds. Raises NotFound."""
        found = self._rows(f"SELECT {_ACCOUNT} FROM entity_account WHERE account_number = :n", n=account_number)
        if not found:
            raise NotFound(f"account {account_number}")
        account = found[0]
        mine = {"where": "a.account_id = :a", "a": account["account_id"]}
        people = self._people(**mine)
        identifiers = self._rows(
            "SELECT * FROM account_identifier WHERE account_id = :a ORDER BY identifier_type_cd, legacy_key", a=account["account_id"]
        )
        for row in identifiers:
            row["shown"] = self._personal.identifier(row["value_raw"], row["pii"])
        closed = [account_number] if account["trade_visible"] and not account["openers"] else []
        return {
            "title": account_number,
            "account": account,
            "company": self._company_name(account["legacy_profile_id"]),
            "people": people[:LISTED],
            "people_more": max(0, len(people) - LISTED),
            "identifiers": identifiers,
            "documents": self._documents(**mine),
            "agreements": self._agreements(**mine),
            "profiles": self._security_profiles(**mine),
            "validations": self._validations(**mine),
            "trade_compliance": self._rows("SELECT * FROM tc_program WHERE account_id = :a", a=account["account_id"]),
            "flags": self._flags("P2", "model_entity", str(account["legacy_entity_id"])),
            "advice": advice([account], people, closed),
            "sql": [
                (
                    "Who sees it",
                    "SELECT l.email_display FROM account_picker p JOIN login l ON l.login_id = p.login_id"
                    f" WHERE p.account_number = {_quoted(account_number)}",
                )
            ],
        }

    def person(self, login_id: str) -> Page:
        """Returns the page of one login: old users, accounts reached before and visible now, and why others are hidden. Raises NotFound."""
        found = self._rows("SELECT * FROM login WHERE login_id = :l", l=login_id)
        if not found:
            raise NotFound(f"login {login_id}")
        login, p = found[0], self._personal
        contacts = self._rows(
            """SELECT c.*, a.account_number, a.legal_name, a.account_label, a.business_type_cd, a.status_cd, a.trade_visible, a.archived, a.legacy_profile_id,
                 EXISTS (SELECT 1 FROM account_picker k WHERE k.login_id = c.login_id AND k.account_id = c.account_id) AS seen
               FROM account_contact c JOIN entity_account a ON a.account_id = c.account_id WHERE c.login_id = :l ORDER BY a.legal_name, a.account_number""",
            l=login_id,
        )
        users = self._rows("SELECT legacy_key, email_as_typed FROM login_alias WHERE login_id = :l ORDER BY legacy_key", l=login_id)
        reached = [contact for contact in contacts if contact["removed_at"] is None]
        return {
            "title": f"{p.name(login['first_name'], login['last_name'])} · {p.email(login['email_display'])}",
            "login": login,
            "users": [{"key": user["legacy_key"], "typed": p.email(user["email_as_typed"])} for user in users],
            "profiles": sorted({contact["legacy_profile_id"] for contact in reached}),
            "sees": by_account(contact for contact in reached if contact["seen"]),
            "hidden": [{**c, "why": why_hidden(c)} for c in contacts if not c["seen"]],
            "state": login_state(login),
            "flags": [flag for user in users for flag in self._flags("P2", "portal_user", user["legacy_key"])],
            "sql": [("What the login sees", f"SELECT account_number, legal_name FROM account_picker WHERE login_id = {_quoted(login_id)}")],
        }

    def document(self, portal: str, key: str) -> Page:
        """Returns the page of one old document: state, bytes, accounts that have it. Raises NotFound."""
        copies = self._rows(
            """SELECT d.*, a.account_number, a.legal_name, a.legacy_profile_id, o.size_bytes FROM document d
               LEFT JOIN entity_account a ON a.account_id = d.account_id LEFT JOIN stored_object o ON o.sha256 = d.sha256
               WHERE d.legacy_portal_cd = :p AND d.legacy_key = :k ORDER BY a.account_number""",
            p=portal,
            k=key,
        )
        if not copies:
            raise NotFound(f"document {portal} {key}")
        table = "document" if portal == "P2" else "tc_document"
        return {
            "title": copies[0]["file_name"],
            "document": copies[0],
            "copies": copies,
            "flags": self._flags(portal, table, key),
            "portal": portal,
            "key": key,
            "sql": [
                (
                    "Its copies",
                    f"SELECT document_id, account_id, content_state_cd, sha256 FROM document WHERE legacy_portal_cd = {_quoted(portal)}"
                    f" AND legacy_key = {_quoted(key)}",
                )
            ],
        }

    def has_document_of(self, sha256: str) -> bool:
        """Returns whether a document of the new store has these bytes."""
        return bool(self._rows("SELECT 1 FROM document WHERE sha256 = :s LIMIT 1", s=sha256))

    def rule(self, number: str) -> Page:
        """Returns the page of one rule: its sentence and the rows that it flagged. Raises NotFound."""
        rule = self._mappings.rules.get(number)
        if rule is None:
            raise NotFound(f"rule {number}")
        total = self._rows("SELECT count(*) AS n FROM migration_exception WHERE rule_cd = :r", r=number)[0]["n"]
        rows = self._rows(
            "SELECT * FROM migration_exception WHERE rule_cd = :r ORDER BY legacy_table, legacy_key LIMIT :most", r=number, most=LISTED
        )
        for row in rows:
            row["key_shown"], row["detail"] = self._personal.text(row["legacy_key"]), self._personal.text(row["detail"])
        return {
            "title": f"Rule {number}",
            "rule": rule,
            "rows": rows,
            "total": total,
            "sql": [("Its rows", f"SELECT legacy_table, legacy_key, detail FROM migration_exception WHERE rule_cd = {_quoted(number)}")],
        }

    def row(self, portal: str, table: str, key: str) -> Page:
        """Returns the page of one source row: held or loaded, flags, rules, and its copies. Raises NotFound."""
        mapping = next((m for (p, t), m in self._mappings.tables.items() if (p, t) == (portal, table)), None)
        if mapping is None:
            raise NotFound(f"table {portal}.{table}")
        where = {"p": portal, "t": table, "k": key}
        held = self._rows("SELECT * FROM migration_holding WHERE legacy_portal_cd = :p AND legacy_table = :t AND legacy_key = :k", **where)
        flags = self._flags(portal, table, key)
        copies = self._copies(portal, table, key)
        if not held and not flags and not copies:
            raise NotFound(f"{portal}.{table} {self._personal.text(key)}")
        return {
            "title": f"{portal}.{table} {self._personal.text(key)}",
            "held": [self._held(row) for row in held],
            "flags": flags,
            "copies": copies,
            "rules": [self._mappings.rules[n] for n in mapping.rules if n in self._mappings.rules],
            "table": table,
            "portal": portal,
            "key": key,
            "sql": [
                (
                    "Held",
                    f"SELECT reason_cd FROM migration_holding WHERE legacy_portal_cd = {_quoted(portal)}"
                    f" AND legacy_table = {_quoted(table)} AND legacy_key = {_quoted(key)}",
                )
            ],
        }

    def _copies(self, portal: str, table: str, key: str) -> list[Row]:
        own = {"model_entity": "legacy_entity_id", "security_model": "legacy_model_id", "company_profile": "legacy_profile_id"}
        if portal == "P2" and table in own:
            return self._rows(
                f"SELECT 'entity_account' AS target, account_number, legal_name FROM entity_account WHERE {own[table]} = :k",
                k=integer(key),
            )
        if table not in _INDEXED:
            return []
        target, side = _INDEXED[table]
        condition = "AND x.legacy_portal_cd = :p" if side else ""
        return self._rows(
            f"SELECT '{target}' AS target, a.account_number, a.legal_name FROM {target} x LEFT JOIN entity_account a ON a.account_id = x.account_id"
            f" WHERE x.legacy_key = :k {condition} ORDER BY a.account_number",
            k=key,
            p=portal,
        )

    def held_reason(self, reason: str) -> Page:
        """Returns the page of all rows that are held for one reason. Raises NotFound."""
        if reason not in self._mappings.reasons:
            raise NotFound(f"reason {reason}")
        total = self._rows("SELECT count(*) AS n FROM migration_holding WHERE reason_cd = :r", r=reason)[0]["n"]
        rows = self._rows(
            "SELECT * FROM migration_holding WHERE reason_cd = :r ORDER BY legacy_table, legacy_key LIMIT :most", r=reason, most=LISTED
        )
        return {
            "title": reason,
            "reason": self._mappings.reasons[reason],
            "rows": [self._held(row) for row in rows],
            "total": total,
            "sql": [("Its rows", f"SELECT legacy_table, legacy_key FROM migration_holding WHERE reason_cd = {_quoted(reason)}")],
        }

    def overview(self) -> Page:
        """Returns the counts of the store, each with a link to its rows."""
        flagged = self._rows("SELECT rule_cd, count(*) AS n FROM migration_exception GROUP BY rule_cd ORDER BY rule_cd")
        held = self._rows("SELECT reason_cd, count(*) AS n FROM migration_holding GROUP BY reason_cd ORDER BY reason_cd")
        counted = {
            name: self._rows(f"SELECT count(*) AS n FROM {name}")[0]["n"]
            for name in ("entity_account", "login", "migration_holding", "migration_exception")
        }
        closed = self._rows(
            f"SELECT account_number, legal_name, legacy_profile_id FROM entity_account a WHERE trade_visible AND NOT {_OPENED} ORDER BY account_number"
        )
        return {
            "title": "Portal migration explorer",
            "counted": counted,
            "flagged": flagged,
            "held": held,
            "rules": self._mappings.rules,
            "reasons": self._mappings.reasons,
            "closed": closed[:LISTED],
            "closed_total": len(closed),
            "runs": self._rows("SELECT * FROM migration_run ORDER BY finished_at"),
            "sql": [
                ("Exceptions by rule", "SELECT rule_cd, count(*) FROM migration_exception GROUP BY rule_cd"),
                ("Held rows by reason", "SELECT reason_cd, count(*) FROM migration_holding GROUP BY reason_cd"),
            ],
        }

    def _people(self, where: str, **values: object) -> list[Row]:
        """Returns one entry per contact in force: person, role, login, and the accounts that the person sees."""
        rows = self._rows(
            f"""SELECT c.legacy_portal_cd, c.legacy_key, c.login_id, c.scope_cd, c.contact_type_cd, max(c.primary_poc) AS primary_poc, c.first_name, c.last_name,
                 c.full_name, c.email, l.email_display, l.status_cd, l.lock_reason_cd, max(c.restricted_reason_cd) AS restricted,
                 group_concat(CASE WHEN k.account_id IS NOT NULL THEN a.account_number END, ' ') AS sees
               FROM account_contact c JOIN entity_account a ON a.account_id = c.account_id LEFT JOIN login l ON l.login_id = c.login_id
               LEFT JOIN account_picker k ON k.login_id = c.login_id AND k.account_id = c.account_id
               WHERE {where} AND c.removed_at IS NULL GROUP BY c.legacy_portal_cd, c.legacy_key ORDER BY max(c.primary_poc) DESC, c.last_name, c.legacy_key""",
            **values,
        )
        for row in rows:
            row["name"] = (
                self._personal.name(row["full_name"]) if row["full_name"] else self._personal.name(row["first_name"], row["last_name"])
            )
            row["mail"] = self._personal.email(row["email"] or row["email_display"])
            row["state"] = login_state(row) if row["login_id"] else "no login"
            row["usable"] = is_usable(row)
        return rows

    def _documents(self, where: str, **values: object) -> list[Row]:
        return self._rows(
            f"""SELECT d.legacy_portal_cd, d.legacy_key, min(d.file_name) AS file_name, min(d.content_state_cd) AS content_state_cd, min(d.library_cd) AS library_cd,
                 min(d.uploaded_at) AS uploaded_at, count(*) AS copies FROM document d JOIN entity_account a ON a.account_id = d.account_id
               WHERE {where} GROUP BY d.legacy_portal_cd, d.legacy_key ORDER BY min(d.content_state_cd) = 'PRESENT', d.legacy_key LIMIT {LISTED}""",
            **values,
        )

    def _states(self, profile: int | None) -> list[Row]:
        return self._rows(
            """SELECT content_state_cd, count(DISTINCT d.legacy_portal_cd || d.legacy_key) AS n FROM document d
               JOIN entity_account a ON a.account_id = d.account_id WHERE a.legacy_profile_id = :p GROUP BY content_state_cd""",
            p=profile,
        )

    def _agreements(self, where: str, **values: object) -> list[Row]:
        rows = self._rows(
            f"""SELECT s.legacy_key, s.signer_name, s.signer_title, s.signed_at, g.coverage_cd, a.account_number FROM account_agreement g
               JOIN signature_act s ON s.act_id = g.act_id JOIN entity_account a ON a.account_id = g.account_id WHERE {where}
               ORDER BY s.signed_at DESC, a.account_number LIMIT {LISTED}""",
            **values,
        )
        for row in rows:
            row["signer"] = self._personal.name(row["signer_name"])
        return rows

    def _security_profiles(self, where: str, **values: object) -> list[Row]:
        return self._rows(
            f"""SELECT x.legacy_key, x.profile_year, x.status_cd, x.due_dt, x.due_dt_adjusted, x.submitted_at, a.account_number FROM security_profile x
               JOIN entity_account a ON a.account_id = x.account_id WHERE {where} ORDER BY x.profile_year DESC, a.account_number LIMIT {LISTED}""",
            **values,
        )

    def _validations(self, where: str, **values: object) -> list[Row]:
        return self._rows(
            f"""SELECT x.legacy_key, x.validation_type_cd, x.status_cd, x.initiated_dt, x.closed_dt, a.account_number FROM validation x
               JOIN entity_account a ON a.account_id = x.account_id WHERE {where} ORDER BY x.initiated_dt DESC, a.account_number LIMIT {LISTED}""",
            **values,
        )

    def _flags(self, portal: str, table: str, key: str) -> list[Row]:
        rows = self._rows(
            "SELECT rule_cd, detail FROM migration_exception WHERE legacy_portal_cd = :p AND legacy_table = :t AND legacy_key = :k ORDER BY rule_cd",
            p=portal,
            t=table,
            k=key,
        )
        return [{**row, "detail": self._personal.text(row["detail"]), "rule": self._mappings.rules.get(row["rule_cd"])} for row in rows]

    def _held(self, row: Row) -> Row:
        reason = self._mappings.reasons.get(row["reason_cd"])
        return {
            **row,
            "key_shown": self._personal.text(row["legacy_key"]),
            "meaning": reason.meaning if reason else "",
            **said_of_held(row["reason_cd"]),
        }


_OPENED = f"EXISTS (SELECT 1 FROM account_picker k JOIN login l ON l.login_id = k.login_id WHERE k.account_id = a.account_id AND {_USABLE})"
_ACCOUNT = "entity_account.*, " + _OPENED.replace("a.account_id", "entity_account.account_id") + " AS openers"


def _quoted(text: str) -> str:
    """Returns the text as an SQL literal with every character escaped that needs it, so that a displayed statement can be pasted."""
    return "'" + text.replace("'", "''") + "'"

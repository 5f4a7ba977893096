"""What a PostgreSQL schema has besides the contract's tables: triggers, rules, policies, collations and rights of PUBLIC."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import psycopg

from etl.databases.conditions import Conditions, listed
from mappings.schema import Schema

Session = psycopg.Connection[Any]
# The contract's tables and views, with the partitions of a table: they act on its rows under names of their own.
_OURS = (
    "c.oid IN (WITH RECURSIVE member(oid) AS (SELECT r.oid FROM pg_class r WHERE r.relnamespace = current_schema()::regnamespace"
    " AND r.relname = ANY (%(ours)s) UNION SELECT i.inhrelid FROM member m JOIN pg_inherits i ON i.inhparent = m.oid) SELECT oid FROM member)"
)
_CHANGES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
# (what is found, the query: relation, name or None). A disabled object acts on nothing and is only reported.
_FOUND = (
    (
        "trigger {1} on {0}",
        "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'",
    ),
    (
        "rule {1} on {0}",
        "SELECT c.relname, r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN' AND r.ev_enabled <> 'D'",
    ),
    ("row-security policy {1} on {0}", "SELECT c.relname, p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE true"),
    ("{0}: row security is on", "SELECT c.relname, NULL FROM pg_class c WHERE (c.relrowsecurity OR c.relforcerowsecurity)"),
    (
        "{0}: {1} inherits from it, so its rows appear in both",
        "SELECT c.relname, i.inhrelid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'r'",
    ),
    (
        "{0}: inherits from {1}",
        "SELECT c.relname, i.inhparent::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p"
        " ON p.oid = i.inhparent WHERE NOT (p.relkind = 'p' AND p.relname = ANY (%(ours)s) AND p.relnamespace = current_schema()::regnamespace OR p.relispartition)",
    ),
    ("{0}: a foreign table, whose rows are another server's", "SELECT c.relname, NULL FROM pg_class c WHERE c.relkind = 'f'"),
    (
        "{0}: subscription {1} writes its publisher's rows into it",
        "SELECT c.relname, s.subname FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid JOIN pg_class c ON c.oid = r.srrelid"
        " WHERE s.subenabled",
    ),
    (
        "{0}.{1}: a collation under which different texts are equal",
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation k ON k.oid = a.attcollation"
        " WHERE a.attnum > 0 AND NOT a.attisdropped AND NOT k.collisdeterministic",
    ),
)
# Statements that other roles may execute on a view, and the server on the tables behind it.
_VIEWS = (
    "WITH RECURSIVE over(base, view) AS (SELECT c.oid, c.oid FROM pg_class c WHERE {ours} AND c.relkind IN ('r', 'p')"
    " UNION SELECT o.base, r.ev_class FROM over o JOIN pg_depend d ON d.refobjid = o.view AND d.refclassid = 'pg_class'::regclass"
    " AND d.classid = 'pg_rewrite'::regclass JOIN pg_rewrite r ON r.oid = d.objid WHERE r.ev_class <> o.view)"
    " SELECT DISTINCT x.privilege_type, o.view::regclass::text, o.base::regclass::text FROM over o JOIN pg_class v ON v.oid = o.view AND v.relkind = 'v'"
    " CROSS JOIN LATERAL (SELECT * FROM aclexplode(v.relacl) UNION ALL SELECT e.* FROM pg_attribute a, aclexplode(a.attacl) e"
    "   WHERE a.attrelid = v.oid AND NOT a.attisdropped) x"
    " WHERE x.grantee = 0 AND v.relname <> ALL (%(views)s) AND (pg_relation_is_updatable(o.view, true) & CASE x.privilege_type WHEN 'UPDATE' THEN 4 WHEN 'INSERT' THEN 8"
    " WHEN 'DELETE' THEN 16 ELSE 0 END) <> 0 ORDER BY 1, 2, 3"
)
# With exactly the types of a column they precede the server's own, as varchar = varchar does; what an extension brings has types of its own.
_CALLED = (
    "SELECT 'operator ' || o.oid::regoperator::text FROM pg_operator o WHERE o.oprnamespace = current_schema()::regnamespace AND NOT EXISTS"
    " (SELECT 1 FROM pg_type t WHERE t.oid IN (o.oprleft, o.oprright) AND t.typnamespace <> 'pg_catalog'::regnamespace)"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_operator'::regclass AND d.objid = o.oid AND d.deptype = 'e')"
    " UNION ALL SELECT 'function ' || p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace AND EXISTS"
    " (SELECT 1 FROM pg_proc s WHERE s.pronamespace = 'pg_catalog'::regnamespace AND s.proname = p.proname) AND NOT EXISTS"
    " (SELECT 1 FROM pg_type t WHERE t.oid = ANY (p.proargtypes) AND t.typnamespace <> 'pg_catalog'::regnamespace)"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') ORDER BY 1"
)
_IDLE = (
    (
        "disabled trigger {1} on {0}",
        "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgenabled = 'D'",
    ),
    (
        "disabled rule {1} on {0}",
        "SELECT c.relname, r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.ev_enabled = 'D'",
    ),
    (
        "constraint {1} on {0}: a row that it rejects ends the load",
        "SELECT c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype IN ('c', 'x')",
    ),
    (
        "index {1} on {0}: a row that it rejects ends the load",
        "SELECT c.relname, x.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid"
        " WHERE (i.indisunique OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)"
        " AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)",
    ),
    (
        "{0}: foreign keys are not checked (DISABLE TRIGGER)",
        "SELECT DISTINCT c.relname, NULL FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgisinternal AND t.tgenabled = 'D'",
    ),
    (
        "{0}: published (publication {1}) without a replica identity, so that a later run cannot change its rows",
        "SELECT c.relname, p.pubname FROM pg_publication_tables t JOIN pg_publication p USING (pubname) JOIN pg_class c ON c.relname = t.tablename"
        " WHERE c.relnamespace::regnamespace::text = quote_ident(t.schemaname) AND c.relreplident = 'n' AND (p.pubupdate OR p.pubdelete)",
    ),
    (
        "{0}: partitioned without a default partition: a row that no partition takes ends the load",
        "SELECT c.relname, NULL FROM pg_partitioned_table t JOIN pg_class c ON c.oid = t.partrelid WHERE t.partdefid = 0",
    ),
    ("{0}: unlogged, so a server crash empties it", "SELECT c.relname, NULL FROM pg_class c WHERE c.relpersistence = 'u'"),
)


def conditions(session: Session, schema: Schema) -> Conditions:
    """Returns the conditions of the session's schema."""
    refused, named = _of_everybody(session), []
    (encoding,) = session.execute("SELECT getdatabaseencoding()").fetchone() or ("",)
    if encoding != "UTF8":
        refused.append(f"the database's encoding is {encoding}; it cannot store every text (required: UTF8)")
    refused += [f"{name}: called in place of the server's own" for (name,) in session.execute(_CALLED).fetchall()]
    ours = [*schema.tables, *schema.views]
    if not session.execute(
        f"SELECT 1 FROM pg_class c WHERE {_OURS} AND c.relkind IN ('r', 'p', 'f') LIMIT 1".encode(), {"ours": list(schema.tables)}
    ).fetchone():
        return Conditions(refused, _events(session))
    refused += _found(session, _FOUND, ours)
    named += _found(session, _IDLE, ours)
    actions = session.execute(
        "SELECT c.relname, k.conname, k.confdeltype::text, k.confupdtype::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
        f" WHERE {_OURS} AND k.contype = 'f' ORDER BY 1, 2".encode(),
        {"ours": ours},
    )
    refused += [
        f"{table}: {key}, a reference with an automatic action ({_ACTIONS[action]})"
        for table, key, *two in actions
        for action in two
        if action in _ACTIONS
    ]
    views = session.execute(_VIEWS.format(ours=_OURS).encode(), {"ours": list(schema.tables), "views": list(schema.views)}).fetchall()
    refused += [f"PUBLIC may {privilege} {view}, a view of {table}" for privilege, view, table in views]
    for sentence, stands_in_the_way in _rights(session, ours):
        (refused if stands_in_the_way else named).append(sentence)
    return Conditions(refused, [*named, *_events(session)])


def _events(session: Session) -> list[str]:
    events = session.execute("SELECT evtname FROM pg_event_trigger WHERE evtenabled <> 'D' ORDER BY 1").fetchall()
    return [f"event trigger {name} in the database" for (name,) in events]


def _found(session: Session, questions: tuple[tuple[str, str], ...], ours: list[str]) -> list[str]:
    return [
        form.format(*row)
        for form, question in questions
        for row in session.execute(f"{question} AND {_OURS} ORDER BY 1, 2".encode(), {"ours": ours}).fetchall()
    ]


def _rights(session: Session, ours: list[str]) -> list[tuple[str, bool]]:
    """Returns (sentence, whether it prevents a load) for the rights of other roles on the tables: rights of PUBLIC to write prevent it."""
    rows = session.execute(
        "SELECT x.grantee, coalesce(g.rolname, 'PUBLIC'), x.privilege_type, c.relname FROM pg_class c"
        " CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT e.* FROM pg_attribute a, aclexplode(a.attacl) e"
        "   WHERE a.attrelid = c.oid AND NOT a.attisdropped) x LEFT JOIN pg_roles g ON g.oid = x.grantee"
        f" WHERE {_OURS} AND x.grantee <> c.relowner ORDER BY 2, 3, 4".encode(),
        {"ours": ours},
    ).fetchall()
    tables: dict[tuple[int, str, str], dict[str, None]] = defaultdict(dict)
    for number, role, privilege, table in rows:
        tables[number, role, privilege][table] = None
    return [
        (f"{role} may {privilege} {listed(names)}", number == 0 and privilege in _CHANGES)
        for (number, role, privilege), names in tables.items()
    ]


def _of_everybody(session: Session) -> list[str]:
    """Returns one sentence for each right to write that PUBLIC gets on tables that this role will create here."""
    rows = session.execute(
        "SELECT DISTINCT x.privilege_type FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) x WHERE d.defaclobjtype = 'r'"
        " AND x.grantee = 0 AND x.privilege_type = ANY (%s) AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        " AND (d.defaclnamespace = 0 OR d.defaclnamespace = current_schema()::regnamespace) ORDER BY 1",
        (list(_CHANGES),),
    )
    return [f"PUBLIC may {privilege} every table that is created here (ALTER DEFAULT PRIVILEGES)" for (privilege,) in rows]

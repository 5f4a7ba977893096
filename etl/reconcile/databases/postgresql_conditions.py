"""Finds what alters, hides or exposes rows of a PostgreSQL store, and whether its views are the contract's; queries the catalogue, read only."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etl.reconcile.databases.view_text import spelled

Ask = Callable[[str], list[tuple[Any, ...]]]
# A partition acts on the rows of its table under a name of its own.
_OURS = """c.oid IN (WITH RECURSIVE own(oid) AS (
       SELECT o.oid FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace WHERE n.nspname = {schema} AND o.relname IN ({names})
       UNION SELECT i.inhrelid FROM own JOIN pg_catalog.pg_inherits i ON i.inhparent = own.oid) SELECT oid FROM own)"""
# Each gives (relation, sentence).
_QUESTIONS = (
    """SELECT c.relname::text, 'trigger ' || t.tgname || ' acts on it' FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
       WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND {ours}""",
    """SELECT c.relname::text, 'rule ' || r.rulename || ' acts on it' FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
       WHERE r.rulename <> '_RETURN' AND r.ev_enabled <> 'D' AND {ours}""",
    """SELECT c.relname::text, 'row-security policy ' || p.polname FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid WHERE {ours}""",
    """SELECT c.relname::text, 'row security is on: rows may be hidden from this role' FROM pg_catalog.pg_class c
       WHERE (c.relrowsecurity OR c.relforcerowsecurity) AND {ours}""",
    """SELECT c.relname::text, (SELECT h.relname FROM pg_catalog.pg_class h WHERE h.oid = i.inhrelid) || ' inherits from it'
       FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'r' AND {ours}""",
    """SELECT c.relname::text, CASE c.relkind WHEN 'f' THEN 'is a foreign table' ELSE 'is a view' END || ': its rows are those of other tables'
       FROM pg_catalog.pg_class c WHERE c.relkind IN ('v', 'm', 'f') AND c.relname NOT IN ({views}) AND {ours}""",
    """SELECT c.relname::text, a.attname || ' is a generated column' FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
       WHERE a.attgenerated <> '' AND NOT a.attisdropped AND {ours}""",
    """SELECT c.relname::text, a.attname || ' has a collation under which different texts are equal' FROM pg_catalog.pg_attribute a
       JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation
       WHERE a.attnum > 0 AND NOT a.attisdropped AND NOT k.collisdeterministic AND {ours}""",
    """SELECT DISTINCT c.relname::text, 'PUBLIC may ' || x.privilege_type FROM pg_catalog.pg_class c CROSS JOIN LATERAL
       (SELECT * FROM pg_catalog.aclexplode(c.relacl) UNION ALL SELECT e.* FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) e
        WHERE a.attrelid = c.oid) x
       WHERE x.grantee = 0 AND x.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER') AND {ours}""",
    """WITH RECURSIVE above(base, view) AS (
         SELECT o.oid, o.oid FROM pg_catalog.pg_class o WHERE o.relkind IN ('r', 'p')
         UNION SELECT a.base, r.ev_class FROM above a JOIN pg_catalog.pg_depend d ON d.refobjid = a.view
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
           JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid WHERE r.ev_class <> a.view)
       SELECT DISTINCT c.relname::text, 'PUBLIC may ' || x.privilege_type || ' through view ' || v.relname FROM above a
       JOIN pg_catalog.pg_class c ON c.oid = a.base JOIN pg_catalog.pg_class v ON v.oid = a.view AND v.relkind = 'v' CROSS JOIN LATERAL
       (SELECT * FROM pg_catalog.aclexplode(v.relacl) UNION ALL SELECT e.* FROM pg_catalog.pg_attribute t, pg_catalog.aclexplode(t.attacl) e
        WHERE t.attrelid = v.oid) x
       WHERE c.relkind IN ('r', 'p') AND x.grantee = 0 AND x.privilege_type IN ('INSERT', 'UPDATE', 'DELETE') AND {ours}""",
    """SELECT c.relname::text, 'subscription ' || s.subname || ' writes into it' FROM pg_catalog.pg_subscription s
       JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = s.oid JOIN pg_catalog.pg_class c ON c.oid = r.srrelid WHERE s.subenabled AND {ours}""",
)
_VIEWS = """SELECT c.relname::text, c.relkind::text, n.nspname::text, CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_get_viewdef(c.oid, true) ELSE '' END
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {ours}"""


def conditions(ask: Ask, schema: str, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns (relation, sentence) for everything that alters, hides or exposes rows, and for each view that is missing or differs."""
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in (*tables, *views))
    ours = _OURS.format(names=names, schema="'" + schema.replace("'", "''") + "'")
    listed = ", ".join(["''", *("'" + name.replace("'", "''") + "'" for name in views)])
    found = [
        (str(relation), str(sentence)) for question in _QUESTIONS for relation, sentence in ask(question.format(ours=ours, views=listed))
    ]
    [(encoding,)] = ask("SELECT pg_catalog.getdatabaseencoding()::text")
    if encoding != "UTF8":
        found.append((next(iter(tables), ""), f"the database's encoding is {encoding}"))
    there = {name: (kind, its, text) for name, kind, its, text in ask(_VIEWS.format(ours=ours))}
    for view, text in views.items():
        kind, its, query = there.get(view, ("", "", ""))
        if kind != "v":
            found.append((view, "the store has no such view"))
        elif spelled(query, its) != spelled(text, its):
            found.append((view, "the view differs from the contract"))
    return sorted(found)

"""The DDL of a schema file, parsed by a strict grammar and never executed directly.

Constructs outside the grammar are refused, so a file can only declare tables, views, indexes and comments. The statements for a database are
rendered from the parsed form, without the comments and spelling of the file, one at a time.
"""

from __future__ import annotations

from mappings.ddl import ColumnDdl, Ddl, TableDdl, quoted
from mappings.ddl_query import QueryReader
from mappings.ddl_tokens import DdlError, tokens

LIMIT = 1 << 20  # bytes of a schema file


def parse(text: str) -> Ddl:
    """Returns the declarations of the file; raises DdlError at the first unknown form."""
    return _Parser(tokens(text)).file()


class _Parser(QueryReader):
    """Recursive descent over the statements; collects the declarations."""

    # -- statements -----------------------------------------------------------------------------------------------------------------------

    def file(self) -> Ddl:
        """Returns the declarations of the whole file; raises DdlError at the first unknown form."""
        while self._now.kind != "end":
            if self._took(";"):
                continue
            if self._took("CREATE", "TABLE"):
                self._table()
            elif self._took("CREATE", "VIEW"):
                self._view()
            elif self._took("CREATE", "INDEX"):
                self._index("INDEX")
            elif self._took("CREATE", "UNIQUE", "INDEX"):
                self._index("UNIQUE INDEX")
            elif self._took("COMMENT", "ON"):
                self._comment()
            else:
                raise self._error("CREATE TABLE and CREATE VIEW statements (CREATE INDEX and COMMENT ON are known too)")
            if self._now.kind != "end":
                self._want(";")
        return self._ddl

    def _new(self, what: str) -> str:
        name = self._name(what)
        if name in self._ddl.tables or name in self._ddl.views:
            raise DdlError(self._now.line, f"{name!a} twice", "each table and view once")
        return name

    def _table(self) -> None:
        table = TableDdl(self._new("a table's name"))
        self._want("(")
        while True:
            self._item(table)
            if not self._took(","):
                break
        self._want(")")
        self._ddl.tables[table.name] = table

    def _item(self, table: TableDdl) -> None:
        if self._took("CONSTRAINT"):
            self._name()
        if self._took("PRIMARY", "KEY"):
            self._key(table, self._names())
        elif self._took("UNIQUE"):
            table.unique.append(self._names())
        elif self._took("FOREIGN", "KEY"):
            columns = self._names()
            self._want("REFERENCES")
            self._reference(table, columns)
        elif self._took("CHECK"):
            table.checks.append(self._parenthesis(self._expression))
        else:
            self._column(table)

    def _key(self, table: TableDdl, columns: tuple[str, ...]) -> None:
        if table.key:
            raise DdlError(self._now.line, f"a second PRIMARY KEY of {table.name!a}", "one")
        table.key = columns

    def _reference(self, table: TableDdl, columns: tuple[str, ...]) -> None:
        to = self._name("a table's name")
        theirs = self._names() if self._is("(") else ()
        by_name = {column.name: column for column in table.columns}
        if len(columns) == 1 and columns[0] in by_name:
            by_name[columns[0]].refers_to = to
        else:
            table.foreign.append((columns, to, theirs))

    def _column(self, table: TableDdl) -> None:
        column = ColumnDdl(self._name("a column"), self._type())
        if column.name in (other.name for other in table.columns):
            raise DdlError(self._now.line, f"{f'{table.name}.{column.name}'!a} twice", "each column once")
        table.columns.append(column)
        self._columns.add(column.name)
        while not (self._is(",") or self._is(")")):
            if self._took("CONSTRAINT"):
                self._name()
            if self._took("NOT", "NULL"):
                column.not_null = True
            elif self._took("PRIMARY", "KEY"):
                self._key(table, (column.name,))
            elif self._took("UNIQUE"):
                table.unique.append((column.name,))
            elif self._took("REFERENCES"):
                self._reference(table, (column.name,))
            elif self._took("DEFAULT"):
                column.default = self._literal()
            elif self._took("CHECK"):
                table.checks.append(self._parenthesis(self._expression))
            elif not self._took("NULL"):
                raise self._error("NOT NULL, PRIMARY KEY, UNIQUE, REFERENCES, DEFAULT or CHECK")

    def _index(self, kind: str) -> None:
        name = self._name("an index's name")
        self._want("ON")
        table = self._name("a table's name")
        columns = ", ".join(quoted(column) for column in self._names())
        self._ddl.indexes.append(f"CREATE {kind} {quoted(name)} ON {quoted(table)} ({columns})")

    def _comment(self) -> None:
        kind = next((kind for kind in ("TABLE", "VIEW", "COLUMN") if self._took(kind)), None)
        if kind is None:
            raise self._error("TABLE, VIEW or COLUMN")
        name = quoted(self._name())
        if kind == "COLUMN":
            self._want(".")
            name += "." + quoted(self._name())
        self._want("IS")
        if self._now.kind != "text":
            raise self._error("a text in quotes")
        self._ddl.comments.append(f"COMMENT ON {kind} {name} IS {self._next().text}")

    # -- views: what is read is what is rendered ------------------------------------------------------------------------------------------

    def _view(self) -> None:
        name = self._new("a view's name")
        columns = f" ({', '.join(quoted(column) for column in self._names())})" if self._is("(") else ""
        self._want("AS")
        self._ddl.views[name] = f"CREATE VIEW {quoted(name)}{columns} AS {self._query()}"

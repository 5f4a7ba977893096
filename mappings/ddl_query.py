"""The queries of views in a schema file: parsed by recursive descent, and rendered from the parsed form."""

from __future__ import annotations

from collections.abc import Callable

from mappings.ddl import Ddl, quoted
from mappings.ddl_tokens import DdlError, Token

_DEEP = 60  # nesting of values and parentheses
# Functions without side effects that give the same result on every database; all others are refused.
_FUNCTIONS = frozenset({"coalesce", "nullif", "lower", "upper", "trim", "length", "abs", "count", "min", "max", "sum"})
_RESERVED = frozenset(
    {
        "ALL",
        "AND",
        "AS",
        "ASC",
        "BETWEEN",
        "BY",
        "CASE",
        "CAST",
        "CHECK",
        "CONSTRAINT",
        "CREATE",
        "CROSS",
        "DEFAULT",
        "DESC",
        "DISTINCT",
        "ELSE",
        "END",
        "EXCEPT",
        "EXISTS",
        "FALSE",
        "FOREIGN",
        "FROM",
        "FULL",
        "GROUP",
        "HAVING",
        "IN",
        "INNER",
        "INTERSECT",
        "INTO",
        "IS",
        "JOIN",
        "LEFT",
        "LIKE",
        "LIMIT",
        "NATURAL",
        "NOT",
        "NULL",
        "ON",
        "OR",
        "ORDER",
        "OUTER",
        "PRIMARY",
        "REFERENCES",
        "RIGHT",
        "SELECT",
        "TABLE",
        "THEN",
        "TRUE",
        "UNION",
        "UNIQUE",
        "USING",
        "VALUES",
        "WHEN",
        "WHERE",
        "WITH",
    }
)
_COLUMN_ENDS = frozenset({"NOT", "NULL", "PRIMARY", "UNIQUE", "REFERENCES", "DEFAULT", "CHECK", "CONSTRAINT"})
_BETWEEN_VALUES = frozenset({"=", "<>", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "||", "AND", "OR"})


class QueryReader:
    """Reads tokens from the first on; each method returns the text of what it read."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at, self._deep = tokens, 0, 0
        self._ddl = Ddl()  # the declarations so far: a query names their tables
        self._columns: set[str] = set()  # of all tables so far

    # -- tokens ---------------------------------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._now
        self._at += 1
        return token

    def _is(self, *words: str) -> bool:
        """Returns whether these words come next."""
        return all(self._at + n < len(self._tokens) and self._tokens[self._at + n].word == word for n, word in enumerate(words))

    def _took(self, *words: str) -> bool:
        if self._is(*words):
            self._at += len(words)
            return True
        return False

    def _want(self, *words: str) -> None:
        if not self._took(*words):
            raise self._error(" ".join(words))

    def _error(self, expected: str) -> DdlError:
        shown = ascii(self._now.text[:40])[1:-1] or "the end"
        return DdlError(self._now.line, shown, expected)

    def _name(self, what: str = "a name") -> str:
        token = self._now
        if token.kind == "quoted":
            self._at += 1
            return token.text[1:-1]  # a keyword as a name; characters other than those of an unquoted name are refused
        if token.kind != "name" or token.word in _RESERVED:
            raise self._error(what)
        self._at += 1
        return token.text

    def _names(self) -> tuple[str, ...]:
        self._want("(")
        found = [self._name()]
        while self._took(","):
            found.append(self._name())
        self._want(")")
        return tuple(found)

    def _number(self) -> str:
        if self._now.kind != "number":
            raise self._error("a number")
        return self._next().text

    def _literal(self) -> str:
        sign = "-" if self._took("-") else ""
        if self._now.kind == "number" or (not sign and self._now.kind == "text"):
            return sign + self._next().text
        if not sign and self._now.word in ("NULL", "TRUE", "FALSE"):
            return self._next().word
        raise self._error("a number, a text in quotes, TRUE, FALSE or NULL")

    def _type(self) -> str:
        """Returns the type's name in capitals, with its length: VARCHAR(8). The caller checks whether the type exists."""
        words = []
        while self._now.kind == "name" and self._now.word not in _COLUMN_ENDS:
            words.append(self._next().word)
        if not words:
            raise self._error("a type")
        length = ""
        if self._took("("):
            numbers = [self._number()]
            while self._took(","):
                numbers.append(self._number())
            self._want(")")
            length = f"({','.join(numbers)})"
        return " ".join(words) + length

    # -- queries: what is read is what is rendered ----------------------------------------------------------------------------------------

    def _query(self) -> str:
        parts = [self._select()]
        while self._took("UNION"):
            parts.append("UNION ALL" if self._took("ALL") else "UNION")
            parts.append(self._select())
        if self._took("ORDER", "BY"):
            parts.append("ORDER BY " + self._list(self._ordered))
        return " ".join(parts)

    def _select(self) -> str:
        self._want("SELECT")
        text = "SELECT DISTINCT " if self._took("DISTINCT") else "SELECT "
        text += self._list(self._selected)
        self._want("FROM")
        text += " FROM " + self._list(self._joined)
        for words, form in ((("WHERE",), self._expression), (("GROUP", "BY"), None), (("HAVING",), self._expression)):
            if self._took(*words):
                text += f" {' '.join(words)} {form() if form else self._list(self._expression)}"
        return text

    def _list(self, one: Callable[[], str]) -> str:
        found = [one()]
        while self._took(","):
            found.append(one())
        return ", ".join(found)

    def _selected(self) -> str:
        if self._took("*"):
            return "*"
        text = self._expression()
        if self._took("AS") or self._now.kind == "quoted" or (self._now.kind == "name" and self._now.word not in _RESERVED):
            text += f" AS {quoted(self._name())}"
        return text

    def _ordered(self) -> str:
        text = self._expression()
        return text + (" DESC" if self._took("DESC") else " ASC" if self._took("ASC") else "")

    def _joined(self) -> str:
        text = self._from()
        while True:
            if self._took("LEFT", "OUTER", "JOIN") or self._took("LEFT", "JOIN"):
                kind = "LEFT JOIN"
            elif self._took("INNER", "JOIN") or self._took("JOIN"):
                kind = "JOIN"
            elif self._took("CROSS", "JOIN"):
                text += f" CROSS JOIN {self._from()}"
                continue
            else:
                return text
            text += f" {kind} {self._from()}"
            if self._is("USING"):
                self._want("USING")
                text += f" USING ({', '.join(quoted(name) for name in self._names())})"
            else:
                self._want("ON")
                text += f" ON {self._expression()}"

    def _from(self) -> str:
        if self._is("("):
            text = self._parenthesis(self._query)
        else:
            line, name = self._now.line, self._name("a table's name")
            if name not in self._ddl.tables and name not in self._ddl.views:
                raise DdlError(line, ascii(name), "a table or view that this file declares before")
            text = quoted(name)
        if self._took("AS") or self._now.kind == "quoted" or (self._now.kind == "name" and self._now.word not in _RESERVED):
            text += f" AS {quoted(self._name())}"
        return text

    def _expression(self) -> str:
        parts = [self._value()]
        while True:
            if self._now.word in _BETWEEN_VALUES:
                parts += [self._next().word, self._value()]
            elif self._took("IS"):
                inner = "IS NOT" if self._took("NOT") else "IS"
                word = next((word for word in ("NULL", "TRUE", "FALSE") if self._took(word)), None)
                if word is None:
                    raise self._error("NULL, TRUE or FALSE")
                parts.append(f"{inner} {word}")
            elif self._is("IN") or self._is("NOT", "IN"):
                parts.append("NOT IN" if self._took("NOT") else "IN")
                self._want("IN")
                parts.append(self._parenthesis(lambda: self._query() if self._is("SELECT") else self._list(self._expression)))
            elif self._is("LIKE") or self._is("NOT", "LIKE"):
                parts.append("NOT LIKE" if self._took("NOT") else "LIKE")
                self._want("LIKE")
                parts.append(self._value())
            elif self._is("BETWEEN") or self._is("NOT", "BETWEEN"):
                parts.append("NOT BETWEEN" if self._took("NOT") else "BETWEEN")
                self._want("BETWEEN")
                parts.append(self._value())
                self._want("AND")
                parts += ["AND", self._value()]
            else:
                return " ".join(parts)

    def _value(self) -> str:
        return self._within(self._one_value)

    def _one_value(self) -> str:
        for word in ("NOT", "-", "+"):
            if self._took(word):
                return f"{word} {self._value()}"
        token = self._now
        if token.kind in ("number", "text") or token.word in ("NULL", "TRUE", "FALSE"):
            return self._literal()
        if self._is("("):
            return self._parenthesis(lambda: self._query() if self._is("SELECT") else self._list(self._expression))
        if self._took("EXISTS"):
            return "EXISTS " + self._parenthesis(self._query)
        if self._took("CASE"):
            return self._case()
        if self._took("CAST"):
            return "CAST " + self._parenthesis(lambda: f"{self._expression()} {self._as()} {self._type()}")
        name = self._name("a value")
        if self._is("(") and token.kind == "name":
            return self._call(name)
        if self._took("."):
            return f"{quoted(name)}.{'*' if self._took('*') else quoted(self._name())}"
        if token.kind == "name":
            return name  # not quoted: SQLite reads an unknown quoted name as a string
        if name not in self._columns:
            raise DdlError(token.line, ascii(name), "a column that this file declares before")
        return quoted(name)

    def _as(self) -> str:
        self._want("AS")
        return "AS"

    def _call(self, name: str) -> str:
        if name.lower() not in _FUNCTIONS:
            raise DdlError(self._now.line, f"the function {name!a}", f"one of {', '.join(sorted(_FUNCTIONS))}")

        def arguments() -> str:
            if self._took("*"):
                return "*"
            return ("DISTINCT " if self._took("DISTINCT") else "") + self._list(self._expression)

        return name.lower() + self._parenthesis(arguments)

    def _case(self) -> str:
        text = "CASE"
        if not self._is("WHEN"):
            text += f" {self._expression()}"
        while self._took("WHEN"):
            text += f" WHEN {self._expression()}"
            self._want("THEN")
            text += f" THEN {self._expression()}"
        if self._took("ELSE"):
            text += f" ELSE {self._expression()}"
        self._want("END")
        return f"{text} END"

    def _parenthesis(self, inner: Callable[[], str]) -> str:
        self._want("(")
        text = self._within(inner)
        self._want(")")
        return f"({text})"

    def _within(self, inner: Callable[[], str]) -> str:
        self._deep += 1
        if self._deep > _DEEP:
            raise self._error(f"at most {_DEEP} values and parentheses within each other")
        text = inner()
        self._deep -= 1
        return text

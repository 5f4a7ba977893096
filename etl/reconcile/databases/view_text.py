"""A view's query in a form in which two spellings of the same one agree."""

import re

_SKIPPED = re.compile(r"--[^\n]*|/\*.*?\*/|\s+", re.DOTALL)
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|\w+|.""", re.DOTALL)


def spelled(sql: str, schema: str = "") -> tuple[str, ...]:
    """Returns the tokens of the view's query, which are equal for two spellings of the same query; without the view's schema before a dot."""
    found: list[str] = []
    position = 0
    while position < len(sql):
        if gap := _SKIPPED.match(sql, position):
            position = gap.end()
            continue
        token = _TOKEN.match(sql, position)
        assert token is not None  # noqa: S101 - any character is a token
        position = token.end()
        found.append(_plain(token[0]))
    if found[:1] == ["create"]:
        found = found[found.index("as") + 1 :] if "as" in found else []
    while found[-1:] == [";"]:
        found.pop()
    found = [word for word in found if word != "as"]  # before an alias it has no meaning
    dots = {at for at, word in enumerate(found) if schema and word == schema and found[at + 1 : at + 2] == ["."]}
    return tuple(word for at, word in enumerate(found) if at not in dots and at - 1 not in dots)


def _plain(token: str) -> str:
    """Returns words in lower case, quoted names unquoted if they need no quotes, texts unchanged."""
    if token[0] == "'":
        return token
    if token[0] in '"`[' and len(token) > 1:
        inner = token[1:-1].replace('""', '"')
        return inner if re.fullmatch(r"[a-z_]\w*", inner) and inner == inner.lower() else f'"{inner}"'
    return token.lower()

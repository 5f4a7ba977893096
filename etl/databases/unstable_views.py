"""Views of an old portal that may return other rows or values at another moment or for another role: a proof that compares two readings needs to know them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from etl.databases.conditions import listed, tokens

# Words and texts of SQL itself: the moment of the reading, and who reads.
_WORDS = frozenset(
    {
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "current_user",
        "session_user",
        "current_role",
        "'now'",
    }
)
# SQLite: they give the present moment where they are called without an argument.
_DATES = frozenset({"date", "time", "datetime", "julianday", "unixepoch", "strftime"})


def unstable(queries: Mapping[str, str], read: Iterable[str], functions: Collection[str]) -> list[str]:
    """Returns one sentence for each of the views in `read` whose rows may depend on a call: `random()`, `current_date` ... (K9).

    `queries`: the query of every view, by name; a view over other views depends on what they call. `functions`: names, in lower case, of functions
    whose result may differ between two calls.
    """
    words = {name: tokens(query) for name, query in queries.items()}
    found = []
    for name in sorted(set(read) & words.keys()):
        calls = sorted({call for one in _reached(name, words) for call in _calls(words[one], functions)})
        if calls:
            found.append(f"{name}: the view depends on {listed(calls)}, so two readings may differ (K9)")
    return found


def _reached(name: str, words: Mapping[str, list[str]]) -> set[str]:
    """Returns the view and every view that its query names, directly or not."""
    reached, ahead = {name}, [name]
    by_word = {other.lower(): other for other in words} | {f'"{other}"': other for other in words}
    while ahead:
        for word in words[ahead.pop()]:
            if (other := by_word.get(word)) is not None and other not in reached:
                reached.add(other)
                ahead.append(other)
    return reached


def _calls(words: list[str], functions: Collection[str]) -> Iterable[str]:
    for word, opening, closing in zip(words, [*words[1:], ""], [*words[2:], "", ""], strict=False):
        if word.lower() in _WORDS:
            yield word.lower()
        elif opening == "(" and (word in functions or (word in _DATES and closing == ")")):
            yield f"{word}()"

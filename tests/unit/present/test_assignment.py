"""The joint assignment: against every possible one, in all shapes."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from etl.present.assignment import assigned

_GAINS = st.integers(0, 4).flatmap(
    lambda width: st.lists(st.lists(st.integers(-5, 9), min_size=width, max_size=width), min_size=0, max_size=5)
)


def _best(gains: list[list[int]]) -> int:
    """The greatest sum, by trying all: with as many columns more, worth nothing, as there are rows."""
    width = len(gains[0]) if gains else 0
    wide = [[*row, *([0] * len(gains))] for row in gains]
    return max(
        (sum(wide[row][column] for row, column in enumerate(order)) for order in permutations(range(width + len(gains)), len(gains))),
        default=0,
    )


def test_a_row_with_one_option_gets_it_before_rows_with_several() -> None:
    assert assigned([[9.0, 8.0], [8.0, 1.0]]) == {0: 1, 1: 0}


def test_a_pair_that_gains_nothing_is_left_out() -> None:
    assert assigned([[-1.0, 0.0], [-2.0, 3.0]]) == {1: 1}
    assert assigned([]) == {}
    assert assigned([[], []]) == {}


@given(gains=_GAINS)
def test_no_other_assignment_gains_more(gains: list[list[int]]) -> None:
    found = assigned(gains)
    assert len(set(found.values())) == len(found)
    assert sum(gains[row][column] for row, column in found.items()) == _best(gains)

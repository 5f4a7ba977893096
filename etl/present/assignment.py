"""The best one-to-one assignment between two lists, found jointly: a greedy choice can block a better one."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf


def assigned(gains: Sequence[Sequence[float]]) -> dict[int, int]:
    """Returns by row its column, so that the sum of the gains is greatest; a pair without a gain above 0 is left out.

    The Hungarian method (shortest augmenting paths); O(rows² x columns). Equal sums: the same answer every time.
    """
    if not gains or not gains[0]:
        return {}
    turned = len(gains) > len(gains[0])
    wide = list(zip(*gains, strict=True)) if turned else gains
    # No assignment costs 0, so values below 0 need not be distinguished.
    pairs = _cheapest([[-max(gain, 0.0) for gain in row] for row in wide])
    found = {(column if turned else row): (row if turned else column) for row, column in enumerate(pairs)}
    return {row: column for row, column in found.items() if gains[row][column] > 0}


def _cheapest(costs: Sequence[Sequence[float]]) -> list[int]:
    """Returns the column of each row at the least sum of costs; there are at least as many columns as rows."""
    height, width = len(costs), len(costs[0])
    row_price, column_price = [0.0] * (height + 1), [0.0] * (width + 1)
    owner = [0] * (width + 1)  # by column, from 1: its row; 0: none
    for row in range(1, height + 1):
        owner[0], column = row, 0
        least, came_from, seen = [inf] * (width + 1), [0] * (width + 1), [False] * (width + 1)
        while owner[column]:
            seen[column] = True
            at, step, nearest = owner[column], inf, 0
            for other in range(1, width + 1):
                if seen[other]:
                    continue
                cost = costs[at - 1][other - 1] - row_price[at] - column_price[other]
                if cost < least[other]:
                    least[other], came_from[other] = cost, column
                if least[other] < step:
                    step, nearest = least[other], other
            for other in range(width + 1):
                if seen[other]:
                    row_price[owner[other]] += step
                    column_price[other] -= step
                else:
                    least[other] -= step
            column = nearest
        while column:
            owner[column] = owner[came_from[column]]
            column = came_from[column]
    result = [0] * height
    for position in range(1, width + 1):
        if owner[position]:
            result[owner[position] - 1] = position - 1
    return result

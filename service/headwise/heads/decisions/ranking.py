"""The largest numbers of each row, without sorting the rest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from headwise.heads.links import Float64

_SHORT = 256
"""So many numbers are sorted faster than they are looked through."""

_WIDE, _MOST_SHARE = 2048, 32
"""From how long a row it pays to fold it, if it has that many numbers for each one that is wanted."""

_WIDER = 3
"""How much wider than square a fold is: numpy finds maxima of long rows faster than it begins another."""

_FEW = 16
"""How often rows are looked through before sorting them is faster."""


def largest(rows: Float64, count: int) -> NDArray[np.int64]:
    """Columns (rows, min(count, columns)) of the largest numbers, largest first; ties go to the lowest column.

    No number is NaN; -inf is one like any other.
    """
    columns = rows.shape[1]
    if count < columns and rows.size > _SHORT:
        if columns >= max(_WIDE, count * _MOST_SHARE):
            return _folded(np.ascontiguousarray(rows), count)
        if count <= _FEW:
            return _one_by_one(np.ascontiguousarray(rows), count)
    return _sorted(rows, count)


def _sorted(rows: Float64, count: int) -> NDArray[np.int64]:
    return np.argsort(-rows, axis=1, kind="stable")[:, :count]


def _one_by_one(rows: Float64, count: int) -> NDArray[np.int64]:
    """Look for the largest, strike it out, look again."""
    left, starts = rows.copy(), np.arange(0, rows.size, rows.shape[1])
    found = np.empty((len(rows), count), np.int64)
    for place in range(count):
        found[:, place] = left.argmax(axis=1)
        at = starts + found[:, place]
        last = left.take(at)
        left.put(at, -np.inf)
    # What is struck out is taken for a number of -inf, but only where nothing larger was left.
    return found if last.min() > -np.inf else _sorted(rows, count)


def _folded(rows: Float64, count: int) -> NDArray[np.int64]:
    """Fold each row so that column j of the fold has columns j, j + width, j + 2 width, … of the row, and keep maxima.

    `count` columns of the fold reach its count-th maximum, so the row has as many numbers that do: what does not reach
    it is not among the largest, and only the columns of the fold that do are looked at. Ties may make them more.
    """
    columns = rows.shape[1]
    width = _WIDER * math.isqrt(columns * count)
    whole = columns - columns % width
    tops = rows[:, :whole].reshape(len(rows), -1, width).max(axis=1)
    rest = tops[:, : columns - whole]
    np.maximum(rest, rows[:, whole:], out=rest)
    least = np.partition(tops, width - count, axis=1)[:, width - count]

    row, column = np.nonzero(tops >= least[:, np.newaxis])
    unfolded = column[:, np.newaxis] + np.arange(0, columns, width)
    at = row[:, np.newaxis] * columns + np.minimum(unfolded, columns - 1)
    reach = (rows.take(at) >= least[row, np.newaxis]) & (unfolded < columns)

    among = np.sort(at[reach])
    row, column = np.divmod(among, columns)
    order = np.lexsort((-rows.take(among), row))
    starts = np.searchsorted(row, np.arange(len(rows)))
    found: NDArray[np.int64] = column[order[starts[:, np.newaxis] + np.arange(count)]]
    return found

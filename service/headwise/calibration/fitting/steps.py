"""Fits step functions of the positive class: shrunk isotonic regression, and Venn-Abers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headwise.calibration.fitting.problem import binary_rows
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import Isotonic, VennAbers
from headwise.heads.links import Float64


class Tied(NamedTuple):
    """Logits that differ, rising; how many rows each has, and how many of these are positive: all (knots,) float64."""

    logits: Float64
    counts: Float64
    positives: Float64


class Point(NamedTuple):
    """Of a cumulative sum diagram: rows so far, and positives so far."""

    rows: float
    positives: float


def tied(samples: Samples) -> Tied:
    """Rows of the same logit together.

    Raises: CalibrationError where all rows are of one class.
    """
    rows = binary_rows(samples)
    logits, at = np.unique(rows.logits, return_inverse=True)
    return Tied(logits, np.bincount(at).astype(np.float64), np.bincount(at, rows.targets).astype(np.float64))


def isotonic(samples: Samples) -> Isotonic:
    """Isotonic regression with one imagined row a block, at the base rate: no block says exactly 0 or 1.

    A block of few rows moves further than its neighbours, so what then falls is pooled again.

    Raises: CalibrationError where all rows are of one class.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    logits, counts, positives = tied(samples)
    starts = isotonic_regression(positives / counts, weights=counts).blocks[:-1]
    rows, hits = np.add.reduceat(counts, starts), np.add.reduceat(positives, starts)
    shrunk = (hits + positives.sum() / counts.sum()) / (rows + 1.0)
    pooled = isotonic_regression(shrunk, weights=rows + 1.0)
    kept = pooled.blocks[:-1]
    first = starts[kept][1:]
    below, above = logits[first - 1], logits[first]
    middle = below / 2.0 + above / 2.0
    # Between neighbouring floats there is no middle, and a block begins at its own first row.
    cuts = np.where((middle > below) & (middle <= above), middle, above)
    return Isotonic(tuple(cuts.tolist()), tuple(pooled.x[kept].tolist()))


def venn_abers(samples: Samples) -> VennAbers:
    """The isotonic fits with the row at hand as negative and as positive, everywhere (Vovk, Petej, Fedorova 2015).

    Raises: CalibrationError where all rows are of one class.
    """
    logits, counts, positives = tied(samples)
    upper = with_a_positive(counts, positives)
    lower = 1.0 - with_a_positive(counts[::-1], (counts - positives)[::-1])[::-1]
    # Between two knots, a positive row joins the knot above it, and a negative row the one below.
    low, high = np.zeros(2 * len(logits) + 1), np.ones(2 * len(logits) + 1)
    low[1::2] = low[2::2] = lower
    high[:-1:2] = high[1::2] = upper
    return VennAbers.compressed(logits, low, high)


def with_a_positive(counts: Float64, positives: Float64) -> Float64:
    """(knots,) isotonic regression at each knot, if a positive row were added there; O(knots).

    It is the slope of the greatest convex minorant of the cumulative sum diagram where the row stands. The row walks up
    from knot to knot: each step moves one point of the diagram down, and corners behind the row stay corners.
    """
    before = Point(-1.0, -1.0)
    rows, hits = np.cumsum(counts).tolist(), np.cumsum(positives).tolist()
    points = [before, Point(0.0, 0.0), *map(Point, rows, hits)]
    corners: list[Point] = []
    for point in reversed(points):
        _lead(point, corners)
    values = []
    for at in range(1, len(points) - 1):
        start, end = corners[-1], corners[-2]
        values.append((end.positives - start.positives) / (end.rows - start.rows))
        behind, passed, ahead = points[at - 1], points[at], points[at + 1]
        moved = Point(behind.rows + ahead.rows - passed.rows, behind.positives + ahead.positives - passed.positives)
        points[at] = moved
        if _below(moved, start, end):
            corners.pop()
            _lead(moved, corners)
    return np.array(values)


def _lead(point: Point, corners: list[Point]) -> None:
    """Put a point before the corners of a convex minorant (the nearest last); corners that it hides fall away."""
    while len(corners) > 1 and not _below(corners[-1], point, corners[-2]):
        corners.pop()
    corners.append(point)


def _below(point: Point, start: Point, end: Point) -> bool:
    """Whether a point lies below the line from start to end; counts are integers, so this is exact."""
    rise = (point.positives - start.positives) * (end.rows - start.rows)
    return rise < (end.positives - start.positives) * (point.rows - start.rows)

"""Bins of probabilities: the reliability diagram, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.measures.pairs import Pairs
from headwise.heads.links import Float64

BINS = 15
"""As in Guo, Pleiss, Sun, Weinberger (2017)."""

Z95 = 1.959963984540054
"""The standard normal quantile of 0.975."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a diagram: rows whose probability lies in (low, high], the first bin with its low end.

    probability: their mean. observed: how often it happened. interval: of `observed`, 95 % (Wilson 1927).
    """

    low: float
    high: float
    rows: int
    probability: float
    observed: float
    interval: tuple[float, float]


def equal_width(bins: int = BINS) -> Float64:
    """Edges (bins + 1,) of bins as wide as each other."""
    return np.linspace(0.0, 1.0, bins + 1)


def equal_mass(probabilities: Float64, bins: int = BINS) -> Float64:
    """Edges (bins + 1,) of bins with as many probabilities as each other; equal ones share a bin."""
    return np.quantile(probabilities, np.linspace(0.0, 1.0, bins + 1))


def bin_of(probabilities: Float64, edges: Float64) -> NDArray[np.int64]:
    """The bin of each probability, of its shape: (edges[b], edges[b + 1]], as scikit-learn's calibration_curve."""
    return np.asarray(np.searchsorted(edges[1:-1], probabilities, side="left"))


def reliability(pairs: Pairs, edges: Float64) -> tuple[Bin, ...]:
    """The bins that have rows, from low to high."""
    probabilities, happened = pairs.probabilities.ravel(), pairs.happened.ravel()
    at, count = bin_of(probabilities, edges), len(edges) - 1
    rows = np.bincount(at, minlength=count)
    sums = np.bincount(at, probabilities, minlength=count)
    hits = np.bincount(at, happened, minlength=count).astype(np.float64)
    filled = np.flatnonzero(rows)
    low, high = wilson(hits[filled], rows[filled].astype(np.float64))
    return tuple(
        Bin(
            float(edges[b]),
            float(edges[b + 1]),
            int(rows[b]),
            float(sums[b] / rows[b]),
            float(hits[b] / rows[b]),
            (float(low[i]), float(high[i])),
        )
        for i, b in enumerate(filled)
    )


def wilson(hits: Float64, rows: Float64) -> tuple[Float64, Float64]:
    """The 95 % score interval of a share of hits among rows (Wilson 1927)."""
    share = hits / rows
    shrink = 1.0 + Z95**2 / rows
    middle = (share + Z95**2 / (2 * rows)) / shrink
    half = Z95 / shrink * np.sqrt(share * (1 - share) / rows + Z95**2 / (4 * rows**2))
    low: Float64 = np.where(hits == 0, 0.0, np.maximum(middle - half, 0.0))
    high: Float64 = np.where(hits == rows, 1.0, np.minimum(middle + half, 1.0))
    return low, high

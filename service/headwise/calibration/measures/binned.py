"""Calibration errors over bins: the expected one, without its bias, and class by class.

A class here is built once for the rows and called with weights (resamples, rows), how often each row counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.measures.bins import bin_of
from headwise.calibration.measures.pairs import Pairs
from headwise.heads.links import Float64


class BinnedError:
    """ECE: the mean over bins, by their rows, of |mean probability - share that happened|.

    (Naeini, Cooper, Hauskrecht 2015; Guo, Pleiss, Sun, Weinberger 2017.) Its noise adds up: a calibrated model of few
    rows has an ECE well above 0.
    """

    def __init__(self, pairs: Pairs, edges: Float64) -> None:
        self._gaps = _sums_by_bin(pairs.probabilities - pairs.happened, bin_of(pairs.probabilities, edges), edges)
        self._events = pairs.probabilities.shape[1]

    def __call__(self, weights: Float64) -> Float64:
        """Figures (resamples,)."""
        return np.asarray(np.abs(weights @ self._gaps).sum(axis=1) / (weights.sum(axis=1) * self._events))


class DebiasedError:
    """The root of the squared calibration error over bins, without what noise adds to it (Kumar, Liang, Ma 2019).

    Each bin's squared gap less the variance of its observed share; 0 where noise explains all. A bin with a single
    event has no variance to take off, and is left out.
    """

    def __init__(self, pairs: Pairs, edges: Float64) -> None:
        at = bin_of(pairs.probabilities, edges)
        self._counts = _sums_by_bin(np.ones(at.shape), at, edges)
        self._expected = _sums_by_bin(pairs.probabilities, at, edges)
        self._happened = _sums_by_bin(pairs.happened.astype(np.float64), at, edges)

    def __call__(self, weights: Float64) -> Float64:
        """Figures (resamples,)."""
        counts = weights @ self._counts
        several = counts > 1
        rows = np.where(several, counts, 2.0)
        observed = weights @ self._happened / rows
        gaps = np.square(weights @ self._expected / rows - observed) - observed * (1 - observed) / (rows - 1)
        total = np.where(several, counts * gaps, 0.0).sum(axis=1) / counts.sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(total, 0.0)))


class ClasswiseError:
    """The mean over classes of each one's ECE against all others (Kull et al. 2019)."""

    def __init__(self, pairs: Pairs, edges: Float64) -> None:
        self._pairs, self._edges = pairs, edges

    def __call__(self, weights: Float64) -> Float64:
        """Figures (resamples,)."""
        probabilities, happened = self._pairs.probabilities, self._pairs.happened
        total = np.zeros(len(weights))
        for column in range(probabilities.shape[1]):
            one = Pairs(probabilities[:, column : column + 1], happened[:, column : column + 1], self._pairs.of)
            total += BinnedError(one, self._edges)(weights)
        return np.asarray(total / probabilities.shape[1])


def _sums_by_bin(values: Float64, at: NDArray[np.int64], edges: Float64) -> Float64:
    """(rows, events) values in their bins -> (rows, bins), summed over the events of a row."""
    rows, bins = len(values), len(edges) - 1
    cells = np.arange(rows)[:, np.newaxis] * bins + at
    sums = np.bincount(cells.ravel(), values.ravel(), minlength=rows * bins).astype(np.float64)
    return sums.reshape(rows, bins)

"""Smooth ECE (Blasiok, Nakkiran 2023): calibration error without bins, its scale found by itself.

With f the probability and y what happened, smECE at scale s is the integral over t in [0, 1] of |E[K(t, f) (y - f)]|,
where K is the Gaussian kernel of standard deviation s, reflected at 0 and 1. It falls as s grows, so there is exactly
one s with smECE(s) = s: that is the smooth ECE.

Reflection at both ends makes cos(k pi t) the eigenfunctions of K, with eigenvalues exp(-(k pi s)^2 / 2): smoothing is
a product in the cosine series of the residuals, and one transform serves every scale.
"""

from __future__ import annotations

import numpy as np

from headwise.calibration.measures.pairs import Pairs
from headwise.heads.links import Float64

GRID = 4096
"""Steps in [0, 1]; residuals are shared out between the two nodes beside them. The relative error at scale s is about
(1 / (GRID s))^2 / 12."""

STEPS = 12
"""Of the search for the scale: smECE(s) - s is then below 1e-15 on all data that was tried."""

_AT_ONCE = 16
"""Resamples whose series fit a processor's cache together."""


class SmoothError:
    """The smooth ECE of pairs, for weights (resamples, rows)."""

    def __init__(self, pairs: Pairs, grid: int = GRID, steps: int = STEPS) -> None:
        rows, events = pairs.probabilities.shape
        place = np.clip(pairs.probabilities, 0.0, 1.0).ravel() * grid
        node = np.minimum(place.astype(np.int64), grid - 1)
        share = place - node
        residual = (pairs.happened - pairs.probabilities).ravel() / events
        self._grid, self._steps = grid, steps
        self._nodes = np.concatenate([node, node + 1])
        self._masses = np.concatenate([residual * (1.0 - share), residual * share])
        self._rows = np.tile(np.repeat(np.arange(rows), events), 2)

    def __call__(self, weights: Float64) -> Float64:
        """Figures (resamples,)."""
        blocks = (weights[start : start + _AT_ONCE] for start in range(0, len(weights), _AT_ONCE))
        return np.concatenate([self._figures(self._series(block)) for block in blocks])

    def at(self, weights: Float64, scale: Float64) -> Float64:
        """SmECE at scales (resamples,)."""
        return self._integral(self._series(weights), scale)

    def _figures(self, series: Float64) -> Float64:
        """SmECE at the s where smECE(s) = s; two steps of the grid where it is less, an error below that."""
        low, high = np.full(len(series), 2.0 / self._grid), np.ones(len(series))
        above, below = self._integral(series, low) - low, self._integral(series, high) - high
        found = np.where(above <= 0, low, high)
        open_ = np.flatnonzero((above > 0) & (below < 0))
        found[open_] = self._root(series[open_], low[open_], high[open_], above[open_], below[open_])
        return self._integral(series, found)

    def _root(self, series: Float64, low: Float64, high: Float64, above: Float64, below: Float64) -> Float64:
        """Where smECE(s) - s falls from `above` at `low` to `below` at `high`: regula falsi, and the value at an end
        that stays is halved (the Illinois rule; Dowell, Jarratt 1971)."""
        middle, rose = low, np.full(len(low), np.nan)
        for _ in range(self._steps):
            middle = (low * below - high * above) / (below - above)
            value = self._integral(series, middle) - middle
            rises = value > 0
            again = rises == rose
            low, high = np.where(rises, middle, low), np.where(rises, high, middle)
            stays_above, stays_below = np.where(again, above / 2, above), np.where(again, below / 2, below)
            above, below = np.where(rises, value, stays_above), np.where(rises, stays_below, value)
            rose = rises.astype(np.float64)
        return middle

    def _series(self, weights: Float64) -> Float64:
        """Cosine coefficients (resamples, grid + 1) of the mean residual."""
        nodes = np.stack([np.bincount(self._nodes, self._masses * w[self._rows], self._grid + 1) for w in weights])
        nodes = nodes / weights.sum(axis=1, keepdims=True)
        # The even extension holds the inner nodes twice, so the ends must count double.
        nodes[:, [0, -1]] *= 2
        return np.asarray(np.fft.rfft(np.concatenate([nodes, nodes[:, -2:0:-1]], axis=1), axis=1).real)

    def _integral(self, series: Float64, scale: Float64) -> Float64:
        frequency = np.pi * np.arange(self._grid + 1)
        smoothed = series * np.exp(-np.square(scale[:, np.newaxis] * frequency) / 2)
        values = np.abs(np.fft.irfft(smoothed, axis=1)[:, : self._grid + 1])
        return np.asarray(values.sum(axis=1) - (values[:, 0] + values[:, -1]) / 2)

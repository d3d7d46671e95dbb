"""Smooth ECE against its published definition: by hand, and by integrating the kernel's images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import ndtr

from headwise.calibration.measures.measure import figure
from headwise.calibration.measures.pairs import Pairs
from headwise.calibration.measures.smooth import GRID, SmoothError

Array = NDArray[Any]


def pairs(p: Any, y: Any) -> Pairs:
    """One event a row, or several."""
    p, y = np.asarray(p, np.float64), np.asarray(y, bool)
    return Pairs(p.reshape(len(p), -1), y.reshape(len(y), -1), "positive class")


def smooth_ece(p: Any, y: Any) -> float:
    """Of the rows as they are."""
    return figure(SmoothError(pairs(p, y)), len(p))


def by_definition(p: Array, y: Array, scale: float) -> float:
    """The integral over t of |mean of K(t, p) (y - p)|, K the sum of a Gaussian's images at 2 k + p and 2 k - p."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    edges = np.linspace(0, 1, 201)
    t = (edges[:-1, np.newaxis] + (nodes + 1) / 2 * np.diff(edges)[:, np.newaxis]).ravel()
    by = np.tile(weights / 2, 200) / 200
    shifts = 2.0 * np.arange(-3, 4)
    images = np.concatenate([shifts + p[:, np.newaxis], shifts - p[:, np.newaxis]], axis=1)
    kernels = np.exp(-np.square((t[:, np.newaxis, np.newaxis] - images) / scale) / 2).sum(axis=2)
    kernels /= scale * np.sqrt(2 * np.pi)
    return float(by @ np.abs(kernels @ (y - p) / len(p)))


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.1, 0.1), (8.0, 1.0)])
def test_it_is_the_published_definition(a: float, b: float) -> None:
    random = np.random.default_rng(2)
    p = random.beta(a, b, 40)
    y = random.random(40) < p**3
    expected = optimize.brentq(lambda scale: by_definition(p, y, scale) - scale, 1e-2, 0.5, rtol=1e-5)
    assert smooth_ece(p, y) == pytest.approx(expected, rel=1e-4)
    for scale in (0.02, 0.3):
        at = SmoothError(pairs(p, y)).at(np.ones((1, 40)), np.array([scale]))
        assert at[0] == pytest.approx(by_definition(p, y, scale), rel=1e-3)


@pytest.mark.parametrize(
    ("probability", "happened", "error"), [(0.3, 0.5, 0.2), (0.0, 1.0, 1.0), (1.0, 0.75, 0.25), (0.49, 0.5, 0.01)]
)
def test_of_one_probability_it_is_the_gap(probability: float, happened: float, error: float) -> None:
    # All of the residual lies at one place with one sign, and the reflected kernel keeps its mass.
    y = np.arange(20) < 20 * happened
    assert smooth_ece(np.full(20, probability), y) == pytest.approx(error, abs=1e-9)


def test_gaps_near_each_other_are_seen_at_their_own_scale() -> None:
    # A little too low beside a little too high: a coarser scale would see neither.
    p, y = np.repeat([0.46, 0.54], 20), np.tile([0, 1], 20)
    expected = optimize.brentq(lambda scale: by_definition(p, y, scale) - scale, 1e-2, 0.5)
    assert expected < 0.035
    assert smooth_ece(p, y) == pytest.approx(expected, rel=1e-4)


def test_two_sure_and_wrong_answers_by_hand() -> None:
    # Residuals +1/2 at 0 and -1/2 at 1: by symmetry the integral is the kernel's mass on its own side less the other's.
    def expected(scale: float) -> float:
        k = np.arange(-40, 41)
        own = 2 * (ndtr((0.5 + 2 * k) / scale) - ndtr(2 * k / scale)).sum()
        return float(own - (1 - own))

    root = optimize.brentq(lambda scale: expected(scale) - scale, 0.01, 1.0)
    assert smooth_ece([0.0, 1.0], [True, False]) == pytest.approx(root, rel=1e-5)


def test_what_is_right_has_no_error() -> None:
    assert smooth_ece([0.0, 1.0, 1.0], [False, True, True]) == 0.0
    # Far below the grid's finest scale the answer is off by less than that scale.
    assert smooth_ece([1e-6, 1 - 1e-6], [False, True]) == pytest.approx(1e-6, abs=2 / GRID)


def test_calibrated_probabilities_come_near_to_none() -> None:
    random = np.random.default_rng(3)
    p = random.random(20_000)
    assert smooth_ece(p, random.random(20_000) < p) < 0.015
    assert smooth_ece(p, random.random(20_000) < np.sqrt(p)) == pytest.approx(1 / 6, abs=0.02)


def test_labels_are_pooled_and_weights_count_rows() -> None:
    random = np.random.default_rng(4)
    p, y = random.random((25, 3)), random.random((25, 3)) < 0.3
    assert smooth_ece(p, y) == pytest.approx(smooth_ece(p.ravel(), y.ravel()), rel=1e-12)
    times = random.integers(0, 3, 25)
    weighted = SmoothError(pairs(p, y))(times[np.newaxis].astype(np.float64))
    assert weighted[0] == pytest.approx(smooth_ece(np.repeat(p, times, axis=0), np.repeat(y, times, axis=0)), rel=1e-9)

"""Calibration errors over bins: against MAPIE, by hand, and in the long run."""

from __future__ import annotations

import numpy as np
import pytest
from mapie.metrics.calibration import expected_calibration_error
from sklearn.calibration import calibration_curve

from headwise.calibration.measures.binned import BinnedError, ClasswiseError, DebiasedError
from headwise.calibration.measures.bins import equal_mass, equal_width
from headwise.calibration.measures.measure import figure
from headwise.calibration.measures.pairs import Pairs, each_class, headline

RANDOM = np.random.default_rng(1)


def of_one(p: object, y: object) -> Pairs:
    """One event a row."""
    return Pairs(np.asarray(p, np.float64)[:, np.newaxis], np.asarray(y, bool)[:, np.newaxis], "positive class")


def test_errors_are_those_of_mapie() -> None:
    p = RANDOM.dirichlet([0.4] * 4, size=300)
    targets = np.where(RANDOM.random(300) < 0.5, p.argmax(axis=1), RANDOM.integers(0, 4, 300))
    top, every = headline(p, targets, "multiclass"), each_class(p, targets, "multiclass")
    # MAPIE counts edges and calls them bins.
    how = {"num_bins": 16, "split_strategy": "uniform"}
    expected = expected_calibration_error(top.happened[:, 0].astype(int), top.probabilities[:, 0], **how)
    assert figure(BinnedError(top, equal_width()), 300) == pytest.approx(expected, rel=1e-12)
    expected = expected_calibration_error(targets, p, classwise=True, class_labels=targets, **how)
    assert figure(ClasswiseError(every, equal_width()), 300) == pytest.approx(expected, rel=1e-12)


def test_bins_of_equal_mass_are_gathered_one_by_one() -> None:
    p, y = RANDOM.random(398), RANDOM.random(398) < 0.5
    observed, probability = calibration_curve(y, p, n_bins=15, strategy="quantile")
    sizes = np.histogram(p, np.quantile(p, np.linspace(0, 1, 16)))[0]
    expected = (sizes * np.abs(observed - probability)).sum() / 398
    assert figure(BinnedError(of_one(p, y), equal_mass(p)), 398) == pytest.approx(expected, rel=1e-12)


def test_an_error_by_hand() -> None:
    # Bin (0, 0.5]: mean 0.3, half happened, 2 rows. Bin (0.5, 1]: mean 0.9, all happened, 2 rows.
    pairs = of_one([0.2, 0.4, 0.8, 1.0], [False, True, True, True])
    assert figure(BinnedError(pairs, equal_width(2)), 4) == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)
    # Squares less the variances 0.25 / 1 and 0 of the shares.
    debiased = 0.5 * (0.2**2 - 0.25) + 0.5 * 0.1**2
    assert debiased < 0
    assert figure(DebiasedError(pairs, equal_width(2)), 4) == 0.0
    # 0.65 squared less 0.75 * 0.25 / 3 is 0.36.
    off = of_one([0.1] * 4, [True, True, True, False])
    assert figure(DebiasedError(off, equal_width(2)), 4) == pytest.approx(0.6)
    sure = of_one([0.2, 0.4, 0.2, 0.4], [True] * 4)
    assert figure(DebiasedError(sure, equal_width(2)), 4) == pytest.approx(0.7)


def test_a_bin_of_one_row_says_nothing_without_bias() -> None:
    pairs = of_one([0.1, 0.9, 0.9], [True, True, True])
    assert figure(DebiasedError(pairs, equal_width(2)), 3) == pytest.approx(np.sqrt(2 / 3 * 0.1**2))


def test_without_its_bias_the_error_of_calibrated_probabilities_is_none_on_average() -> None:
    squares, plain = [], []
    for seed in range(200):
        random = np.random.default_rng(seed)
        p = np.repeat(np.linspace(0.05, 0.95, 10), 20)
        pairs = of_one(p, random.random(200) < p)
        error = DebiasedError(pairs, equal_width(10))
        squares.append(_signed(error, 200))
        plain.append(figure(BinnedError(pairs, equal_width(10)), 200))
    # Standard error of the mean is 0.0003: five of them.
    assert abs(np.mean(squares)) < 0.0015
    assert np.mean(plain) > 0.05


def _signed(error: DebiasedError, rows: int) -> float:
    """The squared error before it is kept from being negative, from its own sums."""
    counts, expected, happened = (part.sum(axis=0) for part in (error._counts, error._expected, error._happened))
    filled = counts > 1
    n, p, y = counts[filled], expected[filled] / counts[filled], happened[filled] / counts[filled]
    return float((n * (np.square(p - y) - y * (1 - y) / (n - 1))).sum() / rows)


def test_weights_count_rows() -> None:
    p, y = RANDOM.random(30), RANDOM.random(30) < 0.5
    times = RANDOM.integers(0, 4, 30)
    repeated = of_one(np.repeat(p, times), np.repeat(y, times))
    edges = equal_width(5)
    for kind in (BinnedError, DebiasedError, ClasswiseError):
        weighted = kind(of_one(p, y), edges)(times[np.newaxis].astype(np.float64))
        assert weighted[0] == pytest.approx(figure(kind(repeated, edges), int(times.sum())), rel=1e-12)

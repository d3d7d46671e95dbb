"""Bins of a reliability diagram."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.calibration import calibration_curve

from headwise.calibration.measures.bins import bin_of, equal_mass, equal_width, reliability, wilson
from headwise.calibration.measures.pairs import Pairs, answered, each_class, headline

RANDOM = np.random.default_rng(0)


def pairs(probabilities: object, happened: object) -> Pairs:
    """Of one event a row."""
    p, y = np.asarray(probabilities, np.float64), np.asarray(happened, bool)
    return Pairs(p[:, np.newaxis], y[:, np.newaxis], "positive class")


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_bins_are_those_of_scikit_learn(strategy: str) -> None:
    # 397 is prime: no edge falls on a row, where rounding would place it.
    p = RANDOM.beta(0.5, 0.5, 398)
    y = RANDOM.random(398) < p**2
    observed, probability = calibration_curve(y, p, n_bins=15, strategy=strategy)
    found = reliability(pairs(p, y), equal_width() if strategy == "uniform" else equal_mass(p))

    np.testing.assert_allclose([one.observed for one in found], observed, rtol=1e-12)
    np.testing.assert_allclose([one.probability for one in found], probability, rtol=1e-12)
    assert sum(one.rows for one in found) == 398
    assert all(one.interval[0] <= one.observed <= one.interval[1] for one in found)


def test_a_bin_holds_its_upper_end_and_the_first_its_lower_too() -> None:
    assert bin_of(np.array([0.0, 0.25, 0.2500001, 1.0]), equal_width(4)).tolist() == [0, 0, 1, 3]


def test_bins_without_rows_are_left_out() -> None:
    (one,) = reliability(pairs([0.5, 0.5], [True, False]), equal_width(3))
    assert (one.low, one.high) == pytest.approx((1 / 3, 2 / 3))
    assert (one.rows, one.observed) == (2, 0.5)


@given(st.integers(1, 500).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows))))
def test_intervals_are_those_of_wilson(case: tuple[int, int]) -> None:
    hits, rows = case
    expected = stats.binomtest(hits, rows).proportion_ci(0.95, "wilson")
    low, high = wilson(np.array([float(hits)]), np.array([float(rows)]))
    np.testing.assert_allclose([low[0], high[0]], [expected.low, expected.high], rtol=1e-9, atol=1e-12)


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1)))
def test_every_probability_has_one_bin(p: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    for edges in (equal_width(), equal_mass(p)):
        found = reliability(pairs(p, p > 0.5), edges)
        assert sum(one.rows for one in found) == len(p)
        assert all(one.low - 1e-12 <= one.probability <= one.high + 1e-12 for one in found)


def test_each_task_is_told_by_its_own_events() -> None:
    p, targets = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]), np.array([2, 1])
    top = headline(p, targets, "multiclass")
    assert (top.of, top.probabilities.tolist(), top.happened.tolist()) == (
        "answered class",
        [[0.5], [0.6]],
        [[True], [False]],
    )
    positive = headline(np.array([[0.2, 0.8]]), np.array([0]), "binary")
    assert (positive.of, positive.probabilities.tolist(), positive.happened.tolist()) == (
        "positive class",
        [[0.8]],
        [[False]],
    )
    labels = headline(p, targets[:, np.newaxis] == np.arange(3), "multilabel")
    assert labels.of == "labels pooled"
    assert labels.probabilities.shape == (2, 3)
    assert each_class(p, targets, "multiclass").happened.tolist() == [[False, False, True], [False, True, False]]


def test_an_ordinal_head_answers_its_median() -> None:
    p = np.array([[0.4, 0.15, 0.45], [0.1, 0.3, 0.6]])
    assert answered(p, "ordinal").tolist() == [1, 2]
    assert answered(p, "multiclass").tolist() == [2, 2]

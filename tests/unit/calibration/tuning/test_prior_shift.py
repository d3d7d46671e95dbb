"""Class priors found on rows without targets, against simulations whose priors are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from headwise.calibration.tuning.prior_shift import estimate_prior, source_prior
from headwise.errors import CalibrationError
from headwise.heads.prior import Prior
from headwise.heads.scores import Form
from support.tuning import posterior, shifted_classes

Array = NDArray[Any]
SOURCE = (0.5, 0.3, 0.2)
TARGET = np.array([0.15, 0.6, 0.25])


def served(seed: int, rows: int, apart: float = 2.0) -> tuple[Array, Array]:
    """Probabilities calibrated under SOURCE of rows drawn under TARGET; and their classes."""
    densities, targets = shifted_classes(np.random.default_rng(seed), TARGET, rows, apart)
    return posterior(densities, np.array(SOURCE)), targets


def test_the_shift_is_found_to_three_thousandths() -> None:
    # Rows are enough for sampling alone to move the estimate by less (a standard deviation of 0.0011).
    found = estimate_prior(served(0, 120_000, apart=2.5)[0], SOURCE, "multiclass", resamples=2)
    assert found.converged
    np.testing.assert_allclose(found.target, TARGET, atol=0.003)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    # 40 runs of three classes, which depend on each other: 95 % of 40 is 38, and fewer than 34 comes up once in 300.
    inside = np.zeros(3)
    for seed in range(40):
        low, high = estimate_prior(served(seed, 400)[0], SOURCE, "multiclass", seed=seed).interval.T
        inside += (low <= TARGET) & (high >= TARGET)
    assert (inside >= 34).all()


def test_it_is_the_most_likely_prior() -> None:
    probabilities, _ = served(1, 500)
    ratios = probabilities / np.array(SOURCE)

    def less_likely(logits: Array) -> float:
        weights = np.exp(np.append(logits, 0.0))
        return -float(np.log(ratios @ (weights / weights.sum())).sum())

    weights = np.exp(np.append(optimize.minimize(less_likely, np.zeros(2), tol=1e-12).x, 0.0))
    found = estimate_prior(probabilities, SOURCE, "multiclass").target
    np.testing.assert_allclose(found, weights / weights.sum(), atol=2e-5)


def test_nothing_shifts_where_nothing_shifted() -> None:
    densities, targets = shifted_classes(np.random.default_rng(2), np.array(SOURCE), 5000)
    found = estimate_prior(posterior(densities, np.array(SOURCE)), SOURCE, "multiclass", resamples=5)
    np.testing.assert_allclose(found.target, np.bincount(targets) / 5000, atol=0.015)


def test_labels_are_shifted_each_by_itself() -> None:
    shifts = [(0.5, 0.2), (0.3, 0.7)]
    columns = []
    for seed, (before, now) in enumerate(shifts):
        densities, _ = shifted_classes(np.random.default_rng(seed), np.array([1 - now, now]), 10_000, 2.5)
        columns.append(posterior(densities, np.array([1 - before, before]))[:, 1])
    found = estimate_prior(np.stack(columns, axis=1), (0.5, 0.3), "multilabel", resamples=20)
    np.testing.assert_allclose(found.target, [0.2, 0.7], atol=0.02)
    assert found.interval.shape == (2, 2)


def test_estimates_are_priors_that_a_head_takes() -> None:
    probabilities, targets = served(3, 200)
    certain = np.eye(3)[np.zeros(50, int)] * (1 - 3e-12) + 1e-12
    Prior(source_prior(targets, "multiclass", 4), source_prior(targets * 0, "multiclass", 4)).require_fit(
        Form.MULTICLASS, 4
    )
    Prior(SOURCE, estimate_prior(certain, SOURCE, "multiclass").target).require_fit(Form.MULTICLASS, 3)
    on = np.stack([np.zeros(20, bool), np.ones(20, bool)], axis=1)
    assert source_prior(on, "multilabel", 2) == (0.025, 0.975)
    corrected = Prior(SOURCE, estimate_prior(probabilities, SOURCE, "multiclass").target)
    assert corrected.target != corrected.source


@pytest.mark.parametrize(
    ("probabilities", "task", "told"),
    [
        (np.full((4, 2), 0.5), "multiclass", r"shape \(4, 2\): a prior of 3 classes takes \(rows, 3\)"),
        (np.full((0, 3), 0.5), "multiclass", "at least one row"),
        (np.full((4, 3), np.nan), "multiclass", "must be finite"),
        (np.full((4, 3), 0.5), "regression", "no classes"),
    ],
)
def test_what_cannot_be_estimated_is_refused(probabilities: Array, task: Any, told: str) -> None:
    with pytest.raises(CalibrationError, match=told):
        estimate_prior(probabilities, SOURCE, task)

"""Vector scaling against a generic optimiser of the same objective."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from headwise.calibration.fitting.problem import class_targets
from headwise.calibration.fitting.vector import INTERCEPT_SPREAD, SLOPE_SPREAD, vector
from headwise.calibration.samples import Samples
from headwise.heads.links import Float64, log_softmax
from headwise.heads.scores import Form
from support.logits import drawn


def objective(samples: Samples, slopes: Float64, intercepts: Float64) -> float:
    """Of a common slope that is the best one: the penalty is of the distances from it."""
    logs = log_softmax(slopes * samples.logits + intercepts)
    spread = np.square(slopes - slopes.mean()).sum() / SLOPE_SPREAD**2
    shift = np.square(intercepts).sum() / INTERCEPT_SPREAD**2
    return float(-np.vdot(class_targets(samples), logs) + 0.5 * (spread + shift))


def test_the_objective_is_as_low_as_a_generic_optimiser_finds() -> None:
    samples = drawn(Form.MULTICLASS, rows=300, stretch=1.7)
    random = np.random.default_rng(1)
    best = min(
        minimize(lambda at: objective(samples, at[:4], at[4:]), random.normal([1.0] * 4 + [0.0] * 4, 0.5)).fun
        for _ in range(3)
    )
    found = vector(samples)
    assert objective(samples, np.array(found.slopes), np.array(found.intercepts)) == pytest.approx(best, abs=1e-3)


def test_slopes_and_intercepts_are_found_again() -> None:
    true = drawn(Form.MULTICLASS, rows=6000)
    slopes, intercepts = np.array([0.8, 1.0, 1.2, 1.0]), np.array([0.4, 0.0, -0.4, 0.0])
    told = log_softmax((true.logits - intercepts) / slopes)
    found = vector(Samples(told, true.targets, true.form, 4))
    np.testing.assert_allclose(np.array(found.slopes) / np.mean(found.slopes), slopes, atol=0.12)
    np.testing.assert_allclose(found.intercepts, intercepts, atol=0.15)


def test_a_class_without_rows_keeps_the_common_slope_and_no_shift() -> None:
    samples = drawn(Form.MULTICLASS, rows=500, stretch=2.0)
    seen = samples.take(np.flatnonzero(samples.targets != 2))
    found = vector(seen)
    others = np.delete(found.slopes, 2)
    assert found.intercepts[2] == 0.0
    assert others.min() < found.slopes[2] < others.max()


def test_few_rows_stay_near_one_common_slope() -> None:
    samples = drawn(Form.MULTICLASS, rows=4000, stretch=2.0)
    spreads = [np.ptp(vector(samples.take(np.arange(rows))).slopes) for rows in (12, 4000)]
    assert spreads[0] < 0.2

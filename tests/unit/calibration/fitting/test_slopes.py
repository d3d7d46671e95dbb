"""Platt scaling against scikit-learn's, beta against a generic optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.calibration import _sigmoid_calibration

from headwise.calibration.fitting.ordering import require_order
from headwise.calibration.fitting.ordinal import fit_cumulative
from headwise.calibration.fitting.problem import binary_rows, class_targets
from headwise.calibration.fitting.slopes import beta, beta_loss, platt
from headwise.calibration.fitting.temperature import temperature
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads.calibrators import Platt
from headwise.heads.scores import Form
from support.logits import drawn


def reversed_labels(samples: Samples) -> Samples:
    return Samples(samples.logits, samples.classes - 1 - samples.targets, samples.form, samples.classes)


@pytest.mark.parametrize("stretch", [0.3, 1.0, 4.0])
def test_platt_is_that_of_scikit_learn(stretch: float) -> None:
    samples = drawn(Form.BINARY, rows=400, stretch=stretch)
    a, b = _sigmoid_calibration(samples.logits[:, 0], samples.targets)
    found = platt(samples)
    assert (found.slope, found.intercept) == pytest.approx((-a, -b), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_logits_of_any_size_are_fitted(size: float) -> None:
    samples = drawn(Form.BINARY, rows=200)
    expected = platt(samples)
    found = platt(Samples(samples.logits * size, samples.targets, Form.BINARY, 2))
    assert (found.slope * size, found.intercept) == pytest.approx((expected.slope, expected.intercept), rel=1e-6)


def test_separable_rows_have_a_finite_fit() -> None:
    logits = np.linspace(-9, 9, 40)[:, np.newaxis]
    samples = Samples(logits, (logits[:, 0] > 0).astype(np.int64), Form.BINARY, 2)
    assert 0 < platt(samples).slope < 10
    assert max(beta(samples).a, beta(samples).b) < 10


def test_a_slope_below_zero_is_refused_with_the_likely_reason() -> None:
    with pytest.raises(CalibrationError, match="are the labels in reverse order"):
        platt(reversed_labels(drawn(Form.BINARY, rows=200)))


@pytest.mark.parametrize("form", [Form.BINARY, Form.CUMULATIVE, Form.CONDITIONAL])
def test_labels_in_reverse_order_are_told_from_no_signal(form: Form) -> None:
    samples = drawn(form, rows=300, stretch=2.0)
    require_order(samples)
    noise = np.random.default_rng(0).permutation(samples.targets)
    require_order(Samples(samples.logits, noise, form, samples.classes))
    with pytest.raises(CalibrationError, match="reverse order"):
        require_order(reversed_labels(samples))


@pytest.mark.parametrize("stretch", [0.5, 3.0])
def test_beta_is_that_of_a_generic_optimiser(stretch: float) -> None:
    samples = drawn(Form.BINARY, rows=300, stretch=stretch, wrong=0.05)
    loss = beta_loss(binary_rows(samples).leaning())
    bounds = [(0, None), (0, None), (None, None)]
    starts = [(1.0, 1.0, 0.0), (0.1, 2.0, 1.0), (3.0, 0.2, -1.0)]
    best = min(
        minimize(lambda at: loss(at)[0], start, method="SLSQP", bounds=bounds, options={"ftol": 1e-12}).fun
        for start in starts
    )
    found = beta(samples)
    assert loss(np.array([found.a, found.b, found.c]))[0] == pytest.approx(best, abs=1e-8)


def test_beta_keeps_a_slope_at_zero_rather_than_turn_it() -> None:
    """Above 0, higher logits go with fewer positives."""
    random = np.random.default_rng(0)
    z = random.normal(0, 2, 3000)
    p = np.where(z < 0, 0.5 * np.exp(z), 0.5 - 0.05 * z)
    samples = Samples(z[:, np.newaxis], (random.random(3000) < p).astype(np.int64), Form.BINARY, 2)
    found = beta(samples)
    assert found.b == 0.0
    assert found.a > 0.0


def test_beta_refuses_logits_that_only_fall() -> None:
    with pytest.raises(CalibrationError, match="both slopes are 0"):
        beta(reversed_labels(drawn(Form.BINARY, rows=3000, stretch=0.5)))


def test_a_cumulative_head_is_fitted_on_its_classes() -> None:
    samples = drawn(Form.CUMULATIVE, rows=400, stretch=2.0)

    def loss(slope: float, intercept: float) -> float:
        p = Platt(slope, intercept).scores(samples.logits, samples.form).probabilities
        assert p is not None
        return float(-np.vdot(class_targets(samples), np.log(np.maximum(p, 1e-16))))

    best = minimize(lambda at: loss(np.exp(at[0]), at[1]), [0.5, 0.5], method="Nelder-Mead")
    found = platt(samples)
    assert loss(found.slope, found.intercept) == pytest.approx(best.fun, abs=1e-3)
    slope, none = fit_cumulative(samples, (1e-3, 1e3), shift=False)
    assert none == 0.0
    assert temperature(samples).temperature == pytest.approx(1 / slope)

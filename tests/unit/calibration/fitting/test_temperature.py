"""Temperatures against scipy's minimisers, on rows of every form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from headwise.calibration.fitting.problem import class_targets, imagined_rows, leaning_share
from headwise.calibration.fitting.temperature import (
    HIGHEST,
    LOWEST,
    UNIFORM_PRIOR,
    temperature,
    temperature_mixture,
)
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads.calibrators import Temperature
from headwise.heads.links import Float64, log_softmax, sigmoid, softmax
from headwise.heads.scores import Form
from support.logits import drawn


def leaning_loss(samples: Samples, t: float) -> float:
    """The log loss at a temperature, of real rows and of imagined ones that the model answers itself."""
    rows, share = len(samples), leaning_share(len(samples))
    if samples.form is Form.MULTICLASS:
        logs = log_softmax(samples.logits / t)
        return float(-(1 - share) * logs[np.arange(rows), samples.targets].sum() - share * np.vdot(own(samples), logs))
    p = Temperature(t).scores(samples.logits, samples.form).probabilities
    assert p is not None
    if samples.form is Form.MULTILABEL:
        share = leaning_share(samples.targets.size)
        aimed = (1 - share) * samples.targets + share * own(samples)
        return float(-(aimed * np.log(p) + (1 - aimed) * np.log1p(-p)).sum())
    return float(-np.vdot(class_targets(samples), np.log(np.maximum(p, 1e-16))))


def own(samples: Samples) -> Float64:
    p = Temperature(1.0).scores(samples.logits, samples.form).probabilities
    assert p is not None
    return p


@pytest.mark.parametrize("form", [Form.BINARY, Form.MULTICLASS, Form.MULTILABEL, Form.CUMULATIVE])
@pytest.mark.parametrize("stretch", [0.5, 3.0])
def test_the_temperature_is_that_of_a_scalar_minimiser(form: Form, stretch: float) -> None:
    samples = drawn(form, rows=300, stretch=stretch)
    expected = minimize_scalar(
        lambda log: leaning_loss(samples, np.exp(log)), bounds=(-2, 2), method="bounded", options={"xatol": 1e-9}
    )
    assert temperature(samples).temperature == pytest.approx(np.exp(expected.x), rel=1e-4)


def test_conditional_steps_are_pooled_where_a_row_reaches_them() -> None:
    samples = drawn(Form.CONDITIONAL, rows=400, stretch=2.0)
    steps = [
        (z, float(target > step))
        for row, target in zip(samples.logits, samples.targets, strict=True)
        for step, z in enumerate(row)
        if target >= step
    ]
    pooled = Samples(np.array([[z] for z, _ in steps]), np.array([int(y) for _, y in steps]), Form.BINARY, 2)
    assert temperature(samples) == temperature(pooled)


@pytest.mark.parametrize("form", list(Form))
def test_what_was_stretched_is_found_again(form: Form) -> None:
    assert temperature(drawn(form, rows=4000, stretch=2.0)).temperature == pytest.approx(2.0, rel=0.1)


def test_rows_that_are_all_right_stay_near_the_model() -> None:
    """Without imagined rows the best temperature would be 0."""
    logits = np.where(np.arange(100) < 50, -7.0, 7.0)[:, np.newaxis]
    found = temperature(Samples(logits, (logits[:, 0] > 0).astype(np.int64), Form.BINARY, 2)).temperature
    assert 0.6 < found < 1.0


@pytest.mark.parametrize(("right", "bound"), [(0.5, HIGHEST), (1.0, LOWEST)])
def test_a_temperature_stays_within_its_bounds(right: float, bound: float) -> None:
    logits = np.where(np.arange(4000) % 2, -1.0, 1.0)[:, np.newaxis] * (1e-3 if right == 1.0 else 1e3)
    hit = np.arange(4000) // 2 % 2 < 2 * right - 0.5
    samples = Samples(logits, np.where(hit, logits[:, 0] > 0, logits[:, 0] <= 0).astype(np.int64), Form.BINARY, 2)
    assert temperature(samples).temperature == pytest.approx(bound, rel=1e-6)


def mixture_loss(samples: Samples, parameters: Float64) -> float:
    slope, share = np.exp(parameters[0]), sigmoid(parameters)[1]
    logits = samples.logits
    if samples.form is Form.BINARY:
        logits = np.concatenate([-logits, logits], axis=1) / 2
    p = softmax(slope * logits)
    of_truth = p[np.arange(len(p)), samples.targets]
    imagined = -imagined_rows(len(p)) / len(p) * np.vdot(softmax(logits), log_softmax(slope * logits))
    prior = -UNIFORM_PRIOR[0] * np.log(share) - UNIFORM_PRIOR[1] * np.log1p(-share)
    return float(-np.log((1 - share) * of_truth + share / p.shape[1]).sum() + imagined + prior)


@pytest.mark.parametrize("form", [Form.BINARY, Form.MULTICLASS])
def test_a_mixture_is_that_of_a_minimiser_from_several_starts(form: Form) -> None:
    samples = drawn(form, rows=400, stretch=2.0, wrong=0.05)
    starts = [(0.0, -2.0), (-1.0, -6.0), (1.0, -4.0)]
    best = min(minimize(lambda at: mixture_loss(samples, at), start, method="Nelder-Mead").fun for start in starts)
    found = temperature_mixture(samples)
    at = np.array([-np.log(found.temperature), np.log(found.uniform / (1 - found.uniform))])
    assert mixture_loss(samples, at) == pytest.approx(best, abs=1e-3)


def test_a_mixture_finds_the_share_of_rows_that_are_surely_wrong() -> None:
    found = temperature_mixture(drawn(Form.MULTICLASS, rows=5000, stretch=1.5, wrong=0.1))
    assert found.uniform == pytest.approx(0.1, abs=0.03)
    assert found.temperature == pytest.approx(1.5, rel=0.15)


def test_one_class_says_nothing() -> None:
    samples = Samples(np.zeros((20, 3)), np.ones(20, np.int64), Form.MULTICLASS, 3)
    for fit in (temperature, temperature_mixture):
        with pytest.raises(CalibrationError, match="all 20 rows are of one class"):
            fit(samples)

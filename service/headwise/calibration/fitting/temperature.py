"""Fits temperatures: one number, and one with a share of surely wrong rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from headwise.calibration.fitting.ordinal import fit_cumulative
from headwise.calibration.fitting.problem import (
    BinaryRows,
    Objective,
    binary_rows,
    class_targets,
    imagined_rows,
    require_two_classes,
)
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import Temperature, TemperatureMixture
from headwise.heads.links import Float64, sigmoid, softmax
from headwise.heads.scores import Form

LOWEST, HIGHEST = 1 / 20, 20.0
"""Temperatures that are looked for: beyond them the logits are hardly the model's own."""

Derivatives = Callable[[float], tuple[float, float]]
"""The first and the second derivative of a convex loss at a slope 1 / T."""

_STEPS, _NEAR = 60, 1e-10


def temperature(samples: Samples) -> Temperature:
    """The temperature of least log loss, drawn toward 1 by imagined rows; within LOWEST and HIGHEST.

    Labels, and the steps of CONDITIONAL, are pooled.

    Raises: CalibrationError where all rows are of one class.
    """
    match samples.form:
        case Form.MULTICLASS:
            return Temperature(1.0 / _root(_of_classes(samples.logits, class_targets(samples))))
        case Form.CUMULATIVE:
            slope, _ = fit_cumulative(samples, (1 / HIGHEST, 1 / LOWEST), shift=False)
            return Temperature(1.0 / slope)
        case _:
            return Temperature(1.0 / _root(_of_events(binary_rows(samples).leaning())))


def _of_events(rows: BinaryRows) -> Derivatives:
    def at(slope: float) -> tuple[float, float]:
        p = sigmoid(slope * rows.logits)
        return float(rows.logits @ (p - rows.targets)), float(np.square(rows.logits) @ (p * (1.0 - p)))

    return at


def _of_classes(logits: Float64, targets: Float64) -> Derivatives:
    wanted = float(np.vdot(targets, logits))

    def at(slope: float) -> tuple[float, float]:
        p = softmax(slope * logits)
        mean = np.einsum("rk,rk->r", p, logits)
        square = np.einsum("rk,rk,rk->r", p, logits, logits)
        return float(mean.sum()) - wanted, float((square - np.square(mean)).sum())

    return at


def _root(derivatives: Derivatives) -> float:
    """Where a rising first derivative is 0, within the bounds: Newton's steps, and bisection where they leave."""
    low, high = 1 / HIGHEST, 1 / LOWEST
    slope = 1.0
    for _ in range(_STEPS):
        first, second = derivatives(slope)
        low, high = (slope, high) if first < 0 else (low, slope)
        step = slope - first / second if second > 0 else np.inf
        # The middle in logarithms: the bounds are as far from 1 on either side.
        following = step if low < step < high else float(np.sqrt(low * high))
        if abs(following - slope) <= _NEAR * slope:
            return float(following)
        slope = following
    return slope


UNIFORM_PRIOR = (0.1, 20.0)
"""Imagined rows that were drawn uniformly, and that were not: the share is never quite 0, nor large by chance."""

_START = (0.0, float(np.log(0.01)))
_BOUNDS = ((float(np.log(1 / HIGHEST)), float(np.log(1 / LOWEST))), (-14.0, 2.0))
"""Of log(1 / T) and of the logit of the uniform share."""


def temperature_mixture(samples: Samples) -> TemperatureMixture:
    """The temperature and the uniform share of greatest posterior probability.

    Raises: CalibrationError where all rows are of one class.
    """
    from scipy.optimize import minimize  # noqa: PLC0415

    require_two_classes(samples)
    found = minimize(_mixture_loss(samples), _START, jac=True, method="L-BFGS-B", bounds=_BOUNDS)
    return TemperatureMixture(float(np.exp(-found.x[0])), float(sigmoid(found.x)[1]))


def _mixture_loss(samples: Samples) -> Objective:
    logits, targets = samples.logits, samples.targets
    if samples.form is Form.BINARY:
        # sigmoid(z) is the softmax of (-z / 2, z / 2).
        logits = np.concatenate([-logits, logits], axis=1) / 2.0
    rows, classes = logits.shape
    of_truth = logits[np.arange(rows), targets]
    weight = imagined_rows(rows) / rows
    wanted = weight * float(np.vdot(softmax(logits), logits))
    drawn, kept = UNIFORM_PRIOR

    def loss(parameters: Float64) -> tuple[float, Float64]:
        slope, share = float(np.exp(parameters[0])), float(sigmoid(parameters)[1])
        z = slope * logits
        top = z.max(axis=1)
        weights = np.exp(z - top[:, np.newaxis])
        total = weights.sum(axis=1)
        normal = np.log(total) + top
        means = np.einsum("rk,rk->r", weights, logits) / total
        p = np.exp(slope * of_truth - normal)
        mixed = (1.0 - share) * p + share / classes
        value = weight * normal.sum() - slope * wanted - np.log(mixed).sum()
        value -= drawn * np.log(share) + kept * np.log(1.0 - share)
        by_slope = weight * means.sum() - wanted - (1.0 - share) * (p * (of_truth - means) / mixed).sum()
        by_share = -((1.0 / classes - p) / mixed).sum() - drawn / share + kept / (1.0 - share)
        return float(value) / rows, np.array([by_slope * slope, by_share * share * (1.0 - share)]) / rows

    return loss

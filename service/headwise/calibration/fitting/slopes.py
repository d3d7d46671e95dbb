"""Fits Platt's slope and intercept, and beta's two slopes and intercept."""

from __future__ import annotations

import numpy as np

from headwise.calibration.fitting.ordering import REVERSED, trend
from headwise.calibration.fitting.ordinal import fit_cumulative
from headwise.calibration.fitting.problem import BinaryRows, Objective, binary_rows
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads.calibrators import Beta, Platt
from headwise.heads.links import Float64, sigmoid
from headwise.heads.scores import Form

SLOPES = (1e-3, 1e3)
"""Slopes that are looked for on ordinal steps."""

_MOST_STEPS, _NEAR = 100, 1e-13


def platt(samples: Samples) -> Platt:
    """Slope and intercept of least log loss on Platt's targets (Platt 1999; Lin, Lin, Weng 2007).

    Ordinal heads have one for all steps: CONDITIONAL pools its steps, CUMULATIVE fits the classes.

    Raises: CalibrationError for a slope of 0 or less, or rows of one class.
    """
    if samples.form is Form.CUMULATIVE:
        return Platt(*fit_cumulative(samples, SLOPES, shift=True))
    rows = binary_rows(samples)
    slope, intercept = _logistic(platt_targets(rows))
    if slope <= 0:
        below = -trend(rows)
        why = "are the labels in reverse order?" if below > REVERSED else "that may be chance: logits say little here"
        raise CalibrationError(f"the slope is {slope:.3g}, {below:.1f} standard errors below 0; {why}")
    return Platt(slope, intercept)


def platt_targets(rows: BinaryRows) -> BinaryRows:
    """One imagined row of the other class on either side: (P + 1) / (P + 2) and 1 / (N + 2)."""
    positives = float(rows.targets.sum())
    high, low = (positives + 1.0) / (positives + 2.0), 1.0 / (len(rows.targets) - positives + 2.0)
    return BinaryRows(rows.logits, np.where(rows.targets > 0.5, high, low))


def _logistic(rows: BinaryRows) -> tuple[float, float]:
    """Slope and intercept of a logistic regression, by damped Newton steps from a slope of 0."""
    scale = _scale(rows.logits)
    features = np.stack([rows.logits / scale, np.ones_like(rows.logits)], axis=1)
    rate = float(rows.targets.mean())
    at = np.array([0.0, np.log(rate / (1.0 - rate))])

    def loss(at: Float64) -> float:
        z = features @ at
        return float((np.logaddexp(0.0, z) - rows.targets * z).sum())

    value = loss(at)
    for _ in range(_MOST_STEPS):
        p = sigmoid(features @ at)
        gradient = features.T @ (p - rows.targets)
        hessian = features.T @ (features * (p * (1.0 - p))[:, np.newaxis])
        step = np.linalg.solve(hessian + 1e-12 * np.eye(2), gradient)
        if gradient @ step <= _NEAR * value:
            break
        length = 1.0
        while (then := loss(at - length * step)) > value and length > 1e-6:
            length /= 2.0
        at, value = at - length * step, then
    return float(at[0]) / scale, float(at[1])


def beta(samples: Samples) -> Beta:
    """Slopes of 0 or more and an intercept of least log loss, drawn toward "no change" (Kull, Silva Filho, Flach 2017).

    Raises: CalibrationError where the best slopes are both 0, or rows are of one class.
    """
    from scipy.optimize import minimize  # noqa: PLC0415

    rows = binary_rows(samples).leaning()
    scale = _scale(rows.logits)
    bounds = [(0.0, None), (0.0, None), (None, None)]
    accuracy = {"ftol": 1e-13, "gtol": 1e-8}
    loss = beta_loss(rows, scale)
    found = minimize(loss, [scale, scale, 0.0], jac=True, method="L-BFGS-B", bounds=bounds, options=accuracy)
    a, b, c = float(found.x[0]) / scale, float(found.x[1]) / scale, float(found.x[2])
    if a == b == 0.0:
        raise CalibrationError("both slopes are 0: the logits do not tell the classes apart")
    return Beta(a, b, c)


def beta_loss(rows: BinaryRows, scale: float = 1.0) -> Objective:
    """Of a, b (both times `scale`) and c; log p0 and -log(1 - p0) are min(z, 0) - t and max(z, 0) + t."""
    z = rows.logits
    t = np.log1p(np.exp(-np.abs(z)))
    features = np.stack([(np.minimum(z, 0.0) - t) / scale, (np.maximum(z, 0.0) + t) / scale, np.ones_like(z)], axis=1)

    def loss(at: Float64) -> tuple[float, Float64]:
        logits = features @ at
        value = np.logaddexp(0.0, logits) - rows.targets * logits
        return float(value.mean()), (sigmoid(logits) - rows.targets) @ features / len(z)

    return loss


def _scale(logits: Float64) -> float:
    """So that logits of any size are fitted alike."""
    return max(float(np.sqrt(np.mean(np.square(logits)))), 1e-9)

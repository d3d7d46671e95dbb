"""Fits one slope and one shift to all steps of a cumulative ordinal head."""

from __future__ import annotations

import numpy as np

from headwise.calibration.fitting.problem import class_targets
from headwise.calibration.samples import Samples
from headwise.heads.links import Float64, sigmoid

_TINY = 1e-16


def fit_cumulative(samples: Samples, slopes: tuple[float, float], *, shift: bool) -> tuple[float, float]:
    """slope and intercept (0 without `shift`) of least log loss of the classes, drawn toward (1, 0) by imagined rows.

    P(y = k) is sigmoid(a z[k-1] + c) - sigmoid(a z[k] + c).

    Raises: CalibrationError where all rows are of one class.
    """
    from scipy.optimize import minimize  # noqa: PLC0415

    rows = len(samples)
    falling = np.minimum.accumulate(samples.logits, axis=1)
    targets = class_targets(samples)
    one, none = np.ones((rows, 1)), np.zeros((rows, 1))

    def loss(parameters: Float64) -> tuple[float, Float64]:
        slope, intercept = float(np.exp(parameters[0])), float(parameters[1]) if shift else 0.0
        exceed = sigmoid(slope * falling + intercept)
        slopes_of = exceed * (1.0 - exceed)
        p = -np.diff(exceed, axis=1, prepend=one, append=none)
        by_shift = -np.diff(slopes_of, axis=1, prepend=none, append=none)
        by_slope = -np.diff(slopes_of * falling, axis=1, prepend=none, append=none)
        weights = targets / np.maximum(p, _TINY)
        gradient = [-np.vdot(weights, by_slope) * slope, -np.vdot(weights, by_shift)]
        value = -np.vdot(targets, np.log(np.maximum(p, _TINY)))
        return float(value) / rows, np.array(gradient[: 1 + shift]) / rows

    bounds = [(np.log(slopes[0]), np.log(slopes[1])), (None, None)][: 1 + shift]
    found = minimize(loss, [0.0, 0.0][: 1 + shift], jac=True, method="L-BFGS-B", bounds=bounds)
    return float(np.exp(found.x[0])), float(found.x[1]) if shift else 0.0

"""Fits one slope and intercept a class, each as far from the common ones as its rows can carry."""

from __future__ import annotations

import numpy as np

from headwise.calibration.fitting.problem import Objective, class_targets
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import Vector
from headwise.heads.links import Float64, log_softmax

SLOPE_SPREAD, INTERCEPT_SPREAD = 0.2, 0.5
"""Standard deviations of the prior: of a class's slope about the common one, and of its intercept about 0."""

LEAST_SLOPE = 1e-3
"""A slope of 0 would make a class blind, and a negative one swap it."""

_COMMON = (1 / 20, 20.0)


def vector(samples: Samples) -> Vector:
    """Slopes and intercepts of greatest posterior probability, fitted among the classes that have rows.

    Classes without rows get the mean slope and no shift.

    Raises: CalibrationError where all rows are of one class.
    """
    from scipy.optimize import minimize  # noqa: PLC0415

    seen, targets = np.unique(samples.targets, return_inverse=True)
    among = samples
    if len(seen) < samples.classes:
        among = Samples(log_softmax(samples.logits[:, seen]), targets, samples.form, len(seen))
    start = np.zeros(2 * len(seen) + 1)
    start[0] = 1.0
    bounds = [_COMMON, *[(None, None)] * (2 * len(seen))]
    found = minimize(vector_loss(among), start, jac=True, method="L-BFGS-B", bounds=bounds).x
    fitted = np.maximum(found[0] + SLOPE_SPREAD * found[1 : len(seen) + 1], LEAST_SLOPE)
    slopes, shifts = np.full(samples.classes, fitted.mean()), np.zeros(samples.classes)
    slopes[seen], shifts[seen] = fitted, INTERCEPT_SPREAD * found[len(seen) + 1 :]
    return Vector(tuple(slopes.tolist()), tuple(shifts.tolist()))


def vector_loss(samples: Samples) -> Objective:
    """Of the common slope, each class's distance from it, and each class's shift, both in their standard deviations."""
    logits, targets = samples.logits, class_targets(samples)
    rows, classes = logits.shape
    wanted_slopes, wanted_shifts = np.einsum("rk,rk->k", targets, logits), targets.sum(axis=0)

    def loss(at: Float64) -> tuple[float, Float64]:
        own, shifts = at[1 : classes + 1], at[classes + 1 :]
        slopes = at[0] + SLOPE_SPREAD * own
        z = slopes * logits
        z += INTERCEPT_SPREAD * shifts
        top = z.max(axis=1, keepdims=True)
        p = np.exp(z - top)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        value = (np.log(total) + top).sum() - slopes @ wanted_slopes - INTERCEPT_SPREAD * (shifts @ wanted_shifts)
        value += 0.5 * (own @ own + shifts @ shifts)
        by_slopes = np.einsum("rk,rk->k", p, logits) - wanted_slopes
        by_shifts = p.sum(axis=0) - wanted_shifts
        gradient = [[by_slopes.sum()], SLOPE_SPREAD * by_slopes + own, INTERCEPT_SPREAD * by_shifts + shifts]
        return float(value) / rows, np.concatenate(gradient) / rows

    return loss

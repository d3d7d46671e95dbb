"""The calibrators that few rows choose among, and how likely each is before they are seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from headwise.heads.calibrators import AnyCalibrator, Platt, Temperature, TemperatureMixture
from headwise.heads.links import Float64
from headwise.heads.scores import Form

TEMPERATURES = 2.0 ** (np.arange(-14, 31) / 7.0)
"""From 1/4 to 19.5, each a tenth larger than the one before."""

LEAST, MOST = float(TEMPERATURES[0]), float(TEMPERATURES[-1])
"""The temperatures at either end."""

USUAL_SLOPE, SPREAD = -0.3, 0.6
"""Mean and standard deviation of the logarithm of the slope 1 / T: networks are rather too sure than not."""

CALIBRATED, NEAR = 0.1, 0.1
"""The share of models that are calibrated as they are, and by how much the logarithm of their slope misses 0."""

SHARES = {0.003: 0.12, 0.01: 0.12, 0.03: 0.12, 0.08: 0.12, 0.2: 0.12}
"""How likely each share of surely wrong rows is; none has the rest."""

SHIFTS, SHIFT_SPREAD = np.arange(-6, 7) / 5.0, 0.4
"""Intercepts, and their standard deviation about 0."""


@dataclass(frozen=True, slots=True)
class Grid:
    """calibrators, and log_prior (calibrators,) float64 up to a constant."""

    calibrators: tuple[AnyCalibrator, ...]
    log_prior: Float64


@cache
def grid(form: Form) -> Grid:
    """The temperatures; where the form has them, their mixtures with the uniform distribution and their shifts."""
    weighed = list(_weighed(form))
    return Grid(tuple(calibrator for calibrator, _ in weighed), np.log([weight for _, weight in weighed]))


def _weighed(form: Form) -> Iterator[tuple[AnyCalibrator, float]]:
    sure = list(zip(TEMPERATURES.tolist(), _slope_weights().tolist(), strict=True))
    none = 1.0 - sum(SHARES.values()) if form in TemperatureMixture.FORMS else 1.0
    shifts = _shift_weights() if form in Platt.FORMS else {0.0: 1.0}
    for (temperature, weight), (shift, likely) in product(sure, shifts.items()):
        calibrator = Platt(1.0 / temperature, shift) if shift else Temperature(temperature)
        yield calibrator, weight * none * likely
    if form in TemperatureMixture.FORMS:
        for (temperature, weight), (share, likely) in product(sure, SHARES.items()):
            yield TemperatureMixture(temperature, share), weight * likely


def _shift_weights() -> dict[float, float]:
    weights = _normal(SHIFTS, SHIFT_SPREAD)
    return dict(zip(SHIFTS.tolist(), (weights / weights.sum()).tolist(), strict=True))


def _slope_weights() -> Float64:
    """Of each temperature."""
    slopes = -np.log(TEMPERATURES)
    return (1.0 - CALIBRATED) * _normal(slopes - USUAL_SLOPE, SPREAD) + CALIBRATED * _normal(slopes, NEAR)


def _normal(values: Float64, spread: float) -> Float64:
    density: Float64 = np.exp(-0.5 * np.square(values / spread)) / spread
    return density

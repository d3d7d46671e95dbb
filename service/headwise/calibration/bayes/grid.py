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

STEPS = range(-14, 31)
"""Temperatures are 2 ** (step / 7): from 1/4 to 19.5, each a tenth larger than the one before."""

LEAST, MOST = 2.0 ** (STEPS[0] / 7.0), 2.0 ** (STEPS[-1] / 7.0)
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
    sure = {2.0 ** (step / 7.0): _slope_weight(step) for step in STEPS}
    none = 1.0 - sum(SHARES.values())
    centre = float(_normal(np.zeros(1), SHIFT_SPREAD)[0] / _normal(SHIFTS, SHIFT_SPREAD).sum())
    for temperature, weight in sure.items():
        yield Temperature(temperature), weight * (none if form in TemperatureMixture.FORMS else 1.0)
    if form in TemperatureMixture.FORMS:
        for (temperature, weight), (share, likely) in product(sure.items(), SHARES.items()):
            yield TemperatureMixture(temperature, share), weight * likely
    if form in Platt.FORMS:
        shifts = zip(SHIFTS.tolist(), _normal(SHIFTS, SHIFT_SPREAD).tolist(), strict=True)
        for (temperature, weight), (shift, likely) in product(sure.items(), shifts):
            if shift:
                yield Platt(1.0 / temperature, shift), weight * likely * centre


def _slope_weight(step: int) -> float:
    slope = np.array([-step / 7.0 * np.log(2.0)])
    drawn = (1.0 - CALIBRATED) * _normal(slope - USUAL_SLOPE, SPREAD) + CALIBRATED * _normal(slope, NEAR)
    return float(drawn[0])


def _normal(values: Float64, spread: float) -> Float64:
    density: Float64 = np.exp(-0.5 * np.square(values / spread)) / spread
    return density

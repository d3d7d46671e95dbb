"""FITTERS: how each calibrator is fitted to rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headwise.calibration.fitting.each_label import each_label
from headwise.calibration.fitting.slopes import beta, platt
from headwise.calibration.fitting.steps import isotonic, venn_abers
from headwise.calibration.fitting.temperature import temperature, temperature_mixture
from headwise.calibration.fitting.vector import vector
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import AnyCalibrator

Fitter = Callable[[Samples], AnyCalibrator]
"""Raises: CalibrationError where the rows cannot say (reversed labels, one class only)."""

FITTERS: Mapping[str, Fitter] = {
    "temperature": temperature,
    "temperature_mixture": temperature_mixture,
    "platt": platt,
    "beta": beta,
    "vector": vector,
    "isotonic": isotonic,
    "venn_abers": venn_abers,
    "per_label": each_label,
}
"""By the calibrator's method, as in CALIBRATORS; from simple to complex.

scipy is imported by the fitters that need it, when called.
"""

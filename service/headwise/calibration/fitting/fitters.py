"""FITTERS: how each calibrator is fitted to rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headwise.calibration.samples import Samples
from headwise.heads.calibrators import AnyCalibrator

Fitter = Callable[[Samples], AnyCalibrator]
"""Raises: CalibrationError where the rows cannot say (reversed labels, one class only)."""

FITTERS: Mapping[str, Fitter] = {}
"""By the calibrator's method, as in CALIBRATORS. scipy is imported by the fitters that need it, when called."""

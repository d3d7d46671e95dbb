"""headwise.calibrate: from raw outputs and what was true to a head with calibration and decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from headwise.calibration.choice import Choice
from headwise.calibration.samples import Samples
from headwise.heads import Head
from headwise.heads.links import Float64


@dataclass(frozen=True)
class Calibrated:
    """head: with the chosen calibration (none where refused) and decision. evidence: what goes into the card.

    before, after: probabilities (rows, classes) float64 of the rows it was given, uncalibrated and out of fold.
    """

    head: Head
    choice: Choice
    samples: Samples
    before: Float64
    after: Float64
    evidence: Mapping[str, Any]

    @property
    def chosen(self) -> str:
        """The chosen method; "identity" when nothing was taken."""
        return self.choice.calibrator.method

    def predict_proba(self, raw: ArrayLike) -> Float64:
        """Calibrated probabilities (batch, classes) float64 of raw outputs (batch,) or (batch, units)."""
        raise NotImplementedError


def calibrate(
    raw_outputs: ArrayLike,
    targets: ArrayLike,
    head: Head,
    *,
    seed: int = 0,
    objective: str | None = None,
    intervals: bool = True,
) -> Calibrated:
    """Fit, choose and prove a calibrator for a head, and tune its decision to `objective`.

    raw_outputs: (batch,) or (batch, *positions, units), the model's own numbers. targets: class indices (batch,), or a
    0/1 matrix (batch, labels) for multilabel. objective: f1, f0.5, f2, youden, cost:FP:FN, precision>=0.9,
    recall>=0.9, coverage>=0.95; None leaves the head's decision. intervals: bootstrap intervals in the evidence.

    Raises: CalibrationError, HeadMismatchError, saying what is wrong and what is expected.
    """
    raise NotImplementedError

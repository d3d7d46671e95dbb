"""Which calibrator to use: K-fold log loss, with "do nothing" as a candidate and the benefit of the doubt."""

from __future__ import annotations

from dataclasses import dataclass

from headwise.calibration.samples import Samples
from headwise.heads.calibrators import AnyCalibrator
from headwise.heads.links import Float64


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method on the held-out folds.

    log_loss: mean over all rows, each predicted by the fit of the other folds. gain: mean of identity's loss minus
    this one's, row by row; standard_error: of that mean. note: why it was not fitted, or why it was not taken; empty
    for the chosen one.
    """

    method: str
    log_loss: float | None
    gain: float | None
    standard_error: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """calibrator: fitted to all rows; Identity where nothing better was proved.

    reason: one sentence that says why this one, or why nothing was taken. out_of_fold: the chosen method's
    probabilities (rows, classes), each row predicted by the fit of the other folds: what evidence is measured on.
    warnings: what the user should know (few rows, a class missing, a parameter at its bound).
    """

    calibrator: AnyCalibrator
    reason: str
    candidates: tuple[Candidate, ...]
    out_of_fold: Float64
    warnings: tuple[str, ...] = ()


def choose(samples: Samples, *, seed: int = 0) -> Choice:
    """Fit every candidate that the rows can carry, and take the simplest that is as good as the best.

    Raises: CalibrationError for rows that can fit nothing (fewer than two classes, reversed labels).
    """
    raise NotImplementedError

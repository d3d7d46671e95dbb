"""What is minimised: log losses of few parameters, on targets that lean a little toward the model's own answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads.links import Float64, sigmoid
from headwise.heads.scores import FROM_LOGITS, Form

Objective = Callable[[Float64], tuple[float, Float64]]
"""Parameters -> the mean loss of a row, and its gradient."""

MOST_IMAGINED, FADING = 40.0, 2000.0
"""Imagined rows at most, and their number times that of real rows: 40 for 50 rows, 10 for 200, 2 for 1,000."""


def imagined_rows(rows: int) -> float:
    """How many rows are imagined besides the real ones, answered in the shares that the model itself says.

    They draw a fit toward "no change" and keep it finite where rows are separable. They fade as real rows come, because
    an overconfident model imagines the wrong answers.
    """
    return min(MOST_IMAGINED, FADING / rows)


def leaning_share(rows: int) -> float:
    """The share of imagined rows among all."""
    imagined = imagined_rows(rows)
    return imagined / (rows + imagined)


@dataclass(frozen=True, slots=True)
class BinaryRows:
    """logits: (rows,) float64. targets: (rows,) float64 in [0, 1]."""

    logits: Float64
    targets: Float64

    def leaning(self) -> BinaryRows:
        """The same logits, with targets that lean toward the model's own probabilities."""
        share = leaning_share(len(self.logits))
        return BinaryRows(self.logits, (1.0 - share) * self.targets + share * sigmoid(self.logits))


def binary_rows(samples: Samples) -> BinaryRows:
    """Binary rows as they are; the labels or the steps of others pooled, each as a row of its own.

    CONDITIONAL: step k only of rows that reach it, so the loss of a row is the sum over its steps.

    Raises: CalibrationError where all are positive, or all negative.
    """
    logits = samples.logits
    happened, reached = _events(samples)
    rows = BinaryRows(np.ascontiguousarray(logits[reached]), happened[reached].astype(np.float64))
    if len(rows.targets) == 0 or rows.targets.min() == rows.targets.max():
        raise CalibrationError(
            "nothing is on in some rows and off in others: calibration needs rows of two classes or more"
        )
    return rows


def _events(samples: Samples) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(rows, k) whether each event happened, and whether it was there to happen."""
    targets, shape = samples.targets, samples.logits.shape
    if samples.form is Form.MULTILABEL:
        return targets.astype(bool), np.ones(shape, bool)
    steps: NDArray[Any] = np.arange(shape[1])
    above = targets[:, np.newaxis] > steps
    if samples.form is Form.CONDITIONAL:
        return above, targets[:, np.newaxis] >= steps
    return above, np.ones(shape, bool)


def class_targets(samples: Samples) -> Float64:
    """(rows, classes) float64 for the exclusive forms: what was true, leaning toward the model's own probabilities.

    Raises: CalibrationError where all rows are of one class.
    """
    require_two_classes(samples)
    rows = len(samples)
    share = leaning_share(rows)
    own = FROM_LOGITS[samples.form](samples.logits).probabilities
    assert own is not None
    leaning = share * own
    leaning[np.arange(rows), samples.targets] += 1.0 - share
    return leaning


def require_two_classes(samples: Samples) -> None:
    """Raises: CalibrationError where all rows are of one class, or each label is on in all rows or off in all."""
    targets = samples.targets
    if samples.form is Form.MULTILABEL:
        if (targets == targets[:1]).all():
            raise CalibrationError("each label is on in all rows or off in all: calibration needs rows of both kinds")
    elif len(seen := np.unique(targets)) < 2:
        raise CalibrationError(
            f"all {len(targets)} rows are of one class ({', '.join(map(str, seen))}): calibration needs two or more"
        )

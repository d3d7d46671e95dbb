"""A measure is a function of row weights, so that one piece of code tells a figure and its bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.measures.binned import BinnedError, ClasswiseError, DebiasedError
from headwise.calibration.measures.bins import equal_mass, equal_width
from headwise.calibration.measures.pairs import each_class, headline
from headwise.calibration.measures.smooth import SmoothError
from headwise.calibration.metrics import LEAST_PROBABILITY
from headwise.heads import Task
from headwise.heads.links import Float64

Measure = Callable[[Float64], Float64]
"""Weights (resamples, rows), how often each row counts -> the figure of each resample (resamples,)."""


class RowMean:
    """The weighted mean of a loss that each row has for itself."""

    def __init__(self, losses: Float64) -> None:
        self._losses = losses

    def __call__(self, weights: Float64) -> Float64:
        """Figures (resamples,)."""
        return np.asarray(weights @ self._losses / weights.sum(axis=1))


def log_losses(probabilities: Float64, targets: NDArray[Any], task: Task) -> Float64:
    """-log(p of what was true) (rows,), natural logarithm; multilabel: the mean over the labels.

    p counts as LEAST_PROBABILITY where it is less, as in `metrics.log_loss`.
    """
    if task == "multilabel":
        of_truth = np.where(targets, probabilities, 1.0 - probabilities)
    else:
        of_truth = np.take_along_axis(probabilities, targets[:, np.newaxis], axis=1)
    losses: Float64 = -np.log(np.maximum(of_truth, LEAST_PROBABILITY)).mean(axis=1)
    return losses


def brier_scores(probabilities: Float64, targets: NDArray[Any], task: Task) -> Float64:
    """Squared distances (rows,) from certainty, as `metrics.brier_score` has it; multilabel: the mean over labels."""
    squares = np.square(probabilities - each_class(probabilities, targets, task).happened)
    if task == "multilabel":
        return np.asarray(squares.mean(axis=1))
    return np.asarray(squares.sum(axis=1) / (2 if probabilities.shape[1] == 2 else 1))


def measures(probabilities: Float64, targets: NDArray[Any], task: Task, *, fine: bool = True) -> Mapping[str, Measure]:
    """All figures of calibrated probabilities (rows, classes), by the names they have in the evidence.

    Bins are laid once, on the rows as they are; a resample counts its rows in the same bins. Without `fine` the smooth
    ECE is good to about 1e-4 of itself, at a fifth of its time.
    """
    pairs = headline(probabilities, targets, task)
    by_mass = equal_mass(pairs.probabilities)
    return {
        "log_loss": RowMean(log_losses(probabilities, targets, task)),
        "brier_score": RowMean(brier_scores(probabilities, targets, task)),
        "ece_equal_width": BinnedError(pairs, equal_width()),
        "ece_equal_mass": BinnedError(pairs, by_mass),
        "ece_debiased": DebiasedError(pairs, by_mass),
        "ece_classwise": ClasswiseError(each_class(probabilities, targets, task), equal_width()),
        "smooth_ece": SmoothError(pairs) if fine else SmoothError(pairs, grid=1024, steps=6),
    }


def figure(measure: Measure, rows: int) -> float:
    """The measure on the rows as they are."""
    return float(measure(np.ones((1, rows)))[0])

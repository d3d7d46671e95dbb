"""What a head answers for probabilities that are calibrated already."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from headwise.heads import Activation, Head, Prediction, Task
from headwise.heads.links import Float64


def _as_they_are(probabilities: Float64) -> Float64:
    return probabilities


def _steps(probabilities: Float64) -> Float64:
    """P(y = k) for each class to P(y > k) for each step."""
    return np.clip(1.0 - np.cumsum(probabilities, axis=1)[:, :-1], 0.0, 1.0)


_READ: Mapping[Task, tuple[Activation, Callable[[Float64], Float64]]] = {
    "binary": ("softmax", _as_they_are),
    "multiclass": ("softmax", _as_they_are),
    "multilabel": ("sigmoid", _as_they_are),
    "ordinal": ("sigmoid", _steps),
}


def answer(head: Head, probabilities: Float64) -> Prediction:
    """The answers of the head's decision for calibrated probabilities (rows, classes) float64; not for regression."""
    activation, read = _READ[head.task]
    return Head(head.task, activation, head.labels, decision=head.decision).answer(read(probabilities))

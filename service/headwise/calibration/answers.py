"""What a head answers for probabilities that are calibrated already."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from headwise.heads import Activation, Applied, Head, Options, Prediction, Task
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


def answer(head: Head, probabilities: Float64, options: Options | None = None) -> Prediction:
    """The answers of the head's decision for calibrated probabilities (rows, classes) float64; not for regression.

    Neither the head's calibrator nor its prior moves them. A margin, which has no probability of its own, is decided
    by the one that it is given.
    """
    _, read = _READ[head.task]
    return _reader(head).answer(read(probabilities), Options() if options is None else options)


def applied(head: Head) -> Applied:
    """The decision that `answer` follows, with its cuts in label order, and whether the card or a default says it."""
    return _reader(head).resolve(Options())


def _reader(head: Head) -> Head:
    activation, _ = _READ[head.task]
    return Head(head.task, activation, head.labels, decision=head.decision)

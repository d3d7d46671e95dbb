"""What a calibration error compares: probabilities of events, and whether they happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headwise.heads import Task
from headwise.heads.links import Float64

Booleans = NDArray[np.bool_]
Of = Literal["positive class", "answered class", "labels pooled", "each class"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """probabilities: (rows, events) float64. happened: (rows, events) bool. of: which events they are."""

    probabilities: Float64
    happened: Booleans
    of: Of


def answered(probabilities: Float64, task: Task) -> NDArray[np.int64]:
    """The class (rows,) that a head answers by default: the median for ordinal, else the most probable one."""
    if task == "ordinal":
        exceed = 1.0 - np.cumsum(probabilities, axis=1)[:, :-1]
        return np.asarray((exceed >= 0.5).sum(axis=1))
    if task == "binary":
        return np.asarray((probabilities[:, 1] >= 0.5).astype(np.int64))
    return np.asarray(probabilities.argmax(axis=1))


def headline(probabilities: Float64, targets: NDArray[Any], task: Task) -> Pairs:
    """The events that a head's calibration is told by; probabilities (rows, classes).

    The positive class of a binary head, the answered class of exclusive classes (Guo, Pleiss, Sun, Weinberger 2017),
    all labels of a multilabel head as if they were one.
    """
    match task:
        case "binary":
            return Pairs(probabilities[:, 1:], (targets == 1)[:, np.newaxis], "positive class")
        case "multilabel":
            return Pairs(probabilities, targets.astype(bool), "labels pooled")
        case _:
            answers = answered(probabilities, task)
            of_answer = np.take_along_axis(probabilities, answers[:, np.newaxis], axis=1)
            return Pairs(of_answer, (answers == targets)[:, np.newaxis], "answered class")


def each_class(probabilities: Float64, targets: NDArray[Any], task: Task) -> Pairs:
    """Every class or label as an event of its own."""
    if task == "multilabel":
        return Pairs(probabilities, targets.astype(bool), "each class")
    return Pairs(probabilities, targets[:, np.newaxis] == np.arange(probabilities.shape[1]), "each class")

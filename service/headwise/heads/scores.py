"""What a head's numbers say before a decision: class probabilities, and the numbers a decision compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from headwise.heads.links import Float64, sigmoid, softmax


class Form(StrEnum):
    """The shape of canonical logits: what a calibrator works on."""

    BINARY = "binary"
    """(rows, 1): the positive class."""
    MULTICLASS = "multiclass"
    """(rows, classes): log-softmax."""
    MULTILABEL = "multilabel"
    """(rows, labels): one independent logit a label."""
    CUMULATIVE = "cumulative"
    """(rows, classes - 1): P(y > k)."""
    CONDITIONAL = "conditional"
    """(rows, classes - 1): P(y > k | y >= k) (CORN; Shi, Cao, Raschka 2021)."""


class Space(StrEnum):
    """Where `Scores.evidence` lives, and so where a threshold is compared."""

    LOGIT = "logit"
    PROBABILITY = "probability"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True)
class Scores:
    """evidence: (rows, k) float64, what a decision compares. probabilities: (rows, classes) float64.

    Evidence is one column for binary, one a class for multiclass, one a label for multilabel and one a step
    for ordinal. For multiclass only its order is meant: it ranks classes whose probabilities rounded to a tie.
    A margin has no probabilities. Regression keeps its values in `evidence`.
    interval: (rows, k, 2) float64, between which probabilities the calibrator places each column's P (Venn-Abers);
    NaN for a label whose calibrator says none.
    """

    evidence: Float64
    space: Space
    probabilities: Float64 | None
    interval: Float64 | None = None


def _class_steps(exceed: Float64) -> Float64:
    """P(y > k) for each step, falling along the axis, to P(y = k) for each class."""
    edge = np.ones((len(exceed), 1))
    bounds = np.concatenate([edge, exceed, np.zeros_like(edge)], axis=1)
    steps: Float64 = bounds[:, :-1] - bounds[:, 1:]
    return steps


def _binary_from_logits(z: Float64) -> Scores:
    return Scores(z, Space.LOGIT, sigmoid(np.concatenate([-z, z], axis=1)))


def _multiclass_from_logits(z: Float64) -> Scores:
    return Scores(z, Space.LOGIT, softmax(z))


def _multilabel_from_logits(z: Float64) -> Scores:
    return Scores(z, Space.LOGIT, sigmoid(z))


def _cumulative_from_logits(z: Float64) -> Scores:
    # The minimum runs over p as well as z: sigmoid rounds, so it may rise by a bit where z does not.
    falling = np.minimum.accumulate(z, axis=1)
    return Scores(falling, Space.LOGIT, _class_steps(np.minimum.accumulate(sigmoid(z), axis=1)))


def _conditional_from_logits(z: Float64) -> Scores:
    return _conditional_from_probabilities(sigmoid(z))


def _binary_from_probabilities(p: Float64) -> Scores:
    return Scores(p, Space.PROBABILITY, np.concatenate([1.0 - p, p], axis=1))


def _classes_from_probabilities(p: Float64) -> Scores:
    return Scores(p, Space.PROBABILITY, p)


def _cumulative_from_probabilities(p: Float64) -> Scores:
    falling = np.minimum.accumulate(p, axis=1)
    return Scores(falling, Space.PROBABILITY, _class_steps(falling))


def _conditional_from_probabilities(p: Float64) -> Scores:
    falling: Float64 = np.multiply.accumulate(p, axis=1)
    return Scores(falling, Space.PROBABILITY, _class_steps(falling))


FROM_LOGITS: Mapping[Form, Callable[[Float64], Scores]] = {
    Form.BINARY: _binary_from_logits,
    Form.MULTICLASS: _multiclass_from_logits,
    Form.MULTILABEL: _multilabel_from_logits,
    Form.CUMULATIVE: _cumulative_from_logits,
    Form.CONDITIONAL: _conditional_from_logits,
}
FROM_PROBABILITIES: Mapping[Form, Callable[[Float64], Scores]] = {
    Form.BINARY: _binary_from_probabilities,
    Form.MULTICLASS: _classes_from_probabilities,
    Form.MULTILABEL: _classes_from_probabilities,
    Form.CUMULATIVE: _cumulative_from_probabilities,
    Form.CONDITIONAL: _conditional_from_probabilities,
}

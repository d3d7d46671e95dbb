"""What answers are worth, held against what was true: pure numpy in float64, scikit-learn's conventions.

`targets` are class indices (rows,) unless said otherwise; a metric that the rows cannot tell is None, never NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.heads.links import Float64

Indices = NDArray[np.integer[Any]]
Booleans = NDArray[np.bool_]

LEAST_PROBABILITY = float(np.finfo(np.float64).eps)
"""A true class with less than this counts as this much: one impossible row must not make the mean infinite."""


def accuracy(indices: Indices, targets: Indices) -> float:
    """The share of rows whose answer is the target."""
    return float(np.mean(indices == targets))


def balanced_accuracy(indices: Indices, targets: Indices) -> float:
    """The mean, over the classes that occur among the targets, of the share of their rows answered right."""
    counts = np.bincount(targets)
    right = np.bincount(targets[indices == targets], minlength=len(counts))
    present = counts > 0
    return float(np.mean(right[present] / counts[present]))


def confusion_matrix(indices: Indices, targets: Indices, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): a row for each target, a column for each answer."""
    pairs = np.bincount(targets.astype(np.int64) * classes + indices, minlength=classes * classes)
    return pairs.reshape(classes, classes)


def log_loss(probabilities: Float64, targets: Indices) -> float:
    """The mean of -log(p of the target), natural logarithm; probabilities (rows, classes).

    p counts as LEAST_PROBABILITY where it is less.
    """
    of_target = probabilities[np.arange(len(targets)), targets]
    return float(np.mean(-np.log(np.maximum(of_target, LEAST_PROBABILITY))))


def brier_score(probabilities: Float64, targets: Indices) -> float:
    """The mean squared distance of probabilities (rows, classes) from certainty of the target.

    Summed over the classes, from 0 to 2; for two classes half of that, which is (p1 - target) squared, from 0 to 1.
    """
    certain = np.eye(probabilities.shape[1])[targets]
    summed = float(np.mean(np.square(probabilities - certain).sum(axis=1)))
    return summed / 2 if probabilities.shape[1] == 2 else summed


def roc_auc(scores: Float64, positive: Booleans) -> float | None:
    """How often a positive row scores above a negative one, ties counting half; scores (rows,) of any scale.

    The area under the ROC curve, by the rank sum of Mann and Whitney (1947). None unless both kinds are there.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    above = mean_ranks[inverse][positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def macro_roc_auc(scores: Float64, targets: Indices) -> float | None:
    """The mean over the classes of `roc_auc` against all others; scores (rows, classes).

    Classes without a row are left out. None where only one class has rows.
    """
    return _mean([roc_auc(scores[:, index], targets == index) for index in range(scores.shape[1])])


def label_accuracies(decisions: Booleans, targets: Booleans) -> Float64:
    """Multilabel, per label (labels,): the share of rows where on and off are right; both (rows, labels)."""
    return np.asarray(np.mean(decisions == targets, axis=0))


def exact_match(decisions: Booleans, targets: Booleans) -> float:
    """Multilabel: the share of rows with every label right; both (rows, labels)."""
    return float(np.mean((decisions == targets).all(axis=1)))


def label_log_losses(probabilities: Float64, targets: Booleans) -> Float64:
    """Multilabel, per label (labels,): `log_loss` of on against off; both (rows, labels)."""
    of_target = np.where(targets, probabilities, 1.0 - probabilities)
    return np.asarray(np.mean(-np.log(np.maximum(of_target, LEAST_PROBABILITY)), axis=0))


def label_brier_scores(probabilities: Float64, targets: Booleans) -> Float64:
    """Multilabel, per label (labels,): the mean of (p - target) squared; both (rows, labels)."""
    return np.asarray(np.mean(np.square(probabilities - targets), axis=0))


def label_roc_aucs(scores: Float64, targets: Booleans) -> list[float | None]:
    """Multilabel, per label: `roc_auc` of on against off; both (rows, labels)."""
    return [roc_auc(scores[:, index], targets[:, index]) for index in range(scores.shape[1])]


def macro_label_roc_auc(scores: Float64, targets: Booleans) -> float | None:
    """Multilabel: the mean of `label_roc_aucs` over the labels that are on in some rows and off in others."""
    return _mean(label_roc_aucs(scores, targets))


def mean_distance(indices: Indices, targets: Indices) -> float:
    """Ordinal: by how many classes the answer misses, on average."""
    return float(np.mean(np.abs(indices.astype(np.int64) - targets.astype(np.int64))))


def mean_absolute_error(values: Float64, targets: Float64) -> float:
    """Regression; both (rows, units)."""
    return float(np.mean(np.abs(values - targets)))


def root_mean_squared_error(values: Float64, targets: Float64) -> float:
    """Regression: the root of the mean over all rows and units; both (rows, units)."""
    return float(np.sqrt(np.mean(np.square(values - targets))))


def r2(values: Float64, targets: Float64) -> float | None:
    """Regression: 1 minus the squared error over the variance, the mean over the units; both (rows, units).

    None where a unit's targets are all the same, for then there is no variance to explain.
    """
    around_mean = np.square(targets - targets.mean(axis=0)).sum(axis=0)
    if (targets == targets[:1]).all(axis=0).any():
        return None
    return float(np.mean(1.0 - np.square(values - targets).sum(axis=0) / around_mean))


def _mean(values: list[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return float(np.mean(told)) if told else None

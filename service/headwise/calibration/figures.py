"""The figures that fit a head, from its answers and what was true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration import metrics
from headwise.heads import Prediction
from headwise.heads.links import Float64

Figure = float | None
"""None where the rows, or a head without probabilities, cannot tell it."""


@dataclass(frozen=True)
class Figures:
    """overall: by name, in the order to be shown. by_label: multilabel, per label. confusion: (classes, classes),
    a row for each target, a column for each answer; None for multilabel and regression.
    """

    overall: Mapping[str, Figure]
    by_label: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    confusion: NDArray[np.int64] | None = None


def figures(prediction: Prediction, targets: NDArray[Any]) -> Figures:
    """Score a prediction; targets as `check_targets` gives them, one row a position."""
    match prediction.task:
        case "multilabel":
            return _multilabel(prediction, targets)
        case "regression":
            return _regression(prediction, targets)
        case _:
            return _classes(prediction, targets)


def _classes(prediction: Prediction, targets: NDArray[np.int64]) -> Figures:
    assert prediction.indices is not None
    answers = prediction.indices.reshape(-1)
    classes = len(prediction.classes)
    overall: dict[str, Figure] = {
        "accuracy": metrics.accuracy(answers, targets),
        "balanced_accuracy": metrics.balanced_accuracy(answers, targets),
    }
    if prediction.task == "ordinal":
        overall["mean_distance"] = metrics.mean_distance(answers, targets)
    probabilities = _flat(prediction.probabilities)
    overall["log_loss"] = None if probabilities is None else metrics.log_loss(probabilities, targets)
    overall["brier_score"] = None if probabilities is None else metrics.brier_score(probabilities, targets)
    if prediction.task == "binary":
        scores = probabilities[:, 1] if probabilities is not None else prediction.margins
        overall["roc_auc"] = None if scores is None else metrics.roc_auc(scores.reshape(-1), targets == 1)
    elif prediction.task == "multiclass" and probabilities is not None:
        overall["roc_auc"] = metrics.macro_roc_auc(probabilities, targets)
    return Figures(overall, confusion=metrics.confusion_matrix(answers, targets, classes))


def _multilabel(prediction: Prediction, targets: NDArray[np.bool_]) -> Figures:
    probabilities, decisions = _flat(prediction.probabilities), prediction.decisions
    assert probabilities is not None
    assert decisions is not None
    decisions = decisions.reshape(probabilities.shape)
    accuracies = metrics.label_accuracies(decisions, targets)
    log_losses = metrics.label_log_losses(probabilities, targets)
    brier_scores = metrics.label_brier_scores(probabilities, targets)
    aucs = metrics.label_roc_aucs(probabilities, targets)
    by_label: dict[str, Mapping[str, Figure]] = {
        label: {
            "accuracy": float(accuracies[at]),
            "log_loss": float(log_losses[at]),
            "brier_score": float(brier_scores[at]),
            "roc_auc": aucs[at],
        }
        for at, label in enumerate(prediction.classes)
    }
    overall: dict[str, Figure] = {
        "exact_match": metrics.exact_match(decisions, targets),
        "accuracy": float(accuracies.mean()),
        "log_loss": float(log_losses.mean()),
        "brier_score": float(brier_scores.mean()),
        "roc_auc": metrics.macro_label_roc_auc(probabilities, targets),
    }
    return Figures(overall, by_label)


def _regression(prediction: Prediction, targets: Float64) -> Figures:
    values = _flat(prediction.values)
    assert values is not None
    return Figures(
        {
            "r2": metrics.r2(values, targets),
            "mean_absolute_error": metrics.mean_absolute_error(values, targets),
            "root_mean_squared_error": metrics.root_mean_squared_error(values, targets),
        }
    )


def _flat(array: Float64 | None) -> Float64 | None:
    """(batch, *positions, k) as (rows, k)."""
    return None if array is None else array.reshape(-1, array.shape[-1])

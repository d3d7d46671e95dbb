"""Whether labels stand in the order of the units."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headwise.calibration import metrics
from headwise.calibration.inputs import Inputs, uncalibrated
from headwise.calibration.measures.pairs import answered
from headwise.errors import CalibrationError
from headwise.heads.links import Float64
from headwise.heads.scores import Form

SURE = 4.0
"""Standard errors beyond which labels are taken to be swapped: by chance once in 30,000 data sets."""

RATHER = 2.5
"""Standard errors beyond which the user is told: a few rows cannot show more."""

FEWEST = 10
"""Rows of a class that can speak against its place."""


def label_order(inputs: Inputs) -> list[str]:
    """Labels in another order than the units: a binary head that ranks backwards, or classes that trade places."""
    samples, labels = inputs.samples, inputs.head.labels
    match samples.form:
        case Form.BINARY:
            far = _backwards(samples.logits[:, 0], samples.targets == 1)
            if far > SURE:
                raise CalibrationError(
                    f"higher outputs go with {labels[0]!r} (ROC AUC is {far:.1f} standard errors below one half): are "
                    "labels[0] and labels[1] swapped, or the targets? labels[1] is the positive class; calibration "
                    "would need a negative slope, which it refuses"
                )
            told = f"higher outputs rather go with {labels[0]!r} (ROC AUC is {far:.1f} standard errors below one half)"
            return [f"{told}: are labels[0] and labels[1] swapped, or the targets?"] if far > RATHER else []
        case Form.MULTILABEL:
            return [
                f"label {label!r} ranks backwards: its higher outputs go with rows where it is off; are labels in the "
                "order of the units?"
                for at, label in enumerate(labels)
                if _backwards(samples.logits[:, at], samples.targets[:, at]) > SURE
            ]
        case _:
            return _trading_places(inputs)


def _backwards(scores: Float64, positive: NDArray[np.bool_]) -> float:
    """By how many standard errors the area under the ROC curve is below one half."""
    area = metrics.roc_auc(scores, positive)
    if area is None:
        return 0.0
    positives = int(positive.sum())
    negatives = len(positive) - positives
    return float((0.5 - area) / np.sqrt((len(positive) + 1) / (12.0 * positives * negatives)))


def _trading_places(inputs: Inputs) -> list[str]:
    """Raises where another order of the labels would put most rows of those that moved right."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    labels, targets = inputs.head.labels, inputs.samples.targets
    answers = answered(uncalibrated(inputs.samples), inputs.head.task)
    counts = metrics.confusion_matrix(answers, targets, len(labels))
    _, meant = linear_sum_assignment(counts, maximize=True)
    moved = np.flatnonzero(meant != np.arange(len(labels)))
    moved = moved[counts[moved].sum(axis=1) >= FEWEST]
    gained, lost = counts[moved, meant[moved]], counts[moved, moved]
    difference, either = int((gained - lost).sum()), int((gained + lost).sum())
    if difference <= SURE * np.sqrt(either) or 2 * gained.sum() <= counts[moved].sum():
        return []
    named = ", ".join(
        f"{labels[t]!r} is answered {labels[meant[t]]!r} in {counts[t, meant[t]]} of {counts[t].sum()} rows"
        for t in moved[:3]
    )
    raise CalibrationError(
        f"labels seem to stand in another order than the units: {named}; another order would be right in {difference} "
        f"more of {len(targets)} rows: are labels, or the targets, in the order of the model's training?"
    )

"""What Keras's own accuracy says of a model's raw output, and why the head says something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.figures import Figures
from headwise.errors import HeadMismatchError
from headwise.heads import Activation, Head, Prediction
from headwise.heads.links import logit
from headwise.heads.scores import Form

CUT = 0.5
"""Where keras.metrics.BinaryAccuracy cuts, whatever the output means."""

_RAW: Mapping[Activation, str] = {"linear": "the logit", "sigmoid": "the probability", "tanh": "the margin"}


@dataclass(frozen=True, slots=True)
class KerasAccuracy:
    """metric: the class that `metrics=["accuracy"]` (of regression: `["mae"]`) chooses. answers: (rows,) or None
    where it does not answer what the head answers.
    """

    metric: str
    value: float
    answers: NDArray[Any] | None = None


def keras_accuracy(raw: NDArray[Any], targets: NDArray[Any], head: Head) -> KerasAccuracy:
    """Ask Keras's metric; raw (batch, *positions, units), targets as `check_targets` gives them."""
    import keras  # noqa: PLC0415  # seconds

    units = raw.shape[-1]
    if head.task == "regression":
        return _asked(keras.metrics.MeanAbsoluteError(), raw.reshape(-1, units), targets)
    if units == 1:
        rows = raw.reshape(-1, 1)
        return _asked(keras.metrics.BinaryAccuracy(), rows, targets.reshape(-1, 1), rows[:, 0] > CUT)
    rows = raw.reshape(-1, units)
    if head.task == "multilabel":
        return _asked(keras.metrics.CategoricalAccuracy(), rows, targets)
    answers = None if head.task == "ordinal" else rows.argmax(axis=1)
    return _asked(keras.metrics.SparseCategoricalAccuracy(), rows, targets, answers)


def explain(
    keras: KerasAccuracy, prediction: Prediction, figures: Figures, targets: NDArray[Any], head: Head
) -> tuple[str, ...]:
    """Why the two figures differ, or why they do not."""
    if head.task == "regression":
        return ("Values are compared as they are: Keras's mean absolute error is the head's.",)
    if head.task == "multilabel" and keras.answers is None:
        return _of_labels(figures, head)
    if keras.answers is None:
        return (_of_steps(head),)
    answers = prediction.decisions if prediction.indices is None else prediction.indices
    assert answers is not None
    how = _cut(prediction, head) if keras.metric == "BinaryAccuracy" else _largest(prediction, head)
    return (how, _apart(keras.answers, answers.reshape(-1), targets.reshape(-1)))


def _asked(metric: Any, raw: NDArray[Any], targets: NDArray[Any], answers: NDArray[Any] | None = None) -> KerasAccuracy:
    metric.update_state(targets.astype(np.float32) if targets.dtype == bool else targets, raw)
    return KerasAccuracy(type(metric).__name__, float(metric.result()), answers)


def _cut(prediction: Prediction, head: Head) -> str:
    """Such as: Keras cuts the logit at 0.5, which is p = 0.6225; the head cuts at p = 0.5 (default)."""
    raw = _RAW[head.activation]
    if prediction.applied.cuts is None or head.is_margin:
        return f"Keras cuts {raw} at {CUT}; the head cuts it at 0."
    (cut,) = prediction.applied.cuts
    unmoved = head.calibrator is None and head.prior is None
    if head.activation == "sigmoid" and unmoved and cut == CUT:
        return f"Keras cuts {raw} at {CUT}, and so does the head."
    calibrated = "" if head.calibrator is None else f", after {head.calibrator.method} calibration"
    means = "" if (p := _probability_at_cut(head)) is None else f", which is p = {p:.4f}{calibrated}"
    right = ""
    if unmoved:
        at = logit(np.array([cut])).item() if head.activation == "linear" else cut
        right = f" keras.metrics.BinaryAccuracy(threshold={at:.4g}) counts as the head does."
    return f"Keras cuts {raw} at {CUT}{means}; the head cuts at p = {cut:g} ({prediction.applied.source}).{right}"


def _probability_at_cut(head: Head) -> float | None:
    try:
        probabilities = head.answer(np.array([[CUT]])).probabilities
    except HeadMismatchError:
        return None
    return None if probabilities is None else float(probabilities[0, -1])


def _largest(prediction: Prediction, head: Head) -> str:
    applied = prediction.applied
    calibrated = "" if head.calibrator is None else f" after {head.calibrator.method} calibration"
    if applied.cuts is None and applied.cost is not None:
        return f"Keras takes the largest unit for the class; the head what costs least{calibrated} ({applied.source})."
    if applied.cuts is None and (head.prior is not None or not _keeps_argmax(head)):
        moved = calibrated if head.prior is None else f"{calibrated}, corrected for the prior"
        return f"Keras takes the largest unit for the class; the head the most probable class{moved}."
    if applied.cuts is None:
        return "Keras takes the largest unit for the class, and so does the head."
    return (
        "Keras takes the larger unit for the class; "
        f"the head cuts P({head.labels[1]}){calibrated} at {applied.cuts[0]:g} ({applied.source})."
    )


def _keeps_argmax(head: Head) -> bool:
    return head.calibrator is None or Form.MULTICLASS in head.calibrator.KEEPS_ARGMAX


def _apart(keras: NDArray[Any], ours: NDArray[Any], targets: NDArray[Any]) -> str:
    """On how many rows the two answer differently, and who is right on them."""
    differ = keras != ours
    count, rows = int(differ.sum()), len(differ)
    if count == 0:
        return f"They answer alike on all {rows} rows."
    right_keras, right_ours = ((answers[differ] == targets[differ]).sum() for answers in (keras, ours))
    return (
        f"They answer differently on {count} of {rows} rows: there Keras is right on {right_keras} "
        f"and the head on {right_ours}."
    )


def _of_steps(head: Head) -> str:
    return (
        "Keras takes the largest unit for the class. The units of an ordinal head are the steps P(y > k), one "
        f"fewer than the {len(head.labels)} classes, so its figure says nothing about this head."
    )


def _of_labels(figures: Figures, head: Head) -> tuple[str, ...]:
    right = "BinaryAccuracy(threshold=0.0)" if head.activation == "linear" else "BinaryAccuracy()"
    asked = (
        "Keras asks whether the largest output belongs to the largest target, because targets and outputs are "
        "equally wide. A row may have several labels or none, so its figure says nothing about this head; "
        f"compile with keras.metrics.{right} instead."
    )
    labels, rows = figures.overall["accuracy"], figures.overall["exact_match"]
    return (asked, f"Of the single labels {labels:.4f} are right; {rows:.4f} of the rows have every label right.")

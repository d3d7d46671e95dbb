"""What the answers are worth for each class or label, as tables of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headwise.calibration.answers import answer, applied
from headwise.calibration.figures import figures
from headwise.calibration.metrics import confusion_matrix
from headwise.calibration.report.curves import Errors, errors
from headwise.calibration.report.sets import sets_of
from headwise.calibration.report.tables import share, table
from headwise.heads import Head

if TYPE_CHECKING:
    from headwise.calibration.calibrate import Calibrated

MOST_CONFUSIONS = 15
MOST_COSTS = 12
"""Classes whose matrix of costs can still be read."""


def by_class(calibrated: Calibrated) -> str:
    """A row for each label: its cut, counts, precision, recall and calibration; for each class of exclusive ones too.

    Out of fold, by the head's own decision.
    """
    return _labels(calibrated) if calibrated.head.task == "multilabel" else _classes(calibrated)


def costs(head: Head) -> str:
    """The matrix that the decision minimises; nothing where it has none."""
    cost = applied(head).cost
    if cost is None:
        return ""
    if len(cost.costs) > MOST_COSTS:
        return f"<p>The costs are {len(cost.costs)} rows and columns, which the card has.</p>\n"
    rows = [(label, *row) for label, row in zip(head.labels, cost.costs, strict=True)]
    return table(("cost: true, then answered", *head.labels), rows)


def most_confused(calibrated: Calibrated) -> str:
    """The classes that are answered wrongly for another most often."""
    prediction, targets = answer(calibrated.head, calibrated.after), calibrated.samples.targets
    labels = calibrated.head.labels
    assert prediction.indices is not None
    given = prediction.indices >= 0
    counts = confusion_matrix(prediction.indices[given], targets[given], len(labels))
    of_class = np.bincount(targets, minlength=len(labels))
    np.fill_diagonal(counts, 0)
    most = np.argsort(-counts, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [(at, into) for at, into in zip(*np.unravel_index(most, counts.shape), strict=True) if counts[at, into]]
    rows = [
        (labels[at], labels[into], int(counts[at, into]), share(counts[at, into], of_class[at])) for at, into in pairs
    ]
    return table(("true", "answered", "rows", "share of the true class"), rows)


def _classes(calibrated: Calibrated) -> str:
    prediction, targets = answer(calibrated.head, calibrated.after), calibrated.samples.targets
    assert prediction.indices is not None
    sets = sets_of(calibrated)
    rows = []
    for index, label in enumerate(calibrated.head.labels):
        true, answered = targets == index, prediction.indices == index
        row = (
            *(index, label, *_counts(true, answered), float(calibrated.after[:, index].mean()), float(true.mean())),
            *(() if sets is None else (float(sets.coverages[index]) if sets.rows[index] else None,)),
        )
        rows.append(row)
    header = ("#", "class", "rows", "answered", "precision", "recall", "F1", "mean probability", "observed share")
    return table(header if sets is None else (*header, "set coverage"), rows)


def _labels(calibrated: Calibrated) -> str:
    prediction, targets = answer(calibrated.head, calibrated.after), calibrated.samples.targets.astype(bool)
    assert prediction.decisions is not None
    cuts, scored, by = applied(calibrated.head).cuts, figures(prediction, targets).by_label, errors(calibrated)
    assert cuts is not None
    rows = []
    for index, label in enumerate(calibrated.head.labels):
        true, on = targets[:, index], prediction.decisions[:, index]
        measures = (scored[label][name] for name in ("log_loss", "brier_score", "roc_auc"))
        rows.append((index, label, cuts[index], *_counts(true, on), _cost(true, on, by), *measures))
    header = ("#", "label", "cut", "rows on", "answered on", "precision", "recall", "F1", f"cost a row ({by.told})")
    return table((*header, "log loss", "Brier score", "ROC AUC"), rows)


def _counts(true: np.ndarray, answered: np.ndarray) -> tuple[int, int, float | None, float | None, float | None]:
    hits, rows, told = int((true & answered).sum()), int(true.sum()), int(answered.sum())
    return rows, told, share(hits, told), share(hits, rows), share(2 * hits, rows + told)


def _cost(true: np.ndarray, on: np.ndarray, by: Errors) -> float:
    return float(np.mean((~true & on) * by.false_alarm + (true & ~on) * by.miss))

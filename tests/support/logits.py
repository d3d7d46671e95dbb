"""Canonical logits whose true probabilities are known."""

from __future__ import annotations

import numpy as np

from headwise.calibration.choice import TASKS
from headwise.calibration.folds import probabilities_of
from headwise.calibration.gate import Held
from headwise.calibration.samples import Samples
from headwise.heads.calibrators import AnyCalibrator
from headwise.heads.links import Float64, log_softmax
from headwise.heads.scores import FROM_LOGITS, Form

WIDTHS = {Form.BINARY: 1, Form.MULTICLASS: 4, Form.MULTILABEL: 3, Form.CUMULATIVE: 3, Form.CONDITIONAL: 3}


def drawn(form: Form, *, rows: int, stretch: float = 1.0, wrong: float = 0.0, seed: int = 0) -> Samples:
    """Rows whose targets are drawn from their logits, which are told `stretch` times as large.

    wrong: the share of rows (BINARY and MULTICLASS) that have any class instead, drawn uniformly.
    """
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (rows, WIDTHS[form]))
    if form is Form.MULTICLASS:
        logits = log_softmax(1.5 * logits)
    if form is Form.CUMULATIVE:
        logits = logits[:, :1] * 1.5 + np.array([1.5, 0.0, -1.5])
    probabilities = FROM_LOGITS[form](logits).probabilities
    assert probabilities is not None
    if form is Form.MULTILABEL:
        return Samples(logits * stretch, random.random(logits.shape) < probabilities, form, logits.shape[1])
    classes = probabilities.shape[1]
    targets = (random.random((rows, 1)) > probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1)
    targets = np.where(random.random(rows) < wrong, random.integers(classes, size=rows), targets)
    told = log_softmax(logits * stretch) if form is Form.MULTICLASS else logits * stretch
    return Samples(told, targets.astype(np.int64), form, classes)


def losses(calibrator: AnyCalibrator, samples: Samples) -> Float64:
    """Log losses (rows,) of a calibrator's answers."""
    return Held.of(probabilities_of(calibrator, samples), samples.targets, TASKS[samples.form]).losses

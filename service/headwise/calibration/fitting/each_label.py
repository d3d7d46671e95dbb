"""Fits a calibrator of its own to every label."""

from __future__ import annotations

import numpy as np

from headwise.calibration.fitting.slopes import platt
from headwise.calibration.fitting.temperature import temperature
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads.calibrators import Binary, EachLabel
from headwise.heads.scores import Form

RARE = 5
"""Rows of either kind below which a label has nothing of its own."""


def label_samples(samples: Samples, label: int) -> Samples:
    """One label of MULTILABEL as a binary head."""
    on = samples.targets[:, label].astype(np.int64)
    return Samples(np.ascontiguousarray(samples.logits[:, label : label + 1]), on, Form.BINARY, 2)


def each_label(samples: Samples) -> EachLabel:
    """Platt's slope and intercept for every label; rare labels, and those without signal, share one temperature.

    Raises: CalibrationError where each label is on in all rows or off in all.
    """
    shared = temperature(samples)

    def own(label: int) -> Binary:
        alone = label_samples(samples, label)
        if np.bincount(alone.targets, minlength=2).min() < RARE:
            return shared
        try:
            return platt(alone)
        except CalibrationError:
            return shared

    return EachLabel(tuple(map(own, range(samples.classes))))

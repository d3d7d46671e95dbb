"""Whether logits rise with what they say."""

from __future__ import annotations

import numpy as np

from headwise.calibration.fitting.problem import BinaryRows, binary_rows
from headwise.calibration.samples import Samples
from headwise.errors import CalibrationError
from headwise.heads.scores import Form

REVERSED = 4.0
"""Standard errors below 0 at which a slope is no accident: by chance once in 30,000 data sets."""


def require_order(samples: Samples) -> None:
    """Raises: CalibrationError where higher logits surely go with the negative class, or with lower steps."""
    if samples.form in (Form.MULTICLASS, Form.MULTILABEL):
        return
    below = -trend(binary_rows(samples))
    if below > REVERSED:
        raise CalibrationError(
            f"higher logits go with the lower class ({below:.1f} standard errors from chance): are the labels, or the "
            "targets, in reverse order? A calibrator would need a negative slope, which would swap the answers"
        )


def trend(rows: BinaryRows) -> float:
    """By how many standard errors the targets rise with the logits: the score test of a slope, at 0."""
    z, y = rows.logits - rows.logits.mean(), rows.targets - rows.targets.mean()
    spread = float(np.sqrt((z @ z) * (y @ y) / len(y)))
    return float(z @ y) / spread if spread > 0 else 0.0

"""The rows that calibration works on: canonical logits and what was true of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.heads.links import Float64
from headwise.heads.scores import Form


@dataclass(frozen=True, slots=True)
class Samples:
    """logits: canonical, (rows, k) float64 of `form`; positions of an output count as rows.

    targets: class indices (rows,) int64; for MULTILABEL (rows, labels) bool.
    classes: how many classes (or labels) the head has; k is 1 for BINARY, classes - 1 for the ordinal forms.
    """

    logits: Float64
    targets: NDArray[Any]
    form: Form
    classes: int

    def __len__(self) -> int:
        return len(self.logits)

    def take(self, rows: NDArray[np.integer[Any]]) -> Samples:
        """These rows, in this order."""
        return Samples(self.logits[rows], self.targets[rows], self.form, self.classes)

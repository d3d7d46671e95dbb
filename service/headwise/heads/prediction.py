"""What a head answers for a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from headwise import rows
from headwise.heads.contract import Observations
from headwise.heads.decisions import Applied
from headwise.heads.links import Float64
from headwise.heads.spec import Task

Labels: TypeAlias = "tuple[str | Labels, ...]"
"""The labels that are on; nested as the output is where it has positions."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Answers for outputs of shape (batch, *positions, units); fields that a task does not have are None.

    probabilities: (batch, *positions, classes) float64; binary has two columns, multilabel one a label.
    indices: (batch, *positions) int64, the answered class of binary, multiclass and ordinal heads; -1 where abstained.
    decisions: (batch, *positions, labels) bool, the labels of a multilabel head that are on.
    values: (batch, *positions, units) float64, regression.
    margins: (batch, *positions) float64, a tanh head without calibrator.
    top: (batch, *positions, k) int64, the k most probable classes, most probable first.
    abstained: (batch, *positions) bool, rows without an answer; None where the head does not abstain.
    sets: (batch, *positions, classes) bool, the classes in each prediction set.
    intervals: (batch, *positions, k, 2) float64, between which the probability of the positive class lies (k = 1), or
    of each label (Venn-Abers).
    """

    task: Task
    classes: tuple[str, ...]
    applied: Applied
    observations: Observations
    probabilities: Float64 | None = None
    indices: NDArray[np.int64] | None = None
    decisions: NDArray[np.bool_] | None = None
    values: Float64 | None = None
    margins: Float64 | None = None
    top: NDArray[np.int64] | None = None
    abstained: NDArray[np.bool_] | None = None
    sets: NDArray[np.bool_] | None = None
    intervals: Float64 | None = None

    @property
    def labels(self) -> NDArray[np.str_] | NDArray[np.object_] | Labels | None:
        """The answered labels (batch, *positions) of str; multilabel: for each row those that are on.

        Where the head may abstain they are objects, None where it did.
        """
        found: NDArray[np.str_] | NDArray[np.object_] | Labels | None = rows.labels(self, self.abstained)
        return found

    def rows(self, start: int, stop: int) -> Prediction:
        """The answers of some of the rows: each is what it is by its own numbers alone."""
        cut = {name: array[start:stop] for name in _ROW_BY_ROW if (array := getattr(self, name)) is not None}
        return replace(self, observations=self.observations.rows(start, stop), **cut)


_ROW_BY_ROW = (
    "probabilities",
    "indices",
    "decisions",
    "values",
    "margins",
    "top",
    "abstained",
    "sets",
    "intervals",
)

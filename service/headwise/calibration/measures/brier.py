"""The Brier score, taken apart (Murphy 1973)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.measures.bins import bin_of, equal_width
from headwise.calibration.measures.pairs import Pairs, each_class
from headwise.heads import Task
from headwise.heads.links import Float64


@dataclass(frozen=True, slots=True)
class BrierParts:
    """brier_score = reliability - resolution + uncertainty + within_bins, exactly.

    reliability: how far the bins miss the diagonal. resolution: how far they part the rows. uncertainty: of the
    outcome itself. within_bins: what rows of one bin differ in (Stephenson, Coelho, Jolliffe 2008).
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float

    @property
    def brier_score(self) -> float:
        """The parts together."""
        return self.reliability - self.resolution + self.uncertainty + self.within_bins


def brier_parts(probabilities: Float64, targets: NDArray[Any], task: Task, edges: Float64 | None = None) -> BrierParts:
    """The parts of `metrics.brier_score`: summed over the classes, of one class for two; multilabel: the mean."""
    pairs = each_class(probabilities, targets, task)
    of_each = np.array([_parts(pairs, column, equal_width() if edges is None else edges) for column in _columns(pairs)])
    halved = task == "multilabel" or probabilities.shape[1] == 2
    return BrierParts(*map(float, of_each.mean(axis=0) if halved else of_each.sum(axis=0)))


def _columns(pairs: Pairs) -> range:
    return range(pairs.probabilities.shape[1])


def _parts(pairs: Pairs, column: int, edges: Float64) -> tuple[float, float, float, float]:
    p, y = pairs.probabilities[:, column], pairs.happened[:, column].astype(np.float64)
    at, bins = bin_of(p, edges), len(edges) - 1
    counts = np.bincount(at, minlength=bins)
    rows = np.maximum(counts, 1)
    expected, observed = np.bincount(at, p, bins) / rows, np.bincount(at, y, bins) / rows
    share, rate = counts / len(p), float(y.mean())
    spread = p - expected[at]
    within = np.mean(np.square(spread)) - 2 * np.mean(spread * (y - observed[at]))
    return (
        float(share @ np.square(expected - observed)),
        float(share @ np.square(observed - rate)),
        rate * (1.0 - rate),
        float(within),
    )

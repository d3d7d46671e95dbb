"""What prediction sets come to on the rows that they were tuned on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.answers import answer
from headwise.calibration.measures.bins import wilson
from headwise.heads.links import Float64

if TYPE_CHECKING:
    from headwise.calibration.calibrate import Calibrated


@dataclass(frozen=True, slots=True)
class Sets:
    """asked, coverage: the share of sets that hold the true class, as it was asked for and as it is.

    sizes: (classes + 1,) how many rows have sets of this size. rows, coverages, intervals: of each class, its rows, the
    share of their sets that hold it and its 95 % interval; NaN without rows. told: what the coverages are.
    """

    asked: float
    coverage: float
    sizes: NDArray[np.int64]
    rows: NDArray[np.int64]
    coverages: Float64
    intervals: tuple[Float64, Float64]
    told: str

    @property
    def mean_size(self) -> float:
        """Classes a row."""
        return float(self.sizes @ np.arange(len(self.sizes)) / self.sizes.sum())


def sets_of(calibrated: Calibrated) -> Sets | None:
    """None for a decision without sets. Coverage is the one held out in tuning, where the evidence has it."""
    targets, labels = calibrated.samples.targets, calibrated.head.labels
    prediction = answer(calibrated.head, calibrated.after)
    if prediction.sets is None or prediction.applied.coverage is None:
        return None
    covered = prediction.sets[np.arange(len(targets)), targets]
    rows = np.bincount(targets, minlength=len(labels))
    hits = np.bincount(targets, covered, minlength=len(labels)).astype(np.float64)
    coverage, told = float(covered.mean()), "coverage on the rows that set the quantile"
    if (held_out := _held_out(calibrated.evidence, prediction.applied.coverage)) is not None:
        coverage, told = held_out["coverage"], "coverage on held-out folds"
        shares = [held_out["coverage_per_class"].get(label) for label in labels]
        hits = np.rint(np.array([share or 0.0 for share in shares]) * rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        coverages = hits / rows
        intervals = wilson(hits, rows.astype(np.float64))
    sizes = np.bincount(prediction.sets.sum(axis=1), minlength=len(labels) + 1)
    return Sets(prediction.applied.coverage, coverage, _trimmed(sizes), rows, coverages, intervals, told)


def _held_out(evidence: Mapping[str, Any], asked: float) -> Mapping[str, Any] | None:
    """The figures of tuning that tell this coverage."""
    decision = evidence.get("decision") or {}
    told = decision.get("figures", {})
    for objective, figures in _by_objective(str(decision.get("objective", "")), told):
        if objective.startswith("coverage>=") and "coverage_per_class" in figures and _asks(objective, asked):
            return figures
    return None


def _by_objective(objective: str, figures: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Of one objective, or of several that were joined, whose figures stand under their texts."""
    parts = objective.split("; ")
    if len(parts) == 1:
        yield objective, figures
        return
    for part in parts:
        yield part, figures.get(part, {})


def _asks(objective: str, coverage: float) -> bool:
    return float(objective.removeprefix("coverage>=").split(":")[0]) == coverage


def _trimmed(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Without the sizes above the largest that occurs."""
    return sizes[: int(np.flatnonzero(sizes)[-1]) + 1]

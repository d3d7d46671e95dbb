"""What proves a calibration: measured before and after, and written into the card beside it."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.choice import Candidate, Choice
from headwise.calibration.inputs import Inputs, uncalibrated
from headwise.calibration.measures.bins import equal_width, reliability
from headwise.calibration.measures.bootstrap import Interval, intervals, resamples
from headwise.calibration.measures.brier import BrierParts, brier_parts
from headwise.calibration.measures.diagram import Diagram
from headwise.calibration.measures.measure import figure, measures
from headwise.calibration.measures.pairs import answered, headline
from headwise.calibration.tuning.problem import Tuned
from headwise.heads import Task
from headwise.heads.links import Float64

MEASURED_WITH = ("headwise", "numpy", "scipy")


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of the uncalibrated probabilities, and of the calibrated ones out of fold; 95 % intervals."""

    before: float
    after: float
    before_interval: Interval | None = None
    after_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured, for one head.

    rows_per_class: by label; multilabel: the rows in which each is on. resamples: of the bootstrap, 0 without
    intervals. figures: by name. brier_parts: before and after. logits: the range of the canonical logits.
    saturated_share: of the values, those at the end of what their activation can say. changed_answers: the share of
    rows that calibration alone answers differently.
    """

    method: str
    reason: str
    rows: int
    rows_per_class: Mapping[str, int]
    seed: int
    folds: int
    resamples: int
    candidates: tuple[Candidate, ...]
    figures: Mapping[str, Compared]
    brier_parts: tuple[BrierParts, BrierParts]
    reliability: Diagram
    logits: tuple[float, float]
    saturated_share: float
    changed_answers: float
    warnings: tuple[str, ...]
    decision: Tuned | None = None

    def to_json(self) -> dict[str, Any]:
        """As it stands in the card: plain values, all numbers finite, `figures` beside the rest."""
        before, after = self.brier_parts
        told = {
            "method": self.method,
            "reason": self.reason,
            "rows": self.rows,
            "rows_per_class": self.rows_per_class,
            "seed": self.seed,
            "folds": self.folds,
            "resamples": self.resamples,
            "candidates": [asdict(candidate) for candidate in self.candidates],
            **{name: _without_none(asdict(compared)) for name, compared in self.figures.items()},
            "brier_decomposition": {"before": asdict(before), "after": asdict(after)},
            "reliability": self.reliability.to_json(),
            "logits": {"low": self.logits[0], "high": self.logits[1]},
            "saturated_share": self.saturated_share,
            "changed_answers": self.changed_answers,
            "warnings": self.warnings,
            "versions": {name: importlib.metadata.version(name) for name in MEASURED_WITH},
        }
        if self.decision is not None:
            told["decision"] = {name: getattr(self.decision, name) for name in ("objective", "reason", "figures")}
        plain = _plain(told)
        assert isinstance(plain, dict)
        return plain


def compare(
    before: Float64,
    after: Float64,
    targets: NDArray[Any],
    task: Task,
    items: NDArray[np.int64],
    *,
    seed: int,
    count: int,
) -> dict[str, Compared]:
    """All figures of two sets of probabilities (rows, classes); without intervals where `count` resamples are 0.

    Both are resampled by the same rows.
    """
    figures, found = [], []
    for probabilities in (before, after):
        exact = measures(probabilities, targets, task)
        figures.append({name: figure(measure, len(targets)) for name, measure in exact.items()})
        coarse = measures(probabilities, targets, task, fine=False) if count else {}
        found.append(intervals(coarse, figures[-1], items, seed=seed, count=count) if count else {})
    return {
        name: Compared(figures[0][name], figures[1][name], found[0].get(name), found[1].get(name))
        for name in figures[0]
    }


def prove(
    inputs: Inputs,
    choice: Choice,
    fitted: Float64,
    warnings: tuple[str, ...],
    *,
    seed: int,
    saturated_share: float,
    intervals: bool,
    decision: Tuned | None = None,
) -> Evidence:
    """Measure a choice on the rows that it was made on.

    fitted: probabilities (rows, classes) by the chosen calibrator itself, which saw these rows.
    """
    samples, task, labels = inputs.samples, inputs.head.task, inputs.head.labels
    before, after, targets = uncalibrated(samples), choice.out_of_fold, samples.targets
    count = resamples(len(samples), samples.classes) if intervals else 0
    diagrams = [headline(probabilities, targets, task) for probabilities in (before, after)]
    return Evidence(
        method=choice.calibrator.method,
        reason=choice.reason,
        rows=len(samples),
        rows_per_class=dict(zip(labels, _per_class(targets, task, len(labels)), strict=True)),
        seed=seed,
        folds=choice.folds,
        resamples=count,
        candidates=choice.candidates,
        figures=compare(before, after, targets, task, inputs.items, seed=seed, count=count),
        brier_parts=(brier_parts(before, targets, task), brier_parts(after, targets, task)),
        reliability=Diagram(diagrams[0].of, *(reliability(pairs, equal_width()) for pairs in diagrams)),
        logits=(float(samples.logits.min()), float(samples.logits.max())),
        saturated_share=saturated_share,
        changed_answers=changed_answers(before, fitted, task),
        warnings=warnings,
        decision=decision,
    )


def changed_answers(before: Float64, after: Float64, task: Task) -> float:
    """The share of rows that the default decision answers differently; multilabel: in any label."""
    if task == "multilabel":
        return float(np.mean(((before >= 0.5) != (after >= 0.5)).any(axis=1)))
    return float(np.mean(answered(before, task) != answered(after, task)))


def _per_class(targets: NDArray[Any], task: Task, classes: int) -> list[int]:
    counts = targets.sum(axis=0) if task == "multilabel" else np.bincount(targets, minlength=classes)
    return [int(count) for count in counts]


def _without_none(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def _plain(value: Any) -> Any:
    """As JSON has it: lists and Python's own numbers; what is not finite is null."""
    match value:
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case np.ndarray():
            return _plain(value.tolist())
        case list() | tuple():
            return [_plain(item) for item in value]
        case np.generic():
            return _plain(value.item())
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value

"""What a decision is tuned on, and what tuning comes to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.heads import Task
from headwise.heads.decisions import Argmax, Cost, PerLabel, Rule, Threshold
from headwise.heads.links import Float64

Booleans = NDArray[np.bool_]

_PARTS: Mapping[str, str] = {"coverage": "prediction_set", "accuracy": "abstain", "abstain": "abstain"}
"""Which part of a rule an objective tunes, by its first word; all others tune the cut or the costs."""


@dataclass(frozen=True, slots=True)
class Column:
    """One yes or no question: the positive class of a binary head, or a label of a multilabel one.

    scores: P(yes) (rows,) float64. positive: (rows,) bool. cut: where it is decided before tuning.
    """

    label: str
    scores: Float64
    positive: Booleans
    cut: float


@dataclass(frozen=True, slots=True)
class Problem:
    """probabilities: calibrated (rows, classes) float64, each row's by a calibrator that did not see its target.

    targets: class indices (rows,), for multilabel (rows, labels) bool. current: the rule before tuning, whose other
    parts (named thresholds, abstention, prediction set, top_k) stay. text: the objective, as the card shall name it.
    """

    probabilities: Float64
    targets: NDArray[Any]
    task: Task
    labels: tuple[str, ...]
    current: Rule
    text: str
    seed: int = 0

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def one_answer(self) -> Threshold | Argmax | Cost:
        """The current rule of a head that answers one class."""
        assert not isinstance(self.current, PerLabel)
        return self.current

    @property
    def objective(self) -> str:
        """What the card says the rule was tuned for: the text, beside what its other parts were tuned for."""
        said = (self.current.objective or "").split("; ")
        beside = [part for part in said if part and _tuned_by(part) != _tuned_by(self.text)]
        return "; ".join([*beside, self.text])

    def named(self, text: str) -> Problem:
        """The same with another text."""
        return replace(self, text=text)

    def columns(self) -> Iterator[Column]:
        """The yes or no questions of a binary or multilabel head."""
        if self.task == "binary":
            yield Column(self.labels[1], self.probabilities[:, 1], self.targets == 1, self._cut(self.labels[1]))
            return
        for at, label in enumerate(self.labels):
            yield Column(label, self.probabilities[:, at], self.targets[:, at].astype(bool), self._cut(label))

    def _cut(self, label: str) -> float:
        match self.current.rule:
            case "threshold":
                return self.current.threshold
            case "per_label":
                return self.current.thresholds[label]
            case "cost" if len(self.labels) == 2:
                return self.current.cut
            case _:
                return 0.5


@dataclass(frozen=True, slots=True)
class Tuned:
    """rule: what the card gets; None where nothing qualifies, which `reason` says.

    figures: what the decision reaches on these rows (precision, recall, f1, cost, coverage, ... with their guarantee).
    """

    rule: Rule | None
    objective: str
    reason: str
    figures: Mapping[str, Any]


def _tuned_by(objective: str) -> str:
    word = re.match("[a-z]*", objective)
    return _PARTS.get(word[0] if word else "", "cut")

"""Objectives, and the decision that serves each best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from headwise.heads import Task
from headwise.heads.decisions import Rule
from headwise.heads.links import Float64


@dataclass(frozen=True, slots=True)
class Tuned:
    """rule: what the card gets; None where nothing qualifies, which `reason` says.

    figures: what the decision reaches on these rows (precision, recall, f1, cost, coverage, ... with their guarantee).
    """

    rule: Rule | None
    objective: str
    reason: str
    figures: Mapping[str, Any]


def tune(
    objective: str, probabilities: Float64, targets: NDArray[Any], task: Task, labels: tuple[str, ...], *, seed: int = 0
) -> Tuned:
    """The rule that serves the objective best on calibrated probabilities (rows, classes).

    Raises: CalibrationError for an objective that does not exist or does not fit the task.
    """
    raise NotImplementedError

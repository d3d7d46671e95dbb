"""What decisions are worth over their cut: the numbers behind the threshold plots."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headwise.calibration.answers import answer, applied
from headwise.heads import Abstain, Applied, Options, Threshold
from headwise.heads.decisions import expected_costs
from headwise.heads.links import Float64

if TYPE_CHECKING:
    from headwise.calibration.calibrate import Calibrated

STEPS = 100
_NO_ABSTENTION = Options(abstain=Abstain())
_ERROR_COSTS = re.compile(r"\bcost:([\d.e-]+):([\d.e-]+)")
"""What an objective says of the costs of a false alarm and of a miss."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What happens over a cut.

    label: the index of the class or label that is cut, None for an abstention. curves: by name, (cuts,) float64; NaN
    where a cut leaves nothing to count. Shares, but for the relative cost, which is 1 where a cut costs as much as the
    cheaper of always and never. chosen: the cut that the head applies, None where it has none. named: further cuts of
    the card. note: what the cost counts.
    """

    label: int | None
    axis: str
    cuts: Float64
    curves: Mapping[str, Float64]
    chosen: float | None
    named: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Errors:
    """What a false alarm and a miss cost more than the right answer."""

    false_alarm: float = 1.0
    miss: float = 1.0

    @property
    def told(self) -> str:
        """Such as `false alarm 1, miss 5`."""
        return f"false alarm {self.false_alarm:g}, miss {self.miss:g}"


def of(calibrated: Calibrated) -> tuple[Panel, ...]:
    """A panel for the positive class of a binary head, or one a label; and one for each way to abstain.

    Exclusive classes have the latter alone: by the largest probability where their decision does not abstain.
    """
    rule = applied(calibrated.head)
    return (*_cut_panels(calibrated, rule), *_abstention_panels(calibrated, rule))


def errors(calibrated: Calibrated) -> Errors:
    """As the decision has them; alike where it says nothing of them."""
    rule = applied(calibrated.head)
    if rule.cost is not None and len(rule.cost.costs) == 2:
        (right_negative, false_alarm), (miss, right_positive) = rule.cost.costs
        return Errors(false_alarm - right_negative, miss - right_positive)
    said = _ERROR_COSTS.search(rule.objective or "")
    return Errors(float(said[1]), float(said[2])) if said else Errors()


def _cut_panels(calibrated: Calibrated, rule: Applied) -> Iterator[Panel]:
    head, after, targets = calibrated.head, calibrated.after, calibrated.samples.targets
    if head.task not in ("binary", "multilabel") or rule.cuts is None:
        return
    named = head.decision.thresholds if isinstance(head.decision, Threshold) else {}
    costs = errors(calibrated)
    columns = ((1, after[:, 1], targets == 1),) if head.task == "binary" else _labels(after, targets)
    for (label, scores, positive), cut in zip(columns, rule.cuts, strict=True):
        cuts = _grid(scores, cut)
        yield Panel(label, "cut", cuts, _worth(scores, positive, cuts, costs), cut, named, costs.told)


def _labels(after: Float64, targets: NDArray[Any]) -> tuple[tuple[int, Float64, NDArray[np.bool_]], ...]:
    return tuple((at, after[:, at], targets[:, at].astype(bool)) for at in range(after.shape[1]))


def _grid(scores: Float64, *more: float, top: float = 1.0) -> Float64:
    """Cuts from 0 to the top: evenly, as dense as the scores are, and these."""
    even = np.linspace(0.0, 1.0, STEPS + 1)
    return np.unique(np.concatenate([top * even, np.quantile(scores, even), more]))


def _worth(scores: Float64, positive: NDArray[np.bool_], cuts: Float64, costs: Errors) -> dict[str, Float64]:
    """Positive where the score reaches the cut."""
    positives = int(positive.sum())
    hits, alarms = _reaching(scores[positive], cuts), _reaching(scores[~positive], cuts)
    misses, negatives = positives - hits, len(scores) - positives
    constant = min(negatives * costs.false_alarm, positives * costs.miss)
    return {
        "precision": _shares(hits, hits + alarms),
        "recall": _shares(hits, np.full(len(cuts), positives)),
        "F1": _shares(2 * hits, 2 * hits + alarms + misses),
        "relative cost": _relative(alarms * costs.false_alarm + misses * costs.miss, constant),
    }


def _reaching(scores: Float64, cuts: Float64) -> NDArray[np.int64]:
    """How many scores are at each cut or above it."""
    return np.asarray(len(scores) - np.searchsorted(np.sort(scores), cuts, side="left"))


def _shares(parts: NDArray[Any], wholes: NDArray[Any]) -> Float64:
    """NaN where there is no whole."""
    return np.asarray(np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0))


def _relative(costs: Float64, constant: float) -> Float64:
    return costs / constant if constant > 0 else np.full(len(costs), np.nan)


def _abstention_panels(calibrated: Calibrated, rule: Applied) -> Iterator[Panel]:
    """Each limit as if it were the only one."""
    head, after = calibrated.head, calibrated.after
    if head.task == "multilabel" or (head.task == "binary" and rule.abstain is None):
        return
    answers = answer(head, after, _NO_ABSTENTION).indices
    right = np.asarray(answers == calibrated.samples.targets)
    limits = rule.abstain or Abstain()
    second, largest = np.partition(after, -2, axis=1)[:, -2:].T
    if limits.floor is not None or (limits.margin is None and limits.cost is None):
        yield _abstention("answered from this largest probability on", largest, right, limits.floor)
    if limits.margin is not None:
        yield _abstention("answered from this margin over the second on", largest - second, right, limits.margin)
    if limits.cost is not None and rule.cost is not None:
        least = expected_costs(after, rule.cost.matrix).min(axis=1)
        yield _abstention("answered up to this expected cost", least, right, limits.cost, sign=-1.0)


def _abstention(
    axis: str, scores: Float64, right: NDArray[np.bool_], limit: float | None, *, sign: float = 1.0
) -> Panel:
    """Answered where the score reaches the limit; with sign -1 where it does not exceed it."""
    top = 1.0 if sign > 0 else float(scores.max())
    cuts = _grid(scores, *(() if limit is None else (limit,)), top=top)
    answered, hits = _reaching(sign * scores, sign * cuts), _reaching(sign * scores[right], sign * cuts)
    curves = {"accuracy of the answers": _shares(hits, answered), "share answered": answered / len(scores)}
    return Panel(None, axis, cuts, curves, limit)

"""What models answer: how often each label, how sure, and how often nothing; by version and head.

Counted where a batch is answered, in numpy and for several small batches at once: a batch costs less than a microsecond
until it is counted. Versions that are gone are forgotten, as the metrics' library cannot do for several processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.heads import Prediction
from headwise.telemetry.metric_table import METRICS, OTHER
from headwise.telemetry.report import Report

MOST_LABELS = 32
"""Of a head; what its card has beyond them is counted together."""

_LABELS, _ABSTENTIONS, _CONFIDENCE = NAMES = (
    "headwise_predicted_labels_total",
    "headwise_abstentions_total",
    "headwise_confidence_ratio",
)
_BOUNDS = METRICS[_CONFIDENCE].buckets
_ENOUGH, _MANY = 2048, 64
"""Numbers, and batches, that are counted at once."""
_NARROW = 16
"""Classes up to which the largest of each row is looked for column by column."""
_KEPT = 600.0
"""Seconds for which a version that is gone is still told of, so that its last answers are scraped."""


Of = tuple[str, str, str]
"""Whose answers: model, version, head."""


class Answers:
    """Of all models. known: which (model, version) there are. before: what was told of them by an earlier process."""

    def __init__(
        self,
        known: Callable[[], Container[tuple[str, str]]] | None = None,
        before: Report | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.known = known
        self._before = {name: rows for name, rows in (before or {}).items() if name in NAMES}
        self._clock = clock
        self._tallies: dict[Of, _Tally] = {}
        self._gone: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def add(self, model: str, version: int, head: str, prediction: Prediction) -> None:
        """Count what a head answered for a batch; a head without classes answers nothing of the kind."""
        if not prediction.classes:
            return
        of = (model, str(version), head)
        with self._lock:
            tally = self._tallies.get(of)
            if tally is None:
                self._forget()
                tally = self._tallies[of] = _Tally()
            tally.add(prediction)

    def report(self) -> Report:
        """All counts so far."""
        with self._lock:
            self._forget()
            told: Report = {name: dict(self._before.get(name, {})) for name in NAMES}
            for of, tally in self._tallies.items():
                tally.count()
                _put(told[_LABELS], {(*of, label): [float(n)] for label, n in tally.labels.items()})
                _put(told[_ABSTENTIONS], {of: [tally.abstained]} if tally.labels else {})
                _put(told[_CONFIDENCE], {of: [*tally.confidence.tolist(), tally.summed]} if tally.sure else {})
        return told

    def _forget(self) -> None:
        """Drop the versions that have been gone for long enough."""
        if self.known is None:
            return
        known, now = self.known(), self._clock()
        told = {(model, version) for model, version, _ in self._tallies}
        told |= {(labels[0], labels[1]) for rows in self._before.values() for labels in rows}
        self._gone = {one: self._gone.get(one, now) for one in told if one not in known}
        over = {one for one, since in self._gone.items() if now - since > _KEPT}
        if over:
            self._tallies = {of: tally for of, tally in self._tallies.items() if of[:2] not in over}
            self._before = {
                name: {labels: figures for labels, figures in rows.items() if labels[:2] not in over}
                for name, rows in self._before.items()
            }


def counts(indices: NDArray[Any] | None, decisions: NDArray[Any] | None) -> NDArray[Any] | None:
    """How many rows were abstained from, then how often each class was answered; None where there are no classes."""
    if indices is not None:
        return np.bincount(indices.ravel() + 1, minlength=1)
    if decisions is not None:
        return np.append(0, decisions.reshape(-1, decisions.shape[-1]).sum(axis=0))
    return None


_Waiting = tuple["NDArray[Any] | None", "NDArray[Any] | None", "NDArray[Any] | None"]
"""Of a batch that is not counted yet: indices, decisions, probabilities."""


class _Tally:
    """Of one head of one version."""

    def __init__(self) -> None:
        self.labels: dict[str, float] = {}
        self.abstained = 0.0
        self.confidence = np.zeros(len(_BOUNDS) + 1)
        self.summed = 0.0
        self.sure = False
        self._classes: tuple[str, ...] = ()
        self._waiting: list[_Waiting] = []
        self._size = 0

    def add(self, prediction: Prediction) -> None:
        if prediction.classes != self._classes:  # a card that was replaced
            self.count()
            self._know(prediction.classes)
        waiting = prediction.indices, prediction.decisions, prediction.probabilities
        self._waiting.append(waiting)
        self._size += max([0 if array is None else array.size for array in waiting])
        if self._size >= _ENOUGH or len(self._waiting) >= _MANY:
            self.count()

    def count(self) -> None:
        waiting, self._waiting, self._size = self._waiting, [], 0
        if not waiting:
            return
        indices, decisions, probabilities = zip(*waiting, strict=True)
        found = counts(_joined(indices), _joined(decisions, 1))
        if found is not None:
            self.abstained += float(found[0])
            for index in found[1:].nonzero()[0].tolist():
                label = self._classes[index]
                self.labels[label if label in self.labels else OTHER] += float(found[1 + index])
        joined = _joined(probabilities, 1)
        if joined is not None:
            top = _largest(joined)
            self.confidence += np.bincount(np.searchsorted(_BOUNDS, top), minlength=len(_BOUNDS) + 1)
            self.summed += float(top.sum())
            self.sure = True

    def _know(self, classes: tuple[str, ...]) -> None:
        """Labels are at zero from the start; of those of a card that was replaced, what there is room for."""
        self._classes = classes
        for label in classes:
            if label not in self.labels:
                self.labels.setdefault(label if len(self.labels) < MOST_LABELS else OTHER, 0.0)


def _joined(arrays: Sequence[NDArray[Any] | None], kept: int = 0) -> NDArray[Any] | None:
    """The arrays of several batches as one of rows; kept: how many of the last axes stay. None where one is None."""
    flat = [array.reshape(-1, *array.shape[array.ndim - kept :]) for array in arrays if array is not None]
    if len(flat) < len(arrays):
        return None
    return flat[0] if len(flat) == 1 else np.concatenate(flat)


def _largest(rows: NDArray[Any]) -> NDArray[Any]:
    """Of each row; numpy takes twenty times as long to look along rows of two numbers as along columns."""
    return reduce(np.maximum, rows.T) if rows.shape[-1] <= _NARROW else rows.max(axis=-1)


def _put(told: dict[tuple[str, ...], list[float]], rows: dict[tuple[str, ...], list[float]]) -> None:
    """Add figures to those that an earlier process told."""
    for labels, figures in rows.items():
        before = told.get(labels)
        told[labels] = figures if before is None else [one + other for one, other in zip(before, figures, strict=True)]

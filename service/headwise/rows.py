"""Answers as one object a row, in the words of the HTTP API."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_NO_ANSWER: Mapping[str, Any] = {"label": None, "index": None, "probability": None, "abstained": True}


class Answers(Protocol):
    """What one head answered for a batch; arrays that it does not have are None. See heads.Prediction."""

    @property
    def task(self) -> str:
        """binary, multiclass, multilabel, ordinal or regression."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels of all classes."""

    @property
    def probabilities(self) -> Array | None:
        """(batch, *positions, classes)."""

    @property
    def indices(self) -> Array | None:
        """(batch, *positions); -1 where the head abstained."""

    @property
    def decisions(self) -> Array | None:
        """(batch, *positions, labels)."""

    @property
    def values(self) -> Array | None:
        """(batch, *positions, units)."""

    @property
    def margins(self) -> Array | None:
        """(batch, *positions)."""

    @property
    def top(self) -> Array | None:
        """(batch, *positions, k)."""

    @property
    def sets(self) -> Array | None:
        """(batch, *positions, classes)."""

    @property
    def intervals(self) -> Array | None:
        """(batch, *positions, k, 2)."""


def labels(answers: Answers, abstained: Array | None) -> Any:
    """(batch, *positions) of str; objects, None where it abstained; multilabel: tuples of the labels that are on."""
    if answers.decisions is not None:
        return _on(answers.decisions, answers.classes)
    if answers.indices is None:
        return None
    if abstained is None:
        return np.asarray(answers.classes)[answers.indices]
    return np.array([*answers.classes, None], dtype=object)[answers.indices]


def _on(decisions: Array, classes: tuple[str, ...]) -> tuple[Any, ...]:
    if decisions.ndim == 1:
        return tuple(classes[index] for index in np.flatnonzero(decisions))
    return tuple(_on(part, classes) for part in decisions)


def joined(heads: Mapping[str, list[Any]]) -> list[Any]:
    """The rows of the only head; of several an object by head name in each row."""
    if len(heads) == 1:
        return next(iter(heads.values()))
    return [dict(zip(heads, row, strict=True)) for row in zip(*heads.values(), strict=True)]


def nested(
    answers: Answers,
    shape: tuple[int, ...],
    *,
    probabilities: bool = True,
    intervals: bool = False,
    raw: Array | None = None,
) -> list[Any]:
    """One answer a row; for outputs with positions nested as the output is.

    shape: (batch, *positions). probabilities, intervals: whether they are told. raw: the model's own finite numbers.
    """
    rows = _ROWS[answers.task](answers)
    if probabilities and answers.probabilities is not None:
        _add(rows, "probabilities", _flat(answers.probabilities).tolist())
    if intervals and answers.task in _INTERVALS:
        name, told = _INTERVALS[answers.task]
        _add(rows, name, [None] * len(rows) if answers.intervals is None else told(answers.intervals))
    if answers.sets is not None:
        _add(rows, "set", _classes(_flat(answers.sets), answers.classes))
    if answers.top is not None:
        _add(rows, "top", _top(answers))
    if raw is not None:
        _add(rows, "raw", (raw if raw.ndim == 1 else _flat(raw)).tolist())
    cells = np.empty(len(rows), dtype=object)
    cells[:] = rows
    whole: list[Any] = cells.reshape(shape).tolist()
    return whole


def _add(rows: list[dict[str, Any]], key: str, values: list[Any]) -> None:
    for row, value in zip(rows, values, strict=True):
        row[key] = value


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """(batch, *positions, k) as (rows, k)."""
    return array.reshape(-1, array.shape[-1])


def _one_class(answers: Answers) -> list[dict[str, Any]]:
    """Binary, multiclass and ordinal: the answered class and its probability."""
    assert answers.indices is not None
    indices, classes = answers.indices.ravel(), answers.classes
    if answers.probabilities is None and answers.margins is None:
        return [
            {"label": classes[i], "index": i, "probability": None} if i >= 0 else {**_NO_ANSWER}
            for i in indices.tolist()
        ]
    if answers.probabilities is None:
        assert answers.margins is not None
        return [
            {"label": classes[i], "index": i, "margin": margin, "probability": None}
            for i, margin in zip(indices.tolist(), answers.margins.ravel().tolist(), strict=True)
        ]
    chosen = _flat(answers.probabilities)[np.arange(len(indices)), indices]
    return [
        {"label": classes[i], "index": i, "probability": p} if i >= 0 else {**_NO_ANSWER}
        for i, p in zip(indices.tolist(), chosen.tolist(), strict=True)
    ]


def _labels(answers: Answers) -> list[dict[str, Any]]:
    """Multilabel: the labels that are on."""
    assert answers.decisions is not None
    return _classes(_flat(answers.decisions), answers.classes)


def _classes(members: NDArray[np.bool_], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The members of each row (rows, classes)."""
    on = [np.flatnonzero(row).tolist() for row in members]
    return [{"labels": [classes[i] for i in row], "indices": row} for row in on]


def _values(answers: Answers) -> list[dict[str, Any]]:
    """Regression: the value, or a list of them where the head has several units."""
    assert answers.values is not None
    values = _flat(answers.values)
    return [{"value": value} for value in (values[:, 0] if values.shape[1] == 1 else values).tolist()]


_ROWS: Mapping[str, Callable[[Answers], list[dict[str, Any]]]] = {
    "binary": _one_class,
    "multiclass": _one_class,
    "ordinal": _one_class,
    "multilabel": _labels,
    "regression": _values,
}


def _pairs(intervals: Array) -> list[list[list[float] | None]]:
    """Of each row an interval a label, None where its calibrator says none."""
    rows = intervals.reshape(-1, *intervals.shape[-2:]).tolist()
    return [[None if math.isnan(low) else [low, high] for low, high in row] for row in rows]


_INTERVALS: Mapping[str, tuple[str, Callable[[Array], list[Any]]]] = {
    "binary": ("interval", lambda intervals: [interval for (interval,) in _pairs(intervals)]),
    "multilabel": ("intervals", _pairs),
}
"""Tasks with logits of one class or label, which alone may have intervals, and how each is told."""


def _top(answers: Answers) -> list[list[dict[str, Any]]]:
    assert answers.top is not None
    top, known, classes = _flat(answers.top), answers.probabilities, answers.classes
    told = np.full(top.shape, None) if known is None else _flat(known)[np.arange(len(top))[:, np.newaxis], top]
    cells = [
        {"label": classes[i], "index": i, "probability": p}
        for i, p in zip(top.ravel().tolist(), told.ravel().tolist(), strict=True)
    ]
    return [cells[start : start + top.shape[1]] for start in range(0, top.size, top.shape[1])]

"""What headwise's own call answers, as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from headwise.api.options import Include
from headwise.api.rest.provenance import provenance
from headwise.errors import NonFiniteOutputError
from headwise.gateway import Classification, HeadAnswer
from headwise.heads import Prediction
from headwise.heads.links import Float64
from headwise.repository.served_model import ServedModel

_NO_ANSWER: Mapping[str, Any] = {"label": None, "index": None, "probability": None, "abstained": True}


def classification(answer: Classification, request_id: str, include: frozenset[Include]) -> bytes:
    """The body of a 200.

    Raises: NonFiniteOutputError if raw numbers are wanted that JSON cannot carry.
    """
    told = described(answer, request_id, include)
    warnings = {"warnings": told.pop("warnings")} if "warnings" in told else {}
    return orjson.dumps({**told, "predictions": predictions(answer, include), **warnings})


def described(answer: Classification, request_id: str, include: frozenset[Include]) -> dict[str, Any]:
    """Whose answers these are, and what speaks against them."""
    return {
        "request_id": request_id,
        "model": {"name": answer.model.name, "version": answer.model.version},
        "heads": {name: _head(head, answer.model, include) for name, head in answer.heads.items()},
        **({"warnings": answer.warnings} if answer.warnings else {}),
    }


def predictions(answer: Classification, include: frozenset[Include]) -> list[Any]:
    """One answer a row; an object by head name where there are several.

    Raises: as `classification`.
    """
    rows = {name: _nested(head, include) for name, head in answer.heads.items()}
    if len(rows) == 1:
        return next(iter(rows.values()))
    return [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]


def _head(answer: HeadAnswer, model: ServedModel, include: frozenset[Include]) -> dict[str, Any]:
    document: dict[str, Any] = {"task": answer.head.task}
    if answer.head.labels:
        document["labels"] = answer.head.labels
    if "provenance" in include:
        document["provenance"] = provenance(answer, model)
    return document


def _nested(answer: HeadAnswer, include: frozenset[Include]) -> list[Any]:
    """One answer a row; for outputs with positions nested as the output is."""
    prediction, shape = answer.prediction, answer.shape
    rows = _ROWS[prediction.task](prediction)
    if "probabilities" in include and prediction.probabilities is not None:
        _add(rows, "probabilities", _flat(prediction.probabilities).tolist())
    if "intervals" in include and prediction.task in _INTERVALS:
        name, told = _INTERVALS[prediction.task]
        _add(rows, name, [None] * len(rows) if prediction.intervals is None else told(prediction.intervals))
    if prediction.sets is not None:
        _add(rows, "set", _classes(_flat(prediction.sets), prediction.classes))
    if prediction.top is not None:
        _add(rows, "top", _top(prediction))
    if "raw" in include:
        raw = np.asarray(answer.raw, dtype=np.float64)
        if not np.isfinite(raw).all():
            raise NonFiniteOutputError(
                "the raw output holds infinity, which JSON cannot carry: leave raw out of include"
            )
        _add(rows, "raw", (raw if raw.ndim == 1 else _flat(raw)).tolist())
    cells = np.empty(len(rows), dtype=object)
    cells[:] = rows
    nested: list[Any] = cells.reshape(shape).tolist()
    return nested


def _add(rows: list[dict[str, Any]], key: str, values: list[Any]) -> None:
    for row, value in zip(rows, values, strict=True):
        row[key] = value


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """(batch, *positions, k) as (rows, k)."""
    return array.reshape(-1, array.shape[-1])


def _one_class(prediction: Prediction) -> list[dict[str, Any]]:
    """Binary, multiclass and ordinal: the answered class and its probability."""
    assert prediction.indices is not None
    indices = prediction.indices.ravel()
    if prediction.probabilities is None:
        assert prediction.margins is not None
        return [
            {"label": prediction.classes[i], "index": i, "margin": margin, "probability": None}
            for i, margin in zip(indices.tolist(), prediction.margins.ravel().tolist(), strict=True)
        ]
    chosen = _flat(prediction.probabilities)[np.arange(len(indices)), indices]
    return [
        {"label": prediction.classes[i], "index": i, "probability": p} if i >= 0 else {**_NO_ANSWER}
        for i, p in zip(indices.tolist(), chosen.tolist(), strict=True)
    ]


def _labels(prediction: Prediction) -> list[dict[str, Any]]:
    """Multilabel: the labels that are on."""
    assert prediction.decisions is not None
    return _classes(_flat(prediction.decisions), prediction.classes)


def _classes(members: NDArray[np.bool_], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The members of each row (rows, classes)."""
    on = [np.flatnonzero(row).tolist() for row in members]
    return [{"labels": [classes[i] for i in row], "indices": row} for row in on]


def _values(prediction: Prediction) -> list[dict[str, Any]]:
    """Regression: the value, or a list of them where the head has several units."""
    assert prediction.values is not None
    values = _flat(prediction.values)
    return [{"value": value} for value in (values[:, 0] if values.shape[1] == 1 else values).tolist()]


_ROWS: Mapping[str, Callable[[Prediction], list[dict[str, Any]]]] = {
    "binary": _one_class,
    "multiclass": _one_class,
    "ordinal": _one_class,
    "multilabel": _labels,
    "regression": _values,
}


def _pairs(intervals: Float64) -> list[list[list[float] | None]]:
    """Of each row an interval a label, None where its calibrator says none."""
    rows = intervals.reshape(-1, *intervals.shape[-2:]).tolist()
    return [[None if math.isnan(low) else [low, high] for low, high in row] for row in rows]


_INTERVALS: Mapping[str, tuple[str, Callable[[Float64], list[Any]]]] = {
    "binary": ("interval", lambda intervals: [interval for (interval,) in _pairs(intervals)]),
    "multilabel": ("intervals", _pairs),
}
"""Tasks with logits of one class or label, which alone may have intervals, and how each is told."""


def _top(prediction: Prediction) -> list[list[dict[str, Any]]]:
    assert prediction.top is not None
    assert prediction.probabilities is not None
    top, probabilities = _flat(prediction.top), _flat(prediction.probabilities)
    return [
        [{"label": prediction.classes[i], "index": i, "probability": row[i]} for i in best]
        for best, row in zip(top.tolist(), probabilities.tolist(), strict=True)
    ]

"""What headwise's own call takes and answers, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headwise.errors import InvalidRequestError, NonFiniteOutputError
from headwise.gateway import Classification, HeadAnswer, RequestOptions
from headwise.heads import Prediction
from headwise.repository.served_model import ServedModel
from headwise.savedmodel.signature import DEFAULT_SIGNATURE

Include = Literal["probabilities", "raw", "provenance"]


class ClassifyOptions(BaseModel):
    """What a request may ask of the heads."""

    model_config = ConfigDict(extra="forbid", strict=True)

    threshold: float | str | dict[str, float | str] | None = Field(
        None,
        description="Binary and multilabel heads: a probability between 0 and 1, or a threshold that the card names. "
        "For a model with several heads an object keyed by head name.",
    )
    top_k: int | None = Field(None, description="How many of the most probable classes to list as `top`.")
    include: list[Include] = Field(["probabilities"], description="What to add to each answer.")


class ClassifyBody(BaseModel):
    """Exactly one of `instances` (a row each) and `inputs` (columns)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    instances: list[Any] | None = Field(None, description="Rows: values, or objects keyed by input name.")
    inputs: Any = Field(None, description="Columns: one array, or an object of arrays keyed by input name.")
    signature_name: str = Field(DEFAULT_SIGNATURE, description="The SavedModel's signature.")
    options: ClassifyOptions = Field(default_factory=ClassifyOptions)


def read_options(document: Mapping[str, Any]) -> tuple[str, RequestOptions, frozenset[Include]]:
    """signature_name, options and what to include, of a body that holds `instances` or `inputs`.

    Raises: InvalidRequestError naming the key.
    """
    if "instances" in document and "inputs" in document:
        raise InvalidRequestError("instances and inputs are both given: send exactly one of them")
    head = {key: value for key, value in document.items() if key not in ("instances", "inputs")}
    try:
        body = ClassifyBody.model_validate(head)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"] if part not in ("float", "str", "dict[str,union[float,str]]"))
        unknown = first["type"] == "extra_forbidden"
        raise InvalidRequestError(f"{key}: {'there is no such key' if unknown else first['msg']}") from error
    options = RequestOptions(body.options.threshold, body.options.top_k)
    return body.signature_name or DEFAULT_SIGNATURE, options, frozenset(body.options.include)


def classification(answer: Classification, request_id: str, include: frozenset[Include]) -> bytes:
    """The body of a 200.

    Raises: NonFiniteOutputError if raw numbers are wanted that JSON cannot carry.
    """
    rows = {name: _nested(head, include) for name, head in answer.heads.items()}
    return orjson.dumps(
        {
            "request_id": request_id,
            "model": {"name": answer.model.name, "version": answer.model.version},
            "heads": {name: _head(head, answer.model, include) for name, head in answer.heads.items()},
            "predictions": next(iter(rows.values()))
            if len(rows) == 1
            else [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)],
            **({"warnings": answer.warnings} if answer.warnings else {}),
        }
    )


def _head(answer: HeadAnswer, model: ServedModel, include: frozenset[Include]) -> dict[str, Any]:
    head, applied = answer.head, answer.prediction.applied
    document: dict[str, Any] = {"task": head.task}
    if head.labels:
        document["labels"] = head.labels
    if "provenance" in include:
        cuts = dict(zip(head.labels, applied.cuts or (), strict=False)) if head.task == "multilabel" else None
        document["provenance"] = {
            "activation": {"value": head.activation, "source": "card"},
            "calibration": {
                "method": head.calibration.method if head.calibration else "identity",
                "source": "card" if head.calibration else "default",
            },
            "decision": {
                "rule": applied.rule,
                "threshold": cuts or (applied.cuts[0] if applied.cuts else None),
                "threshold_name": applied.name,
                "source": applied.source,
            },
            "saturated": answer.prediction.observations.saturated,
            "card_digest": model.card.digest if model.card else None,
        }
    return document


def _nested(answer: HeadAnswer, include: frozenset[Include]) -> list[Any]:
    """One answer a row; for outputs with positions nested as the output is."""
    rows = _ROWS[answer.prediction.task](answer.prediction)
    shape = answer.shape
    if "probabilities" in include and answer.prediction.probabilities is not None:
        _add(rows, "probabilities", _flat(answer.prediction.probabilities).tolist())
    if answer.prediction.top is not None:
        _add(rows, "top", _top(answer.prediction))
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
        {"label": prediction.classes[i], "index": i, "probability": p}
        for i, p in zip(indices.tolist(), chosen.tolist(), strict=True)
    ]


def _labels(prediction: Prediction) -> list[dict[str, Any]]:
    """Multilabel: the labels that are on."""
    assert prediction.decisions is not None
    on = [np.flatnonzero(row).tolist() for row in _flat(prediction.decisions)]
    return [{"labels": [prediction.classes[i] for i in row], "indices": row} for row in on]


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


def _top(prediction: Prediction) -> list[list[dict[str, Any]]]:
    assert prediction.top is not None
    assert prediction.probabilities is not None
    top, probabilities = _flat(prediction.top), _flat(prediction.probabilities)
    return [
        [{"label": prediction.classes[i], "index": i, "probability": row[i]} for i in best]
        for best, row in zip(top.tolist(), probabilities.tolist(), strict=True)
    ]

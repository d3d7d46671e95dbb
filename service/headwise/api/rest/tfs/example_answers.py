"""Answers TensorFlow Serving's classify and regress calls: by the heads where a card speaks, else by the model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headwise.api.rest.tfs import example_request, predict_request, predict_response
from headwise.api.rest.tfs.example_arrays import arrays
from headwise.api.rest.tfs.example_request import INSTEAD
from headwise.api.rest.tfs.paths import Call
from headwise.errors import InvalidRequestError, NotFoundError
from headwise.gateway import Classification, HeadAnswer, ReadInputs, RequestOptions
from headwise.repository.model_spec import ModelSpec
from headwise.tfserving import inference_pb2


class ExampleModels(Protocol):
    """Models with heads, and models that read tf.Examples themselves.

    All calls raise HeadwiseErrors, and nothing else.
    """

    async def classify(
        self, spec: ModelSpec, read: ReadInputs, options: RequestOptions, *, timeout: float
    ) -> Classification:
        """Answer by the heads; NotFoundError where no card speaks for the signature."""

    async def native_classify(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.ClassificationResponse:
        """The model's own Classify."""

    async def native_regress(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.RegressionResponse:
        """The model's own Regress."""


async def body(models: ExampleModels, call: Call, data: bytes, *, timeout: float, bare: bool) -> bytes:
    """The body of a 200. bare: a model's own NaN and infinity may stand, which is no JSON.

    Raises: every HeadwiseError that a request can meet. A model whose card is refused answers nothing here,
    not even its own scores: they would look like the head's.
    """
    request = predict_request.read(data)
    examples = example_request.read(request)
    spec = replace(call.spec, signature_name=request.signature_name)
    verb = _VERBS[call.verb]
    try:
        found = await models.classify(spec, partial(arrays, examples), RequestOptions(), timeout=timeout)
    except NotFoundError:
        return await verb.native(models, spec, examples.to_proto(), timeout, bare)
    return verb.by_head(found.model, _only_head(found))


def _only_head(found: Classification) -> HeadAnswer:
    if len(found.heads) != 1:
        names = ", ".join(map(repr, found.heads)) or "none"
        raise InvalidRequestError(f"the heads of {found.model} are {names}; this answer carries exactly one: {INSTEAD}")
    (answer,) = found.heads.values()
    return answer


def _scores(model: object, answer: HeadAnswer) -> bytes:
    if answer.head.task == "regression":
        raise InvalidRequestError(f"{model} is a regression, which has no classes: call :regress")
    probabilities = _rows(model, answer.prediction.probabilities)
    return predict_response.classifications([answer.head.labels] * len(probabilities), probabilities)


def _values(model: object, answer: HeadAnswer) -> bytes:
    columns = {"regression": answer.prediction.values, "binary": answer.prediction.probabilities}
    task = answer.head.task
    if task not in columns:
        raise InvalidRequestError(f"{model} is {task}, which is not one number: call :classify")
    rows = _rows(model, columns[task])
    if task == "regression" and rows.shape[1] != 1:
        raise InvalidRequestError(f"{model} has {rows.shape[1]} values a row, :regress carries one: {INSTEAD}")
    return predict_response.regressions(rows[:, -1])


def _rows(model: object, numbers: NDArray[Any] | None) -> NDArray[Any]:
    """What TFS's answers have room for: (batch, numbers)."""
    if numbers is None:
        raise InvalidRequestError(f"{model} answers a margin, which is no probability without a calibrator: {INSTEAD}")
    if numbers.ndim != 2:
        raise InvalidRequestError(f"{model} answers for each of {prod(numbers.shape[1:-1])} positions: {INSTEAD}")
    return numbers


async def _native_classify(
    models: ExampleModels, spec: ModelSpec, examples: inference_pb2.Input, timeout: float, bare: bool
) -> bytes:
    response = await models.native_classify(spec, examples, timeout=timeout)
    rows = [row.classes for row in response.result.classifications]
    labels = [[found.label.decode("utf-8", "surrogateescape") for found in row] for row in rows]
    scores = np.array([[found.score for found in row] for row in rows], np.float32)
    return predict_response.classifications(labels, scores, bare=bare)


async def _native_regress(
    models: ExampleModels, spec: ModelSpec, examples: inference_pb2.Input, timeout: float, bare: bool
) -> bytes:
    response = await models.native_regress(spec, examples, timeout=timeout)
    values = np.array([row.value for row in response.result.regressions], np.float32)
    return predict_response.regressions(values, bare=bare)


@dataclass(frozen=True, slots=True)
class _Verb:
    by_head: Callable[[object, HeadAnswer], bytes]
    native: Callable[[ExampleModels, ModelSpec, inference_pb2.Input, float, bool], Awaitable[bytes]]


_VERBS: Mapping[str, _Verb] = {
    "classify": _Verb(_scores, _native_classify),
    "regress": _Verb(_values, _native_regress),
}

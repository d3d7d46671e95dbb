"""Answers TensorFlow Serving's classify and regress calls: by the heads where a card speaks, else by the model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from headwise.admission import Promise
from headwise.api.answer_sizes import of_rows
from headwise.api.examples import by_head
from headwise.api.examples.arrays import arrays
from headwise.api.rest import large_bodies
from headwise.api.rest.tfs import example_request, predict_request, predict_response
from headwise.api.rest.tfs.paths import Call
from headwise.errors import BackendProtocolError, NotFoundError
from headwise.gateway import Classification, ReadInputs, RequestOptions
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


async def body(models: ExampleModels, call: Call, data: bytes, *, timeout: float, memory: Promise, bare: bool) -> bytes:
    """The body of a 200. memory: promised for the request.

    bare: a model's own NaN and infinity may stand, which is no JSON.

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
        response = await verb.native(models, spec, examples.to_proto(), timeout)
        size = _TEXT * response.ByteSize()
        return await large_bodies.written(size, memory, verb.printed, response, bare)
    return await large_bodies.written(of_rows(found), memory, verb.by_head, found)


def _scores(found: Classification) -> bytes:
    labels, probabilities = by_head.scores(found)
    return predict_response.classifications([labels] * len(probabilities), probabilities)


def _values(found: Classification) -> bytes:
    return predict_response.regressions(by_head.values(found))


def _native_classify(
    models: ExampleModels, spec: ModelSpec, examples: inference_pb2.Input, timeout: float
) -> Awaitable[inference_pb2.ClassificationResponse]:
    return models.native_classify(spec, examples, timeout=timeout)


def _native_regress(
    models: ExampleModels, spec: ModelSpec, examples: inference_pb2.Input, timeout: float
) -> Awaitable[inference_pb2.RegressionResponse]:
    return models.native_regress(spec, examples, timeout=timeout)


def _classes(response: inference_pb2.ClassificationResponse, bare: bool) -> bytes:
    rows = [row.classes for row in response.result.classifications]
    if len(set(map(len, rows))) > 1:
        raise BackendProtocolError("the model server's answer has not the same number of classes in every row")
    labels = [[found.label.decode("utf-8", "surrogateescape") for found in row] for row in rows]
    scores = np.array([[found.score for found in row] for row in rows], np.float32)
    return predict_response.classifications(labels, scores, bare=bare)


def _regressions(response: inference_pb2.RegressionResponse, bare: bool) -> bytes:
    values = np.array([row.value for row in response.result.regressions], np.float32)
    return predict_response.regressions(values, bare=bare)


_TEXT = 3
"""Bytes of text that a byte of a model's own answer becomes, about."""


@dataclass(frozen=True, slots=True)
class _Verb:
    by_head: Callable[[Classification], bytes]
    native: Callable[[ExampleModels, ModelSpec, inference_pb2.Input, float], Awaitable[Any]]
    printed: Callable[[Any, bool], bytes]


_VERBS: Mapping[str, _Verb] = {
    "classify": _Verb(_scores, _native_classify, _classes),
    "regress": _Verb(_values, _native_regress, _regressions),
}

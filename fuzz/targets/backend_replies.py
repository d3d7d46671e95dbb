"""What a model server answers (numbers, scores, signatures, states): read, held against the cards, told to callers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from google.protobuf.message import Message

import message_mutator
import recorded
from headwise.admission import Admission, Promise
from headwise.api.grpc.v2 import tensors as grpc_v2
from headwise.api.options import Include
from headwise.api.rest import classify_response
from headwise.api.rest.tfs import answers, example_answers, predict_response
from headwise.api.rest.tfs.paths import Call
from headwise.api.rest.v2 import bodies
from headwise.api.v2 import models as v2_models
from headwise.api.v2.infer import InferRequest, infer
from headwise.backends.base import CLASSIFY, METADATA, PREDICT, REGRESS, STATUS
from headwise.backends.tfserving import TFServingBackend
from headwise.errors import HeadwiseError
from headwise.gateway import Gateway, RequestOptions
from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel.tensors import to_proto
from headwise.telemetry.metrics import Metrics
from headwise.tfserving import inference_pb2, model_service_pb2, prediction_service_pb2
from headwise.tripwires import Tripwires
from headwise.v2 import open_inference_pb2 as v2
from support.in_memory_gateway import Models, rows
from support.model_repository import HEADS

WORDS = (
    *(b"output_0", b"prob", b"hidden", b"value", b"signature_def", b"serving_default", b"logit", b"softmax4"),
    *(b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
)
_NAMES = ("bare", *HEADS)
_EXAMPLES = b'{"examples":[{"x":[1.0]}]}'
_EVERYTHING: frozenset[Include] = frozenset({"probabilities", "raw", "provenance", "intervals"})
_TIMEOUT = 30.0


class _Replies(TFServingBackend):
    """A model server that answers every call with the same bytes."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    async def forward(self, *_: object, **__: object) -> bytes:
        return self._reply


_ENOUGH = Promise(Admission())


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@cache
def _models() -> Models:
    """The models of the tests' cards, and one without a card."""
    folder = tempfile.TemporaryDirectory(prefix="headwise-fuzz-")
    models = Models(Path(folder.name))
    models.kept = folder  # type: ignore[attr-defined]  # as long as the models
    for name, heads in {"bare": None, **HEADS}.items():
        outputs = dict.fromkeys(heads or {"output_0": {}}, ("float32", (None, None)))
        models.add(name, heads, outputs=outputs)
    return models


@cache
def _proven() -> Gateway:
    return _loop().run_until_complete(_models().gateway())


def read(data: bytes) -> None:
    """The first byte chooses what is asked, the second the model; then comes the answer."""
    if len(data) < 2:
        return
    backend = _Replies(data[2:])
    gateway = Gateway(backend, _proven().repository, tripwires=Tripwires(Metrics()))
    ask = WAYS[data[0] % len(WAYS)].ask
    _loop().run_until_complete(ask(gateway, ModelSpec(_NAMES[data[1] % len(_NAMES)]), backend))


async def _heads(gateway: Gateway, spec: ModelSpec, _: TFServingBackend) -> None:
    found = await gateway.classify(spec, rows([1.0], [2.0]), RequestOptions(top_k=None), timeout=_TIMEOUT)
    classify_response.classification(found, "1", _EVERYTHING)


async def _raw(gateway: Gateway, spec: ModelSpec, _: TFServingBackend) -> None:
    outputs = (await gateway.predict(spec, {"x": np.ones((2, 1), np.float32)}, timeout=_TIMEOUT)).outputs
    for row in (True, False):
        with suppress(HeadwiseError):
            predict_response.predictions(outputs, row=row, bare=not row)


async def _v2(gateway: Gateway, spec: ModelSpec, _: TFServingBackend) -> None:
    answer = await infer(gateway, InferRequest(spec, [("x", np.ones((2, 1), np.float32))]), timeout=_TIMEOUT)
    for raw in (None, frozenset[str]()):
        with suppress(HeadwiseError):
            bodies.write(answer, "1", raw)
            grpc_v2.fill(v2.ModelInferResponse(), answer.outputs, raw=raw is None)


async def _classify(gateway: Gateway, spec: ModelSpec, _: TFServingBackend) -> None:
    await example_answers.body(gateway, Call("classify", spec), _EXAMPLES, timeout=_TIMEOUT, memory=_ENOUGH, bare=False)


async def _regress(gateway: Gateway, spec: ModelSpec, _: TFServingBackend) -> None:
    await example_answers.body(gateway, Call("regress", spec), _EXAMPLES, timeout=_TIMEOUT, memory=_ENOUGH, bare=True)


async def _metadata(gateway: Gateway, spec: ModelSpec, _: TFServingBackend) -> None:
    answers.metadata(await gateway.metadata(spec, timeout=_TIMEOUT))
    await gateway.signatures(ModelSpec("unknown"), timeout=_TIMEOUT)
    with suppress(HeadwiseError):
        await v2_models.metadata(gateway, spec, timeout=_TIMEOUT)
    await gateway.resolve(ModelSpec(spec.name, label="stable"), timeout=_TIMEOUT)


async def _status(gateway: Gateway, spec: ModelSpec, backend: TFServingBackend) -> None:
    answers.versions(await gateway.status(spec, timeout=_TIMEOUT))
    repository = _models().repository(backend)
    await repository.refresh()
    v2_models.index(repository.snapshot)


async def _passed_on(gateway: Gateway, _: ModelSpec, __: TFServingBackend) -> None:
    for method in (PREDICT, CLASSIFY, "PredictionService/MultiInference"):
        with suppress(HeadwiseError):
            await gateway.forward(method, b"", timeout=_TIMEOUT)


@dataclass(frozen=True, slots=True)
class _Way:
    """kind: the answer that the bytes are."""

    ask: Callable[[Gateway, ModelSpec, TFServingBackend], Awaitable[None]]
    kind: type[Message]
    method: str


WAYS = (
    _Way(_heads, prediction_service_pb2.PredictResponse, PREDICT),
    _Way(_raw, prediction_service_pb2.PredictResponse, PREDICT),
    _Way(_v2, prediction_service_pb2.PredictResponse, PREDICT),
    _Way(_classify, inference_pb2.ClassificationResponse, CLASSIFY),
    _Way(_regress, inference_pb2.RegressionResponse, REGRESS),
    _Way(_metadata, prediction_service_pb2.GetModelMetadataResponse, METADATA),
    _Way(_status, model_service_pb2.GetModelStatusResponse, STATUS),
    _Way(_passed_on, inference_pb2.MultiInferenceResponse, "PredictionService/MultiInference"),
)


def seeds() -> Iterable[bytes]:
    """What each model could answer, and what was recorded."""
    for model, name in enumerate(_NAMES):
        answer = prediction_service_pb2.PredictResponse(outputs={o: to_proto(a) for o, a in _outputs(name).items()})
        answer.model_spec.version.value = 1
        yield from (bytes((way, model)) + answer.SerializeToString() for way in range(3))
    for number, way in enumerate(WAYS):
        for data in recorded.messages(way.method.rpartition("/")[2], "response"):
            yield bytes((number, 0)) + data


def _outputs(name: str) -> Mapping[str, np.ndarray[Any, Any]]:
    units = {"softmax4": 4, "multilabel": 3, "image": 10}.get(name, 1)
    return {output: np.full((2, units), 1 / units, np.float32) for output in HEADS.get(name, {"output_0": {}})}


def mutated(data: bytes, random: Random) -> bytes | None:
    """Another answer to the same question."""
    if len(data) < 2:
        return None
    changed = message_mutator.mutated(WAYS[data[0] % len(WAYS)].kind, data[2:], random)
    return None if changed is None else data[:2] + changed

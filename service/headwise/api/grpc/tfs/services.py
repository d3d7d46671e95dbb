"""tensorflow.serving.PredictionService and ModelService."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import grpc

from headwise.api.answer_sizes import of_rows
from headwise.api.examples.arrays import arrays
from headwise.api.examples.examples import Examples
from headwise.api.grpc.calls import Call, Calls, Unary, read, refusal, written
from headwise.api.grpc.tfs import answers
from headwise.backends import model_specs
from headwise.backends.base import METADATA, MULTI_INFERENCE, PREDICT, STATUS, Arrays
from headwise.errors import BackendRejectedError, InvalidRequestError, NotFoundError, UnsupportedError
from headwise.gateway import Classification, Gateway, RequestOptions
from headwise.savedmodel import Signature
from headwise.savedmodel.signature import DEFAULT_SIGNATURE
from headwise.tfserving import inference_pb2, prediction_service_pb2

PACKAGE = "tensorflow.serving"
PREDICTION = f"{PACKAGE}.PredictionService"
MODEL = f"{PACKAGE}.ModelService"

_Spec = prediction_service_pb2.ModelSpec


class TfsServicer:
    """Passes TensorFlow Serving's calls through; those that carry tf.Examples are answered by the head card."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handlers(self, calls: Calls) -> tuple[grpc.GenericRpcHandler, ...]:
        """The methods of both services."""
        methods: dict[str, Unary] = {
            **{method: partial(self._forward, method) for method in (PREDICT, METADATA, STATUS)},
            **{method: partial(self.examples, method) for method in answers.KINDS},
            MULTI_INFERENCE: self.multi_inference,
        }
        handlers: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
        for path, answer in methods.items():
            service, _, method = f"{PACKAGE}.{path}".partition("/")
            handlers.setdefault(service, {})[method] = calls.unary(f"{PACKAGE}.{path}", answer, _refusal)
        return tuple(grpc.method_handlers_generic_handler(service, of) for service, of in handlers.items())

    async def examples(self, method: str, data: bytes, call: Call) -> bytes:
        """Classify and Regress, by the head; the model's own answer where no card speaks."""
        kind = answers.KINDS[method]
        request = read(kind.request, data)
        found = await self._by_head(request.model_spec, request.input, call)
        if found is None:
            return await self._forward(method, data, call)
        spec = answers.model_spec(found, _signature(request.model_spec))
        with call.writing(of_rows(found)):
            return written(kind.response(result=kind.result(found), model_spec=spec))

    async def multi_inference(self, data: bytes, call: Call) -> bytes:
        """Several signatures of one version, the one that answers the first task."""
        request = read(inference_pb2.MultiInferenceRequest, data)
        found = await self._by_head(request.tasks[0].model_spec, request.input, call) if request.tasks else None
        if found is None:
            return await self._forward(MULTI_INFERENCE, data, call)
        _check_tasks(request.tasks)
        answered = [found]
        for task in request.tasks[1:]:
            spec = _Spec(name=task.model_spec.name, signature_name=task.model_spec.signature_name)
            spec.version.value = found.model.version
            other = await self._by_head(spec, request.input, call)
            if other is None:
                raise UnsupportedError(
                    f"the head card of {found.model} describes no head of signature {_signature(spec)!r}, but one of "
                    "another task: ask for them in two calls"
                )
            answered.append(other)
        with call.writing(sum(map(of_rows, answered))):
            results = [
                answers.task(of, _signature(task.model_spec), answers.METHODS[task.method_name])
                for of, task in zip(answered, request.tasks, strict=True)
            ]
            return written(inference_pb2.MultiInferenceResponse(results=results))

    async def _by_head(self, spec: _Spec, examples: inference_pb2.Input, call: Call) -> Classification | None:
        """The answer by the head; None where no card speaks for the signature."""
        call.model = spec.name
        try:
            return await self._gateway.classify(
                model_specs.from_proto(spec), partial(_arrays, examples), RequestOptions(), timeout=call.timeout
            )
        except NotFoundError:
            return None

    async def _forward(self, method: str, data: bytes, call: Call) -> bytes:
        """The model server's own answer, untouched."""
        if method != MULTI_INFERENCE:
            with suppress(InvalidRequestError):  # the model server has its own words for bytes that are no request
                call.model = read(prediction_service_pb2.RequestSpec, data).model_spec.name
        return await self._gateway.forward(method, data, timeout=call.timeout)


def _refusal(error: Exception) -> tuple[grpc.StatusCode, str, str]:
    """What the model server said keeps its own status and words."""
    if isinstance(error, BackendRejectedError):
        return grpc.StatusCode[error.status], error.code, error.detail
    return refusal(error)


def _arrays(examples: inference_pb2.Input, signature: Signature) -> Arrays:
    sent = Examples.from_proto(examples)
    if not sent.rows:
        raise InvalidRequestError("Input is empty.")
    return arrays(sent, signature)


def _check_tasks(tasks: Sequence[inference_pb2.InferenceTask]) -> None:
    """Refuse in TensorFlow Serving's words, and in its order."""
    seen: set[str] = set()
    for task in tasks:
        if task.model_spec.name != tasks[0].model_spec.name:
            raise InvalidRequestError("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        signature = _signature(task.model_spec)
        if signature in seen:
            raise InvalidRequestError(f"Duplicate evaluation of signature: {signature}")
        seen.add(signature)
        if task.method_name not in answers.METHODS:
            raise UnsupportedError(f"Unsupported signature method_name: {task.method_name}")


def _signature(spec: _Spec) -> str:
    return spec.signature_name or DEFAULT_SIGNATURE

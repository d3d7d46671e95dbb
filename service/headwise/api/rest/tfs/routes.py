"""TensorFlow Serving's REST surface: a request to a call of the gateway, its result to TFS's bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headwise.api.answer_sizes import of_arrays
from headwise.api.rest import large_bodies
from headwise.api.rest.exchange import Exchange, exchange_of
from headwise.api.rest.problems import headers_of
from headwise.api.rest.tfs import answers, example_answers, predict_request, predict_response
from headwise.api.rest.tfs.answers import Answer
from headwise.api.rest.tfs.example_answers import ExampleModels
from headwise.api.rest.tfs.paths import Call, resolve
from headwise.api.status import HTTP_OF_GRPC, INTERNAL, INTERNAL_TEXT, shown
from headwise.backends.base import Arrays, RawPrediction
from headwise.errors import BackendRejectedError, HeadwiseError
from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel.signature import Signature
from headwise.telemetry import trail
from headwise.tfserving import model_service_pb2, prediction_service_pb2


class RawModels(ExampleModels, Protocol):
    """Models by TFS's meaning of a ModelSpec: no version means the largest loaded one.

    All calls raise HeadwiseErrors, and nothing else.
    """

    async def predict(self, spec: ModelSpec, inputs: Arrays, *, timeout: float) -> RawPrediction:
        """Run one batch."""

    async def metadata(self, spec: ModelSpec, *, timeout: float) -> prediction_service_pb2.GetModelMetadataResponse:
        """The signatures of a loaded version, as the backend tells them."""

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """The states of a model's versions."""

    async def signatures(self, spec: ModelSpec, *, timeout: float) -> Mapping[str, Signature]:
        """The signatures by name."""


Classify = Callable[[Scope, Receive, ModelSpec], Awaitable[Response]]
"""headwise's own call; it answers bodies that are TFS's with `examples_answer`."""


@dataclass(frozen=True, slots=True)
class TfsRoutes:
    """An ASGI application for every path that headwise itself has nothing at.

    nonfinite: refuse NaN and infinity in outputs, or print them bare as TFS does.
    """

    models: RawModels
    classify: Classify
    nonfinite: Literal["error", "bare"] = "error"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, whatever its method."""
        response = await self.answer(Request(scope, receive))
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        call = resolve(request.method, target(request.scope), request.headers.get("origin", ""))
        if isinstance(call, Answer):
            return to_response(call)
        if call.verb == "classify":
            return await self.classify(request.scope, request.receive, call.spec)
        # For the metrics, which middleware keeps.
        exchange = exchange_of(request.scope)
        exchange.verb, exchange.model = call.verb, call.spec.name
        try:
            return to_response(await self._answer(request, call))
        except HeadwiseError as error:
            return to_response(refusal(error))

    async def _answer(self, request: Request, call: Call) -> Answer:
        exchange = exchange_of(request.scope)
        match call.verb:
            case "status":
                return answers.versions(await self.models.status(call.spec, timeout=exchange.left))
            case "metadata":
                return answers.metadata(await self.models.metadata(call.spec, timeout=exchange.left))
            case "predict":
                return await self._predict(await request.body(), call.spec, exchange)
            case _:
                bare = self.nonfinite == "bare"
                data = await request.body()
                return await examples_answer(self.models, call, data, exchange, bare=bare)

    async def _predict(self, data: bytes, spec: ModelSpec, exchange: Exchange) -> Answer:
        body = await large_bodies.of_size(len(data), predict_request.read_numbers, data)
        known = await self.models.signatures(spec, timeout=exchange.left)
        wanted = predict_request.signature(body, known).inputs
        inputs = await large_bodies.of_size(len(data), predict_request.inputs, body, wanted)
        exchange.memory.end()
        named = replace(spec, signature_name=body.signature_name)
        prediction = await self.models.predict(named, inputs.arrays, timeout=exchange.left)
        printed = partial(predict_response.predictions, row=inputs.row, bare=self.nonfinite == "bare")
        size, outputs = of_arrays(prediction.outputs), prediction.outputs
        return Answer(200, await large_bodies.written(size, exchange.memory, printed, outputs))


async def examples_answer(models: ExampleModels, call: Call, data: bytes, exchange: Exchange, *, bare: bool) -> Answer:
    """Answer a classify or regress call of TFS's, which carries tf.Examples."""
    try:
        told = await example_answers.body(models, call, data, timeout=exchange.left, memory=exchange.memory, bare=bare)
        return Answer(200, told)
    except HeadwiseError as error:
        return refusal(error)


def refusal(error: Exception) -> Answer:
    """An error in TFS's form; what the backend said keeps its own words and the status TFS gives it."""
    status, code, _ = shown(error)
    trail.failed(code)
    if isinstance(error, BackendRejectedError):
        return answers.error(HTTP_OF_GRPC.get(error.status, 500), error.detail, headers_of(error))
    return answers.error(status.http, INTERNAL_TEXT if status is INTERNAL else str(error), headers_of(error))


def to_response(answer: Answer) -> Response:
    """The answer for Starlette, without a charset that TFS does not send."""
    return Response(answer.body, answer.status, {"content-type": answer.media_type, **answer.headers})


def target(scope: Scope) -> str:
    """Path and query string, undecoded."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("utf-8", "replace")

"""TensorFlow Serving, or the embedded model server, over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from headwise.backends import model_specs
from headwise.backends.base import CLASSIFY, METADATA, PREDICT, REGRESS, STATUS, Arrays, RawPrediction
from headwise.errors import (
    BackendProtocolError,
    BackendRejectedError,
    BackendTimeoutError,
    BackendUnavailableError,
)
from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel import tensors
from headwise.tfserving import inference_pb2, model_service_pb2, prediction_service_pb2

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing

_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    # gRPC's own cap is two minutes: a model server that comes back must be found sooner. It adds a fifth at random.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # An attempt whose packets are dropped is given up after so long, not after twenty seconds.
    ("grpc.min_reconnect_backoff_ms", 2000),
    # Nor does it ask for a name's address more than twice a minute: a restarted container has a new one.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # A channel that replaces another one must not inherit its connection.
    ("grpc.use_local_subchannel_pool", 1),
    # A connection whose peer is gone without a word, under a call: gRPC notices only with all three.
    ("grpc.keepalive_timeout_ms", 5000),
    ("grpc.http2.ping_timeout_ms", 5000),
    ("grpc.http2.max_pings_without_data", 0),
)
_LEAST_KEEPALIVE = 15.0
"""Seconds. A server of default settings ends a connection at the third ping without data: no call may meet it."""
_CUT_OFF = "Stream removed"
"""What it says of a connection on which noise came."""
_TOO_LARGE = "CLIENT: Received message larger than max"
"""What this side's gRPC says of an answer that it does not take; a server's own refusal has the same status."""

_Answer = TypeVar("_Answer", bound=Message)


class _Call(Protocol):
    def __call__(
        self, request: bytes, *, timeout: float, metadata: Sequence[tuple[str, str]] | None = None
    ) -> Awaitable[bytes]: ...


class TFServingBackend:
    """A model server behind one gRPC channel; `target` is HOST:PORT or unix:PATH.

    most_bytes: of an answer. longest: seconds that any call may take. tracing: writes calls into traces, and tells the
    server of them. Create it inside the event loop that uses it.
    """

    def __init__(
        self, target: str, *, most_bytes: int = -1, longest: float = 30.0, tracing: Tracing | None = None
    ) -> None:
        self.target = target
        self._tracing = tracing
        self._longest = longest
        self._options = (
            *_OPTIONS,
            ("grpc.max_receive_message_length", most_bytes),
            ("grpc.keepalive_time_ms", int(1000 * max(_LEAST_KEEPALIVE, longest / 2))),
        )
        self._channel = grpc.aio.insecure_channel(target, options=self._options)
        self._calls: dict[str, _Call] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        """Run one batch; see `Backend`."""
        request = prediction_service_pb2.PredictRequest(
            model_spec=model_specs.to_proto(spec),
            inputs={name: tensors.to_proto(array) for name, array in inputs.items()},
            output_filter=outputs,
        )
        answer = await self._call(PREDICT, request, prediction_service_pb2.PredictResponse, timeout=timeout)
        if not answer.model_spec.HasField("version"):
            raise BackendProtocolError("the model server did not say which version answered")
        return RawPrediction(
            answer.model_spec.version.value,
            {name: tensors.from_proto(proto) for name, proto in answer.outputs.items()},
        )

    async def classify(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.ClassificationResponse:
        """Run a signature that classifies tf.Examples; see `Backend`."""
        request = inference_pb2.ClassificationRequest(model_spec=model_specs.to_proto(spec), input=examples)
        return await self._call(CLASSIFY, request, inference_pb2.ClassificationResponse, timeout=timeout)

    async def regress(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.RegressionResponse:
        """Run a signature that makes one number of each tf.Example; see `Backend`."""
        request = inference_pb2.RegressionRequest(model_spec=model_specs.to_proto(spec), input=examples)
        return await self._call(REGRESS, request, inference_pb2.RegressionResponse, timeout=timeout)

    async def forward(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float,
        spec: ModelSpec | None = None,  # noqa: ARG002  # there is only this server
    ) -> bytes:
        """Pass a serialised request on; see `Backend`."""
        try:
            if self._tracing is None:
                return await self._unary(method)(request, timeout=timeout)
            with self._tracing.calling(method, self.target) as metadata:
                return await self._unary(method)(request, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise self._translated(error, timeout) from error

    async def metadata(self, spec: ModelSpec, *, timeout: float) -> prediction_service_pb2.GetModelMetadataResponse:
        """The signatures of a loaded version; see `Backend`."""
        request = prediction_service_pb2.GetModelMetadataRequest(
            model_spec=model_specs.to_proto(spec), metadata_field=["signature_def"]
        )
        request.model_spec.ClearField("signature_name")
        answer = prediction_service_pb2.GetModelMetadataResponse
        return await self._call(METADATA, request, answer, timeout=timeout)

    async def status(self, spec: ModelSpec, *, timeout: float) -> model_service_pb2.GetModelStatusResponse:
        """The states of a model's versions; see `Backend`."""
        request = model_service_pb2.GetModelStatusRequest(model_spec=model_specs.to_proto(spec))
        answer = model_service_pb2.GetModelStatusResponse
        return await self._call(STATUS, request, answer, timeout=timeout)

    def reconnect(self) -> None:
        """Begin anew with another connection; calls under way keep the old one until their deadlines."""
        self.retire()
        self._channel = grpc.aio.insecure_channel(self.target, options=self._options)
        self._calls = {}

    def retire(self) -> None:
        """Close the channel when its calls have ended."""
        closing = asyncio.get_running_loop().create_task(self._channel.close(self._longest))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._channel.close()

    def _unary(self, method: str) -> _Call:
        if method not in self._calls:
            self._calls[method] = self._channel.unary_unary(f"/tensorflow.serving.{method}")
        return self._calls[method]

    async def _call(self, method: str, request: Message, answer: type[_Answer], *, timeout: float) -> _Answer:
        try:
            read: _Answer = answer.FromString(await self.forward(method, request.SerializeToString(), timeout=timeout))
            return read
        except DecodeError as error:
            raise BackendProtocolError(f"the model server's answer is no {answer.__name__}: {error}") from error

    def _translated(self, error: grpc.aio.AioRpcError, timeout: float) -> Exception:
        status, detail = error.code(), error.details() or ""
        cut_off = status is grpc.StatusCode.UNKNOWN and detail.startswith(_CUT_OFF)
        if status is grpc.StatusCode.UNAVAILABLE or cut_off:
            return BackendUnavailableError(f"the model server at {self.target} is not available: {detail}")
        if status is grpc.StatusCode.DEADLINE_EXCEEDED:
            return BackendTimeoutError(f"the model server did not answer within {timeout:.3g} s")
        if status is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in detail:
            return BackendProtocolError(f"the model server's answer is too large: {detail}")
        return BackendRejectedError(status.name, detail)

"""The boundary of every gRPC method: request id, deadline, errors as statuses, metric, log line."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from string import printable
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from urllib.parse import quote, unquote

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from headwise.access.access import Access
from headwise.access.caller import presented
from headwise.admission import Admission
from headwise.api.grpc.retrying import retrying
from headwise.api.request_id import HEADER, request_id
from headwise.api.status import INTERNAL, shown, status_of
from headwise.api.timeouts import Timeouts
from headwise.errors import InvalidRequestError
from headwise.gateway import Gateway
from headwise.telemetry import trail
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.requests import Answered, Requests
from headwise.telemetry.trail import Trail

if TYPE_CHECKING:
    from headwise.telemetry.traces.tracing import Tracing

ERROR_CODE_KEY = "headwise-error-code"

MOST_DETAILS = 6000
"""Bytes of an error's text, percent-encoded: it travels as a header, for which gRPC has 8 KiB in all."""

_READING, _WRITING = 2, 2
"""What a message takes beside its bytes, which are there when one hears of it: read, and as arrays; and an answer, as a
message and as bytes."""

_PLAIN = "".join(char for char in printable if " " <= char <= "~" and char != "%")
"""What gRPC leaves as it is."""

M = TypeVar("M", bound=Message)

_log = structlog.get_logger(__name__)
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(slots=True)
class Call:
    """A call while it is answered. method: SERVICE/METHOD; timeout: seconds; model: named by who has read it.

    admission: asked for memory. access: counts each request of a stream, too.
    """

    method: str
    request_id: str
    timeout: float
    admission: Admission
    model: str = ""
    access: Access | None = None

    def count(self) -> None:
        """One more request of a stream.

        Raises: UnauthenticatedError, RateLimitedError.
        """
        if self.access is not None:
            self.access.count()

    def reading(self, data: bytes) -> AbstractContextManager[object]:
        """Memory for what is made of a message, in a `with` statement until it has been answered.

        Raises, on entry: OverloadedError.
        """
        return self.admission.memory_for(_READING * len(data))

    def writing(self, size: int) -> AbstractContextManager[object]:
        """Memory for an answer of about `size` bytes, as `reading`."""
        return self.admission.memory_for(_WRITING * size)

    def log_if_unexpected(self, error: Exception) -> None:
        """Only the log learns the details of an error that nobody raised on purpose."""
        if status_of(error) is INTERNAL:
            _log.error("internal error", request_id=self.request_id, exc_info=error)


Unary: TypeAlias = Callable[[bytes, Call], Awaitable[bytes]]
Stream: TypeAlias = Callable[[AsyncIterator[bytes], Call], AsyncIterator[bytes]]
Refusal: TypeAlias = Callable[[Exception], tuple[grpc.StatusCode, str, str]]
"""An error as gRPC's status, a stable code and a text."""


def refusal(error: Exception) -> tuple[grpc.StatusCode, str, str]:
    """An error by the table of `api/status.py`."""
    status, code, details = shown(error)
    return status.grpc, code, details


def read(kind: type[M], data: bytes) -> M:
    """A message from its bytes.

    Raises: InvalidRequestError.
    """
    try:
        message: M = kind.FromString(data)
    except DecodeError as error:
        raise InvalidRequestError(f"the bytes are no {kind.DESCRIPTOR.name}: {error}") from error
    return message


def written(message: Message) -> bytes:
    """A message as bytes."""
    data: bytes = message.SerializeToString()
    return data


def _cut(details: str) -> str:
    """As much of a text as a header holds."""
    whole = quote(details, safe=_PLAIN)
    return details if len(whole) <= MOST_DETAILS else unquote(whole[: MOST_DETAILS - 2], errors="ignore")


def _text(metadata: Mapping[str, str | bytes], name: str) -> str | None:
    found = metadata.get(name)
    return found if isinstance(found, str) else None


def _certificate(context: grpc.aio.ServicerContext) -> str | None:
    """The common name of the client's certificate; None where it shows none, or one of several names."""
    names = context.auth_context().get("x509_common_name", ())
    return names[0].decode("utf-8", "replace") if len(names) == 1 else None


class Calls:
    """Wraps what answers a method into what gRPC calls.

    timeouts: of a call; of a stream, of each of its requests.
    """

    def __init__(
        self, gateway: Gateway, metrics: Metrics, *, timeouts: Timeouts, tracing: Tracing | None = None
    ) -> None:
        self._requests = Requests("grpc", metrics, lambda name: name in gateway.repository.snapshot.models)
        self._timeouts = timeouts
        self._access = gateway.access
        self._admission = gateway.admission
        self._tracing = tracing

    def unary(
        self, method: str, answer: Unary, refuse: Refusal = refusal, *, is_open: bool = False
    ) -> grpc.RpcMethodHandler:
        """One request, one answer, both as bytes. is_open: anybody may ask."""

        async def handle(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            async with self._answering(method, context, refuse, is_open=is_open) as call:
                with call.reading(request):
                    return await answer(request, call)
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(handle)

    def stream(self, method: str, answer: Stream, refuse: Refusal = refusal) -> grpc.RpcMethodHandler:
        """Requests and answers as they come, all as bytes."""

        async def handle(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            async with self._answering(method, context, refuse) as call:
                async for response in answer(requests, call):
                    yield response

        return grpc.stream_stream_rpc_method_handler(handle)

    @asynccontextmanager
    async def _answering(
        self, method: str, context: grpc.aio.ServicerContext, refuse: Refusal, *, is_open: bool = False
    ) -> AsyncIterator[Call]:
        metadata = dict(context.invocation_metadata() or ())
        timeout = self._timeouts.of(context.time_remaining())
        identity = request_id(str(metadata.get(HEADER, "")))
        call = Call(method, identity, timeout, self._admission, access=self._access)
        # What remains when the caller goes away: every other end sets its own.
        started, status = time.perf_counter(), grpc.StatusCode.CANCELLED
        told = trail.begin() if self._tracing is None else self._tracing.grpc(method, metadata, started)
        try:
            if self._access is not None:
                shown = presented(_text(metadata, "authorization"), _text(metadata, "x-api-key"), _certificate(context))
                (self._access.show if is_open else self._access.authenticate)(shown)
            yield call
            status = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001  # the boundary: every error becomes a status
            status, code, details = refuse(error)
            trail.failed(code)
            call.log_if_unexpected(error)
            details, again = retrying(error, status, _cut(details))
            await context.abort(status, details, ((ERROR_CODE_KEY, code), (HEADER, call.request_id), *again))
        finally:
            self._record(call, status, started, told)

    def _record(self, call: Call, status: grpc.StatusCode, started: float, told: Trail) -> None:
        seconds = time.perf_counter() - started
        verb = _WORDS.sub("_", call.method.rpartition("/")[2]).lower()
        answered = Answered(verb, call.model, status.name, started, seconds, call.request_id, call.method, trail=told)
        self._requests.answered(answered)

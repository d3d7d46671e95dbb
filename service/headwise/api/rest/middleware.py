"""Around every HTTP request: its id, its body within limits, its metric, its log line."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headwise.api.request_id import HEADER, request_id
from headwise.api.rest.content import GZIP, Headers, RawHeaders, is_gzip, media_type
from headwise.api.rest.media.ndjson import NDJSON
from headwise.errors import InvalidRequestError, PayloadTooLargeError
from headwise.telemetry.metrics import OTHER, Metrics

_log = structlog.get_logger(__name__)

_ID = HEADER.encode()
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked every few seconds: their lines would drown the others."""

_CORS_PATHS = ("/v1/", "/v2")
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
"""As TensorFlow Serving sends them with --rest_api_enable_cors_support."""

_CLOSED = 499
"""Recorded where the caller went away before the answer, as nginx has it."""


class Envelope:
    """ASGI middleware; handlers find the id in scope["headwise.request_id"], and leave verb and model there."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        *,
        max_body_bytes: int,
        is_model: Callable[[str], bool],
        cors: bool = False,
    ) -> None:
        self._app = app
        self._cors = cors
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._is_model = is_model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["headwise.headers"] = headers = RawHeaders(scope["headers"])
        scope["headwise.request_id"] = identity = request_id(headers.get(HEADER))
        streamed = scope["path"].endswith(":classify") and media_type(headers) == NDJSON
        body = receive if streamed else _Body(receive, headers, self._max_body_bytes)
        started, status = time.perf_counter(), _CLOSED

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_ID, identity.encode())]
                if self._cors and scope["path"].lower().startswith(_CORS_PATHS):
                    MutableHeaders(scope=message).update(_CORS)
            await send(message)

        try:
            await self._app(scope, body, send_with_id)
        except ClientDisconnect:
            status = _CLOSED
        except Exception:  # noqa: BLE001  # the boundary: the application has answered, nothing may reach the server
            _log.exception("internal error", request_id=identity, path=scope["path"])
            status = 500
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        verb, model = scope.get("headwise.verb", OTHER), scope.get("headwise.model", "")
        self._metrics.observe(
            surface="http",
            verb=verb,
            model=model if not model or self._is_model(model) else OTHER,
            status=str(status),
            seconds=seconds,
        )
        log = _log.debug if scope["path"] in _PROBES else _log.info
        log(
            "request",
            request_id=scope["headwise.request_id"],
            method=scope["method"],
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 2),
        )


class _Body:
    """A `receive` that gives the whole body at once, inflated and within its limit; refusals are raised."""

    def __init__(self, receive: Receive, headers: Headers, limit: int) -> None:
        self._receive = receive
        self._headers = headers
        self._limit = limit
        self._done = False

    async def __call__(self) -> Message:
        if self._done:
            return await self._receive()
        declared = self._headers.get("content-length")
        if declared.isdecimal() and int(declared) > self._limit:
            raise self._too_large()
        packed = is_gzip(self._headers)
        first = await self._receive()
        if first.get("more_body", False) or packed:
            first = await self._whole(first, zlib.decompressobj(GZIP) if packed else None)
        elif len(first.get("body", b"")) > self._limit:
            raise self._too_large()
        self._done = True
        return first

    async def _whole(self, first: Message, inflate: zlib._Decompress | None) -> Message:
        """The parts of a body as one message; the disconnect, where that comes before its end."""
        parts: list[bytes] = []
        size = received = 0
        message = first
        while message["type"] == "http.request":
            part = message.get("body", b"")
            received += len(part)
            try:
                part = inflate.decompress(part, self._limit + 1 - size) if inflate else part
            except zlib.error as error:
                raise InvalidRequestError(f"the body is declared gzip, but is not: {error}") from error
            parts.append(part)
            size += len(part)
            if size > self._limit:
                raise self._too_large()
            if not message.get("more_body", False):
                _check_ended(inflate, received)
                return {"type": "http.request", "body": b"".join(parts), "more_body": False}
            message = await self._receive()
        return message

    def _too_large(self) -> PayloadTooLargeError:
        return PayloadTooLargeError(f"the body is larger than {self._limit} bytes: send fewer rows a request")


def _check_ended(inflate: zlib._Decompress | None, received: int) -> None:
    if inflate is not None and received and not inflate.eof:
        raise InvalidRequestError("the gzip body ends early")
    if inflate is not None and inflate.unused_data:
        raise InvalidRequestError("the gzip body goes on after its end: send one gzip member")

"""One HTTP request while it is answered: its headers, its id, its body within limits, the status of its answer."""

from __future__ import annotations

import asyncio
import time
import zlib

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from headwise.admission import Admission, Promise
from headwise.api.request_id import HEADER, request_id
from headwise.api.rest import large_bodies
from headwise.api.rest.content import GZIP, RequestHeaders
from headwise.api.rest.json_body import LARGE_BYTES
from headwise.api.rest.media.ndjson import NDJSON
from headwise.api.rest.slow_clients import OVERDUE
from headwise.api.rest.watch import Watch
from headwise.api.timeouts import HEADER as TIMEOUT
from headwise.api.timeouts import Timeouts
from headwise.errors import InvalidRequestError, PayloadTooLargeError, RequestTimeoutError

ID = HEADER.encode()

_TIMES = 4
"""What reading a large body takes at its peak, by its own size."""

_INFLATED = 16
"""Bytes that one byte of gzip makes, at least where the body is text; what is less is not worth a thread."""

_STRIDE = 256 * 1024
"""Bytes that are unpacked, and for which memory is promised, at a time."""

_CORS_PATHS = ("/v1/", "/v2")
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
"""As TensorFlow Serving sends them with --rest_api_enable_cors_support."""

CLOSED = 499
"""The status where the caller went away before the answer, as nginx has it."""


class Exchange:
    """What stands around an application's `receive` and `send`; handlers find it in scope["headwise.exchange"].

    They leave verb and model here. limit: what a body may have, inflated, in bytes. timeouts: bounds on what the
    request says of its time. streamed: whether the body is read part by part; parts: how many have been.
    memory: promised while the body comes, until it has been read; a large answer is promised more.
    """

    __slots__ = (
        "_admission",
        "_cors",
        "_limit",
        "_read",
        "_receive",
        "_scope",
        "_send",
        "_started",
        "_task",
        "_timeouts",
        "_watch",
        "headers",
        "memory",
        "model",
        "parts",
        "path",
        "request_id",
        "status",
        "streamed",
        "verb",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        watch: Watch,
        *,
        limit: int,
        timeouts: Timeouts,
        admission: Admission,
        cors: bool,
    ) -> None:
        self._admission = admission
        self.memory = Promise(admission)
        self._started = time.monotonic()
        self._timeouts = timeouts
        self.headers = headers = RequestHeaders(scope["headers"])
        self.request_id = request_id(headers.get(HEADER))
        self.path: str = scope["path"]
        self.status = CLOSED
        self.verb = self.model = ""
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limit = limit
        self._cors = cors and self.path.lower().startswith(_CORS_PATHS)
        self.parts = 0
        self.streamed = headers.media_type == NDJSON and self.path.endswith(":classify")
        self._read = False
        self._watch = watch
        # Another task than the one that answers reads a stream.
        self._task: asyncio.Task[None] | None = asyncio.current_task() if self.streamed else None

    def close(self) -> bool:
        """Let go of the server's objects; whether the caller went away.

        They know this one by the scope, and circles of objects would wait for the garbage collector: a busy gateway
        was half as fast by them.
        """
        if self.memory.size:
            self.memory.end()
        task, self._task = self._task, None
        self._scope, self._receive, self._send = {}, _hear_nothing, _say_nothing
        return task is not None and self._watch.end(task)

    @property
    def timeout(self) -> float:
        """Seconds that the request may take, as it says.

        Raises: InvalidRequestError.
        """
        return self._timeouts.of_header(self.headers.get(TIMEOUT))

    @property
    def left(self) -> float:
        """Seconds of that which are left, since its head came.

        Raises: InvalidRequestError.
        """
        return max(self.timeout - (time.monotonic() - self._started), 0.001)

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on, with the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (ID, self.request_id.encode())]
            if self._cors:
                MutableHeaders(scope=message).update(_CORS)
        await self._send(message)

    async def receive(self) -> Message:
        """The whole body at once, inflated; of a stream a part, as it came.

        Raises: PayloadTooLargeError, UnsupportedMediaError, RequestTimeoutError, InvalidRequestError for bad gzip,
        OverloadedError where there is no memory for it.
        """
        if self._read:
            return await self._receive()
        if self.streamed:
            message = await self._receive()
            self.parts += 1
            self._check_in_time(message)
            self._watch_stream(message)
            return message
        declared = self.headers.get("content-length")
        if declared.isdecimal() and int(declared) > self._limit:
            raise self._too_large()
        packed = self.headers.is_gzip
        if declared.isdecimal() and int(declared) >= LARGE_BYTES:  # whether there is room: it is promised as it comes
            self._admission.check_memory(_TIMES * int(declared))
        message = await self._receive()
        if packed or message.get("more_body", False):
            message = await self._whole(message, zlib.decompressobj(GZIP) if packed else None)
        elif (size := len(message.get("body", b""))) > self._limit:
            raise self._too_large()
        else:
            self.promise(size)
        self._read = True
        self._task = asyncio.current_task()
        if self._task is not None and message["type"] == "http.request":
            self._watch.begin(self._task, self._receive)
        return message

    def _watch_stream(self, message: Message) -> None:
        """A caller may go away while the rows that have come are answered, before the body's end or after it."""
        if self._task is None:
            return
        if message["type"] == "http.disconnect":
            self._watch.left(self._task)
        elif not message.get("more_body", False):
            self._watch.begin(self._task, self._receive)

    async def _whole(self, first: Message, inflate: zlib._Decompress | None) -> Message:
        """The parts of a body as one message; the disconnect, where that comes before its end."""
        parts: list[bytes] = []
        size = received = 0
        message = first
        while message["type"] == "http.request":
            part = message.get("body", b"")
            received += len(part)
            more = True
            while more:
                piece, more = part, False
                if inflate is not None:
                    most = min(_STRIDE, self._limit + 1 - size)
                    piece = await _inflated(inflate, part, most)
                    part, more = inflate.unconsumed_tail, len(piece) == most
                parts.append(piece)
                size += len(piece)
                if size > self._limit:
                    raise self._too_large()
                self.promise(size)
            if not message.get("more_body", False):
                if inflate is not None and received:
                    _check_ended(inflate)
                return {"type": "http.request", "body": b"".join(parts), "more_body": False}
            self._check_in_time(message)
            message = await self._receive()
        return message

    def promise(self, size: int) -> None:
        """Memory for a body of which so many bytes are there; who only says that they will come is promised nothing."""
        if size >= LARGE_BYTES:
            self.memory.grow(_TIMES * -(-size // _STRIDE) * _STRIDE)

    def _check_in_time(self, message: Message) -> None:
        if OVERDUE in self._scope and message.get("more_body", False):
            raise RequestTimeoutError("the body did not come in time: send it faster, or less in one request")

    def _too_large(self) -> PayloadTooLargeError:
        return PayloadTooLargeError(f"the body is larger than {self._limit} bytes: send fewer rows a request")


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of a request that a handler answers."""
    found: Exchange = scope["headwise.exchange"]
    return found


async def _inflated(inflate: zlib._Decompress, part: bytes, most: int) -> bytes:
    try:
        return await large_bodies.of_size(len(part) * _INFLATED, inflate.decompress, part, most)
    except zlib.error as error:
        raise InvalidRequestError(f"the body is declared gzip, but is not: {error}") from error


def _check_ended(inflate: zlib._Decompress) -> None:
    if not inflate.eof:
        raise InvalidRequestError("the gzip body ends early")
    if inflate.unused_data:
        raise InvalidRequestError("the gzip body goes on after its end: send one gzip member")


async def _hear_nothing() -> Message:
    return {"type": "http.disconnect"}


async def _say_nothing(_: Message) -> None:
    raise RuntimeError("the request has been answered")

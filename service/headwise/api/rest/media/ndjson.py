"""Long batches as lines: a row in, an answer out, in the same order; a bad row has an error in its line."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import orjson
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headwise.api.rest.content import GZIP
from headwise.api.status import INTERNAL, shown, status_of
from headwise.errors import (
    BackendRejectedError,
    HeadMismatchError,
    HeadwiseError,
    InvalidRequestError,
    InvalidTensorError,
    PayloadTooLargeError,
)
from headwise.telemetry import trail

_log = structlog.get_logger(__name__)

NDJSON = "application/x-ndjson"

_Item: TypeAlias = tuple[int, bytes] | Exception | None
"""A numbered line; or, last of all, what ended the body before its end, or nothing."""

ROWS = 64
"""Lines that are answered by one call of the model server, at most; so many more are read ahead."""

_INFLATED_AT_ONCE = 64 * 1024

Answer: TypeAlias = Callable[[Sequence[Any]], Awaitable[list[Any]]]
"""Rows to one answer each; raises HeadwiseErrors."""


class LinesResponse(Response):
    """Lines as they are made. It leaves `receive` to who reads the body, which may not have ended yet."""

    media_type = NDJSON

    def __init__(self, made: AsyncIterator[bytes]) -> None:
        super().__init__()
        self._made = made
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI has it
        """Answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for line in self._made:
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def lines(chunks: AsyncIterator[bytes], limit: int, *, gzip: bool) -> AsyncIterator[bytes]:
    """The lines of a body as they come; of one line at most `limit` bytes are held.

    Raises: PayloadTooLargeError for a longer line, InvalidRequestError for gzip that is none, or ends early.
    """
    rest = bytearray()
    pieces = _inflated(chunks) if gzip else chunks
    async for piece in pieces:
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            yield bytes(rest) + piece[start:end]
            rest.clear()
            start = end + 1
        rest += piece[start:]
        if len(rest) > limit:
            raise PayloadTooLargeError(f"a line has more than {limit} bytes")
    if rest:
        yield bytes(rest)


async def _inflated(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A gzip body, one member or several, a little at a time."""
    inflate = zlib.decompressobj(GZIP)
    begun = False
    async for part in chunks:
        chunk = part
        while chunk:
            if inflate.eof:
                inflate = zlib.decompressobj(GZIP)
            begun = True
            try:
                yield inflate.decompress(chunk, _INFLATED_AT_ONCE)
            except zlib.error as error:
                raise InvalidRequestError(f"the body is declared gzip, but is not: {error}") from error
            chunk = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    if begun and not inflate.eof:
        raise InvalidRequestError("the gzip body ends early")


async def answered(rows: AsyncIterator[bytes], answer: Answer, request_id: str = "") -> AsyncIterator[bytes]:
    """A line of answer for every line that is not blank; an error of the body itself is the last line.

    What has come is answered together, nothing waits for more. request_id: for the log.
    """
    come: asyncio.Queue[_Item] = asyncio.Queue(ROWS)
    reading = asyncio.create_task(_read(rows, come))
    last, ended = 0, False
    try:
        while not ended:
            items = [await come.get()]
            while len(items) < ROWS and not come.empty():
                items.append(come.get_nowait())
            batch = [item for item in items if isinstance(item, tuple)]
            ended = len(batch) < len(items)
            if batch:
                last = batch[-1][0]
                yield await _batch(batch, answer, request_id)
            if isinstance(items[-1], HeadwiseError):
                yield _error(last + 1, items[-1])
            elif isinstance(items[-1], Exception):
                raise items[-1]
    finally:
        reading.cancel()


async def _read(rows: AsyncIterator[bytes], come: asyncio.Queue[_Item]) -> None:
    """Number the lines; then what ended them, or nothing. Who is cancelled puts nothing: nobody takes it."""
    number = 0
    try:
        async for line in rows:
            number += 1
            if line.strip():
                await come.put((number, line))
    except Exception as error:  # noqa: BLE001  # whoever answers the lines raises it
        await come.put(error)
    else:
        await come.put(None)


async def _batch(batch: Sequence[tuple[int, bytes]], answer: Answer, request_id: str) -> bytes:
    """The answers to lines, together, or one by one where one of them may be to blame that together they fail."""
    read = [_parsed(line) for _, line in batch]
    good = [row for row in read if not isinstance(row, HeadwiseError)]
    told = await _told(good, answer, request_id) if good else []
    if len(good) > 1 and isinstance(told[0], OF_A_ROW):
        told = [one for row in good for one in await _told([row], answer, request_id)]
    answers = iter(told)
    return b"".join(
        _line(number, row if isinstance(row, HeadwiseError) else next(answers))
        for (number, _), row in zip(batch, read, strict=True)
    )


async def _told(rows: Sequence[Any], answer: Answer, request_id: str) -> list[Any]:
    """An answer a row, or the error of all of them."""
    try:
        return await answer(rows)
    except Exception as error:  # noqa: BLE001  # the answer has begun: what nobody expected must end in a line, too
        if status_of(error) is INTERNAL:
            _log.exception("internal error", request_id=request_id)
        return [error] * len(rows)


OF_A_ROW = (InvalidRequestError, HeadMismatchError, BackendRejectedError)
"""Errors that one row may bring upon the others of its batch."""


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return InvalidTensorError(f"the line is no strict JSON, which has no NaN: {error}")


def _line(number: int, told: Any) -> bytes:
    return _error(number, told) if isinstance(told, Exception) else orjson.dumps(told) + b"\n"


def _error(number: int, error: Exception) -> bytes:
    status, code, text = shown(error)
    trail.failed(code)
    told = {"line": number, "status": status.http, "code": code, "detail": text}
    return orjson.dumps({"error": told}) + b"\n"

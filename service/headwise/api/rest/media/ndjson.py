"""Long batches as lines: a row in, an answer out, in the same order; a bad row has an error in its line."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeAlias

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headwise.api.status import shown
from headwise.errors import HeadwiseError, InvalidRequestError, InvalidTensorError, PayloadTooLargeError

NDJSON = "application/x-ndjson"

ROWS = 64
"""Lines that are answered by one call of the model server."""

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
    """The lines of a body as they come; at most `limit` bytes are held.

    Raises: PayloadTooLargeError for a longer line, InvalidRequestError for gzip that is none.
    """
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if gzip else None
    rest = b""
    async for chunk in chunks:
        for piece in _inflated(inflate, chunk, limit):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line
            if len(rest) > limit:
                raise PayloadTooLargeError(f"a line has more than {limit} bytes")
    if rest:
        yield rest


def _inflated(inflate: Any, chunk: bytes, limit: int) -> Iterator[bytes]:
    if inflate is None:
        yield chunk
        return
    try:
        while chunk:
            yield inflate.decompress(chunk, limit)
            chunk = inflate.unconsumed_tail
    except zlib.error as error:
        raise InvalidRequestError(f"the body is declared gzip, but is not: {error}") from error


async def answered(rows: AsyncIterator[bytes], answer: Answer) -> AsyncIterator[bytes]:
    """A line of answer for every line that is not blank; an error of the body itself is the last line."""
    number = 0
    batch: list[tuple[int, bytes]] = []
    try:
        async for line in rows:
            number += 1
            if not line.strip():
                continue
            batch.append((number, line))
            if len(batch) == ROWS:
                yield await _batch(batch, answer)
                batch = []
    except HeadwiseError as error:
        if batch:
            yield await _batch(batch, answer)
        yield _error(number + 1, error)
        return
    if batch:
        yield await _batch(batch, answer)


async def _batch(batch: Sequence[tuple[int, bytes]], answer: Answer) -> bytes:
    """The answers to lines, together, or one by one where together they fail."""
    read = [_parsed(line) for _, line in batch]
    good = [row for row in read if not isinstance(row, HeadwiseError)]
    told: list[Any] | None = None
    try:
        told = await answer(good) if good else []
    except HeadwiseError as error:
        if not isinstance(error, InvalidRequestError) or len(good) == 1:
            told = [error] * len(good)
    answers = iter(told if told is not None else [await _one(row, answer) for row in good])
    return b"".join(
        _line(number, row if isinstance(row, HeadwiseError) else next(answers))
        for (number, _), row in zip(batch, read, strict=True)
    )


async def _one(row: Any, answer: Answer) -> Any:
    try:
        return (await answer([row]))[0]
    except HeadwiseError as error:
        return error


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return InvalidTensorError(f"the line is no strict JSON: {error}")


def _line(number: int, told: Any) -> bytes:
    return _error(number, told) if isinstance(told, HeadwiseError) else orjson.dumps(told) + b"\n"


def _error(number: int, error: HeadwiseError) -> bytes:
    status, code, text = shown(error)
    told = {"line": number, "status": status.http, "code": code, "detail": text}
    return orjson.dumps({"error": told}) + b"\n"

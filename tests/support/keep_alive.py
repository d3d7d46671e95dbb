"""Callers over HTTP/1.1 connections that are kept open: many more requests a second than httpx has in it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

CLOSED = 0
"""The status of a request whose connection ended before its answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """seconds: from the request to the end of its answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The body."""
        return orjson.loads(self.body)


class Caller:
    """One connection at a time, opened when it is needed."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, *headers: str) -> Answer:
        """POST a JSON body."""
        return await self.request("POST", path, body, "Content-Type: application/json", *headers)

    async def get(self, path: str) -> Answer:
        """GET."""
        return await self.request("GET", path)

    async def request(self, method: str, path: str, body: bytes = b"", *headers: str) -> Answer:
        """Ask; an answer of status CLOSED where the connection ended."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {len(body)}", *headers, "", ""]
        began = time.perf_counter()
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port)
            reader, writer = self._streams
            writer.write("\r\n".join(lines).encode() + body)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            told = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            data = await reader.readexactly(int(told.get("content-length", 0)))
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.close()
            return Answer(CLOSED, {}, repr(error).encode(), time.perf_counter() - began)
        except asyncio.CancelledError:
            self._forget()
            raise
        if told.get("connection", "").lower() == "close":
            await self.close()
        return Answer(int(head[0].split()[1]), told, data, time.perf_counter() - began)

    async def close(self) -> None:
        """Close the connection."""
        if (writer := self._forget()) is not None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _forget(self) -> asyncio.StreamWriter | None:
        if self._streams is None:
            return None
        (_, writer), self._streams = self._streams, None
        writer.close()
        return writer


async def closed_loop(
    url: str, path: str, body: bytes, *, callers: int, until: Callable[[], bool], seen: Callable[[Answer], object]
) -> None:
    """So many callers, each asking again as soon as it is answered, until it is enough."""

    async def ask() -> None:
        caller = Caller(url)
        while not until():
            seen(await caller.post(path, body))
        await caller.close()

    await asyncio.gather(*(ask() for _ in range(callers)))


async def open_loop(url: str, path: str, body: bytes, *, rate: float, seconds: float) -> Sequence[Answer]:
    """So many requests a second, come what may: whoever has no answer yet is waited for by nobody."""
    idle: list[Caller] = []
    answers: list[Answer] = []

    async def ask(due: float) -> None:
        caller = idle.pop() if idle else Caller(url)
        answer = await caller.post(path, body)
        answers.append(Answer(answer.status, answer.headers, answer.body, time.perf_counter() - due))
        idle.append(caller)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            group.create_task(ask(due))
    for caller in idle:
        await caller.close()
    return answers


async def every(seconds: float, ask: Callable[[], Awaitable[Answer]], answers: list[Answer]) -> None:
    """Ask again and again, until cancelled."""
    while True:
        answers.append(await ask())
        await asyncio.sleep(seconds)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

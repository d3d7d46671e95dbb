"""A server that stops says so, answers who has begun to ask, and cuts who is left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from headwise.api.rest.connection import Connection
from headwise.api.rest.server import HttpServer
from headwise.ports import listen

pytestmark = pytest.mark.anyio

REQUEST = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"
Caller = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Application:
    """Answers when it is released, and notes who went away."""

    def __init__(self) -> None:
        self.release, self.asked = asyncio.Event(), asyncio.Event()
        self.gone = 0

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.asked.set()
        leaving, released = asyncio.ensure_future(receive()), asyncio.create_task(self.release.wait())
        await asyncio.wait([leaving, released], return_when=asyncio.FIRST_COMPLETED)
        self.gone += leaving.done()
        leaving.cancel()
        released.cancel()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Serving:
    """A server that runs, and who calls it."""

    def __init__(self, server: HttpServer, task: asyncio.Task[None], port: int) -> None:
        self.server, self.task, self._port = server, task, port
        self._writers: list[asyncio.StreamWriter] = []

    async def call(self, data: bytes = b"") -> Caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        writer.write(data)
        return reader, writer

    async def end(self) -> None:
        self.server.should_exit = True
        self.server.cut()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.wait_for(self.task, 10)


@asynccontextmanager
async def serving(app: Application) -> AsyncIterator[Serving]:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, http=Connection, ws="none", log_config=None, access_log=False, lifespan="off")
    server = HttpServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110  # nobody tells of it
        await asyncio.sleep(0.01)
    running = Serving(server, task, port)
    try:
        yield running
    finally:
        await running.end()


async def told(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """The head of an answer, and whether the connection ends with it."""
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"ok"
        assert head.startswith(b"HTTP/1.1 200 OK")
        try:
            async with asyncio.timeout(0.3):
                return head, await reader.read(1) == b""
        except TimeoutError:
            return head, False


async def test_every_answer_after_the_goodbye_says_that_the_connection_ends() -> None:
    app = Application()
    app.release.set()
    async with serving(app) as running:
        before = await running.call(REQUEST)
        head, ended = await told(before[0])
        assert b"connection: close" not in head
        assert not ended
        running.server.say_goodbye()
        before[1].write(REQUEST)
        for reader, _ in (before, await running.call(REQUEST)):
            head, ended = await told(reader)
            assert head.count(b"connection: close") == 1
            assert ended
        await asyncio.sleep(1.1)  # uvicorn makes its headers anew every second
        head, ended = await told((await running.call(REQUEST))[0])
        assert head.count(b"connection: close") == 1
        assert ended


async def test_who_has_begun_to_ask_or_has_just_come_is_answered() -> None:
    app = Application()
    async with serving(app) as running:
        callers = [await running.call(REQUEST[:-2]), await running.call(REQUEST), await running.call()]
        silent, _ = await running.call()
        await asyncio.wait_for(app.asked.wait(), 5)
        running.server.say_goodbye()
        running.server.should_exit = True
        await asyncio.sleep(0.3)  # it looks ten times a second whether it shall
        for (_, writer), rest in zip(callers, (REQUEST[-2:], b"", REQUEST), strict=True):
            writer.write(rest)
        app.release.set()
        for reader, _ in callers:
            head, ended = await told(reader)
            assert b"connection: close" in head
            assert ended
        assert await asyncio.wait_for(silent.read(), 5) == b""
        await asyncio.wait_for(asyncio.shield(running.task), 5)


async def test_who_waits_between_requests_is_not_waited_for() -> None:
    app = Application()
    app.release.set()
    async with serving(app) as running:
        reader, _ = await running.call(REQUEST)
        assert (await told(reader))[1] is False
        running.server.should_exit = True
        assert await asyncio.wait_for(reader.read(), 5) == b""
        await asyncio.wait_for(asyncio.shield(running.task), 5)


async def test_who_is_cut_is_gone_for_the_application() -> None:
    app = Application()
    async with serving(app) as running:
        reader, _ = await running.call(REQUEST)
        await asyncio.wait_for(app.asked.wait(), 5)
        running.server.should_exit = True
        running.server.cut()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(1)
        await asyncio.wait_for(asyncio.shield(running.task), 5)
        assert app.gone == 1

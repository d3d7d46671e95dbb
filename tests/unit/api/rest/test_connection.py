"""An answer's head and body reach the system in one write, whole, in order, and before the connection closes."""

import asyncio
import itertools
from collections.abc import Iterable

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from headwise.api.rest.connection import MOST_HEAD, Connection, PairedWrites

pytestmark = pytest.mark.anyio


class Recorded(asyncio.Transport):
    """A transport that remembers what reaches it, each list one call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[bytes]] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.calls.append([bytes(data)])

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        assert not self.closed
        self.calls.append([bytes(data) for data in list_of_data])

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def paired() -> tuple[PairedWrites, Recorded]:
    recorded = Recorded()
    return PairedWrites(recorded, asyncio.get_running_loop()), recorded


async def turn() -> None:
    await asyncio.sleep(0)


async def test_two_writes_are_one_call() -> None:
    transport, recorded = paired()
    transport.write(b"head")
    transport.write(b"body")
    await turn()
    assert recorded.calls == [[b"head", b"body"]]


async def test_what_stays_alone_goes_when_the_turn_ends() -> None:
    transport, recorded = paired()
    transport.write(b"HTTP/1.1 100 Continue")
    assert recorded.calls == []
    await turn()
    assert recorded.calls == [[b"HTTP/1.1 100 Continue"]]


async def test_no_more_than_one_piece_is_kept() -> None:
    transport, recorded = paired()
    for number in range(100):
        transport.write(b"%d" % number)
        assert number + 1 - sum(map(len, recorded.calls)) <= 1
    await turn()
    assert b"".join(itertools.chain(*recorded.calls)) == b"".join(b"%d" % number for number in range(100))


async def test_what_was_written_goes_before_the_close() -> None:
    transport, recorded = paired()
    transport.write(b"all")
    transport.close()
    assert recorded.calls == [[b"all"]]
    assert transport.is_closing()
    await turn()
    assert recorded.calls == [[b"all"]]


async def answer(_: Scope, receive: Receive, send: Send) -> None:
    await receive()
    start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
    await send(start)
    await send({"type": "http.response.body", "body": b"true"})


@pytest.mark.parametrize("requests", [1, 3])
async def test_an_answer_is_one_call(requests: int) -> None:
    config = uvicorn.Config(answer, http=Connection, log_config=None, access_log=False, lifespan="off")
    config.load()
    connection = Connection(config, ServerState(), {}, asyncio.get_running_loop())
    recorded = Recorded()
    connection.connection_made(recorded)
    for _ in range(requests):
        connection.data_received(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}")
    async with asyncio.timeout(5):
        while len(recorded.calls) < requests:
            await turn()
    assert len(recorded.calls) == requests
    for head, body in recorded.calls:
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == b"true"


async def test_nothing_is_written_to_a_connection_that_closed_meanwhile() -> None:
    transport, recorded = paired()
    transport.write(b"late")
    recorded.closed = True
    await turn()
    assert recorded.calls == []


class Encrypted(Recorded):
    """TLS cannot end one direction alone."""

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, _: str, default: object = None) -> object:
        return default


async def test_over_tls_a_head_that_is_too_large_is_refused_and_the_connection_closed() -> None:
    config = uvicorn.Config(answer, http=Connection, log_config=None, access_log=False, lifespan="off")
    config.load()
    connection = Connection(config, ServerState(), {}, asyncio.get_running_loop())
    recorded = Encrypted()
    connection.connection_made(recorded)
    connection.data_received(b"GET / HTTP/1.1\r\nx: " + b"x" * MOST_HEAD)
    connection.data_received(b"and more")
    ((told,),) = recorded.calls
    assert told.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert recorded.closed

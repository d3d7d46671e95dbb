"""Connections of gRPC that say nothing, or are dead, end; those that only wait stay."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from headwise.api.grpc.connections import options

pytestmark = pytest.mark.anyio

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_HEADERS, ACK = 4, 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of HTTP/2 (RFC 9113, 4.1)."""
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def headers(**named: str) -> bytes:
    """Each as a literal without index (RFC 7541, 6.2.2)."""
    lines = {f":{name}": value for name, value in named.items()} | {
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in lines.items()
    )


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
HALF_A_CALL = frame(HEADERS, END_HEADERS, 1, headers(method="POST", scheme="http", path="/s/m", authority="h")) + frame(
    DATA, 0, 1, b"\0\0\0\0\x10half"
)


@asynccontextmanager
async def connected(**seconds: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = grpc.aio.server(options=options(**seconds))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await server.stop(0)


async def lasts(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float, *, answers: frozenset[int]
) -> tuple[bool, int]:
    """Whether the connection is there after so many seconds, and how often the server asked whether we are."""
    pings = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                head = await reader.readexactly(9)
                body = await reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags = head[3], head[4]
                asks = kind in (SETTINGS, PING) and not flags & ACK
                pings += asks and kind == PING
                if asks and kind in answers:
                    writer.write(frame(kind, ACK, 0, body if kind == PING else b""))
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return False, pings
    except TimeoutError:
        return True, pings


async def test_who_says_nothing_is_not_waited_for() -> None:
    async with connected(header_timeout=0.5) as (reader, writer):
        assert await lasts(reader, writer, 5, answers=frozenset()) == (False, 0)


@pytest.mark.parametrize("sent", [b"", HALF_A_CALL], ids=["idle", "in a call"])
async def test_who_does_not_answer_pings_is_dead(sent: bytes) -> None:
    async with connected(header_timeout=10, keepalive=1.0) as (reader, writer):
        writer.write(PREFACE + sent)
        there, pings = await lasts(reader, writer, 5, answers=frozenset({SETTINGS}))
        assert not there
        assert pings


async def test_who_answers_pings_stays() -> None:
    async with connected(header_timeout=1, keepalive=0.6) as (reader, writer):
        writer.write(PREFACE)
        there, pings = await lasts(reader, writer, 3.5, answers=frozenset({SETTINGS, PING}))
        assert there
        assert pings > 3, "however many there were"

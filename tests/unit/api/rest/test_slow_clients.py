"""Nobody is waited for longer than he may be, and who keeps his time is left alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from headwise.api.rest.app import create_app
from headwise.api.rest.connection import MOST_HEAD
from headwise.api.rest.slow_clients import Patience, SlowClients, Wait, What
from headwise.telemetry.metrics import Metrics
from support.http_connections import Served, served
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

SHORT = 0.3
"""Seconds of patience: with ten looks in it, long enough for a slow machine."""

BODY = b'{"instances": [[2.0]]}'
CLASSIFY = b"POST /v1/models/m:classify HTTP/1.1\r\nhost: h\r\n"
WHOLE = CLASSIFY + b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
BEGUN = CLASSIFY + b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY[:5])
STREAM = CLASSIFY + b"content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
LINE = b"6\r\n[2.0]\n\r\n"


class Fake:
    """A connection that owes what a test says."""

    def __init__(self, *waits: Wait | None) -> None:
        self._waits: Iterator[Wait | None] = iter(waits)
        self.given_up: list[What] = []

    def waits_for(self) -> Wait | None:
        return next(self._waits)

    def give_up(self, what: What) -> None:
        self.given_up.append(what)


def looks(fake: Fake, count: int, patience: Patience | None = None) -> int:
    """How many looks it takes, a second apart, until a connection is given up; `count` if it is not."""
    clients = SlowClients(patience or Patience(), lambda: [fake])
    for look in range(count):
        clients.look(100.0 + look)
        if fake.given_up:
            return look
    return count


@pytest.mark.parametrize(("what", "seconds"), [(What.HEAD, 10), (What.BODY, 30), (What.READING, 30)])
def test_who_does_not_move_is_given_up_a_look_before_it_would_be_too_long(what: What, seconds: int) -> None:
    fake = Fake(*[Wait(what, 1)] * 100)
    assert looks(fake, 100) == seconds - 1, "it may have begun a second before it was seen"
    assert fake.given_up == [what]


def test_who_moves_or_owes_nothing_for_once_is_waited_for_anew() -> None:
    assert looks(Fake(*[Wait(What.READING, size) for size in range(200)]), 200) == 200
    assert looks(Fake(*([Wait(What.HEAD, 1)] * 8 + [None]) * 10), 90) == 90
    assert looks(Fake(*([Wait(What.HEAD, 1)] * 8 + [Wait(What.BODY, 1)]) * 10), 90) == 90


def test_who_is_gone_is_forgotten() -> None:
    here: list[Fake] = [Fake(*[Wait(What.HEAD, 1)] * 3)]
    clients = SlowClients(Patience(), lambda: here)
    for look in range(3):
        clients.look(float(look))
    here.clear()
    clients.look(3.0)
    assert clients._waits == {}


def test_a_slow_client_is_told_of_in_the_log() -> None:
    with capture_logs() as log:
        looks(Fake(*[Wait(What.BODY, 1)] * 100), 100)
    assert log == [{"event": "slow client", "waited_for": "body", "seconds": 30.0, "log_level": "info"}]


async def test_a_connection_that_cannot_be_looked_at_ends_nothing() -> None:
    clients = SlowClients(Patience(head=0.01), lambda: [Fake()])
    with capture_logs() as log:
        watching = asyncio.create_task(clients.watch())
        async with asyncio.timeout(5):
            while len(log) < 2:  # noqa: ASYNC110  # nobody tells of it
                await asyncio.sleep(0.01)
        watching.cancel()
    assert log[0]["event"] == "connections not looked at"


# Over real connections.


@asynccontextmanager
async def gateway(folder: Path, patience: Patience | None = None, **options: Any) -> AsyncIterator[Served]:
    models = Models(folder)
    models.add("m", {"output_0": BINARY})
    surface = create_app(await models.gateway(), Metrics(), timeout=5, max_body_bytes=1 << 20)
    async with served(surface.app, patience, **options) as found:
        yield found


async def told(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes], bytes]:
    """An answer: status, headers, body."""
    async with asyncio.timeout(10):
        first = await reader.readline()
        headers: dict[bytes, bytes] = {}
        while line := (await reader.readline()).strip():
            name, _, value = line.partition(b": ")
            headers[name.lower()] = value
        return int(first.split()[1]), headers, await reader.readexactly(int(headers.get(b"content-length", b"0")))


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes before the connection ends."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Byte by byte, until nobody listens."""
    for at in range(len(data)):
        writer.write(data[at : at + 1])
        await asyncio.sleep(SHORT / 8)
        if writer.is_closing():
            return


@pytest.mark.parametrize("sent", [b"P", b"POST /v1/models/m:classify HTTP/1.1\r\nhost: h\r\nx-a: b", WHOLE + b"GET"])
async def test_half_a_head_is_answered_408(tmp_path: Path, sent: bytes) -> None:
    async with gateway(tmp_path, Patience(head=SHORT)) as found, found.caller() as (reader, writer):
        began = time.monotonic()
        writer.write(sent)
        if sent.startswith(WHOLE):
            assert (await told(reader))[0] == 200
        status, headers, text = await told(reader)
        assert (status, headers[b"connection"]) == (408, b"close")
        assert text == b"The head of the request did not come in time."
        assert await ended(reader) == b""
        assert time.monotonic() - began < 3 * SHORT
        await gone(found)


async def gone(found: Served) -> None:
    """Until the server has no connection left."""
    async with asyncio.timeout(5):
        while found.state.connections:  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)


async def test_a_head_that_drips_is_no_excuse(tmp_path: Path) -> None:
    async with gateway(tmp_path, Patience(head=SHORT)) as found, found.caller() as (reader, writer):
        dripping = asyncio.create_task(drip(writer, CLASSIFY))
        assert (await told(reader))[0] == 408
        dripping.cancel()


@pytest.mark.parametrize("first", [b"", WHOLE])
async def test_who_says_nothing_or_only_empty_lines_goes_without_an_answer(tmp_path: Path, first: bytes) -> None:
    async with gateway(tmp_path, Patience(head=SHORT)) as found, found.caller() as (reader, writer):
        if first:
            writer.write(first)
            assert (await told(reader))[0] == 200
        dripping = asyncio.create_task(drip(writer, b"\r\n" * 100))
        assert await ended(reader) == b""
        dripping.cancel()
        await gone(found)


async def test_between_requests_the_keep_alive_timeout_holds_and_no_other(tmp_path: Path) -> None:
    short = Patience(head=SHORT, body=SHORT, reading=SHORT)
    async with gateway(tmp_path, short, keep_alive=1) as found, found.caller() as (reader, writer):
        for _ in range(2):
            writer.write(WHOLE)
            assert (await told(reader))[0] == 200
            await asyncio.sleep(2 * SHORT)
        assert await ended(reader) == b""


FORMS = [
    (b"POST /v1/models/m:classify", b"application/problem+json"),
    (b"POST /v1/models/m:predict", b"application/json"),
    (b"POST /v2/models/m/infer", b"application/json"),
]


@pytest.mark.parametrize(("target", "form"), FORMS, ids=[target.decode() for target, _ in FORMS])
@pytest.mark.parametrize("drips", [False, True])
async def test_half_a_body_is_answered_408_in_the_form_of_its_protocol(
    tmp_path: Path, target: bytes, form: bytes, drips: bool
) -> None:
    async with gateway(tmp_path, Patience(body=SHORT)) as found, found.caller() as (reader, writer):
        writer.write(b"%s HTTP/1.1\r\nhost: h\r\ncontent-length: 500\r\n\r\n{" % target)
        dripping = asyncio.create_task(drip(writer, b" " * 400 if drips else b""))
        status, headers, body = await told(reader)
        assert (status, headers[b"connection"], headers[b"content-type"]) == (408, b"close", form)
        document = orjson.loads(body)
        assert "the body did not come in time" in document.get("detail", document.get("error"))
        assert document.get("code", "request-timeout") == "request-timeout"
        await gone(found)
        dripping.cancel()


async def test_a_body_in_time_is_answered_whatever_its_pieces(tmp_path: Path) -> None:
    async with gateway(tmp_path, Patience(body=2.0)) as found, found.caller() as (reader, writer):
        for _ in range(2):
            writer.write(BEGUN)
            await asyncio.sleep(0.2)
            writer.write(BODY[5:])
            assert (await told(reader))[0] == 200


async def test_the_rest_of_a_refused_body_is_not_taken_for_ever(tmp_path: Path) -> None:
    async with gateway(tmp_path, Patience(body=SHORT)) as found, found.caller() as (reader, writer):
        writer.write(CLASSIFY + b"content-length: 99999999\r\n\r\n")
        assert (await told(reader))[0] == 413
        dripping = asyncio.create_task(drip(writer, b" " * 400))
        assert await ended(reader) == b""
        dripping.cancel()


async def test_a_stream_may_last_as_long_as_its_parts_come(tmp_path: Path) -> None:
    async with gateway(tmp_path, Patience(body=SHORT)) as found, found.caller() as (reader, writer):
        writer.write(STREAM)
        for _ in range(8):
            writer.write(LINE)
            await asyncio.sleep(SHORT / 4)
        answer = await ended(reader)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.count(b'"prediction"') == 8
        (last,) = [orjson.loads(line) for line in answer.splitlines() if line.startswith(b'{"error"')]
        assert last["error"]["code"] == "request-timeout"
        await gone(found)


async def sixteen_megabytes(_: Scope, receive: Receive, send: Send) -> None:
    await receive()
    size = 16 << 20
    start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]}
    await send(start)
    await send({"type": "http.response.body", "body": bytes(size)})


async def test_who_does_not_take_his_answer_is_cut_off() -> None:
    async with (
        served(sixteen_megabytes, Patience(reading=SHORT)) as found,
        found.caller(small_buffer=True) as (_, writer),
    ):
        writer.write(WHOLE)
        await asyncio.sleep(0.05)
        assert found.state.connections
        await gone(found)


async def test_who_takes_his_answer_slowly_gets_all_of_it() -> None:
    async with served(sixteen_megabytes, Patience(reading=SHORT)) as found, found.caller() as (reader, writer):
        writer.write(WHOLE)
        head = await reader.readuntil(b"\r\n\r\n")
        left, pieces = 16 << 20, 20
        for piece in range(pieces):
            size = left // (pieces - piece)
            await reader.readexactly(size)
            left -= size
            await asyncio.sleep(SHORT / 6)
        assert head.startswith(b"HTTP/1.1 200")
        assert left == 0


async def test_an_answer_that_takes_long_is_nobody_elses_fault() -> None:
    async def slow(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.sleep(3 * SHORT)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    patience = Patience(head=SHORT, body=SHORT, reading=SHORT)
    async with served(slow, patience) as found, found.caller() as (reader, writer):
        writer.write(WHOLE)
        assert (await told(reader))[0] == 204


def with_head(size: int, lines: int = 1) -> bytes:
    """A request with a head of so many bytes, as they count."""
    each = (size - len(b"/v1/models/m:classify") - len(b"hosth: \r\n") - 36) // lines
    values = b"".join(b"x-%04d: %s\r\n" % (line, b"v" * (each - 10)) for line in range(lines))
    return CLASSIFY + values + b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.mark.parametrize("lines", [1, 100])
@pytest.mark.parametrize("piece", [1 << 20, 10_000])
async def test_a_head_of_more_than_64_kib_is_refused(tmp_path: Path, lines: int, piece: int) -> None:
    async with gateway(tmp_path) as found:
        for size, expected in ((MOST_HEAD - 1000, 200), (MOST_HEAD + 1000, 431), (200 * 1024, 431)):
            async with found.caller() as (reader, writer):
                whole = with_head(size, lines)
                for at in range(0, len(whole), piece):
                    writer.write(whole[at : at + piece])
                    await writer.drain()
                status, headers, text = await told(reader)
                assert status == expected, size
                if status == 431:
                    assert headers[b"connection"] == b"close"
                    assert b"65536 bytes" in text
                    assert await ended(reader) == b""


async def test_a_large_body_before_a_head_does_not_count_as_head(tmp_path: Path) -> None:
    large = b'{"instances": [[2.0]]' + b" " * 500_000 + b"}"
    request = CLASSIFY + b"content-length: %d\r\n\r\n%s" % (len(large), large)
    async with gateway(tmp_path) as found, found.caller() as (reader, writer):
        for _ in range(2):
            writer.write(request + WHOLE[:30])
            assert (await told(reader))[0] == 200
            writer.write(WHOLE[30:])
            assert (await told(reader))[0] == 200


async def test_what_is_no_http_is_still_a_400(tmp_path: Path) -> None:
    async with gateway(tmp_path) as found, found.caller() as (reader, writer):
        writer.write(b"nonsense\r\n\r\n")
        assert (await told(reader))[0] == 400
        assert await ended(reader) == b""

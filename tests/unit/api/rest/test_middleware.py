"""Around every request: an id, a body within its limits, a bounded metric, and no error that escapes."""

import asyncio
import gzip
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from headwise.admission import Admission
from headwise.api.rest.middleware import Envelope
from headwise.api.rest.problems import problem
from headwise.api.rest.watch import Watch
from headwise.api.timeouts import Timeouts
from headwise.errors import HeadwiseError
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.requests import Requests
from support.control_group import ControlGroup

EMPTY = gzip.compress(b"{}", mtime=0)
"""Without the hour: the names of tests are made of it, and must be the same for all workers."""

pytestmark = pytest.mark.anyio

LIMIT = 64


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the body that arrived; its verb and model come from the query, as a handler would set them."""
    request = Request(scope, receive)
    for key, value in request.query_params.items():
        setattr(scope["headwise.exchange"], key, value)
    try:
        answer: Any = PlainTextResponse(await request.body())
    except HeadwiseError as error:
        answer = problem(scope["path"], scope["headwise.exchange"].request_id, error)
    await answer(scope, receive, send)


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError("a secret")


class Surface:
    """An envelope around an application."""

    def __init__(self, app: ASGIApp = echo, *, limit: int = LIMIT, admission: Admission | None = None) -> None:
        self.metrics = Metrics()
        requests = Requests("http", self.metrics, lambda name: name == "tumor")
        self.envelope = Envelope(
            app, requests, Watch(), max_body_bytes=limit, timeouts=Timeouts(2, 10), admission=admission or Admission()
        )

    async def post(
        self, content: bytes | AsyncIterator[bytes] = b"", query: str = "", **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        transport = httpx.ASGITransport(self.envelope)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(f"/echo?{query}", content=content, headers=named)

    def series(self) -> dict[str, str]:
        """The labels of the only request counted."""
        (sample,) = (
            sample
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "headwise_requests_total"
        )
        return dict(sample.labels)


async def chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("given", ["a", "0b6f-1.2_3", "A" * 128])
async def test_a_harmless_request_id_is_kept(given: str) -> None:
    assert (await Surface().post(x_request_id=given)).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "-a", "two words", "a\tb", "a/b", "A" * 129, "{}"])
async def test_any_other_request_id_is_replaced(given: str) -> None:
    replaced = (await Surface().post(x_request_id=given)).headers["x-request-id"]
    assert replaced != given
    assert uuid.UUID(replaced).hex == replaced


@pytest.mark.parametrize("encoding", ["", "identity", "Identity "])
async def test_a_plain_body_arrives_as_it_is_in_one_piece_or_in_many(encoding: str) -> None:
    body = bytes(range(LIMIT))
    headers = {"content_encoding": encoding} if encoding else {}
    assert (await Surface().post(body, **headers)).content == body
    assert (await Surface().post(chunks(body[i : i + 1] for i in range(LIMIT)), **headers)).content == body
    assert (await Surface().post(chunks([]), **headers)).content == b""


async def test_a_gzip_body_arrives_inflated_in_one_piece_or_in_many() -> None:
    body = b"a" * LIMIT
    packed = gzip.compress(body)
    assert (await Surface().post(packed, content_encoding="gzip")).content == body
    parts = chunks(packed[i : i + 1] for i in range(len(packed)))
    assert (await Surface().post(parts, content_encoding="GZIP")).content == body
    assert (await Surface().post(b"", content_encoding="gzip")).content == b""


async def refused(status: int, code: str, detail: str, content: bytes | AsyncIterator[bytes], **headers: str) -> None:
    answer = await Surface().post(content, **headers)
    document = answer.json()
    assert (answer.status_code, document["code"]) == (status, code)
    assert detail in document["detail"]


async def test_a_body_above_the_limit_is_refused_however_it_comes() -> None:
    body = b"a" * (LIMIT + 1)
    expected = (413, "payload-too-large", "larger than 64 bytes")
    await refused(*expected, body)
    await refused(*expected, chunks([body[:LIMIT], body[LIMIT:]]))
    await refused(*expected, gzip.compress(body), content_encoding="gzip")
    await refused(*expected, gzip.compress(b"a" * 10**6), content_encoding="gzip", content_length="3")


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"no gzip", "is declared gzip, but is not"),
        (EMPTY[:-4], "ends early"),
        (EMPTY[:10], "ends early"),
        (EMPTY + EMPTY, "goes on after its end"),
        (EMPTY + b"more", "goes on after its end"),
    ],
)
async def test_a_body_that_is_no_whole_gzip_is_refused(content: bytes, detail: str) -> None:
    await refused(400, "invalid-request", detail, content, content_encoding="gzip")
    await refused(400, "invalid-request", detail, chunks([content[:10], content[10:]]), content_encoding="gzip")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_another_content_encoding_is_refused(encoding: str) -> None:
    await refused(415, "unsupported-media", "send gzip or nothing", b"x", content_encoding=encoding)


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("verb=classify&model=tumor", {"verb": "classify", "model": "tumor"}),
        ("verb=predict&model=no-such-model", {"verb": "predict", "model": "other"}),
        ("", {"verb": "other", "model": ""}),
    ],
)
async def test_a_client_cannot_make_new_series(query: str, labels: dict[str, str]) -> None:
    surface = Surface()
    await surface.post(query=query)
    assert surface.series() == {"surface": "http", "status": "200", **labels}


async def test_an_error_that_nobody_handled_stays_inside_and_is_counted() -> None:
    surface = Surface(broken)
    with capture_logs() as log, pytest.raises(AssertionError):  # httpx: the application sent no response
        await surface.post(x_request_id="id-7")
    assert surface.series()["status"] == "500"
    assert ("internal error", "id-7") in {(entry["event"], entry["request_id"]) for entry in log}


async def test_a_caller_who_goes_away_while_sending_is_no_internal_error() -> None:
    surface = Surface()
    messages: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        pytest.fail("nobody is there to hear it")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    with capture_logs() as log:
        await surface.envelope(scope, receive, send)
    assert surface.series()["status"] == "499"
    assert "internal error" not in {entry["event"] for entry in log}


BODY = b"a" * (2 << 20)
"""Reading it takes 8 MiB."""

AS_IT_COMES: dict[str, tuple[Callable[[], Any], dict[str, str]]] = {
    "declared": (lambda: BODY, {}),
    "in parts": (lambda: chunks([BODY[:1_000_000], BODY[1_000_000:]]), {}),
    "gzip": (lambda: gzip.compress(BODY), {"content_encoding": "gzip"}),
    "gzip in parts": (
        lambda: chunks([gzip.compress(BODY)[:50], gzip.compress(BODY)[50:]]),
        {"content_encoding": "gzip"},
    ),
}


@pytest.mark.parametrize("second", AS_IT_COMES)
@pytest.mark.parametrize("first", AS_IT_COMES)
async def test_bodies_that_come_together_share_the_memory_that_there_is(
    tmp_path: Path, first: str, second: str
) -> None:
    group, read, done = ControlGroup(tmp_path, 100), asyncio.Event(), asyncio.Event()
    group.use(80)  # 10 are left

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Request(scope, receive).body()
            read.set()
            await done.wait()
            answer: Any = PlainTextResponse("read")
        except HeadwiseError as error:
            answer = problem(scope["path"], "", error)
        await answer(scope, receive, send)

    surface = Surface(held, limit=len(BODY), admission=Admission(memory=group.memory()))

    def posted(how: str) -> asyncio.Task[httpx.Response]:
        make, headers = AS_IT_COMES[how]
        return asyncio.create_task(surface.post(make(), **headers))

    begun = posted(first)
    await read.wait()
    refused = await posted(second)
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    done.set()
    assert (await begun).status_code == 200
    assert (await posted(second)).status_code == 200, "what was promised is given back"


async def test_who_only_announces_a_large_body_takes_nothing_from_others(tmp_path: Path) -> None:
    group, waits = ControlGroup(tmp_path, 100), asyncio.Event()
    group.use(80)
    surface = Surface(limit=len(BODY), admission=Admission(memory=group.memory()))

    async def nothing() -> AsyncIterator[bytes]:
        waits.set()
        await asyncio.Event().wait()
        yield b""

    announced = [asyncio.create_task(surface.post(nothing(), content_length=str(len(BODY)))) for _ in range(10)]
    await waits.wait()
    answer = await surface.post(BODY)
    for task in announced:
        task.cancel()
    await asyncio.wait(announced)
    assert answer.content == BODY


@pytest.mark.parametrize("how", AS_IT_COMES)
async def test_a_body_that_is_alone_is_read_whatever_there_is(tmp_path: Path, how: str) -> None:
    group = ControlGroup(tmp_path, 100)
    group.use(95)
    make, headers = AS_IT_COMES[how]
    answer = await Surface(limit=len(BODY), admission=Admission(memory=group.memory())).post(make(), **headers)
    assert answer.content == BODY


async def test_what_is_no_http_passes_through() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def unused(*_: Any) -> Any:
        pytest.fail("nothing is sent")

    await Surface(app).envelope({"type": "lifespan"}, unused, unused)
    assert seen == [{"type": "lifespan"}]

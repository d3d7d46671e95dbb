"""The short way answers what the long way does, to the last byte; and hears of those who do not wait."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message
from structlog.testing import capture_logs

from headwise.api.rest.app import create_app
from headwise.backends.base import Arrays, RawPrediction
from headwise.backends.in_memory import InMemoryBackend
from headwise.errors import BackendRejectedError, BackendUnavailableError
from headwise.repository.model_spec import ModelSpec
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

LONG = {"accept": "application/json;q=0.9"}
"""A caller who wants JSON, and says so in a way that the short way does not read."""

HEADS = {
    "binary": {"output_0": BINARY},
    "sigmoid": {"output_0": {**BINARY, "activation": "sigmoid"}},
    "none": None,
    "refused": {"output_0": {**BINARY, "activation": "softmax"}},
}


class Failing(InMemoryBackend):
    """Fails where a row says so, or breaks."""

    held: asyncio.Event | None = None
    rows = 0

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        self.rows += len(inputs["x"])
        if self.held is not None:
            await self.held.wait()
        if 13.0 in inputs["x"]:
            raise BackendRejectedError("INVALID_ARGUMENT", "no thirteens")
        if 14.0 in inputs["x"]:
            raise BackendUnavailableError("down")
        if 15.0 in inputs["x"]:
            raise ZeroDivisionError
        return await super().predict(spec, inputs, timeout=timeout, outputs=outputs)


class Surface:
    """An application over models of one input x (batch, 2), whose output is the first number of each row."""

    def __init__(self, folder: Path) -> None:
        models = Models(folder)
        for name, heads in HEADS.items():
            specs = {"x": ("float32", (None, 2))}
            models.add(name, heads, inputs=specs, run=lambda inputs: {"output_0": inputs["x"][:, :1]})
        self.backend = Failing(models.backend.models)
        self.models = models
        self.metrics = Metrics()

    async def app(self) -> ASGIApp:
        gateway = await self.models.gateway(self.backend)
        return create_app(gateway, self.metrics, timeout=5, max_body_bytes=10_000).app


@asynccontextmanager
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


async def both(app: ASGIApp, path: str, body: bytes, **headers: str) -> list[Any]:
    """What the short way says, and the long way."""
    said = []
    async with client(app) as opened:
        for way in ({}, LONG):
            given = {"x-request-id": "id-1", "content-type": "application/json", **headers, **way}
            answer = await opened.post(path, content=body, headers=given)
            said.append((answer.status_code, dict(answer.headers), answer.content))
    return said


NUMBERS: st.SearchStrategy[Any] = st.one_of(
    st.floats(-4, 4, width=32),
    st.integers(-3, 3),
    st.sampled_from([13.0, 14.0, 1e39, 2.5, 10**30, True, None, "1", [], {}, 1e-46]),
)
ROWS = st.one_of(st.lists(st.lists(NUMBERS, min_size=2, max_size=2), max_size=4), st.lists(NUMBERS, max_size=3))
BODIES = st.one_of(
    ROWS.map(lambda rows: {"instances": rows}),
    ROWS.map(lambda rows: {"instances": [{"x": row} for row in rows]}),
    ROWS.map(lambda rows: {"inputs": rows}),
    st.sampled_from([{}, [], 1, {"instances": None}, {"instances": [[1, 2]], "options": {"threshold": 0.25}}]),
)


@pytest.fixture
def surface(tmp_path: Path) -> Surface:
    return Surface(tmp_path)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    BODIES.map(json.dumps) | st.sampled_from(["", "{", '{"instances": [[1, NaN]]}', '{"instances": [[1, 2]]} ']),
    st.sampled_from([*HEADS, "unknown", "binary/versions/1", "binary/versions/7", "binary/labels/x"]),
)
def test_the_short_way_says_what_the_long_way_says(surface: Surface, body: str, model: str) -> None:
    async def compare() -> None:
        with capture_logs():
            short, long = await both(await surface.app(), f"/v1/models/{model}:classify", body.encode())
        assert short == long

    asyncio.run(compare())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"accept": "*/*"},
        {"x-request-id": "no id"},
        {"content-encoding": "identity"},
    ],
)
async def test_headers_change_nothing(surface: Surface, headers: dict[str, str]) -> None:
    short, long = await both(await surface.app(), "/v1/models/binary:classify", b'{"instances": [[1, 2]]}', **headers)
    if "x-request-id" in headers:
        assert short[1].pop("x-request-id") != "no id"
        return
    assert short == long
    assert short[0] == 200


async def test_requests_of_both_ways_share_a_call(surface: Surface) -> None:
    app = await surface.app()
    calls = surface.backend
    async with client(app) as opened:
        bodies = [{"instances": [[n, 0]]} for n in range(4)] + [{"inputs": [[9, 0]]}]
        answers = await asyncio.gather(*(opened.post("/v1/models/binary:classify", json=body) for body in bodies))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert calls.rows == 5


async def test_an_error_that_nobody_expected_is_told_without_its_details(surface: Surface) -> None:
    with capture_logs() as log:
        async with client(await surface.app()) as opened:
            answer = await opened.post("/v1/models/binary:classify", json={"instances": [[15, 0]]})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "internal error" in {entry["event"] for entry in log}


@pytest.mark.parametrize("headers", [[], [(b"accept", LONG["accept"].encode())]], ids=["short", "long"])
async def test_a_caller_who_leaves_is_heard_of_and_the_batch_goes_on(
    surface: Surface, headers: list[tuple[bytes, bytes]]
) -> None:
    app = await surface.app()
    surface.backend.held = asyncio.Event()
    gone = asyncio.Event()

    async def ask(value: int, leaves: asyncio.Event | None) -> list[Message]:
        messages: list[Message] = [{"type": "http.request", "body": b'{"instances": [[%d, 0]]}' % value}]
        sent: list[Message] = []

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        path = "/v1/models/binary:classify"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        await app({**scope, "headers": headers}, receive, send)
        return sent

    stays, leaves = asyncio.ensure_future(ask(1, None)), asyncio.ensure_future(ask(2, gone))
    await asyncio.sleep(0.01)
    gone.set()
    assert await asyncio.wait_for(leaves, 5) == []
    assert not stays.done()
    surface.backend.held.set()
    assert [message["type"] for message in await stays] == ["http.response.start", "http.response.body"]
    await asyncio.sleep(0)
    assert b'model="binary",status="499",surface="http",verb="classify"} 1.0' in surface.metrics.render()[0]


@pytest.mark.parametrize("given", ["0.05", "0", "soon"])
async def test_a_request_says_how_long_it_may_take(surface: Surface, given: str) -> None:
    surface.backend.held = asyncio.Event()
    body = b'{"instances": [[1, 2]]}'
    short, long = await both(await surface.app(), "/v1/models/binary:classify", body, **{"headwise-timeout": given})
    assert short[0] == long[0] == (504 if given == "0.05" else 400)
    assert json.loads(short[2])["code"] == json.loads(long[2])["code"]

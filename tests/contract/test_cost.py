"""What a request costs, in calls of functions: they are the same on every machine, and grow with every detour.

The bounds have a tenth of room. Who needs more of it should know what for.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from starlette.types import ASGIApp, Message

from headwise.api.rest.app import create_app
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

BATCH = 32
ROW = np.linspace(-1, 1, 30).tolist()


async def app(folder: Path) -> ASGIApp:
    models = Models(folder)
    models.add(
        "m", {"output_0": BINARY}, inputs={"x": ("float32", (None, 30))}, run=lambda x: {"output_0": x["x"][:, :1]}
    )
    return create_app(await models.gateway(), Metrics(), timeout=30, max_body_bytes=2**20).app


async def ask(app: ASGIApp, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """One request, as a server hands it over."""
    messages: list[Message] = [{"type": "http.request", "body": body}]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    path = "/v1/models/m:classify"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    await app({**scope, "headers": headers}, receive, send)
    assert sent[0]["status"] == 200


async def calls(app: ASGIApp, rows: int, requests: int, *headers: tuple[bytes, bytes]) -> float:
    """Calls of Python functions that a request takes, where so many come at once."""
    body = json.dumps({"instances": [ROW] * rows}).encode()

    async def all_of_them() -> None:
        await asyncio.gather(*(ask(app, body, list(headers)) for _ in range(requests)))

    await all_of_them()
    count = 0

    def counting(_: FrameType, event: str, __: Any) -> Callable[..., Any] | None:
        nonlocal count
        count += event == "call"
        return None

    before = sys.getprofile()
    sys.setprofile(counting)
    try:
        await all_of_them()
    finally:
        sys.setprofile(before)
    return count / requests


@pytest.mark.parametrize(
    ("rows", "requests", "headers", "most"),
    [
        pytest.param(1, BATCH, (), 146, id="many at once"),
        pytest.param(1, 1, (), 385, id="one alone"),
        pytest.param(1, BATCH, ((b"accept", b"application/json;q=0.9"),), 257, id="the long way"),
        pytest.param(1000, 1, ((b"accept", b"application/json;q=0.9"),), 560, id="a thousand rows"),
    ],
)
async def test_a_request_takes_no_more_calls_than_it_did(
    tmp_path: Path, rows: int, requests: int, headers: tuple[tuple[bytes, bytes], ...], most: int
) -> None:
    assert await calls(await app(tmp_path), rows, requests, *headers) <= most

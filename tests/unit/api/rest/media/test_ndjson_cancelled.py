"""A stream that is cut off ends, however much of it has come."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from headwise.api.rest.app import create_app
from headwise.api.rest.media import ndjson
from headwise.backends.base import RawPrediction
from headwise.backends.in_memory import InMemoryBackend
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio


async def test_a_stream_whose_answer_is_cancelled_leaves_no_reader_behind() -> None:
    """Its reader waits for room, which nobody makes any more; a gateway could not be stopped by that."""

    async def rows() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"[1]"

    async def never(_: Sequence[Any]) -> list[Any]:
        await asyncio.get_running_loop().create_future()
        return []

    before = asyncio.all_tasks()

    async def answer() -> None:
        async for _ in ndjson.answered(rows(), never):
            pass

    answering = asyncio.ensure_future(answer())
    for _ in range(300):
        await asyncio.sleep(0)
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - before - {answering}:  # noqa: ASYNC110  # that they end is what is tested
            await asyncio.sleep(0)


class Silent(InMemoryBackend):
    """Answers nothing."""

    asked: asyncio.Event
    cancelled: asyncio.Event

    async def predict(self, *_: Any, **__: Any) -> RawPrediction:
        self.asked.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError


@pytest.mark.parametrize("ended", [True, False], ids=["after the body", "in the middle of it"])
async def test_a_caller_who_leaves_is_heard_while_rows_are_answered(
    tmp_path: Path, ended: bool, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Silent({})
    backend.asked, backend.cancelled = asyncio.Event(), asyncio.Event()
    models, metrics = Models(tmp_path, backend), Metrics()
    models.add("m", {"output_0": BINARY})
    app = create_app(await models.gateway(), metrics, timeout=60, max_body_bytes=4096).app
    messages: list[Message] = [{"type": "http.request", "body": b"[1]\n[2]\n", "more_body": not ended}]
    sent: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await backend.asked.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    path = "/v1/models/m:classify"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    with capture_logs() as log:
        async with asyncio.timeout(5):
            await app({**scope, "headers": [(b"content-type", ndjson.NDJSON.encode())]}, receive, send)
            await backend.cancelled.wait()
        await asyncio.sleep(0)
        gc.collect()
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert b'model="m",status="499",surface="http",verb="classify_stream"} 1.0' in metrics.render()[0]
    assert not [line for line in log if line["log_level"] in ("error", "critical")]
    assert not caplog.records

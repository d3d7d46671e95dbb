"""A stream that is cut off ends, however much of it has come."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from headwise.api.rest.media import ndjson

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

"""More than the backend can do: what is taken is answered in time, the rest is refused at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from headwise.batching import Batcher, Limits
from headwise.errors import OverloadedError

pytestmark = pytest.mark.anyio


class Serial:
    """A backend that works off one row after the other, a tick each; `rows` it has done."""

    def __init__(self, tick: float) -> None:
        self.tick = tick
        self.rows = 0
        self._turn = asyncio.Lock()

    owner = None

    def join(self, inputs: Sequence[Any]) -> int:
        return sum(inputs)

    async def call(self, inputs: int, **_: Any) -> int:
        async with self._turn:
            await asyncio.sleep(self.tick * inputs)
        self.rows += inputs
        return inputs

    def may_be_ones_fault(self, _: Exception) -> bool:
        return False

    def answer(self, *_: Any) -> None:
        return None


async def ask(batcher: Batcher, work: Serial) -> str:
    """What one row came to."""
    deadline = asyncio.get_running_loop().time() + 30
    try:
        await batcher.run(work, 1, 1, None, kind="m", deadline=deadline)
    except OverloadedError:
        return "refused"
    return "answered"


async def test_what_would_wait_for_too_long_is_refused_at_once_and_the_rest_is_answered_in_time() -> None:
    """Twice what the backend can do: it stays busy, and whoever is taken waits for about a tenth of a second."""
    told: list[None] = []
    work, batcher = Serial(0.004), Batcher(Limits(queue=0.1), refused=lambda: told.append(None))
    loop = asyncio.get_running_loop()
    for _ in range(3):
        await ask(batcher, work)
    took: dict[str, list[float]] = {"answered": [], "refused": []}

    async def timed() -> None:
        began = loop.time()
        came_to = await ask(batcher, work)
        took[came_to].append(loop.time() - began)

    began = loop.time()
    async with asyncio.TaskGroup() as group:
        while loop.time() - began < 2.0:
            group.create_task(timed())
            await asyncio.sleep(0.002)
    done = work.rows / (loop.time() - began)
    assert len(took["refused"]) > 100, "half of them are too many"
    assert len(told) == len(took["refused"])
    assert max(took["refused"]) < 0.05, "a refusal needs no waiting"
    late = sorted(took["answered"])[len(took["answered"]) // 2 :]
    assert late[len(late) // 2] < 0.5, "without a bound it would be a second and a half by the end"
    assert done > 0.5 / work.tick / 1.5, "the backend has not stood idle"
    assert await ask(batcher, work) == "answered", "it is over when the load is"


async def test_a_stall_is_not_believed_for_ever() -> None:
    """Two callers who do not wait for each other, after one call that took much longer than the queue may."""
    work, batcher = Serial(0.3), Batcher(Limits(queue=0.05))
    await asyncio.gather(ask(batcher, work), ask(batcher, work))
    work.tick = 0.001
    told: list[str] = []
    for _ in range(40):
        told += await asyncio.gather(ask(batcher, work), ask(batcher, work))
        await asyncio.sleep(0.002)
    assert told[-20:] == ["answered"] * 20


async def test_a_crowd_that_comes_out_of_nothing_is_taken() -> None:
    work, batcher = Serial(0.0001), Batcher(Limits(queue=0.05))
    assert set(await asyncio.gather(*(ask(batcher, work) for _ in range(400)))) == {"answered"}

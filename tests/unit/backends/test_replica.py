"""A model server's checks tell one that hangs from one that is busy, and do not keep in step with another gateway's."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from headwise.backends.base import PREDICT, STATUS
from headwise.backends.in_memory import InMemoryBackend, InMemoryModel
from headwise.backends.replica import Replica
from headwise.backends.tfserving import TFServingBackend
from headwise.repository.model_spec import ModelSpec
from support import faulty_answers as faults
from support.fault_proxy import FaultProxy
from support.faulty_backend import FaultyBackend
from support.in_memory_gateway import as_it_is, signature_def

pytestmark = pytest.mark.anyio

SIGNATURES = {"serving_default": signature_def({"x": ("float32", (None, 1))}, {"output_0": ("float32", (None, 1))})}


def server(**options: int) -> FaultyBackend:
    """One that serves m; options: of gRPC."""
    memory = InMemoryBackend({"m": {1: InMemoryModel(SIGNATURES, as_it_is)}})
    return FaultyBackend(memory=memory, options=[(f"grpc.{name}", value) for name, value in options.items()])


@asynccontextmanager
async def replica(
    address: str, vary: Callable[[float, float], float] = random.uniform, *, watched: bool = False
) -> AsyncIterator[Replica]:
    one = Replica(TFServingBackend(address), lambda _: None, vary)
    watching = asyncio.create_task(one.watch()) if watched else None
    try:
        yield one
    finally:
        if watching is not None:
            watching.cancel()
        await one.server.close()


def predict(one: Replica, rows: int = 1) -> asyncio.Task[object]:
    """A call under way."""
    inputs = {"x": np.ones((rows, 1), np.float32)}
    return asyncio.create_task(one.run(lambda server: server.predict(ModelSpec("m"), inputs, timeout=10)))


async def test_one_whose_connection_has_no_room_for_a_check_answers_it_over_another() -> None:
    async with server(max_concurrent_streams=2) as busy, replica(busy.address) as one:
        busy.behave(PREDICT, faults.late(3))
        under_way = [predict(one) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert [await one.check(), await one.check()] == [False, True]
        assert one.in_rotation
        await asyncio.gather(*under_way)


async def test_one_whose_connection_is_filled_by_a_large_body_answers_a_check_over_another() -> None:
    async with server() as busy:
        with FaultProxy(busy.address) as proxy:
            async with replica(proxy.address) as one:
                await one.check()
                proxy.throttle(2e6)
                under_way = predict(one, 1_000_000)
                await asyncio.sleep(0.1)
                assert [await one.check(), await one.check()] == [False, True]
                assert one.in_rotation
                proxy.heal()
                await under_way


async def test_an_answer_that_came_during_a_check_is_a_sign_of_life() -> None:
    async with server() as busy, replica(busy.address) as one:
        busy.behave(STATUS, faults.never)
        busy.behave(PREDICT, faults.late(0.3))
        under_way = predict(one)
        assert await one.check()
        await under_way
        assert not await one.check()
        assert one.in_rotation, "one check alone was let pass"


async def test_one_that_answers_nothing_is_ejected_after_two_checks_though_calls_are_under_way() -> None:
    async with server() as hung, replica(hung.address) as one:
        await predict(one)
        for method in (STATUS, PREDICT):
            hung.behave(method, faults.never)
        under_way = predict(one)
        assert [await one.check(), await one.check()] == [False, False]
        assert not one.in_rotation
        under_way.cancel()


@pytest.mark.parametrize(
    ("vary", "seconds"),
    [(min, 0.8), (max, 1.2)],
    ids=["soonest", "latest"],
)
async def test_a_check_comes_a_fifth_sooner_or_later_by_chance(
    vary: Callable[[float, float], float], seconds: float
) -> None:
    times: list[float] = []

    async def noted(answer: faults.Answer) -> bytes:
        times.append(time.monotonic())
        return await answer()

    async with server() as healthy:
        healthy.behave(STATUS, noted)
        async with replica(healthy.address, vary, watched=True):
            await asyncio.sleep(seconds + 0.5)
    first, second, *_ = times
    assert second - first == pytest.approx(seconds, abs=0.15)

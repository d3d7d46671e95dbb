"""Calls that pass as they come take their turn, too, and are bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwise.admission import Admission
from headwise.backends.base import PREDICT, Arrays, RawPrediction
from headwise.backends.in_memory import InMemoryBackend
from headwise.batching import Batcher, Limits
from headwise.errors import BackendTimeoutError, OverloadedError
from headwise.gateway import Gateway
from headwise.repository.model_spec import ModelSpec
from headwise.tfserving import prediction_service_pb2
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

ROWS = {"x": np.ones((1, 1), np.float32)}
SPEC = ModelSpec("m")


class Held(InMemoryBackend):
    """Answers when it is let go; `asked` counts."""

    def __init__(self, models: Any) -> None:
        super().__init__(models)
        self.go = asyncio.Event()
        self.asked = 0

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        self.asked += 1
        await self.go.wait()
        return await super().predict(spec, inputs, timeout=timeout, outputs=outputs)


async def held(folder: Path, **options: Any) -> tuple[Gateway, Held]:
    models = Models(folder)
    models.add("m", {"output_0": BINARY})
    backend = Held(models.backend.models)
    repository = models.repository(backend)
    await repository.refresh()
    return Gateway(backend, repository, **options), backend


async def begun(*calls: Awaitable[Any]) -> list[asyncio.Future[Any]]:
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(call) for call in calls]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


async def test_so_many_are_under_way_and_the_others_wait_for_their_turn(tmp_path: Path) -> None:
    gateway, backend = await held(tmp_path, turns=Batcher(Limits(rows=1, calls=2)))
    tasks = await begun(*(gateway.predict(SPEC, ROWS, timeout=5) for _ in range(5)))
    assert backend.asked == 2
    backend.go.set()
    assert [raw.version for raw in await asyncio.gather(*tasks)] == [1] * 5
    assert backend.asked == 5


async def test_beyond_what_a_process_takes_they_are_refused(tmp_path: Path) -> None:
    gateway, backend = await held(tmp_path, admission=Admission(in_flight=1))
    waiting = await begun(gateway.predict(SPEC, ROWS, timeout=5))
    request = prediction_service_pb2.PredictRequest(model_spec=prediction_service_pb2.ModelSpec(name="m"))
    for refused in (
        gateway.predict(SPEC, ROWS, timeout=5),
        gateway.forward(PREDICT, request.SerializeToString(), timeout=5),
        gateway.metadata(SPEC, timeout=5),
        gateway.status(SPEC, timeout=5),
    ):
        with pytest.raises(OverloadedError):
            await refused
    backend.go.set()
    await asyncio.gather(*waiting)
    assert gateway.admission.in_flight == 0
    await gateway.metadata(SPEC, timeout=5)


async def test_who_waits_for_a_turn_is_told_at_the_deadline(tmp_path: Path) -> None:
    gateway, _ = await held(tmp_path, turns=Batcher(Limits(rows=1, calls=1)))
    first, second = await begun(gateway.predict(SPEC, ROWS, timeout=5), gateway.predict(SPEC, ROWS, timeout=0.05))
    with pytest.raises(BackendTimeoutError):
        await second
    first.cancel()


async def test_a_caller_who_leaves_ends_the_call(tmp_path: Path) -> None:
    gateway, _ = await held(tmp_path)
    (task,) = await begun(gateway.predict(SPEC, ROWS, timeout=5))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gateway.admission.in_flight == 0

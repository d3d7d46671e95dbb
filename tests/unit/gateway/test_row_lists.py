"""Rows of several requests are read as those of one, and count in bytes like arrays."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from headwise.backends.base import Arrays, RawPrediction
from headwise.backends.in_memory import InMemoryBackend
from headwise.batching import Batcher, Limits
from headwise.gateway import Gateway, RowLists
from headwise.repository.model_spec import ModelSpec
from support.in_memory_gateway import BINARY, NO_OPTIONS, Models


def test_rows_are_joined_in_their_order_and_read_together() -> None:
    read = RowLists([[1, 2]], lambda rows, _: {"x": rows})  # type: ignore[dict-item]  # a reader of its own
    assert read(None) == {"x": [[1, 2]]}  # type: ignore[arg-type]
    other = RowLists([[3, 4], [5, 6]], lambda rows, _: {"x": rows})  # type: ignore[dict-item]
    assert read.joined([other]).rows == [[1, 2], [3, 4], [5, 6]]


class Counting(InMemoryBackend):
    """Notes the rows of every call."""

    calls: list[int]

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        self.calls.append(len(inputs["x"]))
        return await super().predict(spec, inputs, timeout=timeout, outputs=outputs)


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "calls"), [(6 * 4 * 10, [6]), (3 * 4 * 10, [3, 3]), (1, [1] * 6)])
async def test_the_bytes_of_a_call_are_bounded(tmp_path: Path, size: int, calls: list[int]) -> None:
    models = Models(tmp_path)
    models.add(
        "m", {"output_0": BINARY}, inputs={"x": ("float32", (None, 10))}, run=lambda x: {"output_0": x["x"][:, :1]}
    )
    backend = Counting(models.backend.models, models.backend.labels)
    backend.calls = []
    gateway = Gateway(backend, models.repository(backend), batcher=Batcher(Limits(size=size)))
    await gateway.repository.refresh()
    read = RowLists([[1.0] * 10], lambda rows, _: {"x": np.array(rows, np.float32)})
    requests = [gateway.classify(ModelSpec("m"), read, NO_OPTIONS, timeout=5) for _ in range(6)]
    await asyncio.gather(*requests)
    assert backend.calls == calls

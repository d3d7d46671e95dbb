"""A large answer is written while other requests are answered."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from headwise.api.rest import large_bodies
from headwise.api.rest.app import create_app
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

CLASSES = 5_000
LONG = {"accept": "application/json;q=0.9"}
"""The short way does not read it."""


@contextmanager
def threads_busy() -> Iterator[None]:
    """The threads for large bodies have something to do until the end of the block."""
    ended = threading.Event()
    with ExitStack() as stack:
        stack.callback(ended.set)
        for _ in range(2):
            large_bodies.in_thread(ended.wait)
        yield


@pytest.mark.parametrize("headers", [{}, LONG], ids=["short way", "long way"])
async def test_a_large_answer_does_not_keep_the_loop(tmp_path: Path, headers: dict[str, str]) -> None:
    models = Models(tmp_path)
    wide = {"task": "multiclass", "activation": "linear", "labels": [f"class {at}" for at in range(CLASSES)]}
    models.add("small", {"output_0": BINARY})
    models.add(
        "wide",
        {"output_0": wide},
        units=CLASSES,
        inputs={"x": ("float32", (None, 1))},
        run=lambda inputs: {"output_0": np.zeros((len(inputs["x"]), CLASSES))},
    )
    app = create_app(await models.gateway(), Metrics(), timeout=30, max_body_bytes=2**20).app
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:

        async def ask(model: str) -> httpx.Response:
            return await client.post(f"/v1/models/{model}:classify", json={"instances": [[1.0]]})

        with threads_busy():
            large = asyncio.create_task(ask("wide"))
            for _ in range(20):
                assert (await ask("small")).status_code == 200
            assert not large.done()
        answer = (await large).json()
    assert len(answer["predictions"][0]["probabilities"]) == CLASSES

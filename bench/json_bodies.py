"""What reading a JSON body costs, and how long other requests wait meanwhile: orjson and numpy, and headwise.

CPU milliseconds of the reading thread, the least of several rounds in turn; then a heartbeat of 1 ms on an event loop
while a thread reads one body of 10 MB after the other: how late its beats are, in milliseconds.

    PYTHONPATH=service python bench/json_bodies.py
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import numpy as np
import orjson

from headwise.api.rest import json_body, large_bodies
from headwise.api.rest.instances import read_inputs
from headwise.savedmodel import Signature, TensorSpec

SIGNATURE = Signature({"x": TensorSpec("float32", None)}, {})
SHAPES = {"30": (1, 30), "784": (1, 784), "150,528": (1, 224, 224, 3), "10 MB": (17_000, 30)}

Read = Callable[[bytes], object]


def main() -> None:
    """Print both tables."""
    random = np.random.default_rng(0)
    bodies = {
        name: orjson.dumps({"instances": random.random(shape)}, option=orjson.OPT_SERIALIZE_NUMPY)
        for name, shape in SHAPES.items()
    }
    objects = orjson.dumps({"instances": [{"x": row} for row in random.random((17_000, 30)).tolist()]})
    ways: dict[str, Read] = {"orjson": before, "headwise": after}
    print(f"{'numbers':>12} {'bytes':>10}" + "".join(f"{way:>12}" for way in ways))
    for name, body in {**bodies, "10 MB objects": objects}.items():
        rounds = 200 if len(body) < json_body.LARGE_BYTES else 9
        costs = [min(column) for column in zip(*(costs_of(body, ways) for _ in range(rounds)), strict=True)]
        print(f"{name:>12} {len(body):>10}" + "".join(f"{cost * 1000:>12.3f}" for cost in costs))
    print(f"\n{'while reading':>24} {'p50':>8} {'p99':>8} {'longest':>8}")
    for name, read, body in (
        ("nothing", lambda _: time.sleep(0.02), b""),
        ("10 MB, orjson", before, bodies["10 MB"]),
        ("10 MB, headwise", after, bodies["10 MB"]),
        ("10 MB objects, headwise", after, objects),
    ):
        late = asyncio.run(lateness(read, body)) * 1000
        print(f"{name:>24} {np.median(late):>8.2f} {np.quantile(late, 0.99):>8.2f} {late.max():>8.2f}")


def before(body: bytes) -> object:
    """As it was until headwise read large bodies in its own way."""
    return read_inputs(orjson.loads(body), SIGNATURE)


def after(body: bytes) -> object:
    """As it is."""
    return read_inputs(json_body.parse(body), SIGNATURE)


def costs_of(body: bytes, ways: dict[str, Read]) -> list[float]:
    """CPU seconds by way."""
    costs = []
    for read in ways.values():
        begun = time.thread_time()
        read(body)
        costs.append(time.thread_time() - begun)
    return costs


async def lateness(read: Read, body: bytes, seconds: float = 3.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How late each beat of 1 ms was, in seconds."""
    late, end = [], time.perf_counter() + seconds

    async def arrive() -> None:
        while time.perf_counter() < end:
            await large_bodies.in_thread(read, body)
            await asyncio.sleep(0.002)

    arriving = asyncio.create_task(arrive())
    while time.perf_counter() < end:
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - begun - 0.001)
    await arriving
    return np.array(late)


if __name__ == "__main__":
    main()

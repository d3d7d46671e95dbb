"""Large bodies are read in a thread, small ones at once; errors come through."""

import asyncio
import io
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from headwise.admission import Admission, Promise
from headwise.api.rest import json_body, large_bodies
from headwise.api.rest.app import create_app
from headwise.api.rest.json_body import LARGE_BYTES
from headwise.api.rest.media import arrays
from headwise.backends.base import Arrays
from headwise.errors import InvalidTensorError
from headwise.savedmodel import Signature
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "elsewhere"), [(LARGE_BYTES - 1, False), (LARGE_BYTES, True)])
async def test_large_ones_are_read_elsewhere(size: int, *, elsewhere: bool) -> None:
    thread = await large_bodies.of_size(size, threading.get_ident)
    assert (thread != threading.get_ident()) is elsewhere


@pytest.mark.anyio
async def test_what_is_wrong_with_a_body_is_raised_where_it_is_awaited() -> None:
    def read(_: Signature) -> Arrays:
        raise InvalidTensorError("not this one")

    memory = Promise(Admission())
    memory.grow(LARGE_BYTES)
    inputs = large_bodies.reading(LARGE_BYTES, read, memory)(Signature({}, {}))
    assert isinstance(inputs, asyncio.Future)
    with pytest.raises(InvalidTensorError, match="not this one"):
        await inputs


@pytest.mark.parametrize(
    "body",
    [
        orjson.dumps({"instances": [[0.125] * 64] * 20_000}),
        orjson.dumps({"instances": [{"x": [0.125] * 64}] * 20_000}),
        # what is no array
        orjson.dumps({"instances": [*[[0.125] * 64] * 20_000, [1]]}),
    ],
    ids=["array", "objects", "ragged"],
)
def test_other_threads_go_on_while_a_body_is_read(body: bytes) -> None:
    beats = 0
    ended = threading.Event()

    def beat() -> None:
        nonlocal beats
        while not ended.wait(0.0005):
            beats += 1

    def beats_while(read: Callable[[bytes], object]) -> int:
        before = beats
        read(body)
        return beats - before

    other = threading.Thread(target=beat)
    other.start()
    try:
        rounds = [(beats_while(json_body.parse), beats_while(orjson.loads)) for _ in range(5)]
    finally:
        ended.set()
        other.join()
    # A reader that holds the interpreter's lock all the time lets a beat or two pass.
    assert any(free >= 5 and free > 2 * held for free, held in rounds), rounds


@pytest.mark.anyio
@pytest.mark.parametrize("rows", [4, 20_000])
@pytest.mark.parametrize("kind", ["npy", "npz", "octet-stream"])
async def test_arrays_of_a_large_body_are_read_elsewhere_however_they_are_packed(
    tmp_path: Path, kind: str, rows: int
) -> None:
    models = Models(tmp_path)
    models.add(
        "m", {"output_0": BINARY}, inputs={"x": ("float32", (None, 4))}, run=lambda x: {"output_0": x["x"][:, :1]}
    )
    app = create_app(await models.gateway(), Metrics(), timeout=30, max_body_bytes=2**24).app
    array, file = np.zeros((rows, 4), np.float32), io.BytesIO()
    if kind == "octet-stream":
        file.write(array.tobytes())
    else:
        np.save(file, array) if kind == "npy" else np.savez_compressed(file, x=array)
    type_ = f"application/{kind if kind == 'octet-stream' else f'x-{kind}'}"
    headers = {"content-type": type_, "headwise-dtype": "float32", "headwise-shape": f"{rows},4"}
    here = 0

    def seen(frame: FrameType, event: str, _: Any) -> None:
        nonlocal here
        here += event == "call" and frame.f_code is arrays.read.__code__

    before = sys.getprofile()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        sys.setprofile(seen)
        try:
            answer = await http.post("/v1/models/m:classify", content=file.getvalue(), headers=headers)
        finally:
            sys.setprofile(before)
    assert answer.status_code == 200, answer.text
    assert here == (rows == 4)

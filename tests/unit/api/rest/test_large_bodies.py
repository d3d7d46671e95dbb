"""Large bodies are read in a thread, small ones at once; errors come through."""

import asyncio
import threading
from collections.abc import Callable

import orjson
import pytest

from headwise.admission import Admission, Promise
from headwise.api.rest import json_body, large_bodies
from headwise.api.rest.json_body import LARGE_BYTES
from headwise.backends.base import Arrays
from headwise.errors import InvalidTensorError
from headwise.savedmodel import Signature


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

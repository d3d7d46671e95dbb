"""Large bodies are read in a thread, small ones at once; errors come through."""

import asyncio
import threading

import pytest

from headwise.api.rest import large_bodies
from headwise.api.rest.json_body import LARGE_BYTES
from headwise.backends.base import Arrays
from headwise.errors import InvalidTensorError
from headwise.savedmodel import Signature

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("size", "elsewhere"), [(LARGE_BYTES - 1, False), (LARGE_BYTES, True)])
async def test_large_ones_are_read_elsewhere(size: int, *, elsewhere: bool) -> None:
    thread = await large_bodies.of_size(size, threading.get_ident)
    assert (thread != threading.get_ident()) is elsewhere


async def test_what_is_wrong_with_a_body_is_raised_where_it_is_awaited() -> None:
    def read(_: Signature) -> Arrays:
        raise InvalidTensorError("not this one")

    inputs = large_bodies.reading(LARGE_BYTES, read)(Signature({}, {}))
    assert isinstance(inputs, asyncio.Future)
    with pytest.raises(InvalidTensorError, match="not this one"):
        await inputs

"""Large bodies are read, and large answers written, in threads: the event loop serves other requests meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from headwise.admission import Admission, Promise
from headwise.api.rest.json_body import LARGE_BYTES
from headwise.backends.base import Arrays
from headwise.gateway import ReadInputs
from headwise.savedmodel import Signature

_TIMES = 3
"""What writing takes at its peak, by what is written."""

P = ParamSpec("P")
T = TypeVar("T")

# More of them would only wait for each other: all need the interpreter's lock.
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="large-body")


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """What a function returns or raises, from one of a few threads."""
    return asyncio.get_running_loop().run_in_executor(_THREADS, partial(function, *args, **kwargs))


async def of_size(size: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function makes of a body of `size` bytes: at once, or in a thread if it is large."""
    if size < LARGE_BYTES:
        return function(*args, **kwargs)
    return await in_thread(function, *args, **kwargs)


def reading(size: int, read: Callable[[Signature], Arrays], memory: Promise) -> ReadInputs:
    """The same for arrays that the gateway asks for. memory: promised for it; needed no more when they are there."""
    if size < LARGE_BYTES and not memory.size:
        return read

    def begun(signature: Signature) -> Arrays | asyncio.Future[Arrays]:
        if size < LARGE_BYTES:
            arrays = read(signature)
            memory.end()
            return arrays
        future = in_thread(read, signature)
        future.add_done_callback(lambda _: memory.end())
        return future

    return begun


async def written(
    size: int, memory: Admission | Promise, write: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """What a function writes, about `size` bytes: at once, or in a thread, with memory for it, if they are many.

    Raises: OverloadedError where there is no memory for it.
    """
    if size < LARGE_BYTES:
        return write(*args, **kwargs)
    with memory.memory_for(_TIMES * size):
        return await in_thread(write, *args, **kwargs)

"""How a request's inputs come to the gateway: as a way to read them, once it is known which version is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from headwise.backends.base import Arrays
from headwise.savedmodel import Signature

ReadInputs = Callable[[Signature], "Arrays | asyncio.Future[Arrays]"]
"""Turns a request's body into arrays (batch, ...) by the signature of the version that will be asked.

A future of them where the body is large, and read in a thread.
"""


async def read_arrays(read: ReadInputs, signature: Signature) -> Arrays:
    """The arrays, whichever way they are read."""
    inputs = read(signature)
    return await inputs if isinstance(inputs, asyncio.Future) else inputs

"""A call that nothing travels with, and whose answer passes as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from headwise.gateway.head_call import left

Ask = Callable[[float], Awaitable[Any]]
"""Asks the backend, in so many seconds."""


class DirectCall:
    """The `Work` of requests that are an `Ask` each."""

    owner = None
    """The lanes bound them by themselves: a lane is of one model."""

    def join(self, inputs: Sequence[Ask]) -> Ask:
        """The one; see `Work`."""
        (ask,) = inputs
        return ask

    async def call(self, inputs: Ask, *, deadline: float) -> Any:
        """Ask; see `Work`."""
        return await inputs(left(deadline))

    def may_be_ones_fault(self, error: Exception) -> bool:  # noqa: ARG002  # it keeps to the protocol
        """There is only the one; see `Work`."""
        return False

    def answer(self, raw: Any, rows: slice, asked: Any, requests: int) -> Any:  # noqa: ARG002  # as above
        """What came; see `Work`."""
        return raw

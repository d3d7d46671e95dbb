"""What a call does on the wire, as values: it says what to send and how long to wait, and somebody else does it.

So that there is one implementation for threads and for event loops: a generator yields steps, and a driver of a few
lines, blocking or not, carries them out.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from headwise import errors
from headwise.errors import BackendTimeoutError, BackendUnavailableError, HeadwiseError

T = TypeVar("T")

ATTEMPTS = 4
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0
"""Seconds before the first retry, and the most before any."""

MOST_TOKENS, TOKENS_A_CALL = 10.0, 0.1
"""A retry costs a token, a call earns a tenth: of many calls that fail, one in ten is tried again."""


@dataclass(frozen=True, slots=True)
class Send:
    """A request. path: of HTTP, or SERVICE/METHOD of gRPC. timeout: seconds."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float
    verb: str = "POST"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: a body, or an error and whether the same request may succeed later, in retry_after seconds."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: HeadwiseError | None = None
    retryable: bool = False
    retry_after: float = 0.0


Step: TypeAlias = Send | Wait
Flow: TypeAlias = Generator[Step, Any, T]


class Transport(Protocol):
    """Sends, blocking; a failure is a Reply with an error, nothing is raised."""

    def send(self, request: Send) -> Reply:
        """One request."""

    def close(self) -> None:
        """Let go of connections."""


class AsyncTransport(Protocol):
    """Sends in an event loop; a failure is a Reply with an error, nothing is raised."""

    async def send(self, request: Send) -> Reply:
        """One request."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(slots=True)
class Retries:
    """How many retries are left, over all calls of one client."""

    tokens: float = MOST_TOKENS
    wait: Callable[[float, float], float] = random.uniform

    def sending(self, request: Callable[[float], Send], deadline: float) -> Flow[Reply]:
        """A request with its retries; it is made anew for the seconds that are left.

        Raises: the error of the last reply; BackendTimeoutError where no time is left.
        """
        self.tokens = min(self.tokens + TOKENS_A_CALL, MOST_TOKENS)
        for attempt in range(ATTEMPTS):
            left = deadline - time.monotonic()
            if left <= 0:
                raise BackendTimeoutError("the gateway did not answer in time")
            reply: Reply = yield request(left)
            if reply.error is None:
                return reply
            pause = max(reply.retry_after, self._pause(attempt))
            last = attempt == ATTEMPTS - 1 or self.tokens < 1 or time.monotonic() + pause >= deadline
            if last or not reply.retryable:
                raise reply.error
            self.tokens -= 1
            yield Wait(pause)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int) -> float:
        longest = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)
        return self.wait(longest / 2, longest)


def run(flow: Flow[T], transport: Transport) -> T:
    """Carry a flow out, blocking."""
    answer: Reply | None = None
    try:
        while True:
            step, answer = flow.send(answer), None
            if isinstance(step, Send):
                answer = transport.send(step)
            else:
                time.sleep(step.seconds)
    except StopIteration as end:
        result: T = end.value
        return result


async def run_async(flow: Flow[T], transport: AsyncTransport) -> T:
    """Carry a flow out in an event loop."""
    import asyncio  # noqa: PLC0415  # who blocks does without

    answer: Reply | None = None
    try:
        while True:
            step, answer = flow.send(answer), None
            if isinstance(step, Send):
                answer = await transport.send(step)
            else:
                await asyncio.sleep(step.seconds)
    except StopIteration as end:
        result: T = end.value
        return result


def error_of(code: str, text: str) -> HeadwiseError:
    """An error as the gateway raised it, by its stable code."""
    return _BY_CODE.get(code, HeadwiseError)(text)


def unavailable(target: str, reason: object) -> Reply:
    """Nobody answers."""
    return Reply(error=BackendUnavailableError(f"no gateway answers at {target}: {reason}"), retryable=True)


def late(target: str, timeout: float) -> Reply:
    """Nobody answered in time."""
    return Reply(error=BackendTimeoutError(f"{target} did not answer within {timeout:.3g} s"))


_BY_CODE: dict[str, type[HeadwiseError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HeadwiseError) and kind is not errors.BackendRejectedError
}
"""BackendRejectedError is made of the model server's own status, which does not travel."""

"""What the batcher is given to do, and what it gives back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

A = TypeVar("A")
Answer_co = TypeVar("Answer_co", covariant=True)


class Work(Protocol[Answer_co]):
    """What is done for a batch. owner: whose calls are bounded together, a model's of all kinds; None: of nobody."""

    @property
    def owner(self) -> Hashable:
        """See above."""

    def join(self, inputs: Sequence[Any]) -> Any:
        """The inputs of several requests as those of one call.

        Raises: HeadwiseError, which may be one request's fault: each is then tried by itself.
        """

    async def call(self, inputs: Any, *, deadline: float) -> Any:
        """Ask the backend; deadline by the loop's clock. Every output has as many rows as the inputs."""

    def may_be_ones_fault(self, error: Exception) -> bool:
        """Whether a call that failed so may go well without one of its requests."""

    def answer(self, raw: Any, rows: slice, asked: Any, requests: int) -> Answer_co:
        """The answer to so many requests that asked alike, from their rows of what `call` brought."""


class Part(NamedTuple, Generic[A]):
    """A request's rows of an answer, from start to stop.

    sent, back: the moments at which its call was sent and was back, by `time.perf_counter`.
    """

    answer: A
    start: int
    stop: int
    sent: float
    back: float

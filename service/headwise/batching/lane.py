"""Requests that wait for a call, and how far they may be put together."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from headwise.batching.pace import Pace
from headwise.batching.work import A, Part, Work

if TYPE_CHECKING:
    from headwise.telemetry.traces.trace import Trace

_SHARE = 8
"""A request waits for an eighth of the time that calls take: longer left the backend idle, and answers were fewer."""
_AHEAD = 0.9
"""The part of the time in the queue that rows ahead may take; the rest is for those that travel along."""
_MOMENT = 0.001
"""Seconds within which a request has not waited."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far requests may be put together.

    rows, size: of a call, size in bytes; a request that is larger alone goes alone. Above a quarter of a megabyte it
    costs more to copy tensors together than the calls that it saves. wait: seconds after which, at most, a request
    goes beside a call of its kind. calls: under way at once, of one kind; of all kinds `calls_in_all`. sizes: numbers
    of rows that the backend pads a batch to (TensorFlow Serving's allowed_batch_sizes); those above `rows` are not
    filled. queue: seconds that the rows ahead of a request may take; it is refused where they take longer.
    """

    rows: int = 1024
    size: int = 256 * 1024
    wait: float = 0.005
    calls: int = 2
    calls_in_all: int = 16
    sizes: tuple[int, ...] = ()
    queue: float = math.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(size for size in self.sizes if size <= self.rows))

    @property
    def calls_of_one(self) -> int:
        """Calls under way of one owner, of all its kinds: half of all, so that a slow one leaves room."""
        return max(self.calls_in_all // 2, 1)

    @property
    def full(self) -> int:
        """The rows of a call that cannot grow."""
        return max(self.sizes, default=self.rows)

    def most_rows(self, waiting: int) -> int:
        """How many of the waiting rows the next call should take: no more than fill a size, where there are sizes."""
        if not self.sizes:
            return self.rows
        return max((size for size in self.sizes if size <= waiting), default=min(self.sizes))


class Member(Generic[A]):
    """A request on its way; `answer` is a future."""

    __slots__ = ("answer", "asked", "deadline", "inputs", "lane", "rows", "since", "size", "trace")

    def __init__(
        self, inputs: Any, rows: int, size: int, asked: Hashable, deadline: float, lane: Lane, trace: Trace | None
    ) -> None:
        self.inputs = inputs
        self.rows = rows
        self.size = size
        self.asked = asked
        self.deadline = deadline
        self.lane = lane
        self.trace = trace
        self.since = time.perf_counter()
        self.answer: asyncio.Future[Part[A]] = lane.loop.create_future()

    def let_go(self) -> None:
        """Nobody waits here any more: nothing is kept of what was sent, nor by the error whose traceback knows it."""
        self.inputs = None
        self.answer = self.lane.loop.create_future()
        self.answer.cancel()


class Journey(NamedTuple):
    """What is to be known of a call when it lands; as `Pace.learn`."""

    began: float
    rows: int
    beside: int
    quiet: bool


class Lane:
    """Requests that may travel together: those that wait, and the calls under way with their rows."""

    def __init__(self, key: Hashable, work: Work[Any], pace: Pace, loop: asyncio.AbstractEventLoop) -> None:
        self.key = key
        self.loop = loop
        self.work = work
        self.waiting: deque[Member[Any]] = deque()
        self.rows = self.size = 0
        self.queued = False
        self.timer: asyncio.TimerHandle | None = None
        self.calls: dict[asyncio.Task[bool], Sequence[Member[Any]]] = {}
        self.rows_under_way = 0
        self.pace = pace

    def take(self, limits: Limits) -> list[Member[Any]]:
        """The members of the next call; those that have been answered meanwhile, or are gone, are left out."""
        taken: list[Member[Any]] = []
        rows = size = 0
        most = limits.most_rows(self.rows)
        while self.waiting:
            member = self.waiting[0]
            if not member.answer.done():
                if taken and (rows + member.rows > most or size + member.size > limits.size):
                    break
                taken.append(member)
                rows, size = rows + member.rows, size + member.size
            self.waiting.popleft()
            self.rows -= member.rows
            self.size -= member.size
        return taken

    def sort_out(self) -> None:
        """Those that have been answered while they waited leave, with their rows."""
        self.waiting = deque(member for member in self.waiting if not member.answer.done())
        self.rows = sum(member.rows for member in self.waiting)
        self.size = sum(member.size for member in self.waiting)

    def due(self, limits: Limits, now: float) -> bool:
        """Whether the next call may go."""
        if not self.waiting or len(self.calls) >= limits.calls:
            return False
        full = self.rows >= limits.full or self.size >= limits.size
        return not self.calls or full or now - self.waiting[0].since >= self.patience(limits)

    def patience(self, limits: Limits) -> float:
        """Seconds that a request waits for the call under way, so that calls take turns and company can come."""
        return min(limits.wait, self.pace.took / _SHARE)

    def crowded(self, limits: Limits) -> bool:
        """Whether the rows of the lane, at the pace of its calls, take longer than a request may have to wait.

        Never behind a single request: so a pace that was wrong is learned anew.
        """
        if (self.rows + self.rows_under_way) * self.pace.a_row <= _AHEAD * limits.queue:
            return False
        return len(self.waiting) + sum(map(len, self.calls.values())) > 1

    def overdue(self, member: Member[Any], limits: Limits, now: float) -> bool:
        """Whether a request waits for longer than was foreseen when it came: calls have become slow, or hang."""
        return now - member.since > limits.queue + 2 * self.pace.took

    def depart(self, task: asyncio.Task[bool], members: Sequence[Member[Any]], now: float) -> Journey:
        """A call sets out."""
        rows = sum([member.rows for member in members])
        quiet = not self.calls and now - members[0].since < _MOMENT
        self.calls[task] = members
        self.rows_under_way += rows
        return Journey(now, rows, len(self.calls), quiet)

    def land(self, task: asyncio.Task[bool], journey: Journey, now: float) -> Sequence[Member[Any]]:
        """A call is back; its members. How long one took that failed says nothing of the rows."""
        self.rows_under_way -= journey.rows
        members = self.calls.pop(task)
        if not task.cancelled() and task.exception() is None and task.result():
            self.pace.learn(journey.rows, now - journey.began, beside=journey.beside, quiet=journey.quiet)
        return members
